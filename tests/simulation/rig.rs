//! One lane and what its thread would do for it: reading, sending, saving, burying, its inbox.

use crate::books::{Books, Ids};
use crate::chance::Chance;
use crate::services::{At, Services};
use crate::store::{ReplyTo, SimStore};
use crate::truth::Truth;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tailrace::body::chunks::{CHUNK, Pool};
use tailrace::catalog::progress::Progress;
use tailrace::catalog::reader::Reader;
use tailrace::catalog::view::{FileView, Found, Life};
use tailrace::lane::account::Left;
use tailrace::lane::format::Format;
use tailrace::lane::step::{Action, Event, Lane};
use tailrace::record::{FileId, Now};
use tailrace::store::saved::{Saved, Sums};
use tailrace::telemetry::report::LaneReport;

/// A lane of whatever format.
pub trait Machine {
    fn step(&mut self, now: Now, event: Event) -> Action;
    fn report(&mut self) -> LaneReport;
    fn sums(&self) -> &Sums;
    fn left(&self) -> Vec<Left>;
}

impl<F: Format> Machine for Lane<F> {
    fn step(&mut self, now: Now, event: Event) -> Action {
        Lane::step(self, now, event)
    }
    fn report(&mut self) -> LaneReport {
        Lane::report(self)
    }
    fn sums(&self) -> &Sums {
        Lane::sums(self)
    }
    fn left(&self) -> Vec<Left> {
        Lane::left(self)
    }
}

/// What a lane reaches outside of itself.
pub struct Outside<'a> {
    pub now: Now,
    pub true_ns: i64,
    pub truth: &'a mut Truth,
    pub ids: &'a mut Ids,
    pub services: &'a mut Services,
    pub store: &'a mut SimStore,
    pub progress: &'a Progress,
    pub chance: &'a mut Chance,
    /// The dead-letter directory takes no more.
    pub dead_letter_full: bool,
    pub short_reads: bool,
    pub trace: bool,
}

impl Outside<'_> {
    fn say(&self, what: impl FnOnce() -> String) {
        if self.trace {
            crate::say(&what());
        }
    }
}

pub struct Rig {
    /// As the catalog counts lanes.
    number: usize,
    /// The slot it writes to.
    pub index: usize,
    concurrency: usize,
    pub lane: Box<dyn Machine>,
    pool: Arc<Pool>,
    reader: Reader,
    views: BTreeMap<FileId, FileView>,
    events: VecDeque<Event>,
    /// Size up to which the lane may read.
    sizes: HashMap<FileId, u64>,
    pub books: Books,
    pub wake: Duration,
    pub done: bool,
    buried: Vec<String>,
}

impl Rig {
    pub fn new(
        (number, index, concurrency): (usize, usize, usize),
        lane: Box<dyn Machine>,
        pool: Arc<Pool>,
        reader: Reader,
        books: Books,
    ) -> Rig {
        Rig {
            number,
            index,
            concurrency,
            lane,
            pool,
            reader,
            views: BTreeMap::new(),
            events: VecDeque::new(),
            sizes: HashMap::new(),
            books,
            wake: Duration::ZERO,
            done: false,
            buried: Vec::new(),
        }
    }
    pub fn post(&mut self, views: &[FileView]) {
        for view in views {
            self.views.insert(view.file.id, view.clone());
        }
    }
    pub fn push(&mut self, event: Event) {
        self.events.push_back(event);
    }
    pub fn has_mail(&self) -> bool {
        !self.views.is_empty() || !self.events.is_empty()
    }
    fn mail(&mut self) -> Option<Event> {
        let views = std::mem::take(&mut self.views);
        for view in views.values() {
            // What is gone cannot be read, however large it was.
            match view.life {
                Life::Gone => self.sizes.remove(&view.file.id),
                Life::Growing | Life::Final | Life::Ended => self.sizes.insert(view.file.id, view.size),
            };
        }
        if !views.is_empty() {
            return Some(Event::Files(views.into_values().collect()));
        }
        self.events.pop_front()
    }

