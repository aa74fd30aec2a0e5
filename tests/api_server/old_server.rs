//! A server that cannot begin a watch with what is there (before 1.32, or told not to).

use crate::rig::{Rig, Server, rule};
use crate::support::SOON;
use serde_json::json;

#[test]
#[ignore = "needs an API server: scripts/cluster/test api"]
fn without_watch_lists_it_is_asked_for_one_list_and_one_watch() {
    let rig = Rig::new(Server::own("--feature-gates=WatchList=false"), &[rule("pods", &["list", "watch"])]);
    let pod = rig.pod(&rig.name, "a", &json!({"colour": "red"}));
    let mut agent = rig.start("");
    rig.until_label(&pod, ("colour", "red"), &agent);
    rig.server.kubectl(&["-n", &rig.name, "label", "pod", "a", "colour=blue", "--overwrite"], "");
    rig.until_label(&pod, ("colour", "blue"), &agent);
    assert!(!agent.log().contains("\"warn\""), "{}", agent.log());
    assert!(agent.stop(SOON).success());
    let asked = rig.requests();
    let list = format!("list /api/v1/pods?fieldSelector=spec.nodeName%3D{}&resourceVersion=0 200", rig.name);
    assert_eq!((asked.len(), &asked[1]), (3, &list), "{asked:#?}");
    assert_eq!(asked[0], rig.begin().replace(" 200", " 422"));
    assert!(asked[2].starts_with(&rig.watch()) && !asked[2].contains("sendInitialEvents"), "{asked:#?}");
}
