//! The policies of packaging/iam are enough, and the smallest: stand-ins that refuse what a policy does not allow see the
//! real binary through the whole life of each output, and every action of the policy is needed.
#![cfg(all(feature = "agent", feature = "standin"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../end_to_end/logs.rs"]
#[allow(dead_code, reason = "its own tests use the rest")]
mod logs;
mod policy;
#[path = "../support/mod.rs"]
mod support;

use logs::{append, container, cri, noise};
use policy::{Judge, Policy};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;
use support::{Agent, Place, SOON, Services, until_or};
use tailrace::standin::identity::issuer::Issuer;
use tailrace::standin::opensearch::{self, Auth};
use tailrace::standin::{self, Fault, Options, Rule, Which, identity};

/// As many as make an object of more than one part.
const NOISE: u64 = 14_000;

/// What an output is told beside where it is.
struct Keys<'a> {
    cloudwatch: &'a str,
    s3: &'a str,
    opensearch: &'a str,
}

const ALL: [&str; 7] = [
    "cloudwatch.json Write",
    "cloudwatch.json Create",
    "cloudwatch.json Retention",
    "s3.json Write",
    "s3.json FindStrayUploads",
    "s3.json Encrypt",
    "opensearch.json Write",
];
const ALL_KEYS: Keys<'_> = Keys {
    cloudwatch: "retention_days: 30\n    kms_key_id: arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-key",
    s3: "sse: aws:kms\n    kms_key_id: arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-key",
    opensearch: "es",
};

struct Stage {
    agent: Agent,
    services: Services,
    place: Place,
    config: PathBuf,
    judge: Judge,
}

impl Stage {
    fn new(statements: &[&str], keys: &Keys<'_>) -> Stage {
        Stage::after(statements, keys, |_, _| ())
    }
    /// Something happened before the agent starts.
    fn after(statements: &[&str], keys: &Keys<'_>, before: impl FnOnce(&Services, &Judge)) -> Stage {
        let judge = Judge::new(Policy::of(statements));
        let options = Options { guard: Some(judge.guard()), ..Options::default() };
        let auth = Auth::Aws { service: keys.opensearch.into() };
        let services = Services::with(options, opensearch::Options { auth, ..Default::default() });
        before(&services, &judge);
        let place = Place::new();
        let outputs = services.outputs();
        let outputs = outputs.replace("/tailrace/test\n", &format!("/tailrace/test\n    {}\n", keys.cloudwatch));
        let outputs = outputs.replace("bucket: logs\n", &format!("bucket: logs\n    {}\n", keys.s3));
        let outputs =
            format!("{outputs}    auth: {{type: aws, service: {}}}\n    region: us-east-1\n", keys.opensearch);
        // Time enough to read more than one part for an object.
        let config = place.config("", &outputs.replace("max_age: 500ms", "max_age: 3s"));
        let agent = place.run(&config, &[]);
        agent.until_ready();
        Stage { agent, services, place, config, judge }
    }
    fn start(&mut self) {
        self.agent = self.place.run(&self.config, &[]);
        self.agent.until_ready();
    }
    fn stop(&mut self) {
        assert!(self.agent.stop(SOON).success(), "{}", self.agent.log());
    }
    fn write(&self, pod: &str, bytes: impl AsRef<[u8]>) {
        append(&container(&self.place, "shop", pod).join("0.log"), bytes);
    }
    fn say(&self, pod: &str, id: u64) {
        self.write(pod, cri(format!("tr={id:016x} a line")));
    }
    fn until_ids(&self, ids: u64) {
        for (name, standin) in self.services.each() {
            self.until(&format!("{ids} ids in {name}"), || standin.control.receipts().distinct() >= ids);
        }
    }
    fn until(&self, what: &str, done: impl FnMut() -> bool) {
        let say = || {
            let asked = self.services.s3.control.requests();
            format!("refused: {:?}\n{asked:?}\n{}", self.judge.refused(), self.agent.log())
        };
        until_or(what, SOON * 2, done, say);
    }
    /// From the first group to the last request, with all that goes wrong on the way.
    fn live(mut self) {
        // What is there at the start makes an object of several parts.
        let s3 = self.services.s3.control.clone();
        self.stop();
        self.write("first", noise(NOISE));
        // An upload that nobody knows of.
        s3.fault(Rule::times(1, Fault::LoseAnswer).on("CreateMultipartUpload"));
        self.services.cloudwatch.control.fault(Rule::times(1, Fault::LoseAnswer).on("PutLogEvents"));
        self.services.opensearch.control.fault(Rule::times(1, Fault::LoseAnswer).on("_bulk"));
        self.start();
        self.until("the stray upload to be gone", || s3.requests_of("AbortMultipartUpload", "204") >= 1);
        self.until_ids(NOISE);
        self.say("second", 1 << 32);
        self.until_ids(NOISE + 1);
        // Killed with parts under way.
        self.stop();
        s3.fault(Rule::always(Fault::Hang { done: true }).on("UploadPart"));
        let more = String::from_utf8(noise(NOISE)).unwrap().replace("tr=0", "tr=1");
        self.write("third", more);
        self.start();
        self.until("a part that hangs", || s3.requests_of("UploadPart", "hang") >= 1);
        self.agent.kill();
        s3.clear_faults();
        // An object that is there although nobody was told.
        s3.fault(Rule::times(1, Fault::LoseAnswer).on("CompleteMultipartUpload"));
        self.start();
        self.until_ids(1 + 2 * NOISE);
        self.say("last", 1 << 33);
        self.until_ids(2 + 2 * NOISE);
        self.stop();
        assert_eq!(self.judge.refused(), [], "{}", self.agent.log());
        let needed = self.judge.policy().actions();
        assert_eq!(self.judge.used(), needed, "each action of the policy, and no other");
        for (name, standin) in self.services.each() {
            assert!(standin.control.requests().keys().all(|(operation, _)| *operation != "unknown"), "{name}");
        }
    }
}

