//! The files of packaging/iam as IAM reads them, with their placeholders filled in; and who is refused by them.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tailrace::standin::rights::{Guard, Right};

/// What stands for what in the stand-ins' world.
const FILLED_IN: [(&str, &str); 12] = [
    ("ROLE", "writer"),
    ("OTHER_ACCOUNT", "210987654321"),
    ("ACCOUNT", "123456789012"),
    ("REGION", "us-east-1"),
    ("LOG_GROUP", "/tailrace/test"),
    ("BUCKET", "logs"),
    ("PREFIX", "logs/"),
    ("KEY", "0a1b2c3d-key"),
    ("DOMAIN", "demo"),
    ("COLLECTION_ID", "demo"),
    ("COLLECTION", "demo"),
    ("INDEX", "logs-"),
];

/// One action of one statement on its resources.
#[derive(Clone, Debug)]
struct Allowed {
    action: String,
    resources: Vec<String>,
}

/// What these statements allow; a statement is named `FILE SID`.
#[derive(Clone, Debug)]
pub struct Policy(Vec<Allowed>);

pub fn text(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/iam").join(file);
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// One text, or a list of them.
fn texts(value: &Value) -> Vec<String> {
    let text = |one: &Value| one.as_str().unwrap().to_owned();
    value.as_array().map_or_else(|| vec![text(value)], |all| all.iter().map(text).collect())
}

fn filled_in(pattern: &str) -> String {
    FILLED_IN.iter().fold(pattern.to_owned(), |text, (name, value)| text.replace(name, value))
}

impl Policy {
    pub fn of(statements: &[&str]) -> Policy {
        let mut all = Vec::new();
        for statement in statements {
            let (file, sid) = statement.split_once(' ').unwrap();
            let found: Value = serde_json::from_str(&text(file)).unwrap();
            let (actions, resources) = if found.is_object() {
                assert_eq!(found["Version"], "2012-10-17");
                let of_sid = |s: &&Value| s["Sid"] == sid;
                let it = found["Statement"].as_array().unwrap().iter().find(of_sid).expect(statement);
                let keys: Vec<&str> = it.as_object().unwrap().keys().map(String::as_str).collect();
                assert_eq!(BTreeSet::from_iter(keys), BTreeSet::from(["Sid", "Effect", "Action", "Resource"]));
                assert_eq!(it["Effect"], "Allow");
                (texts(&it["Action"]), texts(&it["Resource"]))
            } else {
                // A collection's data access policy.
                let rule = &found[0]["Rules"][0];
                assert_eq!(rule["ResourceType"], sid);
                (texts(&rule["Permission"]), texts(&rule["Resource"]))
            };
            let resources: Vec<String> = resources.iter().map(|pattern| filled_in(pattern)).collect();
            all.extend(actions.into_iter().map(|action| Allowed { action, resources: resources.clone() }));
        }
        Policy(all)
    }

    pub fn actions(&self) -> BTreeSet<String> {
        self.0.iter().map(|allowed| allowed.action.clone()).collect()
    }

    fn allows(&self, right: &Right) -> bool {
        let fits = |allowed: &Allowed| allowed.resources.iter().any(|pattern| matches(pattern, &right.resource));
        self.0.iter().any(|allowed| allowed.action == right.action && fits(allowed))
    }
}

/// `*` is any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text
            .strip_prefix(before)
            .is_some_and(|rest| (0..=rest.len()).filter_map(|at| rest.get(at..)).any(|rest| matches(after, rest))),
    }
}

/// Judges by a policy, without the actions that are taken away for a while, and remembers what was asked.
#[derive(Clone)]
pub struct Judge {
    policy: Policy,
    taken_away: Arc<Mutex<BTreeSet<String>>>,
    asked: Arc<Mutex<BTreeSet<(Right, bool)>>>,
}

impl Judge {
    pub fn new(policy: Policy) -> Judge {
        Judge { policy, taken_away: Arc::default(), asked: Arc::default() }
    }
    pub fn guard(&self) -> Guard {
        let it = self.clone();
        Guard(Arc::new(move |right| {
            let may = it.policy.allows(right) && !it.taken_away.lock().unwrap().contains(&right.action);
            it.asked.lock().unwrap().insert((right.clone(), may));
            may
        }))
    }
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
    pub fn take_away(&self, action: &str) {
        self.taken_away.lock().unwrap().insert(action.to_owned());
    }
    pub fn give_back(&self) {
        self.taken_away.lock().unwrap().clear();
    }
    /// Rights that were asked for and not there.
    pub fn refused(&self) -> Vec<Right> {
        self.asked.lock().unwrap().iter().filter(|(_, may)| !may).map(|(right, _)| right.clone()).collect()
    }
    /// Actions that were used.
    pub fn used(&self) -> BTreeSet<String> {
        self.asked.lock().unwrap().iter().filter(|(_, may)| *may).map(|(right, _)| right.action.clone()).collect()
    }
}

#[test]
fn a_pattern_matches_as_in_iam() {
    for (pattern, text, fits) in [
        ("a:b", "a:b", true),
        ("a:b", "a:bc", false),
        ("a:*", "a:", true),
        ("a*c*", "abcd", true),
        ("a*c", "abcd", false),
        ("arn:aws:s3:::logs/logs/*", "arn:aws:s3:::logs/other", false),
    ] {
        assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
    }
}
