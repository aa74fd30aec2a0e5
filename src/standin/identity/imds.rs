//! Instance metadata, version 2 alone: a session token by PUT first, then pages by GET.
//!
//! A hop limit of 1 is [`Fault::Hang`](crate::standin::Fault::Hang) on `ImdsToken`: the answer to the PUT never arrives.

use super::issuer::Session;
use super::stamp;
use crate::standin::request::{Answer, Head};
use crate::standin::serve::lock;
use std::collections::BTreeMap;
use std::sync::Mutex;

const TOKEN: &str = "x-aws-ec2-metadata-token";
const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
/// Where the role's name and its credentials are.
pub(super) const CREDENTIALS: &str = "/latest/meta-data/iam/security-credentials/";
/// The name of the instance's role.
pub(super) const ROLE: &str = "node-role";

/// Tokens handed out, and pages.
#[derive(Debug, Default)]
pub struct Imds {
    /// Token and its end (nanoseconds since 1970).
    tokens: Mutex<BTreeMap<String, i64>>,
    pages: Mutex<BTreeMap<String, String>>,
}

impl Imds {
    pub(super) fn new(region: &str) -> Imds {
        let it = Imds::default();
        it.set("placement/region", region);
        it.set("placement/availability-zone", &format!("{region}a"));
        it.set("instance-id", "i-0123456789abcdef0");
        it
    }
    /// The text of a page below `/latest/meta-data/`, e.g. `spot/instance-action`; a page that is not set is a 404.
    pub fn set(&self, page: &str, text: &str) {
        lock(&self.pages).insert(format!("/latest/meta-data/{page}"), text.to_owned());
    }
    /// Takes a page away.
    pub fn clear(&self, page: &str) {
        lock(&self.pages).remove(&format!("/latest/meta-data/{page}"));
    }
    /// No token that was handed out holds any more.
    pub fn end_tokens(&self) {
        lock(&self.tokens).clear();
    }

    /// `PUT /latest/api/token`.
    pub(super) fn token(&self, head: &Head, now: i64) -> Answer {
        if head.header("x-forwarded-for").is_some() {
            return Answer::empty(403);
        }
        let ttl = head.header(TTL).and_then(|ttl| ttl.parse::<i64>().ok()).filter(|ttl| (1..=21_600).contains(ttl));
        let Some(ttl) = ttl else { return Answer::empty(400) };
        let mut tokens = lock(&self.tokens);
        tokens.retain(|_, ends| *ends > now);
        if tokens.len() >= 10_000 {
            return Answer::empty(503);
        }
        let token = format!("imds-{now}-{}==", tokens.len());
        tokens.insert(token.clone(), now + ttl * 1_000_000_000);
        Answer::new(200, "text/plain", token).with(TTL, ttl.to_string())
    }
    /// A GET, with the token of now or refused; `issue` makes the role's credentials.
    pub(super) fn page(&self, head: &Head, now: i64, issue: impl FnOnce() -> Session) -> Answer {
        let token = head.header(TOKEN).unwrap_or("");
        if lock(&self.tokens).get(token).is_none_or(|ends| *ends <= now) {
            return Answer::new(401, "text/html", "<h1>401 - Unauthorized</h1>");
        }
        if head.path == CREDENTIALS || head.path.as_str() == CREDENTIALS.trim_end_matches('/') {
            return Answer::new(200, "text/plain", ROLE);
        }
        if head.path.strip_prefix(CREDENTIALS) == Some(ROLE) {
            let session = issue();
            let page = serde_json::json!({
                "Code": "Success",
                "LastUpdated": stamp(now),
                "Type": "AWS-HMAC",
                "AccessKeyId": session.keys.access,
                "SecretAccessKey": session.keys.secret,
                "Token": session.keys.token,
                "Expiration": stamp(session.ends),
            });
            return Answer::new(200, "text/plain", page.to_string());
        }
        match lock(&self.pages).get(&head.path) {
            Some(text) => Answer::new(200, "text/plain", text.clone()),
            None => Answer::new(404, "text/html", "<h1>404 - Not Found</h1>"),
        }
    }
}
