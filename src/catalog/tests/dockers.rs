//! Docker mode: links into Docker's own directories, rotation behind them, and containers' ids from links.

use super::rig::*;
use crate::catalog::disk::{Base, Follow};
use crate::catalog::spec::InputSpec;
use crate::catalog::view::{FileView, Life};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

const ROOT: &str = "/var/lib/docker/containers";
const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn docker() -> InputSpec {
    let base = Base { root: "/var/log/pods".into(), follow: Follow::Into(vec![ROOT.into()]) };
    InputSpec { base: Arc::new(base), ..pods_input() }
}

fn file(suffix: &str) -> String {
    format!("{ROOT}/{ID}/{ID}-json.log{suffix}")
}

fn json(text: &str) -> Vec<u8> {
    format!("{{\"log\":\"{text}\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-22T10:15:00.{text}Z\"}}\n").into_bytes()
}

/// As Docker does it with `max-file: 3`.
fn rotate(rig: &Rig) {
    if rig.disk.inode(file(".1")).is_some() {
        rig.disk.rename(file(".1"), file(".2"));
    }
    rig.disk.rename(file(""), file(".1"));
}

fn texts(rig: &mut Rig) -> Vec<String> {
    let mut views: Vec<FileView> = rig.views.values().cloned().collect();
    views.sort_by_key(|view| view.file.place);
    views.iter().map(|view| String::from_utf8(rig.read(view.file.id)).unwrap()).collect()
}

fn docker_ids(rig: &Rig) -> Vec<Option<String>> {
    rig.views.values().map(|v| v.file.origin.fields.get("kubernetes.docker_id").map(str::to_owned)).collect()
}

#[test]
fn a_file_that_docker_rotated_behind_its_link_is_the_same_file() {
    let mut rig = Rig::new(vec![docker()]);
    rig.disk.append(file(""), &json("1"));
    rig.disk.symlink(file(""), format!("{POD}/0.log"));
    rig.tick();
    let first = rig.only();
    assert_eq!(docker_ids(&rig), [Some(ID.to_owned())], "the link says it");
    rig.disk.append(file(""), &json("2"));
    rotate(&rig);
    rig.disk.append(file(""), &json("3"));
    rig.secs(3);
    assert_eq!(rig.views[&first.file.id].size as usize, json("1").len() + json("2").len());
    let want = [[json("1"), json("2")].concat(), json("3")].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(texts(&mut rig), want);
    rotate(&rig);
    rig.disk.append(file(""), &json("4"));
    rig.secs(40);
    assert_eq!(texts(&mut rig).len(), 3);
    assert_eq!(rig.views[&first.file.id].life, Life::Final);
    assert!(rig.gone.is_empty());
    // The oldest goes, as Docker removes it.
    rig.settle_all();
    rig.disk.remove(file(".2"));
    rig.secs(130);
    assert_eq!(texts(&mut rig).len(), 2);
}

#[test]
fn what_was_rotated_while_we_were_down_is_found_behind_the_link() {
    let mut rig = Rig::new(vec![docker()]);
    rig.disk.append(file(""), &json("1"));
    rig.disk.symlink(file(""), format!("{POD}/0.log"));
    rig.tick();
    rig.secs(2);
    let first = rig.only().file.id;
    rig.disk.append(file(""), &json("2"));
    rotate(&rig);
    rig.disk.append(file(""), &json("3"));
    rotate(&rig);
    rig.disk.append(file(""), &json("4"));
    let mut rig = rig.restart(vec![docker()], Duration::from_secs(30), HashMap::new());
    rig.tick();
    rig.secs(2);
    assert_eq!(rig.views[&first].size as usize, json("1").len() + json("2").len());
    let want = [[json("1"), json("2")].concat(), json("3"), json("4")].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(texts(&mut rig), want, "oldest first");
}

#[test]
fn what_docker_compressed_is_read_and_a_link_elsewhere_shows_nothing() {
    let mut rig = Rig::new(vec![docker()]);
    rig.disk.append(file(".2"), &json("1"));
    rig.disk.compress(file(".2"));
    rig.disk.remove(file(".2"));
    rig.disk.append(file(".1"), &json("2"));
    rig.disk.append(file(""), &json("3"));
    rig.disk.symlink(file(""), format!("{POD}/0.log"));
    rig.disk.append("/etc/0-json.log", b"secret\n");
    rig.disk.append("/etc/0-json.log.1", b"secret\n");
    rig.disk.symlink("/etc/0-json.log", format!("{POD}/1.log"));
    rig.tick();
    rig.secs(2);
    let want = [json("1"), json("2"), json("3")].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(texts(&mut rig), want);
}

#[test]
fn without_an_api_server_the_links_of_var_log_containers_tell_the_id() {
    let mut rig = Rig::new(vec![pods_input()]);
    let link = |id: &str| format!("/var/log/containers/web-1_shop_app-{id}.log");
    // A pod of the same name, gone a moment ago.
    rig.disk.symlink("/var/log/pods/shop_web-1_uid0/app/0.log", link(&ID.replace('0', "f")));
    rig.disk.append(format!("{POD}/0.log"), &line(1, "one"));
    rig.tick();
    assert!(rig.views.is_empty(), "kubelet makes the link a moment later");
    rig.disk.symlink(format!("{POD}/0.log"), link(ID));
    rig.secs(2);
    assert_eq!(docker_ids(&rig), [Some(ID.to_owned())]);
    // The next run's link does not come: nobody waits for long.
    rig.disk.append(format!("{POD}/1.log"), &line(2, "two"));
    rig.secs(3);
    assert_eq!(rig.views.len(), 2);
    assert_eq!(docker_ids(&rig).iter().flatten().count(), 1);
}
