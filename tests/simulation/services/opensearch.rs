//! OpenSearch: `_bulk` with `create` of documents that have ids; a document is there once, whoever sends it again.
//! Its answers are read by the agent's own judge.

use super::{At, text_of};
use crate::truth::{Doc, Truth};
use serde::Deserialize;
use std::collections::HashMap;
use tailrace::lane::batch::{Batch, Code, Job, Verdict};
use tailrace::output::opensearch::index;
use tailrace::output::opensearch::verdict::{self, Answer};

#[derive(Default)]
pub struct OpenSearch {
    /// By id: index and text of the document.
    docs: HashMap<String, String>,
    /// The same record under one id in two indices: its time changed.
    pub moved: u64,
    /// Larger requests are refused with 413.
    pub most_plain: usize,
}

#[derive(Deserialize)]
struct Action {
    create: Create,
}

#[derive(Deserialize)]
struct Create {
    _id: String,
}

const BUSY: &str = "rejected_execution_exception";

fn refused(status: u16, kind: &str) -> String {
    format!(r#"{{"create":{{"status":{status},"error":{{"type":"{kind}","reason":"no"}}}}}}"#)
}

struct Item {
    id: String,
    cells: Vec<u32>,
}

impl OpenSearch {
    fn parse(batch: &Batch, truth: &Truth) -> Vec<Item> {
        assert_eq!(batch.job, Job::Send);
        assert_eq!(batch.bodies.len(), 1);
        assert_eq!(index::fault(&batch.target.place), None, "{}", batch.target.place);
        let text: String = batch.bodies.iter().map(text_of).collect();
        assert!(text.ends_with('\n'));
        let mut lines = text.lines();
        let mut items = Vec::new();
        while let Some(action) = lines.next() {
            let action: Action = serde_json::from_str(action).unwrap_or_else(|e| panic!("{e}: {action}"));
            let line = lines.next().expect("a document after its action");
            let doc: Doc<'_> = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
            let day = format!("{}.{}.{}", &doc.time[..4], &doc.time[5..7], &doc.time[8..10]);
            assert!(batch.target.place.ends_with(&day), "{} of {line}", batch.target.place);
            let cells = truth.cells_of(&doc).unwrap_or_else(|why| panic!("OpenSearch: {why}"));
            assert!(action.create._id.len() <= 512);
            items.push(Item { id: action.create._id, cells });
        }
        assert_eq!(items.len(), batch.items as usize, "the batch knows how many items it has");
        items
    }
    /// Documents that are there.
    pub fn count(&self) -> u64 {
        self.docs.len() as u64
    }
    fn too_large(&self, batch: &Batch) -> bool {
        batch.items > 1 && batch.bodies.iter().any(|b| b.plain > self.most_plain)
    }
    pub fn take_in(&mut self, batch: &Batch, at: &mut At<'_>) -> Verdict {
        let items = Self::parse(batch, at.truth);
        if self.too_large(batch) {
            return Verdict::Split { code: Code::new("413") };
        }
        self.judge(batch, items, at, 0)
    }
    /// The node's queues are full for some of it.
    pub fn take_some(&mut self, batch: &Batch, at: &mut At<'_>) -> Verdict {
        let items = Self::parse(batch, at.truth);
        self.judge(batch, items, at, 30)
    }
    fn judge(&mut self, batch: &Batch, items: Vec<Item>, at: &mut At<'_>, busy: u64) -> Verdict {
        let mut answers = Vec::new();
        for item in items {
            answers.push(if at.chance.percent(busy) {
                if at.chance.one_in(4) { refused(403, "cluster_block_exception") } else { refused(429, BUSY) }
            } else if at.truth.poisoned(&item.cells) {
                refused(400, "mapper_parsing_exception")
            } else if let Some(index) = self.docs.get(&item.id) {
                self.moved += u64::from(**index != *batch.target.place);
                refused(409, "version_conflict_engine_exception")
            } else {
                self.docs.insert(item.id, batch.target.place.to_string());
                at.truth.arrive(at.slot, &item.cells);
                r#"{"create":{"status":201}}"#.into()
            });
        }
        let body = format!(r#"{{"items":[{}]}}"#, answers.join(","));
        let answer = Answer { status: 200, body: body.as_bytes(), after: None, location: None };
        verdict::judge(&answer, batch.items)
    }
}
