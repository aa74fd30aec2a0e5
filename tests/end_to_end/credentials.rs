//! Who may write: OpenSearch with a user and with signatures; what a wrong password says.

use crate::logs::{append, container, cri};
use crate::stage::{Stage, until_bodies};
use crate::support::{Place, SOON, Services, until_or};
use tailrace::standin::opensearch::{Auth, Options};

fn stage(auth: Auth, key: &str) -> Stage {
    let services = Services::with(tailrace::standin::Options::default(), Options { auth, ..Options::default() });
    Stage::of(services, Place::new(), "", |outputs| format!("{outputs}    auth: {key}\n"))
}

fn basic() -> Auth {
    Auth::Basic { user: "writer".into(), password: "p\u{e4}ss:word".into() }
}

#[test]
fn opensearch_takes_a_user_and_a_password() {
    let stage = stage(basic(), "{type: basic, username: writer, password: \"p\u{e4}ss:word\"}");
    append(&container(&stage.place, "shop", "cart").join("0.log"), cri("one"));
    stage.until_bodies(&["one"]);
    let said = stage.agent.log() + &stage.agent.get("/api/lanes").unwrap().1 + &stage.agent.get("/").unwrap().1;
    assert!(!said.contains("p\u{e4}ss:word"), "a password was said");
}

#[test]
fn a_wrong_password_parks_the_output_and_says_so_without_saying_it() {
    let stage = stage(basic(), "{type: basic, username: writer, password: guessed-wrongly}");
    append(&container(&stage.place, "shop", "cart").join("0.log"), cri("one"));
    let parked = || stage.lane("search")["parked"].clone();
    until_or("a parked lane", SOON, || !parked().is_null(), || stage.lane("search").to_string());
    let say = parked()["say"].as_str().unwrap().to_owned();
    assert!(say.contains("password") || say.contains("401"), "{}", parked());
    for (name, standin) in &stage.services.each()[..2] {
        until_bodies(name, standin, &["one"], &stage.agent);
    }
    let said = stage.agent.log() + &stage.agent.get("/api/lanes").unwrap().1 + &stage.agent.get("/").unwrap().1;
    assert!(!said.contains("guessed-wrongly"), "a password was said");
}

#[test]
fn opensearch_takes_signatures_for_a_domain_and_for_a_collection() {
    for service in ["es", "aoss"] {
        let auth = Auth::Aws { service: service.into() };
        let stage = stage(auth, &format!("{{type: aws, service: {service}}}\n    region: us-east-1"));
        append(&container(&stage.place, "shop", "cart").join("0.log"), [cri("one"), cri("t\u{e9}n")].concat());
        stage.until_bodies(&["one", "t\u{e9}n"]);
    }
}