#[test]
fn with_everything_that_can_be_configured_the_policies_are_enough_and_the_smallest() {
    Stage::new(&ALL, &ALL_KEYS).live();
}

#[test]
fn without_what_is_not_configured_the_rest_of_the_policies_is_enough() {
    let statements = [
        "cloudwatch.json Write",
        "s3.json Write",
        "s3.json FindStrayUploads",
        "opensearch-serverless.json Call",
        "opensearch-serverless-data-access.json index",
    ];
    let keys = Keys { cloudwatch: "create: false\n    log_stream: all", s3: "sse: AES256", opensearch: "aoss" };
    let made = |services: &Services, _: &Judge| {
        services.cloudwatch.control.cloudwatch().unwrap().add_stream("/tailrace/test", "all");
    };
    Stage::after(&statements, &keys, made).live();
}

#[test]
fn streams_and_groups_are_made_without_the_right_to_set_a_retention() {
    let stage = Stage::new(
        &["cloudwatch.json Write", "cloudwatch.json Create", "s3.json Write", "opensearch.json Write"],
        &Keys { cloudwatch: "create: true", s3: "compression: gzip", opensearch: "es" },
    );
    stage.say("first", 1);
    stage.until_ids(1);
    assert_eq!(stage.judge.refused(), []);
    let made = BTreeSet::from(["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"].map(str::to_owned));
    assert!(stage.judge.used().is_superset(&made), "{:?}", stage.judge.used());
}

/// Who waits for a right says so, loses nothing, and stops nobody else.
fn denied(action: &str, output: &str) {
    let stage = Stage::after(&ALL, &ALL_KEYS, |_, judge| judge.take_away(action));
    stage.say("first", 1);
    stage.until("the refusal", || stage.judge.refused().iter().any(|right| right.action == action));
    for (_, standin) in stage.services.each().into_iter().filter(|(name, _)| *name != output) {
        stage.until("the others", || standin.control.receipts().distinct() == 1);
    }
    let standin = stage.services.each().into_iter().find(|(name, _)| *name == output).unwrap().1;
    assert_eq!(standin.control.receipts().distinct(), 0, "{action}");
    let said = || stage.agent.log().lines().any(|line| line.contains(output) && line.contains("ccess"));
    stage.until("it to be said", said);
    stage.judge.give_back();
    stage.say("second", 2);
    stage.until_ids(2);
    let totals = standin.control.receipts().totals();
    assert_eq!((totals.records, totals.again), (2, 0), "{action}");
}

