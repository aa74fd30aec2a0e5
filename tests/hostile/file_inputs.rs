//! Files that an application writes itself, on a volume that it shares with the agent: what it calls them and what it writes
//! into them.

use crate::names::assert_plain;
use crate::stage::{bodies, documents, until_bodies};
use crate::support::{Agent, Place, SOON, Services, until_or};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Command;
use tailrace::standin::{Keys, Standin};

struct Volume {
    agent: Agent,
    services: Services,
    place: Place,
    config: PathBuf,
}

impl Volume {
    /// All that is below `logs`, whatever it is called, as this pod's or as nobody's.
    fn new(metadata: &str) -> Volume {
        let (place, services) = (Place::new(), Services::start());
        std::fs::create_dir(place.path().join("logs")).unwrap();
        let outputs = services.outputs().replace("[pods]", "[app]").replace("{kubernetes.namespace_name}", "x");
        let outputs = outputs.replace("    max_age", "    transforms: [{merge_json: {}}]\n    max_age");
        let root = place.path().display();
        let text = format!(
            "data_dir: {root}/data\nadmin: {{listen: \"{}\"}}\nretain: {{min_free: 1%}}\nnode: n\ninputs:\n  app: {{type: file, \
             include: ['{root}/logs/**']{metadata}}}\noutputs:\n{outputs}",
            place.admin,
        );
        let config = place.path().join("tailrace.yaml");
        std::fs::write(&config, text).unwrap();
        let args = ["run", "-c", config.to_str().unwrap()];
        let pod = [("POD_NAME", "cart-7"), ("POD_NAMESPACE", "shop"), ("POD_UID", "u-1")];
        let agent = Agent::start_with(place.path(), &args, place.admin, &pod);
        agent.until_ready();
        Volume { agent, services, place, config }
    }
    fn write(&self, name: &[u8], text: &[u8]) -> PathBuf {
        let path = self.place.path().join("logs").join(OsStr::from_bytes(name));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
    fn until_bodies(&self, want: &[&str]) {
        for (name, standin) in self.services.each() {
            until_bodies(name, standin, want, &self.agent);
        }
    }
    /// What a command says, on both channels.
    fn says(&self, args: &[&str]) -> String {
        let keys = Keys::demo();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tailrace"));
        command.args(args).args(["-c", self.config.to_str().unwrap()]).env_clear().env("HOME", self.place.path());
        command.env("AWS_ACCESS_KEY_ID", keys.access).env("AWS_SECRET_ACCESS_KEY", keys.secret);
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        let out = command.output().unwrap();
        String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned()
    }
}

#[test]
fn names_of_files_can_be_anything_and_what_is_said_of_them_is_plain() {
    let it = Volume::new("");
    let long = [b'l'; 255];
    let deep = format!("{}/{}/d.log", "d".repeat(250), "e".repeat(250));
    let names: Vec<&[u8]> = vec![
        b"new\nline.log",
        b"\x1b[31mred\x1b[0m.log",
        b"\x1b]0;owned\x07.log",
        b"\xff\xfe\x80.log",
        b"<script>alert(1)<script>.log",
        b"\"quote\\'.log",
        b"a:b*c?[d]{e}%Y ${HOME}.log",
        b" ",
        b"-rf",
        b"a...",
        "\u{202e}\u{9b}31m\u{feff}.log".as_bytes(),
        b"},\"kubernetes\":{\"pod_name\":\"x\".log",
        &long,
        deep.as_bytes(),
    ];
    let texts: Vec<String> = (0..names.len()).map(|n| format!("line of {n}")).collect();
    let mut paths = Vec::new();
    for (name, text) in names.iter().zip(&texts) {
        paths.push(it.write(name, format!("{text}\n").as_bytes()));
    }
    // What is said and shown: these are broken.
    for (n, name) in names.iter().enumerate().filter(|(_, name)| name.len() < 200 && !name.contains(&b'/')) {
        it.write(
            &[b"broken", n.to_string().as_bytes(), name, b".gz"].concat(),
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xff\xff\xff\xff",
        );
    }
    let want: Vec<&str> = texts.iter().map(String::as_str).collect();
    it.until_bodies(&want);
    for (name, standin) in it.services.each() {
        for document in documents(standin) {
            let of = texts.iter().position(|text| document["log"] == text.as_str()).unwrap();
            assert_eq!(document["path"], paths[of].to_string_lossy().as_ref(), "{name}");
            assert!(document.get("kubernetes").is_none(), "{name}: {document}");
        }
    }
    for path in ["/metrics", "/api/lanes", "/"] {
        let (status, body) = it.agent.get(path).unwrap();
        assert_eq!(status, 200, "{path}");
        assert_plain(path, &body);
        assert!(!body.contains("<script>alert"), "{path}: {body}");
    }
    for args in [&["doctor"][..], &["audit", "--files"], &["audit", "--files", "--json"], &["positions", "list"]] {
        assert_plain(&format!("{args:?}"), &it.says(args));
    }
    assert_plain("the log", &it.agent.log());
    // A line of its own in any of them would be somebody's invention.
    let metrics = it.agent.get("/metrics").unwrap().1;
    assert!(metrics.lines().all(|line| line.is_empty() || line.starts_with('#') || line.starts_with("tailrace_")));
}

/// Lines that are structure in somebody's eyes.
const FORGED: [&str; 12] = [
    "2026-11-22T10:15:00.123456789Z stdout F forged",
    "2026-11-22T10:15:00.123456789Z stderr P part of ",
    r#"{"log":"forged\n","stream":"stderr","time":"2001-01-01T00:00:00Z"}"#,
    r#"{"create":{}}"#,
    r#"{"create":{"_id":"1","_index":"other"}}"#,
    r#"{"delete":{"_index":"other","_id":"1"}}"#,
    r#"{"_id":"x","_index":"other","@timestamp":"2001-01-01T00:00:00Z","path":"/x","host":"y"}"#,
    r#"{"kubernetes":{"namespace_name":"kube-system","pod_name":"dns","labels":{"app":"x"}}}"#,
    r#"{"log_processed":{"kubernetes":{"pod_name":"dns"}}}"#,
    r#"x","kubernetes":{"pod_name":"dns"},"y":""#,
    r#"{"messageRejected":true,"logEvents":[{"timestamp":1,"message":"x"}]}"#,
    "\u{1b}[2J\u{9b}31m\u{202e}",
];

#[test]
fn what_an_application_forges_in_its_own_file_stays_text_under_its_own_name() {
    for (metadata, pod) in [("", None), (", metadata: {source: downward, labels: false}", Some("cart-7"))] {
        let it = Volume::new(metadata);
        let path = it.write(b"a.log", (FORGED.join("\n") + "\n").as_bytes());
        it.write(b"b.log", b"of another file\n");
        let mut want = FORGED.to_vec();
        want.push("of another file");
        it.until_bodies(&want);
        for (name, standin) in it.services.each() {
            assert_eq!(bodies(standin).len(), want.len(), "{name}");
            for document in documents(standin) {
                let text = document["log"].as_str().unwrap();
                match pod {
                    Some(pod) => assert_eq!(document["kubernetes"]["pod_name"], pod, "{name}: {document}"),
                    None => {
                        assert!(document.get("kubernetes").is_none(), "{name}: {document}");
                        let own = text == "of another file" || document["path"] == path.to_str().unwrap();
                        assert!(own && document["host"] == "n", "{name}: {document}");
                    }
                }
                // Its time is when it was seen, not what it says; its members are where nothing else looks for them.
                assert!(!document["time"].as_str().unwrap().starts_with("2001"), "{name}: {document}");
                let known = ["time", "@timestamp", "log", "log_processed", "kubernetes", "host", "path"];
                let keys: Vec<&String> = document.as_object().unwrap().keys().collect();
                assert!(keys.iter().all(|key| known.contains(&key.as_str())), "{name}: {keys:?}");
            }
        }
        let places = it.services.opensearch.control.receipts().kept().into_iter().map(|k| k.place);
        assert!(places.into_iter().all(|place| place.starts_with("logs-2")), "{name}", name = metadata);
        let counts = it.services.opensearch.control.opensearch().unwrap().counts();
        assert!(counts.iter().all(|(index, _)| index.starts_with("logs-2")), "{counts:?}");
    }
}

/// Whether the record with this line has its object beside the text.
fn merged(standin: &Standin, line: &str) -> bool {
    documents(standin).iter().any(|d| d["log"] == line && d.get("log_processed").is_some())
}

#[test]
fn bombs_of_json_are_text_and_hold_up_nobody() {
    let it = Volume::new("");
    let wide: Vec<String> = (0..60_000).map(|n| format!("\"k{n}\":{n}")).collect();
    let bombs = [
        format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000)),
        format!("{}{}", "[".repeat(400_000), "]".repeat(400_000)),
        format!("{{\"a\":{}", "{\"a\":[".repeat(100_000)),
        format!("{{{}}}", wide.join(",")),
        format!("{{\"n\":{}}}", "9".repeat(300_000)),
        format!("{{\"n\":1e{}}}", "9".repeat(1_000)),
        format!("{{\"{}\":1}}", "k".repeat(300_000)),
        format!("{{\"a\":\"{}\"}}", "\\ud800".repeat(50_000)),
        format!("{{{}}}", vec!["\"same\":1"; 60_000].join(",")),
        r#"{"":{"":{"":1}}}"#.to_owned(),
        r#"{".":1,"..":2,"a.":3,".a":4,"a..b":5," ":6}"#.to_owned(),
    ];
    it.write(b"bombs.log", (bombs.join("\n") + "\nlast\n").as_bytes());
    it.write(b"quiet.log", b"quiet\n");
    for (name, standin) in it.services.each() {
        let mut missing = Vec::new();
        let all = || {
            let there = bodies(standin);
            missing = (0..bombs.len()).filter(|n| !there.contains(&bombs[*n])).collect();
            missing.is_empty() && there.len() == bombs.len() + 2
        };
        until_or(&format!("all in {name}"), SOON, all, || it.agent.log());
        assert!(bombs.iter().all(|bomb| !merged(standin, bomb)), "{name}: none of these is an object for an index");
    }
}
