//! `_bulk`: action lines, documents, item by item.

use super::{Index, OpenSearch, Refused, document, filter, index_name, page};
use crate::standin::fault::Items;
use crate::standin::receipts::Taken;
use crate::standin::request::{Answer, Head};
use crate::standin::serve::lock;
use serde::Deserialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, Deserialize)]
struct Meta {
    #[serde(rename = "_index")]
    index: Option<String>,
    #[serde(rename = "_id")]
    id: Option<String>,
    if_seq_no: Option<u64>,
    if_primary_term: Option<u64>,
    // Known to the service, of no use here.
    #[serde(rename = "routing", alias = "_routing")]
    _routing: Option<Value>,
    #[serde(rename = "require_alias")]
    _require_alias: Option<Value>,
    #[serde(rename = "pipeline")]
    _pipeline: Option<Value>,
    #[serde(flatten)]
    other: BTreeMap<String, Value>,
}

struct Item<'a> {
    verb: Verb,
    index: String,
    id: Option<String>,
    /// Only in place of this version: documents here have no versions, so there is never one.
    version: Option<u64>,
    document: &'a [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Create,
    Index,
    /// Only with a version: nobody deletes here.
    Delete,
}

impl Meta {
    fn version(&self, verb: Verb) -> Result<Option<u64>, Refused> {
        match (self.if_seq_no, self.if_primary_term, verb) {
            (Some(_), Some(_), Verb::Create) => {
                Err(invalid("create operations do not support compare and set. use index instead"))
            }
            (Some(number), Some(_), Verb::Index | Verb::Delete) => Ok(Some(number)),
            (None, None, Verb::Create | Verb::Index) => Ok(None),
            (None, None, Verb::Delete) => Err(invalid("the stand-in knows [delete] only with if_seq_no")),
            (_, _, _) => Err(invalid("ifSeqNo and if_primary_term belong together")),
        }
    }
}

/// What became of an item.
struct Done {
    id: String,
    outcome: Result<&'static str, Refused>,
}

/// `_id`, in bytes.
const MOST_ID: usize = 512;

