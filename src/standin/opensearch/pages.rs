//! What a person looks at: the node, counts, the last documents.

use super::{Index, OpenSearch, Refused, page};
use crate::standin::request::{Answer, Head};
use crate::standin::serve::lock;
use serde_json::{Value, json};

/// `GET /`
pub(super) fn info() -> Answer {
    let body = json!({
        "name": "standin",
        "cluster_name": "standin",
        "cluster_uuid": "standin-loopback-only",
        "version": {
            "distribution": "opensearch",
            "number": "2.19.4",
            "minimum_wire_compatibility_version": "7.10.0",
            "minimum_index_compatibility_version": "7.0.0",
        },
        "tagline": "The OpenSearch Project: https://opensearch.org/",
    });
    page(200, &body)
}

pub(super) fn shards() -> Value {
    json!({"total": 1, "successful": 1, "skipped": 0, "failed": 0})
}

/// Whether `name` is meant by a list of names and `prefix*`.
fn meant(pattern: Option<&str>, name: &str) -> bool {
    let one = |p: &str| match p.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => p == name || p == "_all",
    };
    pattern.is_none_or(|p| p.split(',').any(one))
}

impl OpenSearch {
    pub(super) fn count(&self, pattern: Option<&str>) -> Result<Answer, Refused> {
        let indices = lock(&self.indices);
        exists(&indices, pattern)?;
        let count: u64 = indices.iter().filter(|(name, _)| meant(pattern, name)).map(|(_, i)| i.docs).sum();
        Ok(page(200, &json!({"count": count, "_shards": shards()})))
    }

    /// The last documents that are still kept, newest first; no query language.
    pub(super) fn search(&self, head: &Head, pattern: Option<&str>) -> Result<Answer, Refused> {
        let indices = lock(&self.indices);
        exists(&indices, pattern)?;
        let total: u64 = indices.iter().filter(|(name, _)| meant(pattern, name)).map(|(_, i)| i.docs).sum();
        drop(indices);
        let size = head.param("size").and_then(|s| s.parse().ok()).unwrap_or(10).min(10_000);
        let kept = self.receipts.kept();
        let hits = kept.iter().rev().filter(|k| meant(pattern, &k.place)).take(size);
        let hits: Vec<Value> = hits
            .map(|k| {
                let source: Value = serde_json::from_slice(&k.text).unwrap_or(Value::Null);
                json!({"_index": k.place, "_id": k.name, "_score": 1.0, "_source": source})
            })
            .collect();
        let body = json!({
            "took": 0,
            "timed_out": false,
            "_shards": shards(),
            "hits": {"total": {"value": total, "relation": "eq"}, "max_score": 1.0, "hits": hits},
        });
        Ok(page(200, &body))
    }

    /// `_cat/indices`, in few columns.
    pub(super) fn cat(&self) -> Answer {
        let line = |(name, index): (&String, &Index)| format!("green open {name} {}\n", index.docs);
        let text: String = lock(&self.indices).iter().map(line).collect();
        Answer::new(200, "text/plain; charset=UTF-8", text)
    }
}

type Indices = std::collections::BTreeMap<String, Index>;

/// A name without a star has to be there.
fn exists(indices: &Indices, pattern: Option<&str>) -> Result<(), Refused> {
    let names = pattern.into_iter().flat_map(|p| p.split(',')).filter(|n| !n.contains('*') && *n != "_all");
    for name in names {
        if !indices.contains_key(name) {
            return Err(Refused::new(404, "index_not_found_exception", format!("no such index [{name}]")));
        }
    }
    Ok(())
}
