use super::*;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

fn pod(uid: &str, label: &str) -> Pod {
    Pod {
        uid: uid.into(),
        name: "web".into(),
        namespace: "prod".into(),
        labels: Box::new([("app".into(), label.into())]),
        ..Pod::default()
    }
}

fn mirror(uid: &str, hash: &str) -> Pod {
    Pod { hashes: Box::new([hash.into()]), ..pod(uid, "static") }
}

fn label(pods: &Pods, uid: &str) -> Option<String> {
    let wanted = Wanted { labels: true, ..Wanted::default() };
    let found = pods.lookup(uid, "main", 0, &wanted, Vec::new())?;
    found.fields.get("kubernetes.labels.app").map(str::to_owned)
}

fn changed(pods: &Pods) -> Vec<String> {
    let mut names = pods.take_changed();
    names.sort();
    names
}

#[test]
fn a_pod_is_known_from_its_first_event_and_changes_are_told_once() {
    let pods = Pods::new();
    assert!(label(&pods, "u").is_none() && !pods.is_loaded());
    assert!(pods.put(pod("u", "a")));
    assert_eq!(changed(&pods), ["u"]);
    assert!(!pods.put(pod("u", "a")), "the same facts are no change");
    assert!(changed(&pods).is_empty());
    assert!(pods.put(pod("u", "b")));
    assert_eq!((changed(&pods), label(&pods, "u")), (vec!["u".to_owned()], Some("b".to_owned())));
}

#[test]
fn a_static_pod_is_found_by_its_hash_also_after_its_mirror_is_made_anew() {
    let pods = Pods::new();
    pods.put(mirror("u1", "h"));
    assert_eq!(changed(&pods), ["h", "u1"]);
    assert_eq!(pods.get("h").unwrap().uid.as_ref(), "u1");
    pods.put(mirror("u2", "h"));
    pods.deleted("u1");
    assert_eq!(pods.get("h").unwrap().uid.as_ref(), "u2");
    pods.forget("u1");
    assert_eq!(pods.get("h").unwrap().uid.as_ref(), "u2", "the hash belongs to the newer pod");
    assert!(!pods.going("h"));
}

#[test]
fn a_deleted_pod_stays_until_forgotten_and_a_live_one_is_not_forgotten() {
    let pods = Pods::new();
    pods.put(pod("u", "a"));
    pods.forget("u");
    assert!(pods.get("u").is_some());
    pods.deleted("u");
    assert!(pods.going("u") && !pods.terminated("u", "main", 0), "deleted by force, it may run on");
    assert_eq!((label(&pods, "u").as_deref(), pods.counts()), (Some("a"), (0, 1, 0)));
    pods.forget("u");
    assert_eq!((pods.get("u"), pods.counts()), (None, (0, 0, 0)));
    assert!(!pods.going("u") && !pods.terminated("u", "main", 0), "an unknown pod is not over");
}

#[test]
fn a_list_marks_what_it_lacks_as_deleted_and_brings_back_what_it_has() {
    let pods = Pods::new();
    pods.preload(vec![pod("old", "a"), pod("kept", "a")]);
    assert!(!pods.is_loaded(), "a cache is not a list");
    pods.replace(vec![pod("kept", "a"), pod("new", "a")]);
    assert!(pods.is_loaded() && pods.going("old") && !pods.going("kept") && !pods.going("new"));
    pods.replace(vec![pod("old", "a")]);
    assert!(!pods.going("old") && pods.going("kept"));
    assert_eq!(pods.counts(), (1, 2, 0));
}

#[test]
fn the_bell_rings_once_for_each_change_and_may_ask_the_table() {
    let (pods, rings) = (Arc::new(Pods::new()), Arc::new(AtomicU64::new(0)));
    let (table, count) = (Arc::downgrade(&pods), rings.clone());
    pods.ring(Box::new(move || {
        assert!(table.upgrade().is_some_and(|t| t.version() > 0), "not under the lock");
        count.fetch_add(1, Relaxed);
    }));
    pods.replace(vec![pod("a", "x"), pod("b", "x")]);
    pods.put(pod("a", "x"));
    assert_eq!(rings.load(Relaxed), 1, "the same facts are no change");
    pods.put(pod("a", "y"));
    pods.deleted("a");
    pods.deleted("a");
    pods.forget("a");
    assert_eq!(rings.load(Relaxed), 3, "and nobody waits for what the catalog itself forgets");
}

