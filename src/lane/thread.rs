//! The thread around a lane: the only I/O a lane has. Reads blocks, hands batches out, writes notes, keeps the clock.
//!
//! Others reach the lane through its inbox, which is bounded by construction: one view per file, one answer per
//! batch in flight. It blocks on nothing but its own files and, while idle, its inbox.

use super::batch::{Batch, Ticket};
use super::format::Format;
use super::pump::BLOCK;
use super::step::{Action, Event, Lane};
use crate::catalog::view::{FileView, Found, Life};
use crate::record::{FileId, Now};
use crate::store::saved::Saved;
use crate::telemetry::report::LaneReport;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Reports are published at most this often.
const REPORT_EVERY: Duration = Duration::from_millis(500);
/// And at least this often.
const ALIVE_EVERY: Duration = Duration::from_secs(10);

/// What waits for a lane.
#[derive(Default)]
pub struct Inbox {
    mail: Mutex<Mail>,
    wake: Condvar,
}

#[derive(Default)]
struct Mail {
    views: BTreeMap<FileId, FileView>,
    events: VecDeque<Event>,
    /// A view says more than that a file grew.
    pressing: bool,
    /// The lane heard of growth a moment ago: that more grew waits for company.
    resting: bool,
}

impl Inbox {
    /// Files appeared or changed; of two views of one file the newer stays.
    pub fn post(&self, views: &[FileView]) {
        let mut mail = self.mail.lock().unwrap_or_else(PoisonError::into_inner);
        for view in views {
            mail.pressing |= view.danger || view.life != Life::Growing;
            mail.views.insert(view.file.id, view.clone());
        }
        if mail.pressing || !mail.resting {
            self.wake.notify_one();
        }
    }
    /// An answer, a note from the store, a command.
    pub fn push(&self, event: Event) {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner).events.push_back(event);
        self.wake.notify_one();
    }
    /// The next event; waits for one at most so long. That files grew is no event while the lane rests.
    fn take(&self, wait: Duration, rest: Duration) -> Option<Event> {
        let mut mail = self.mail.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = rest.min(wait);
        if mail.events.is_empty() && !mail.pressing && !rest.is_zero() {
            mail.resting = true;
            mail = self.wake.wait_timeout(mail, rest).unwrap_or_else(PoisonError::into_inner).0;
            mail.resting = false;
        } else if mail.events.is_empty() && mail.views.is_empty() && !wait.is_zero() {
            mail = self.wake.wait_timeout(mail, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
        mail.pressing = false;
        // Files first: the end of the first scan, or a drain, must not be heard of before what there was to read.
        let views = std::mem::take(&mut mail.views);
        if !views.is_empty() {
            return Some(Event::Files(views.into_values().collect()));
        }
        mail.events.pop_front()
    }
}

/// Answers once for one batch; dropped without an answer it says `Unknown`: a batch that vanished was not delivered.
pub struct Reply {
    inbox: Arc<Inbox>,
    ticket: Option<Ticket>,
}

impl Reply {
    /// For the batch with this ticket.
    pub fn new(inbox: Arc<Inbox>, ticket: Ticket) -> Reply {
        Reply { inbox, ticket: Some(ticket) }
    }
    /// The verdict.
    pub fn answer(mut self, verdict: super::batch::Verdict) {
        if let Some(ticket) = self.ticket.take() {
            self.inbox.push(Event::Answer(ticket, verdict));
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let (code, scope) = (super::batch::Code::new("vanished"), super::batch::Scope::Key);
            let say = "the attempt ended without an answer".to_owned();
            self.inbox.push(Event::Answer(ticket, super::batch::Verdict::Unknown { code, scope, say }));
        }
    }
}

/// What the thread does for its lane.
#[expect(clippy::type_complexity, reason = "one plain closure each: a trait would have a single implementor")]
pub struct Outside {
    /// The clock.
    pub now: Box<dyn Fn() -> Now + Send>,
    /// Plain bytes of a file at an offset.
    pub read: Box<dyn FnMut(FileId, u64, &mut [u8]) -> std::io::Result<Found> + Send>,
    /// Starts one attempt; the answer comes through the reply.
    pub send: Box<dyn Fn(Batch, Reply) + Send>,
    /// Appends to the store; with a ticket, `Saved` comes back through the inbox.
    pub save: Box<dyn Fn(Vec<Saved>, bool, Option<Ticket>) + Send>,
    /// Appends to the dead-letter file and fsyncs.
    pub bury: Box<dyn FnMut(&[u8]) -> Result<(), String> + Send>,
    /// Tells the catalog how far this lane is.
    pub passed: Box<dyn Fn(&[(FileId, u64)]) + Send>,
    /// Publishes a report, and that the thread is alive.
    pub report: Box<dyn FnMut(LaneReport) + Send>,
}

/// Runs a lane until it is done.
pub fn run<F: Format>(mut lane: Lane<F>, inbox: &Arc<Inbox>, mut outside: Outside) -> Lane<F> {
    let mut event = Event::Tick;
    let (mut reported, mut news) = (Duration::ZERO, false);
    let mut rest_until = Duration::ZERO;
    loop {
        let now = (outside.now)();
        if now.mono.saturating_sub(reported) >= REPORT_EVERY {
            (reported, news) = (now.mono, false);
            (outside.report)(lane.report());
        }
        news |= !matches!(event, Event::Tick);
        if matches!(event, Event::Files(_)) {
            rest_until = now.mono.saturating_add(lane.company());
        }
        let mut wait = Duration::ZERO;
        match lane.step(now, event) {
            Action::Read { file, at, len, mut buffer } => {
                buffer.resize(BLOCK, 0);
                let read = match buffer.get_mut(..len) {
                    Some(part) => (outside.read)(file, at, part),
                    None => Ok(Found::Bytes(0)),
                };
                event = Event::Block(buffer, read);
                continue;
            }
            Action::Send(batch) => {
                let reply = Reply::new(inbox.clone(), batch.ticket);
                (outside.send)(batch, reply);
            }
            Action::Save { records, sync, then } => (outside.save)(records, sync, then),
            Action::Bury { ticket, lines } => {
                event = Event::Buried(ticket, (outside.bury)(&lines));
                continue;
            }
            Action::Passed(how_far) => (outside.passed)(&how_far),
            Action::Sleep(until) => wait = until.saturating_sub(now.mono),
            Action::Done => {
                (outside.report)(lane.report());
                return lane;
            }
        }
        // What happened last is told soon; after that a sleeping lane still shows that it is alive.
        let nap = if news { REPORT_EVERY } else { ALIVE_EVERY };
        event = inbox.take(wait.min(nap), rest_until.saturating_sub(now.mono)).unwrap_or(Event::Tick);
    }
}

#[cfg(test)]
mod tests;
