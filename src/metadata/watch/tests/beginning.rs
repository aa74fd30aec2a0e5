//! A watch that begins with what is there, and servers that cannot do that.

use super::*;

fn end_of_beginning(version: &str) -> Value {
    json!({"kind": "Pod", "metadata": {"resourceVersion": version, "annotations": {"k8s.io/initial-events-end": "true"}}})
}

#[test]
fn a_recent_server_tells_pods_and_changes_in_one_request() {
    let events = [
        ("ADDED", pod("u1", "a", "5")),
        ("ADDED", pod("u2", "b", "7")),
        ("BOOKMARK", end_of_beginning("10")),
        ("MODIFIED", pod("u1", "a2", "12")),
    ];
    let gone = watch(&[("ERROR", expired())], false);
    let again = [("ADDED", pod("u1", "a3", "20")), ("BOOKMARK", end_of_beginning("20"))];
    let world = World::recent(vec![watch(&events, false), gone, watch(&again, true)]);
    world.until("the second beginning", |w| w.is_label("u1", "a3") && w.pods.going("u2"));
    let asked = world.asked();
    assert!(asked.iter().all(|line| line.contains("fieldSelector=spec.nodeName%3Dn1&watch=1&")), "{asked:?}");
    let from = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=0 ";
    assert!(
        asked[0].contains(from) && asked[1].contains("&resourceVersion=12 ") && asked[2].contains(from),
        "{asked:?}"
    );
    world.until("the report", |w| w.report().lists == 2);
    let report = world.report();
    assert_eq!((report.requests.get("watch"), report.requests.get("list")), (Some(&3), None));
    assert!(report.failures.is_empty() && report.received > 500, "{report:?}");
}

#[test]
fn a_server_that_cannot_begin_a_watch_with_what_is_there_is_asked_for_a_list() {
    // Another word for no; an error while it begins (an old etcd); one that knows nothing of it; one that breaks off.
    let error = json!({"kind": "Status", "code": 500, "message": "RequestWatchProgress is disabled"});
    let beginnings = [
        status(400, "", "bad request"),
        watch(&[("ADDED", pod("u1", "a", "1")), ("ERROR", error)], false),
        watch(&[("ADDED", pod("u1", "a", "1"))], true),
        watch(&[("ADDED", pod("u1", "a", "1"))], false),
    ];
    for beginning in beginnings {
        let world = World::recent(vec![beginning, list("10", &[pod("u1", "b", "2")]), watch(&[], true)]);
        world.until("the list", |w| w.is_label("u1", "b") && w.asked().len() == 3);
        assert!(world.asked()[1].ends_with("nodeName%3Dn1&resourceVersion=0 HTTP/1.1"), "{:?}", world.asked());
        assert_eq!(world.report().trouble, None);
    }
}

#[test]
fn a_version_from_within_the_beginning_is_not_gone_on_from() {
    // It breaks off between two pods: a watch from the first one's version would never tell the second.
    let torn = watch(&[("ADDED", pod("u1", "a", "9"))], false);
    let world = World::recent(vec![torn, list("10", &[pod("u1", "a", "9"), pod("u2", "b", "3")]), watch(&[], true)]);
    world.until("both pods", |w| w.is_label("u2", "b") && w.is_label("u1", "a"));
}