#[test]
fn the_bound_sheds_the_longest_deleted_and_then_refuses() {
    let pods = Pods::new();
    for n in 0..PODS_MAX {
        pods.put(pod(&format!("u{n}"), "a"));
    }
    assert!(!pods.put(pod("one more", "a")), "every pod is live");
    pods.deleted("u7");
    pods.deleted("u3");
    assert!(pods.put(pod("one more", "a")));
    assert_eq!((pods.get("u7"), pods.get("u3").is_some()), (None, true));
    assert_eq!(pods.counts(), (PODS_MAX as u64 - 1, 1, 2));
    assert_eq!(pods.all().len(), PODS_MAX);
}

#[test]
fn labels_of_namespace_and_node_complete_what_is_known_and_change_their_pods() {
    let pods = Pods::new();
    let rang = Arc::new(AtomicU64::new(0));
    let counter = rang.clone();
    pods.ring_when_missing(Box::new(move || {
        counter.fetch_add(1, Relaxed);
    }));
    let with_id = |uid: &str, namespace: &str| Pod {
        namespace: namespace.into(),
        containers: Box::new([pod::Container { name: "main".into(), id: Some("c".into()), ..Default::default() }]),
        ..pod(uid, "a")
    };
    pods.put(with_id("u", "prod"));
    pods.put(with_id("v", "test"));
    changed(&pods);
    let wanted = Wanted { namespace_labels: true, node_labels: true, ..Wanted::default() };
    let found = |uid| pods.lookup(uid, "main", 0, &wanted, Vec::new()).unwrap();
    assert!(!found("u").complete && pods.lookup("u", "main", 0, &Wanted::default(), Vec::new()).unwrap().complete);
    assert_eq!(rang.load(Relaxed), 1, "only who wants them misses them");
    assert!(pods.lookup("nobody", "main", 0, &Wanted::default(), Vec::new()).is_none() && rang.load(Relaxed) == 2);
    let team = |name: &str| -> Labels { Box::new([("team".into(), name.into())]) };
    pods.put_namespace("prod", team("blue"));
    assert_eq!(changed(&pods), ["u"]);
    pods.put_node(team("metal"));
    assert_eq!(changed(&pods), ["u", "v"]);
    pods.put_namespace("prod", team("blue"));
    pods.put_node(team("metal"));
    assert!(changed(&pods).is_empty(), "the same labels are no change");
    let full = found("u");
    assert!(full.complete && !found("v").complete);
    assert_eq!(full.fields.get("kubernetes.namespace_labels.team"), Some("blue"));
    assert_eq!(full.fields.get("kubernetes.node_labels.team"), Some("metal"));
    assert_eq!(pods.namespaces(), BTreeSet::from(["prod".into(), "test".into()]));
    pods.keep_namespaces(&BTreeSet::from(["test".into()]));
    assert!(!found("u").complete);
}

#[test]
fn what_an_earlier_life_knew_is_complete_once_it_is_confirmed_or_nobody_can_tell() {
    let full = || Pod {
        containers: Box::new([pod::Container { name: "main".into(), id: Some("c".into()), ..Default::default() }]),
        ..pod("u", "a")
    };
    let complete = |pods: &Pods| pods.lookup("u", "main", 0, &Wanted::default(), Vec::new()).unwrap().complete;
    let confirm: [fn(&Pods); 3] = [
        |pods| pods.listed(&HashSet::from(["u".into()])),
        |pods| pods.replace(pods.all().iter().map(|pod| (**pod).clone()).collect()),
        Pods::rely_on_these,
    ];
    for confirm in confirm {
        let pods = Pods::new();
        pods.preload(vec![full()]);
        assert!(!complete(&pods), "it may have changed meanwhile");
        confirm(&pods);
        assert!(complete(&pods) && !pods.going("u"));
    }
    let fresh = Pods::new();
    fresh.preload(Vec::new());
    fresh.put(full());
    assert!(complete(&fresh));
}
