//! What a stand-in durably took in: ids counted, sums verified, bytes added up, the last records kept whole.
//!
//! Bodies made by [`super::writer`] carry `tr=` and 16 hexadecimal digits: the line's id; and `sum=` and 8 digits: the
//! CRC-32C of the body without these digits. A record with an id and a wrong sum is counted as damaged: its text is
//! not the one that was written. Memory: about 16 bytes an id, up to a stated number of ids.

use hashbrown::HashMap;
use memchr::memmem;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Sums; they only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Events, documents, or lines of objects.
    pub records: u64,
    /// S3 objects.
    pub objects: u64,
    /// Bytes of bodies as they came over the wire, of requests that stored something.
    pub wire_bytes: u64,
    /// The same bodies without their compression (S3: only what could be decompressed).
    pub plain_bytes: u64,
    /// Items the service had already: 409 for a document, 412 for an object.
    pub already: u64,
    /// Documents or objects that replaced one of the same name.
    pub replaced: u64,
    /// Items refused on their own: rejected events and failed documents.
    pub refused_items: u64,
    /// Records that carry no id.
    pub without_id: u64,
    /// Ids that were there already, each time they came again.
    pub again: u64,
    /// Records whose sum does not fit their text.
    pub damaged: u64,
    /// Lines of objects that are not JSON, and objects that could not be decompressed.
    pub unreadable: u64,
    /// The table is full: ids past [`super::Options::max_ids`] were not noted.
    pub full: bool,
}

/// A record that was kept whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Log group, object key or index.
    pub place: String,
    /// Log stream or document id.
    pub name: String,
    /// Event time in milliseconds; 0 where there is none.
    pub time: i64,
    /// Message, line or document.
    pub text: Vec<u8>,
}

/// One record on its way into the table.
#[derive(Clone, Copy, Debug)]
pub struct Taken<'a> {
    /// Log group, object key or index.
    pub place: &'a str,
    /// Log stream or document id.
    pub name: &'a str,
    /// Event time in milliseconds; 0 where there is none.
    pub time: i64,
    /// Message, line or document.
    pub text: &'a [u8],
}

#[derive(Debug, Default)]
struct Table {
    ids: HashMap<u64, u32>,
    totals: Totals,
    kept: VecDeque<Kept>,
    damaged: Vec<u64>,
}

/// The table, shared.
#[derive(Clone, Debug)]
pub struct Receipts {
    table: Arc<Mutex<Table>>,
    max_ids: usize,
    keep: usize,
}

impl Receipts {
    /// Ids of damaged records that are named.
    const NAMED: usize = 20;

    /// An empty table with its bounds.
    pub fn new(max_ids: usize, keep: usize) -> Receipts {
        Receipts { table: Arc::default(), max_ids, keep }
    }
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Notes records.
    pub fn take<'a>(&self, records: impl Iterator<Item = Taken<'a>>) {
        let mut table = self.lock();
        for record in records {
            table.take(&record, self.max_ids, self.keep);
        }
    }
    /// Adds to the sums.
    pub fn add(&self, change: impl FnOnce(&mut Totals)) {
        change(&mut self.lock().totals);
    }
    /// The sums now.
    pub fn totals(&self) -> Totals {
        self.lock().totals.clone()
    }
    /// How often this id was taken in.
    pub fn count(&self, id: u64) -> u32 {
        self.lock().ids.get(&id).copied().unwrap_or(0)
    }
    /// Different ids.
    pub fn distinct(&self) -> u64 {
        self.lock().ids.len() as u64
    }
    /// Shows `look` how often each id came; the table is locked meanwhile.
    pub fn with<T>(&self, look: impl FnOnce(&HashMap<u64, u32>) -> T) -> T {
        look(&self.lock().ids)
    }
    /// The last records, oldest first.
    pub fn kept(&self) -> Vec<Kept> {
        self.lock().kept.iter().cloned().collect()
    }
    /// The first ids whose text was damaged.
    pub fn damaged(&self) -> Vec<u64> {
        self.lock().damaged.clone()
    }
}

impl Table {
    fn take(&mut self, record: &Taken<'_>, max_ids: usize, keep: usize) {
        self.totals.records += 1;
        let body = body_of(record.text);
        let mut first = None;
        for id in ids_in(&body) {
            first.get_or_insert(id);
            if self.ids.len() >= max_ids && !self.ids.contains_key(&id) {
                self.totals.full = true;
                continue;
            }
            let times = self.ids.entry(id).or_insert(0);
            self.totals.again += u64::from(*times > 0);
            *times += 1;
        }
        match first {
            None => self.totals.without_id += 1,
            Some(id) if !sum_holds(&body) => {
                self.totals.damaged += 1;
                if self.damaged.len() < Receipts::NAMED {
                    self.damaged.push(id);
                }
            }
            Some(_) => {}
        }
        if keep > 0 {
            if self.kept.len() >= keep {
                self.kept.pop_front();
            }
            let (place, name) = (record.place.to_owned(), record.name.to_owned());
            self.kept.push_back(Kept { place, name, time: record.time, text: record.text.to_vec() });
        }
    }
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
}

/// The line inside a document (its member `log`), or the text itself where it is no such document.
pub fn body_of(text: &[u8]) -> Cow<'_, [u8]> {
    if text.first() == Some(&b'{') {
        match serde_json::from_slice::<Document<'_>>(text).map(|d| d.log) {
            Ok(Cow::Borrowed(log)) => return Cow::Borrowed(log.as_bytes()),
            Ok(Cow::Owned(log)) => return Cow::Owned(log.into_bytes()),
            Err(_) => {}
        }
    }
    Cow::Borrowed(text)
}

/// Every `tr=` with 16 lower-case hexadecimal digits.
pub fn ids_in(body: &[u8]) -> impl Iterator<Item = u64> {
    memmem::find_iter(body, b"tr=").filter_map(|at| hex_at(body, at + 3, 16))
}

/// True unless there is a `sum=` with 8 digits that is not the CRC-32C of the other bytes.
pub fn sum_holds(body: &[u8]) -> bool {
    let Some(at) = memmem::find(body, b"sum=").map(|at| at + 4) else { return true };
    let Some(sum) = hex_at(body, at, 8) else { return true };
    let (before, after) = (body.get(..at).unwrap_or_default(), body.get(at + 8..).unwrap_or_default());
    u64::from(crc32c::crc32c_append(crc32c::crc32c(before), after)) == sum
}

fn hex_at(body: &[u8], at: usize, digits: usize) -> Option<u64> {
    let text = body.get(at..at + digits)?;
    let plain = text.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    u64::from_str_radix(std::str::from_utf8(text).ok().filter(|_| plain)?, 16).ok()
}
