//! An API server that is absent, slow or says no stops nothing, and a person can see what is wrong.

use crate::api::{Api, Mode};
use crate::rig::{Pod, Rig};
use crate::support::{Agent, SOON, until_or};
use serde_json::json;
use std::net::{SocketAddr, TcpListener};

fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Lines arrive with what the path says; the state is `failing`, and the page says these words.
fn goes_on(rig: &Rig, agent: &Agent, code: &str, words: &[&str]) {
    let pod = Pod::new(1, &["app=web"]);
    rig.say(&pod, "hello");
    for (_, document) in rig.everywhere("hello", agent) {
        assert_eq!(
            (&document["kubernetes"]["pod_name"], &document["kubernetes"]["labels"]),
            (&json!("web-1"), &json!(null))
        );
    }
    let failed = || agent.metrics().sum("tailrace_metadata_failures_total", &[("code", code)]).unwrap_or(0.0) >= 1.0;
    until_or(code, SOON, failed, || format!("{:?}", agent.get("/metrics")));
    Rig::until_state(agent, "failing");
    let page = agent.get("/").unwrap().1.replace("&quot;", "\"").replace("&#39;", "'");
    let log = agent.log();
    for word in words {
        assert!(page.contains(word), "{word}: {page}");
        assert!(log.contains(&word.replace('"', "\\\"")), "{word}: {log}");
    }
    assert_eq!(agent.get("/healthz").unwrap().0, 200, "delivery is well");
    assert_eq!(agent.get("/readyz").unwrap().0, 200);
}

#[test]
fn an_absent_api_server_stops_nothing() {
    let rig = Rig::new();
    let agent = rig.start(nobody(), ", wait: 300ms");
    goes_on(&rig, &agent, "connect", &["cannot be reached", "refused"]);
}

#[test]
fn an_api_server_that_hangs_stops_nothing() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Hang));
    let agent = rig.start(api.addr, ", wait: 300ms");
    let pod = Pod::new(1, &["app=web"]);
    rig.say(&pod, "hello");
    rig.everywhere("hello", &agent);
    // Its patience is 30 s; until then it has not heard of the server, and says so.
    Rig::until_state(&agent, "starting");
    let page = agent.get("/").unwrap().1;
    assert!(page.contains("Nothing was heard of this node"), "{page}");
    api.mode(Mode::Fine);
    api.put(&pod.json());
    Rig::until_state(&agent, "watching");
}

#[test]
fn an_unknown_token_is_named() {
    let unauthorized = json!({"kind": "Status", "code": 401, "message": "Unauthorized"}).to_string();
    let (rig, api) = (Rig::new(), Api::start(Mode::Status(401, unauthorized)));
    let agent = rig.start(api.addr, ", wait: 300ms");
    goes_on(&rig, &agent, "http_401", &["service account's token"]);
}

#[test]
fn a_missing_rule_is_named_once_and_the_watch_begins_when_it_is_there() {
    let message = "pods is forbidden: User \"system:serviceaccount:logging:tailrace\" cannot list resource \"pods\" in API group \"\" at the cluster scope";
    let forbidden = json!({"kind": "Status", "code": 403, "reason": "Forbidden", "message": message}).to_string();
    let (rig, api) = (Rig::new(), Api::start(Mode::Status(403, forbidden)));
    let agent = rig.start(api.addr, ", wait: 300ms");
    let rule = r#"{apiGroups: [""], resources: ["pods"], verbs: ["list", "watch"]}"#;
    goes_on(&rig, &agent, "http_403", &[rule, "serviceaccount:logging:tailrace"]);
    let asked = || api.asked().len() >= 4;
    until_or("four tries", SOON, asked, || format!("{:?}", api.asked()));
    let log = agent.log();
    assert_eq!(log.matches("verbs: [").count(), 1, "{log}");
    let pod = Pod::new(2, &["app=web"]);
    api.put(&pod.json());
    api.mode(Mode::Fine);
    Rig::until_state(&agent, "watching");
    assert!(!agent.get("/").unwrap().1.contains("cannot be watched"));
    rig.say(&pod, "at last");
    for (_, document) in rig.everywhere("at last", &agent) {
        assert_eq!(document["kubernetes"]["labels"]["app"], "web");
    }
}

#[test]
fn a_server_in_trouble_is_asked_again_and_stops_nothing() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Status(500, "etcd is gone".into())));
    let agent = rig.start(api.addr, ", wait: 300ms");
    goes_on(&rig, &agent, "http_500", &["busy or in trouble", "etcd is gone"]);
}

#[test]
fn an_expired_version_leads_to_a_new_list_and_nothing_is_forgotten() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Fine));
    let (stays, goes, comes) = (Pod::new(1, &["app=a"]), Pod::new(2, &["app=b"]), Pod::new(3, &["app=c"]));
    api.put(&stays.json());
    api.put(&goes.json());
    let agent = rig.start(api.addr, ", wait: 60s");
    Rig::until_state(&agent, "watching");
    // While nobody watches one pod goes and one comes, and the server keeps no record of it.
    api.mode(Mode::Status(
        410,
        json!({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}).to_string(),
    ));
    api.delete(&goes.json());
    api.put(&comes.json());
    api.expire();
    api.mode(Mode::Fine);
    for (pod, label) in [(&stays, "a"), (&goes, "b"), (&comes, "c")] {
        rig.say(pod, &pod.name);
        for (_, document) in rig.everywhere(&pod.name, &agent) {
            assert_eq!(document["kubernetes"]["labels"]["app"], label);
        }
    }
    assert!(api.lists() >= 2, "{:?}", api.asked());
    let metrics = agent.metrics();
    assert_eq!(metrics.sum("tailrace_metadata_failures_total", &[]), None, "410 is no failure");
    assert_eq!(metrics.sum("tailrace_metadata_deleted_pods", &[]), Some(1.0));
}

#[test]
fn one_watch_of_this_nodes_pods_is_all_that_is_asked() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Fine));
    let pod = Pod::new(1, &["app=web"]);
    api.put(&pod.json());
    let agent = rig.start(api.addr, "");
    rig.say(&pod, "x");
    rig.everywhere("x", &agent);
    let asked = api.asked();
    let want = "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1&watch=1&allowWatchBookmarks=true&timeoutSeconds=290\
                &sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=0";
    assert_eq!(asked, [want]);
    let metrics = agent.metrics();
    assert_eq!(metrics.sum("tailrace_metadata_requests_total", &[]), Some(1.0));
    assert_eq!(metrics.sum("tailrace_metadata_requests_total", &[("what", "watch")]), Some(1.0));
    assert!(metrics.sum("tailrace_metadata_received_bytes_total", &[]).unwrap() > 300.0);
}