#[test]
fn without_a_right_to_write_nothing_is_lost() {
    std::thread::scope(|tests| {
        for (action, output) in [
            ("logs:PutLogEvents", "cloudwatch"),
            ("logs:CreateLogStream", "cloudwatch"),
            ("logs:CreateLogGroup", "cloudwatch"),
            ("s3:PutObject", "archive"),
            ("kms:GenerateDataKey", "archive"),
            ("es:ESHttpPost", "search"),
        ] {
            tests.spawn(move || denied(action, output));
        }
    });
}

#[test]
fn without_the_rights_to_tidy_up_everything_arrives_all_the_same() {
    for action in ["logs:PutRetentionPolicy", "s3:AbortMultipartUpload", "s3:ListBucketMultipartUploads"] {
        let stage = Stage::after(&ALL, &ALL_KEYS, |services, judge| {
            judge.take_away(action);
            services.s3.control.fault(Rule::times(1, Fault::LoseAnswer).on("CreateMultipartUpload"));
        });
        stage.write("first", noise(NOISE));
        stage.until_ids(NOISE);
        stage.until("the refusal", || stage.judge.refused().iter().any(|right| right.action == action));
        assert_eq!(stage.services.s3.control.receipts().totals().again, 0, "{action}");
    }
}

/// What `doctor` tries is what the agent does.
#[test]
fn doctor_needs_no_other_rights_than_the_agent() {
    let mut stage = Stage::new(&ALL, &ALL_KEYS);
    stage.say("first", 1);
    stage.until_ids(1);
    stage.stop();
    let before = stage.services.each().map(|(_, standin)| standin.control.receipts().totals().records);
    let args = ["doctor", "-c", stage.config.to_str().unwrap()];
    let mut doctor = Agent::start_with(stage.place.path(), &args, stage.place.admin, &[]);
    doctor.wait(SOON);
    assert_eq!(stage.judge.refused(), [], "{}", doctor.log());
    assert!(doctor.log().contains("output archive"), "{}", doctor.log());
    let after = stage.services.each().map(|(_, standin)| standin.control.receipts().totals().records);
    assert_eq!(before, after, "{}", doctor.log());
}

#[test]
fn a_role_of_an_output_needs_one_right_on_that_role() {
    let judge = Judge::new(Policy::of(&["assume-role.json RoleOfAnOutput"]));
    let issuer = Issuer::new(Duration::from_secs(3_600));
    let services = Services::with(Options { issued: Some(issuer.clone()), ..Options::default() }, Default::default());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let options = Options { guard: Some(judge.guard()), ..Options::default() };
    let sts = standin::start(runtime.handle(), Which::Identity(identity::Options::new(issuer)), options).unwrap();
    let place = Place::new();
    let role = "region: us-east-1\n    role_arn: arn:aws:iam::210987654321:role/writer\n";
    let config = place.config("", &services.outputs().replace("region: us-east-1\n", role));
    append(&container(&place, "shop", "cart").join("0.log"), cri(format!("tr={:016x} a line", 1)));
    let args = ["run", "-c", config.to_str().unwrap()];
    let agent = Agent::start_with(place.path(), &args, place.admin, &[("AWS_ENDPOINT_URL_STS", &sts.url)]);
    for (name, standin) in services.each() {
        until_or(name, SOON, || standin.control.receipts().distinct() == 1, || agent.log());
    }
    assert_eq!((judge.refused(), judge.used()), (Vec::new(), judge.policy().actions()));
}

/// Every file can be read, and nothing in it is wider than it must be.
#[test]
fn no_file_allows_everything() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/iam");
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let readme = policy::text("README.md");
    for name in names.filter(|name| name.ends_with(".json")) {
        let text = policy::text(&name);
        serde_json::from_str::<serde_json::Value>(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(readme.contains(&format!("`{name}`")), "README.md does not name {name}");
        for wide in [":*\",", "\"Action\": \"*\"", "\"NotAction\"", "\"NotResource\"", "aoss:*"] {
            assert!(!text.contains(wide), "{name}: {wide}");
        }
        // Of a key's own policy `*` is that key.
        assert!(name.starts_with("kms-key") || !text.contains("\"Resource\": \"*\""), "{name}");
    }
}
