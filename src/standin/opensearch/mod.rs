//! OpenSearch: `_bulk` with create and index, dynamic mappings with their conflicts, and a little to look around.
//!
//! Refusals are those of a real 2.19 node: error types, item statuses, what fails the whole request and what only an
//! item. Documents are not stored beyond the last ones; their ids are, so that a second `create` is a 409.

mod bulk;
mod document;
mod filter;
mod mapping;
mod pages;

use super::fault::Items;
use super::receipts::Receipts;
use super::request::{self, Answer, Head, Undone};
use super::serve::lock;
use super::service::Operation;
use super::sigv4::{Payload, Refusal};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hashbrown::HashSet;
use mapping::Mapping;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

/// What only OpenSearch has to be told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who may call.
    pub auth: Auth,
    /// Most plain bytes of a body (`http.max_content_length`); above: 413.
    pub max_content: usize,
    /// Indices come into being by writing to them.
    pub auto_create: bool,
    /// A collection that refuses ids.
    pub refuse_ids: bool,
    /// `index.mapping.total_fields.limit`
    pub max_fields: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { auth: Auth::None, max_content: 100 << 20, auto_create: true, refuse_ids: false, max_fields: 1_000 }
    }
}

/// Who may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Everybody.
    None,
    /// HTTP basic.
    Basic {
        /// User.
        user: String,
        /// Password.
        password: String,
    },
    /// SigV4 with [`super::Options::keys`].
    Aws {
        /// `es` or `aoss`.
        service: String,
    },
}

#[derive(Debug, Default)]
struct Index {
    docs: u64,
    ids: HashSet<u128>,
    mapping: Mapping,
    blocked: bool,
}

/// The service.
#[derive(Debug)]
pub struct OpenSearch {
    own: Options,
    common: super::Options,
    receipts: Receipts,
    indices: Mutex<BTreeMap<String, Index>>,
    numbers: AtomicU64,
}

/// An error: status, type, reason.
#[derive(Clone, Debug)]
struct Refused {
    status: u16,
    kind: Cow<'static, str>,
    reason: String,
    cause: Option<(&'static str, String)>,
}

impl Refused {
    fn new(status: u16, kind: &'static str, reason: impl Into<String>) -> Refused {
        Refused { status, kind: Cow::Borrowed(kind), reason: reason.into(), cause: None }
    }
    fn because(self, kind: &'static str, reason: impl Into<String>) -> Refused {
        Refused { cause: Some((kind, reason.into())), ..self }
    }
    /// As it stands under `error`.
    fn value(&self) -> Value {
        let mut error = json!({"type": self.kind, "reason": self.reason});
        if let Some((kind, reason)) = &self.cause
            && let Some(map) = error.as_object_mut()
        {
            map.insert("caused_by".into(), json!({"type": kind, "reason": reason}));
        }
        error
    }
}

/// An error of the whole request.
pub(super) fn refuse(status: u16, kind: &str, reason: &str) -> Answer {
    whole(&Refused { status, kind: Cow::Owned(kind.to_owned()), reason: reason.to_owned(), cause: None })
}

/// As the managed service says it; a bare node has no body.
pub(super) fn too_large() -> Answer {
    page(413, &json!({"Message": "Request size exceeded the limit in bytes"}))
}

fn whole(refused: &Refused) -> Answer {
    let mut error = refused.value();
    let root = error.clone();
    if let Some(map) = error.as_object_mut() {
        map.insert("root_cause".into(), json!([root]));
    }
    page(refused.status, &json!({"error": error, "status": refused.status}))
}

fn page(status: u16, body: &Value) -> Answer {
    Answer::new(status, "application/json; charset=UTF-8", body.to_string())
}

impl OpenSearch {
    pub(super) fn new(own: Options, common: super::Options, receipts: Receipts) -> OpenSearch {
        OpenSearch { own, common, receipts, indices: Mutex::default(), numbers: AtomicU64::new(1) }
    }
    /// Documents by index.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        lock(&self.indices).iter().map(|(name, index)| (name.clone(), index.docs)).collect()
    }
    /// Sets or lifts a write block on an index, which comes into being where it was not.
    pub fn block(&self, index: &str, blocked: bool) {
        lock(&self.indices).entry(index.to_owned()).or_default().blocked = blocked;
    }
    /// Who may call.
    pub(super) fn auth(&self) -> &Auth {
        &self.own.auth
    }
    /// Most bytes of a body as sent.
    pub(super) fn most_bytes(&self) -> usize {
        self.own.max_content
    }