    /// Steps until the lane sleeps, or is done.
    pub fn drive(&mut self, out: &mut Outside<'_>) {
        if self.done {
            return;
        }
        let mut event = self.mail().unwrap_or(Event::Tick);
        for round in 0.. {
            assert!(round < 50_000, "lane {} does not come to rest: {:#?}", self.index, self.lane.report());
            let action = self.lane.step(out.now, event);
            event = match action {
                Action::Read { file, at, len, buffer } => self.read(file, at, len, buffer, out),
                Action::Bury { ticket, lines } => Event::Buried(ticket, self.bury(&lines, out)),
                Action::Send(batch) => {
                    let lane = self.index;
                    out.say(|| format!("lane {lane} sends {:?} {:?} {}", batch.ticket, batch.job, batch.target.place));
                    let chance = &mut *out.chance;
                    let mut at = At { truth: out.truth, slot: lane, true_ns: out.true_ns, mono: out.now.mono, chance };
                    out.services.send(lane, batch, &mut at);
                    self.between(out)
                }
                Action::Save { records, sync, then } => {
                    self.note(&records, out);
                    out.store.append(records, sync, then.map(|t| ReplyTo::Lane(self.index, t)));
                    self.between(out)
                }
                Action::Passed(passed) => {
                    passed.iter().for_each(|(file, low)| out.progress.passed(self.number, *file, *low));
                    self.between(out)
                }
                Action::Sleep(until) => match self.mail() {
                    Some(event) => event,
                    None => {
                        self.wake = until;
                        return self.check(out);
                    }
                },
                Action::Done => {
                    self.done = true;
                    return self.check(out);
                }
            };
        }
    }
    /// Mail may come between any two steps.
    fn between(&mut self, out: &mut Outside<'_>) -> Event {
        if out.chance.one_in(2) { self.mail().unwrap_or(Event::Tick) } else { Event::Tick }
    }

    fn read(&mut self, file: FileId, at: u64, len: usize, mut buffer: Vec<u8>, out: &mut Outside<'_>) -> Event {
        let size = self.sizes.get(&file).copied();
        let within = size.is_none_or(|size| at.saturating_add(len as u64) <= size);
        assert!(len > 0 && within, "lane {} reads {file} at {at}+{len}, past {size:?}", self.index);
        let short = if out.short_reads { 1 + out.chance.below(400) as usize } else { usize::MAX };
        buffer.resize(tailrace::lane::pump::BLOCK, 0);
        let part = buffer.get_mut(..len.min(short)).expect("a read fits into a block");
        let read = self.reader.read(file, at, part);
        out.say(|| format!("lane {} reads {file} at {at}+{len}: {read:?}", self.index));
        // A file that was never offered is asked for once more, to be sure that it is gone.
        assert!(size.is_some() || read.is_err(), "lane {} reads {file}, which was never offered", self.index);
        if let Ok(Found::Bytes(n)) = read {
            recognise(file, at, &part[..n], out);
        }
        Event::Block(buffer, read)
    }
    fn bury(&mut self, lines: &[u8], out: &mut Outside<'_>) -> Result<(), String> {
        if out.dead_letter_full {
            return Err("dead letters are full".into());
        }
        let text = std::str::from_utf8(lines).expect("dead letters are JSON lines");
        for line in text.lines() {
            out.truth.bury(self.index, line).unwrap_or_else(|why| panic!("dead letter: {why}"));
            self.buried.push(line.to_owned());
        }
        Ok(())
    }
    fn note(&mut self, records: &[Saved], out: &mut Outside<'_>) {
        for record in records {
            out.say(|| format!("lane {} saves {record:?}", self.index));
            if let Saved::Position { file, position, .. } = record {
                self.books.moved(*file, position, out.ids, out.truth);
            }
        }
    }
    fn check(&mut self, out: &mut Outside<'_>) {
        self.books.check(self.lane.sums(), out.truth);
        let (flying, most) = (out.services.in_flight(self.index), self.concurrency);
        assert!(flying <= most, "lane {}: {flying} requests at once, {most} allowed", self.index);
        // One body that was begun within the budget may end past it; each has one chunk here, or two.
        let (used, budget) = (self.pool.used(), self.pool.budget());
        assert!(used <= budget + 2 * CHUNK, "lane {}: {used} bytes of bodies, {budget} allowed", self.index);
    }
}

/// What was read is what was written, at that very place of one content.
fn recognise(file: FileId, at: u64, bytes: &[u8], out: &mut Outside<'_>) {
    let begin = at as usize;
    let fits = |c: &crate::truth::Content| c.bytes.get(begin..begin + bytes.len()) == Some(bytes);
    match out.ids.get(&file).and_then(|c| out.truth.contents.get(*c)) {
        Some(content) => {
            assert!(fits(content) || content.unsteady, "{file} at {at} is not what stands in {}", content.called);
        }
        None if bytes.len() >= 60 => {
            let mut found = (0..out.truth.contents.len()).filter(|n| out.truth.contents.get(*n).is_some_and(fits));
            let first = found.next().unwrap_or_else(|| panic!("nobody wrote what {file} holds at {at}"));
            // Many begin with the same line.
            if found.next().is_none() {
                out.ids.insert(file, first);
            }
        }
        None => {}
    }
}
