//! The service of a world: takes in what it is sent, in the way of its style, and answers as unreliably as services do.

use super::World;
use crate::toy::Style;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tailrace::lane::batch::{Batch, Code, ItemVerdict, Job, PartTag, Scope, Verdict};
use tailrace::lane::step::Event;

/// What the service took in.
#[derive(Default)]
pub(super) struct Taken {
    /// OpenSearch: by id. CloudWatch: by line. Values count arrivals.
    pub(super) docs: BTreeMap<String, u32>,
    /// Line text → times stored.
    pub(super) lines: BTreeMap<String, u32>,
    pub(super) objects: BTreeMap<Arc<str>, Vec<String>>,
    pub(super) uploads: BTreeMap<Arc<str>, (Arc<str>, BTreeMap<u16, Vec<String>>)>,
    pub(super) next_upload: u64,
}

impl World {
    fn lines_of(batch: &Batch) -> Vec<String> {
        let bytes: Vec<u8> = batch.bodies.iter().flat_map(|b| b.chunks.iter().flat_map(|c| c.to_vec())).collect();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }
    fn store_line(&mut self, line: &str) {
        let text = line.split_once(' ').map_or("", |(_, t)| t).to_owned();
        *self.taken.lines.entry(text).or_default() += 1;
    }
    /// The service does the work; the verdict is what it would answer.
    pub(super) fn take_in(&mut self, batch: &Batch) -> Verdict {
        let lines = Self::lines_of(batch);
        self.say(|| format!("take in {:?} {lines:?}", batch.ticket));
        match &batch.job {
            Job::Send => {
                let mut already = 0;
                for line in &lines {
                    let id = line.split(' ').next().unwrap_or("").to_owned();
                    let known = self.style == Style::Items && self.taken.docs.contains_key(&id);
                    *self.taken.docs.entry(id).or_default() += 1;
                    if known {
                        already += 1;
                    } else {
                        self.store_line(line);
                    }
                }
                Verdict::Delivered { already }
            }
            Job::Put { name } => self.make_object(name, lines),
            Job::Part { name, upload, number } => {
                let upload = upload.clone().unwrap_or_else(|| {
                    self.taken.next_upload += 1;
                    format!("u{}", self.taken.next_upload).into()
                });
                let entry = self.taken.uploads.entry(upload.clone()).or_insert_with(|| (name.clone(), BTreeMap::new()));
                assert_eq!(entry.0, *name);
                entry.1.insert(*number, lines);
                let tag = PartTag { number: *number, etag: "e".into(), crc32c: "c".into() };
                Verdict::Staged { upload, tag }
            }
            Job::Complete { name, upload, parts } => {
                let Some((_, uploaded)) = self.taken.uploads.get(upload).cloned() else { return Verdict::NoUpload };
                let lines = parts.iter().flat_map(|p| uploaded[&p.number].clone()).collect();
                let verdict = self.make_object(name, lines);
                self.taken.uploads.remove(upload);
                verdict
            }
            Job::Abandon { name, upload } => {
                self.taken.uploads.retain(|id, (n, _)| n != name || upload.as_ref().is_some_and(|u| u != id));
                Verdict::Delivered { already: 0 }
            }
        }
    }
    fn make_object(&mut self, name: &Arc<str>, lines: Vec<String>) -> Verdict {
        if self.taken.objects.contains_key(name) {
            return Verdict::Delivered { already: 1 };
        }
        self.say(|| format!("object {name}: {lines:?}"));
        lines.iter().for_each(|l| self.store_line(l));
        self.taken.objects.insert(name.clone(), lines);
        Verdict::Delivered { already: 0 }
    }

    pub(super) fn answer(&mut self, healthy: bool) {
        if self.sent.is_empty() {
            return;
        }
        let at = self.below(self.sent.len() as u64) as usize;
        let batch = self.sent.swap_remove(at);
        let trouble = !healthy && self.below(100) < self.trouble;
        let code = Code::new("sim");
        let scope = if self.below(4) == 0 { Scope::Lane } else { Scope::Key };
        let verdict = match self.below(8) {
            _ if !trouble => self.take_in(&batch),
            0 => Verdict::Retry { after: Some(Duration::from_secs(2)), code, scope, say: String::new() },
            1 => Verdict::Unknown { code, scope, say: String::new() },
            2 | 3 => {
                self.take_in(&batch);
                Verdict::Unknown { code, scope, say: String::new() }
            }
            4 => Verdict::Hold { code, scope, say: "hold".into() },
            5 if self.style != Style::Objects => Verdict::Split { code },
            6 if self.style == Style::Items => self.some_items(&batch),
            7 if matches!(batch.job, Job::Complete { .. } | Job::Part { .. }) => {
                if let Job::Complete { upload, .. } | Job::Part { upload: Some(upload), .. } = &batch.job {
                    self.taken.uploads.remove(upload);
                    Verdict::NoUpload
                } else {
                    Verdict::Unknown { code, scope, say: String::new() }
                }
            }
            _ => Verdict::Retry { after: None, code, scope, say: String::new() },
        };
        self.say(|| format!("answer {:?} {verdict:?}", batch.ticket));
        self.feed(Event::Answer(batch.ticket, verdict));
    }
    fn some_items(&mut self, batch: &Batch) -> Verdict {
        let lines = Self::lines_of(batch);
        let mut bad = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            if self.below(3) == 0 {
                let code = Code::new("busy");
                bad.push((
                    at as u32,
                    if self.below(2) == 0 { ItemVerdict::Retry(code) } else { ItemVerdict::Hold(code) },
                ));
                continue;
            }
            let id = line.split(' ').next().unwrap_or("").to_owned();
            if self.taken.docs.insert(id, 1).is_some() {
                bad.push((at as u32, ItemVerdict::Already));
            } else {
                self.store_line(line);
            }
        }
        Verdict::Items(bad)
    }
}
