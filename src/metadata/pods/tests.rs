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
    let wanted = Wanted { labels: true, annotations: Box::default() };
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
