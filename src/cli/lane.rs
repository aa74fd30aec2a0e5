//! A lane on a thread of its own, as the agent and `replay` start it.
//!
//! Promises: whoever waits hears of the end of each lane, also when its thread failed; an attempt is bounded in time and
//! ends with its lane. What a lane reads and where its reports go is the caller's business.

use crate::lane::account::Left;
use crate::lane::batch::{Batch, Code, Scope, Ticket, Verdict};
use crate::lane::format::Format;
use crate::lane::step::{Event, Lane};
use crate::lane::thread::{self, Inbox, Outside, Reply};
use crate::store::saved::Saved;
use crate::store::thread::StoreHandle;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// No attempt may take longer, whatever its own limits: several requests of a minute each at most.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(300);

/// For a lane's settings; another one at each start.
pub fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A lane's life: held by its thread, seen by its attempts.
pub fn life() -> (watch::Sender<()>, watch::Receiver<()>) {
    watch::channel(())
}

/// How a lane sends: each attempt is a task of the runtime in which this is called, for as long as the lane lives.
pub fn send<A, V>(attempt: A, gone: watch::Receiver<()>) -> Box<dyn Fn(Batch, Reply) + Send>
where
    A: Fn(Batch) -> V + Send + 'static,
    V: Future<Output = Verdict> + Send + 'static,
{
    let runtime = tokio::runtime::Handle::current();
    Box::new(move |batch, reply| drop(runtime.spawn(answer(attempt(batch), reply, gone.clone()))))
}

/// One attempt, bounded in time. It ends with its lane: nobody would hear the answer, and its body is the lane's memory.
async fn answer(attempt: impl Future<Output = Verdict>, reply: Reply, mut gone: watch::Receiver<()>) {
    let verdict = tokio::select! {
        verdict = tokio::time::timeout(LONGEST_ATTEMPT, attempt) => verdict,
        _ = gone.changed() => return,
    };
    let late = |_| {
        let say = format!("the attempt did not end within {} s", LONGEST_ATTEMPT.as_secs());
        Verdict::Unknown { code: Code::new("timeout"), scope: Scope::Key, say }
    };
    reply.answer(verdict.unwrap_or_else(late));
}

type Save = Box<dyn Fn(Vec<Saved>, bool, Option<Ticket>) + Send>;

/// How a lane saves: the store's answer comes back through its inbox.
pub fn save(store: StoreHandle, inbox: Arc<Inbox>) -> Save {
    Box::new(move |records, sync, then| match then {
        None => store.append(records),
        Some(ticket) => {
            let inbox = inbox.clone();
            store.append_then(records, sync, Box::new(move |durable| inbox.push(Event::Saved(ticket, durable))));
        }
    })
}

/// Starts the thread. `ended` is told what the lane could not settle; `None` when its thread failed.
pub fn start<F: Format>(
    output: &str,
    lane: Lane<F>,
    inbox: Arc<Inbox>,
    outside: Outside,
    alive: watch::Sender<()>,
    ended: impl FnOnce(Option<Vec<Left>>) + Send + 'static,
) -> Result<(), String> {
    let body = move || {
        let mut end = End { ended: Some(ended), left: None, _alive: alive };
        end.left = Some(thread::run(lane, &inbox, outside).left());
    };
    let thread = std::thread::Builder::new().name(format!("lane {output}")).spawn(body);
    thread.map(drop).map_err(|e| format!("no thread for a lane: {e}"))
}

/// Tells of the thread's end, however it ends.
struct End<E: FnOnce(Option<Vec<Left>>)> {
    ended: Option<E>,
    left: Option<Vec<Left>>,
    /// Attempts end when it goes.
    _alive: watch::Sender<()>,
}

impl<E: FnOnce(Option<Vec<Left>>)> Drop for End<E> {
    fn drop(&mut self) {
        if let Some(ended) = self.ended.take() {
            ended(self.left.take());
        }
    }
}