    pub(super) fn operation(head: &Head) -> Operation {
        let path = request::decode(&head.path);
        let mut segments = path.split('/').filter(|s| !s.is_empty());
        let (first, second) = (segments.next(), segments.next());
        let (index, action) = match (first, second) {
            (None, _) => (None, ""),
            (Some(action), None) if action.starts_with('_') => (None, action),
            (Some("_cat"), Some(_)) => (None, "_cat"),
            (Some(index), Some(action)) => (Some(index), action),
            (Some(index), None) => (Some(index), "_index"),
        };
        const KNOWN: [&str; 6] = ["_bulk", "_count", "_search", "_refresh", "_cat", "_index"];
        let name = if first.is_none() { "info" } else { KNOWN.into_iter().find(|k| *k == action).unwrap_or("unknown") };
        Operation { name, place: index.map(str::to_owned) }
    }
    /// The index of the first action line.
    pub(super) fn place(plain: &[u8]) -> Option<String> {
        let line = plain.split(|b| *b == b'\n').next()?;
        let action: Value = serde_json::from_slice(line).ok()?;
        let first = action.as_object()?.values().next()?;
        Some(first.get("_index")?.as_str()?.to_owned())
    }
    pub(super) fn deny(operation: &Operation) -> Answer {
        let action = if operation.name == "_bulk" { "indices:data/write/bulk" } else { "indices:data/read/search" };
        let reason =
            format!("no permissions for [{action}] and User [name=demo, backend_roles=[], requestedTenant=null]");
        refuse(403, "security_exception", &reason)
    }
    pub(super) fn plain<'a>(&self, head: &Head, body: &'a [u8]) -> Result<Cow<'a, [u8]>, Answer> {
        match request::plain(head, body, self.own.max_content) {
            Ok(None) => Ok(Cow::Borrowed(body)),
            Ok(Some(plain)) => Ok(Cow::Owned(plain)),
            Err(Undone::Bad) => Err(refuse(400, "illegal_argument_exception", "Failed to decompress the body")),
            Err(Undone::Unknown) => Err(refuse(400, "illegal_argument_exception", "content-encoding is not supported")),
            Err(Undone::TooLarge) => Err(too_large()),
        }
    }

    pub(super) fn authorize(&self, head: &Head, body: &[u8]) -> Result<(), Answer> {
        match &self.own.auth {
            Auth::None => Ok(()),
            Auth::Basic { user, password } => {
                let want = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
                if head.header("authorization") == Some(want.as_str()) {
                    return Ok(());
                }
                let answer = Answer::new(401, "text/plain; charset=UTF-8", "Unauthorized");
                Err(answer.with("www-authenticate", "Basic realm=\"OpenSearch Security\""))
            }
            Auth::Aws { service } => {
                let payload = if service == "aoss" { Payload::HeaderNeeded } else { Payload::Hashed };
                let message = match self.common.verify(head, body, service, payload) {
                    Ok(()) => return Ok(()),
                    Err(Refusal::Missing) => {
                        let message = json!({"Message": "User: anonymous is not authorized to perform: es:ESHttpPost"});
                        return Err(page(403, &message));
                    }
                    Err(Refusal::Malformed(what)) => what,
                    Err(Refusal::NotSupported) => "unknown way of signing".to_owned(),
                    Err(Refusal::UnknownKey | Refusal::Token) => {
                        "The security token included in the request is invalid.".to_owned()
                    }
                    Err(Refusal::Expired) => "The security token included in the request is expired".to_owned(),
                    Err(Refusal::Skewed(message)) => message,
                    Err(Refusal::Scope(scope)) => {
                        format!("Credential should be scoped to a valid region, not '{scope}'.")
                    }
                    Err(Refusal::Unsigned(name)) => format!("'{name}' must be a signed header"),
                    Err(Refusal::NoPayloadHash) => "x-amz-content-sha256 is needed".to_owned(),
                    Err(Refusal::Mismatch | Refusal::Payload) => {
                        "The request signature we calculated does not match the signature you provided. Check your AWS \
                         Secret Access Key and signing method."
                            .to_owned()
                    }
                };
                Err(page(403, &json!({"message": message})))
            }
        }
    }

    pub(super) fn handle(
        &self,
        head: &Head,
        operation: &Operation,
        plain: &[u8],
        wire: usize,
        fail: Option<&mut Items>,
    ) -> Answer {
        let place = operation.place.as_deref();
        let done = match (operation.name, head.method.as_str()) {
            ("info", "GET" | "HEAD") => Ok(pages::info()),
            ("_bulk", "POST" | "PUT") => self.bulk(head, place, plain, wire, fail),
            ("_count", "GET" | "POST") => self.count(place),
            ("_search", "GET" | "POST") => self.search(head, place),
            ("_refresh", "GET" | "POST") => Ok(page(200, &json!({"_shards": pages::shards()}))),
            ("_cat", "GET") => Ok(self.cat()),
            ("_index", "PUT") => self.create_index(place.unwrap_or("")),
            (name, method) => {
                let reason = format!("Incorrect HTTP method for uri [{name}] and method [{method}]");
                return page(405, &json!({"error": reason, "status": 405}));
            }
        };
        done.unwrap_or_else(|refused| whole(&refused))
    }

    fn create_index(&self, name: &str) -> Result<Answer, Refused> {
        index_name(name)?;
        let mut indices = lock(&self.indices);
        if indices.contains_key(name) {
            return Err(Refused::new(
                400,
                "resource_already_exists_exception",
                format!("index [{name}] already exists"),
            ));
        }
        indices.insert(name.to_owned(), Index::default());
        Ok(page(200, &json!({"acknowledged": true, "shards_acknowledged": true, "index": name})))
    }
}

/// The rules for names of indices.
fn index_name(name: &str) -> Result<(), Refused> {
    let reason = if name.is_empty() {
        "must not be empty"
    } else if name.contains(['\\', '/', '*', '?', '"', '<', '>', '|', ' ', ',']) {
        "must not contain the following characters [ , \", *, \\, <, |, ,, >, /, ?]"
    } else if name.contains('#') {
        "must not contain '#'"
    } else if name.contains(':') {
        "must not contain ':'"
    } else if name.starts_with(['_', '-', '+']) {
        "must not start with '_', '-', or '+'"
    } else if name.len() > 255 {
        "index name is too long, (>255)"
    } else if name == "." || name == ".." {
        "must not be '.' or '..'"
    } else if name.to_lowercase() != name {
        "must be lowercase"
    } else {
        return Ok(());
    };
    Err(Refused::new(400, "invalid_index_name_exception", format!("Invalid index name [{name}], {reason}")))
}
