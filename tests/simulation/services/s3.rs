//! S3: PutObject and CompleteMultipartUpload with `If-None-Match: *`, uploads and parts, the minimum of a part.

use super::{At, bytes_of, text_of};
use crate::small;
use crate::truth::{Doc, Truth};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tailrace::lane::batch::{Batch, Job, PartTag, Verdict};

/// Records of one body: the cells of each.
type Records = Vec<Vec<u32>>;

struct Part {
    etag: String,
    /// Large enough to stand before another part.
    whole: bool,
    records: Records,
}

#[derive(Default)]
pub struct Buckets {
    pub objects: HashMap<Arc<str>, Records>,
    uploads: HashMap<Arc<str>, (Arc<str>, BTreeMap<u16, Part>)>,
    next: u64,
    /// Objects made of several parts.
    pub completed: u64,
}

impl Buckets {
    pub fn take_in(&mut self, batch: &Batch, at: &mut At<'_>) -> Verdict {
        match &batch.job {
            Job::Send => panic!("S3 has no plain sending"),
            Job::Put { name } => {
                let records: Records = batch.bodies.iter().flat_map(|b| records_of(&text_of(b), at.truth)).collect();
                assert_eq!(records.len(), batch.items as usize);
                self.make(name, records, at)
            }
            Job::Part { name, upload, number } => self.part(batch, name, upload, *number, at),
            Job::Complete { name, upload, parts } => self.complete(name, upload, parts, at),
            Job::Abandon { name, upload } => {
                self.uploads.retain(|id, (of, _)| of != name || upload.as_ref().is_some_and(|u| u != id));
                Verdict::Delivered { already: 0 }
            }
        }
    }
    fn part(
        &mut self,
        batch: &Batch,
        name: &Arc<str>,
        upload: &Option<Arc<str>>,
        number: u16,
        at: &mut At<'_>,
    ) -> Verdict {
        assert!((1..=10_000).contains(&number) && !batch.bodies.is_empty());
        let body = batch.bodies.first().expect("a body");
        let upload = upload.clone().unwrap_or_else(|| {
            self.next += 1;
            let id: Arc<str> = format!("upload-{}-{}", at.slot, self.next).into();
            self.uploads.insert(id.clone(), (name.clone(), BTreeMap::new()));
            id
        });
        let Some((of, parts)) = self.uploads.get_mut(&upload) else { return Verdict::NoUpload };
        assert_eq!(of, name, "an upload belongs to one name");
        let etag = format!("\"{:08x}\"", crc32c::crc32c(&bytes_of(body)));
        let records = records_of(&text_of(body), at.truth);
        assert_eq!(records.len(), batch.items as usize);
        parts.insert(number, Part { etag: etag.clone(), whole: small::is_a_part(body), records });
        let tag = PartTag { number, etag: etag.into(), crc32c: "".into() };
        Verdict::Staged { upload, tag }
    }
    fn complete(&mut self, name: &Arc<str>, upload: &Arc<str>, tags: &[PartTag], at: &mut At<'_>) -> Verdict {
        let Some((of, parts)) = self.uploads.get(upload) else { return Verdict::NoUpload };
        assert_eq!(of, name, "an upload belongs to one name");
        assert!(!tags.is_empty() && tags.windows(2).all(|w| w[0].number < w[1].number), "parts in order");
        let mut records = Vec::new();
        for (nth, tag) in tags.iter().enumerate() {
            let part = parts.get(&tag.number).unwrap_or_else(|| panic!("InvalidPart {tag:?} of {name}"));
            assert_eq!(part.etag, *tag.etag, "InvalidPart");
            assert!(nth + 1 == tags.len() || part.whole, "EntityTooSmall");
            records.extend(part.records.iter().cloned());
        }
        self.uploads.remove(upload);
        self.completed += u64::from(tags.len() > 1);
        self.make(name, records, at)
    }
    fn make(&mut self, name: &Arc<str>, records: Records, at: &mut At<'_>) -> Verdict {
        assert!((1..=1024).contains(&name.len()));
        if self.objects.contains_key(name) {
            return Verdict::Delivered { already: 1 };
        }
        assert!(!records.is_empty(), "an empty object");
        for cells in &records {
            at.truth.arrive(at.slot, cells);
        }
        self.objects.insert(name.clone(), records);
        Verdict::Delivered { already: 0 }
    }
    /// Somebody, or a life-cycle rule, aborted it.
    pub fn lose_upload(&mut self, batch: &Batch) {
        if let Job::Part { upload: Some(upload), .. } | Job::Complete { upload, .. } = &batch.job {
            self.uploads.remove(upload);
        }
    }
}

fn records_of(text: &str, truth: &Truth) -> Records {
    assert!(text.is_empty() || text.ends_with('\n'));
    let doc = |line: &str| {
        let doc: Doc<'_> = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        truth.cells_of(&doc).unwrap_or_else(|why| panic!("S3: {why}"))
    };
    text.lines().map(doc).collect()
}