impl OpenSearch {
    pub(super) fn bulk(
        &self,
        head: &Head,
        place: Option<&str>,
        plain: &[u8],
        wire: usize,
        mut fail: Option<&mut Items>,
    ) -> Result<Answer, Refused> {
        let typed = head.header("content-type").unwrap_or("").split(';').next().unwrap_or("").trim();
        if !matches!(typed, "application/json" | "application/x-ndjson") {
            let reason = format!("Content-Type header [{typed}] is not supported");
            return Ok(page(406, &json!({"error": reason, "status": 406})));
        }
        let paths = head.param("filter_path");
        if self.common.count_only {
            return Ok(self.count_items(plain, wire, paths));
        }
        let items = self.parse(place, plain)?;
        let mut indices = lock(&self.indices);
        let mut done: Vec<Done> = Vec::with_capacity(items.len());
        for item in &items {
            let id = item.id.clone().unwrap_or_else(|| {
                format!("auto-{:016x}", self.numbers.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
            });
            let hit = fail.as_mut().and_then(|f| injected(f, item));
            let outcome = match hit {
                Some(refused) => Err(refused),
                None => self.admit(&mut indices, item, &id),
            };
            done.push(Done { id, outcome });
        }
        drop(indices);
        self.note(&items, &done, plain.len(), wire);
        let errors = done.iter().any(|d| d.outcome.is_err());
        let list: Vec<Value> = items.iter().zip(&done).map(|(item, done)| answer(item, done)).collect();
        let body = json!({"took": 1, "errors": errors, "items": list});
        Ok(page(
            200,
            &match paths {
                Some(paths) => filter::filter(body, paths),
                None => body,
            },
        ))
    }

    /// The whole body, before any of it is carried out.
    fn parse<'a>(&self, place: Option<&str>, plain: &'a [u8]) -> Result<Vec<Item<'a>>, Refused> {
        let illegal = |reason: String| Refused::new(400, "illegal_argument_exception", reason);
        if plain.is_empty() {
            return Err(Refused::new(400, "parse_exception", "request body is required"));
        }
        let Some(plain) = plain.strip_suffix(b"\n") else {
            return Err(illegal("The bulk request must be terminated by a newline [\\n]".into()));
        };
        let mut lines = plain.split(|b| *b == b'\n').enumerate();
        let mut items = Vec::new();
        while let Some((number, line)) = lines.next() {
            if line.is_empty() {
                continue;
            }
            let number = number + 1;
            let malformed = |what: &str| illegal(format!("Malformed action/metadata line [{number}], {what}"));
            let action: BTreeMap<String, Meta> =
                serde_json::from_slice(line).map_err(|e| malformed(&format!("expected an action: {e}")))?;
            let mut action = action.into_iter();
            let (Some((verb, meta)), None) = (action.next(), action.next()) else {
                return Err(malformed("expected one action"));
            };
            let verb = match verb.as_str() {
                "create" => Verb::Create,
                "index" => Verb::Index,
                "delete" => Verb::Delete,
                _ => return Err(malformed(&format!("the stand-in does not know [{verb}]"))),
            };
            if let Some(name) = meta.other.keys().next() {
                return Err(illegal(format!("Action/metadata line [{number}] contains an unknown parameter [{name}]")));
            }
            let version = meta.version(verb)?;
            let document = if verb == Verb::Delete { Some((0, b"".as_slice())) } else { lines.next() };
            let Some((_, document)) = document else {
                return Err(invalid("no document behind the last action"));
            };
            let Some(index) = meta.index.or_else(|| place.map(str::to_owned)) else {
                return Err(invalid("index is missing"));
            };
            if meta.id.as_ref().is_some_and(String::is_empty) {
                return Err(illegal("if _id is specified it must not be empty".into()));
            }
            if let Some(id) = meta.id.as_ref().filter(|id| id.len() > MOST_ID) {
                let reason =
                    format!("id [{id}] is too long, must be no longer than {MOST_ID} bytes but was: {}", id.len());
                return Err(invalid(&reason));
            }
            items.push(Item { verb, index, id: meta.id, version, document });
        }
        if items.is_empty() { Err(invalid("no requests added")) } else { Ok(items) }
    }

    fn admit(&self, indices: &mut BTreeMap<String, Index>, item: &Item<'_>, id: &str) -> Result<&'static str, Refused> {
        if !indices.contains_key(&item.index) {
            index_name(&item.index)?;
            if item.verb == Verb::Delete {
                let reason = format!("no such index [{}]", item.index);
                return Err(Refused::new(404, "index_not_found_exception", reason));
            }
            if !self.own.auto_create {
                let reason = format!("no such index [{}] and [action.auto_create_index] is [false]", item.index);
                return Err(Refused::new(404, "index_not_found_exception", reason));
            }
        }
        if self.own.refuse_ids && item.id.is_some() {
            let reason = "Document ID is not supported in create/index operation request";
            return Err(Refused::new(400, "illegal_argument_exception", reason));
        }
        let index = indices.entry(item.index.clone()).or_default();
        if index.blocked {
            let reason = format!("index [{}] blocked by: [FORBIDDEN/8/index write (api)];", item.index);
            return Err(Refused::new(403, "cluster_block_exception", reason));
        }
        if let Some(version) = item.version {
            let reason = format!("[{id}]: version conflict, required seqNo [{version}], but no document was found");
            return Err(Refused::new(409, "version_conflict_engine_exception", reason));
        }
        let key = hash(id);
        let there = item.id.is_some() && index.ids.contains(&key);
        if there && item.verb == Verb::Create {
            let reason = format!("[{id}]: version conflict, document already exists (current version [1])");
            return Err(Refused::new(409, "version_conflict_engine_exception", reason));
        }
        if item.id.is_some() && !there && index.ids.len() >= self.common.max_ids {
            return Err(Refused::new(429, "circuit_breaking_exception", "the stand-in holds no more ids"));
        }
        let shape = document::shape(item.document).map_err(|why| {
            Refused::new(400, "mapper_parsing_exception", "failed to parse").because("json_parse_exception", why)
        })?;
        index.mapping.admit(&shape, id, self.own.max_fields)?;
        if item.id.is_some() {
            index.ids.insert(key);
        }
        index.docs += u64::from(!there);
        Ok(if there { "updated" } else { "created" })
    }

    fn note(&self, items: &[Item<'_>], done: &[Done], plain: usize, wire: usize) {
        let stored = items.iter().zip(done).filter(|(_, d)| d.outcome.as_ref().is_ok_and(|o| *o == "created"));
        self.receipts.take(stored.map(|(i, d)| Taken { place: &i.index, name: &d.id, time: 0, text: i.document }));
        self.receipts.add(|t| {
            t.plain_bytes += plain as u64;
            t.wire_bytes += wire as u64;
            for (_, one) in items.iter().zip(done).filter(|(item, _)| item.version.is_none()) {
                match &one.outcome {
                    Ok(o) => t.replaced += u64::from(*o == "updated"),
                    Err(e) if e.status == 409 => t.already += 1,
                    Err(_) => t.refused_items += 1,
                }
            }
        });
    }

    /// Two lines an item, all taken in, nothing looked at.
    fn count_items(&self, plain: &[u8], wire: usize, paths: Option<&str>) -> Answer {
        let items = memchr::memchr_iter(b'\n', plain).count() / 2;
        self.receipts.add(|t| {
            t.records += items as u64;
            t.plain_bytes += plain.len() as u64;
            t.wire_bytes += wire as u64;
        });
        let one = match paths {
            Some(_) => "{\"create\":{\"status\":201}}",
            None => {
                "{\"create\":{\"_index\":\"counted\",\"_id\":\"counted\",\"_version\":1,\"result\":\"created\",\"status\":201}}"
            }
        };
        let list = vec![one; items].join(",");
        Answer::new(200, "application/json; charset=UTF-8", format!("{{\"errors\":false,\"items\":[{list}]}}"))
    }
}

fn invalid(what: &str) -> Refused {
    Refused::new(400, "action_request_validation_exception", format!("Validation Failed: 1: {what};"))
}

/// The error for this item, if the fault hits it.
fn injected(items: &mut Items, item: &Item<'_>) -> Option<Refused> {
    if let Some(field) = &items.field {
        let document: Option<Value> = serde_json::from_slice(item.document).ok();
        document?.get(field.as_str())?;
    }
    if !items.hits() {
        return None;
    }
    let reason = "injected by a fault".to_owned();
    Some(Refused { status: items.status, kind: Cow::Owned(items.error.clone()), reason, cause: None })
}

fn answer(item: &Item<'_>, done: &Done) -> Value {
    let verb = match item.verb {
        Verb::Create => "create",
        Verb::Index => "index",
        Verb::Delete => "delete",
    };
    let inner = match &done.outcome {
        Ok(result) => json!({
            "_index": item.index, "_id": done.id, "_version": 1, "result": result,
            "_shards": {"total": 2, "successful": 1, "failed": 0},
            "status": if *result == "created" { 201 } else { 200 },
        }),
        Err(refused) => {
            json!({"_index": item.index, "_id": done.id, "status": refused.status, "error": refused.value()})
        }
    };
    Value::Object([(verb.to_owned(), inner)].into_iter().collect())
}

/// 128 bits of an id: enough that two never meet.
fn hash(id: &str) -> u128 {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(id.as_bytes());
    digest.iter().take(16).fold(0, |sum, b| (sum << 8) | u128::from(*b))
}
