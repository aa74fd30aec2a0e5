//! The thread that owns the store: the only place where the agent waits for its disk.
//!
//! Lanes and the catalog hand records over and go on. The thread writes what waits in one go, at once; it syncs at
//! most once a second, at the end, and when somebody waits for it (all who wait share one sync). When `data_dir`
//! cannot be written, whoever asked is told `false`, the state stays in memory, and the next try is a moment later.

use super::file::Store;
use super::queue::{Command, Queue, Reply};
use super::saved::Saved;
use crate::record::Now;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two syncs that nobody asked for.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// Between a failure and the next try.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// So many seconds a reply may take.
const LOOKS: u32 = 10;
/// Between two log lines about the same trouble.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// To the store's thread; clones share it. The thread ends with `stop`, or with the last handle.
#[derive(Clone)]
pub struct StoreHandle(Arc<Owner>);

struct Owner {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    inbox: Mutex<Inbox>,
    /// Something was put into the inbox.
    wake: Condvar,
    /// The thread is through.
    ended: Condvar,
    trouble: Mutex<Option<String>>,
    owed: Mutex<Owed>,
}

/// Replies that were not given yet, and how often they were looked at. Each is given once, by whoever is first.
#[derive(Default)]
struct Owed {
    replies: BTreeMap<u64, (Reply, u32)>,
    last: u64,
}

impl Owed {
    fn add(&mut self, reply: Reply) -> u64 {
        self.last += 1;
        self.replies.insert(self.last, (reply, 0));
        self.last
    }
    /// One more look: which are overdue?
    fn late(&mut self) -> Vec<u64> {
        self.replies.values_mut().for_each(|(_, looks)| *looks += 1);
        self.replies.iter().filter(|(_, (_, looks))| *looks > LOOKS).map(|(number, _)| *number).collect()
    }
}

/// A question about the state as it is once everything that was handed over before it is taken in.
pub type Question = Box<dyn FnOnce(&Store) + Send>;

#[derive(Default)]
struct Inbox {
    queue: Queue,
    questions: Vec<Question>,
    stopping: bool,
    ended: bool,
}

impl StoreHandle {
    /// Starts the thread. `clock` is read by it alone.
    pub fn start(store: Store, clock: impl Fn() -> Now + Send + 'static) -> io::Result<StoreHandle> {
        let shared = Arc::new(Shared::default());
        let inner = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || {
            let end = End(inner);
            let mut writer = Writer { store, retry_at: None, sync_at: None, say_at: None, said: false };
            writer.run(&end.0, clock);
        })?;
        Ok(StoreHandle(Arc::new(Owner { shared, thread: Mutex::new(Some(thread)) })))
    }

    /// Hands records over; they are written soon, together. Never waits.
    pub fn append(&self, records: Vec<Saved>) {
        self.0.shared.put(Command { records, sync: false, reply: None });
    }

    /// The same, and `reply` is called, on the store's thread or on this one, once it is known whether they were
    /// written (`sync`: and will survive a loss of power). `false`: not yet; they are still kept and written when
    /// that can be done, unless the queue was full. Never waits.
    pub fn append_then(&self, records: Vec<Saved>, sync: bool, reply: Reply) {
        let shared = self.0.shared.clone();
        let number = lock(&shared.owed).add(reply);
        let reply = Box::new(move |good| shared.pay(number, good));
        self.0.shared.put(Command { records, sync, reply: Some(reply) });
    }

    /// Call it once a second: who waited for ten such calls is told `false`: the disk hangs.
    pub fn lose_patience(&self) {
        let late = lock(&self.0.shared.owed).late();
        if !late.is_empty() {
            tracing::error!(waiting = late.len(), "data_dir does not answer: its disk hangs; nobody waits for it");
            lock(&self.0.shared.trouble).get_or_insert_with(|| "the disk does not answer".to_owned());
        }
        late.into_iter().for_each(|number| self.0.shared.pay(number, false));
    }

    /// Asks; the answer comes from the store's thread, in its own time. Never waits. Dropped when that thread is through.
    pub fn ask(&self, question: Question) {
        let mut inbox = lock(&self.0.shared.inbox);
        if !inbox.ended {
            inbox.questions.push(question);
        }
        drop(inbox);
        self.0.shared.wake.notify_all();
    }

    /// Whether the last write or sync went well.
    pub fn healthy(&self) -> bool {
        lock(&self.0.shared.trouble).is_none()
    }

    /// Why not.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.0.shared.trouble).clone()
    }

    /// Writes and syncs what was handed over, and ends the thread; waits for that at most `patience`. What is handed
    /// over later is not written. The error says what is not on disk, or that the disk hangs.
    pub fn stop(self, patience: Duration) -> Result<(), String> {
        let shared = &self.0.shared;
        let mut inbox = lock(&shared.inbox);
        inbox.stopping = true;
        shared.wake.notify_all();
        let waited = shared.ended.wait_timeout_while(inbox, patience, |inbox| !inbox.ended);
        let ended = waited.unwrap_or_else(PoisonError::into_inner).0.ended;
        if !ended {
            return Err(format!("the disk did not answer within {patience:?}"));
        }
        let thread = lock(&self.0.thread).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            return Err("the store's thread panicked".into());
        }
        self.trouble().map_or(Ok(()), Err)
    }
}

/// However the thread ends, nobody waits for it in vain.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        let mut inbox = lock(&self.0.inbox);
        inbox.ended = true;
        let (commands, _) = inbox.queue.take();
        let unanswered = std::mem::take(&mut inbox.questions);
        drop(inbox);
        drop(unanswered);
        self.0.ended.notify_all();
        if std::thread::panicking() {
            *lock(&self.0.trouble) = Some("the store's thread panicked".into());
        }
        commands.into_iter().filter_map(|command| command.reply).for_each(|reply| reply(false));
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        lock(&self.shared.inbox).stopping = true;
        self.shared.wake.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn pay(&self, number: u64, good: bool) {
        let owed = lock(&self.owed).replies.remove(&number);
        if let Some((reply, _)) = owed {
            reply(good);
        }
    }

    fn put(&self, command: Command) {
        let mut inbox = lock(&self.inbox);
        let refused: Vec<Reply> =
            if inbox.ended { command.reply.into_iter().collect() } else { inbox.queue.put(command) };
        drop(inbox);
        self.wake.notify_all();
        for reply in refused {
            reply(false);
        }
    }

    /// Waits until there is something to do: commands, the end, or `patience` is over (`None`: without end).
    fn take(&self, patience: Option<Duration>) -> Taken {
        let idle = |inbox: &mut Inbox| inbox.queue.is_empty() && inbox.questions.is_empty() && !inbox.stopping;
        let inbox = lock(&self.inbox);
        let mut inbox = match patience {
            Some(patience) => {
                self.wake.wait_timeout_while(inbox, patience, idle).unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.wake.wait_while(inbox, idle).unwrap_or_else(PoisonError::into_inner),
        };
        let (commands, shed) = inbox.queue.take();
        Taken { commands, shed, questions: std::mem::take(&mut inbox.questions), stopping: inbox.stopping }
    }
}

/// What one turn has to do.
struct Taken {
    commands: VecDeque<Command>,
    /// Records that were thrown away before.
    shed: u64,
    questions: Vec<Question>,
    stopping: bool,
}

struct Writer {
    store: Store,
    /// The last try failed: leave the disk alone until then.
    retry_at: Option<Duration>,
    /// There is something to sync: then at the latest.
    sync_at: Option<Duration>,
    /// The trouble was logged: say nothing more of trouble until then.
    say_at: Option<Duration>,
    /// It was logged, and its end was not.
    said: bool,
}

impl Writer {
    fn run(&mut self, shared: &Shared, clock: impl Fn() -> Now) {
        let mut patience = Some(Duration::ZERO);
        loop {
            let Taken { commands, shed, questions, stopping } = shared.take(patience);
            let now = clock();
            if shed > 0 {
                tracing::error!(shed, "the disk is too slow: checkpoint records were thrown away");
            }
            self.turn(commands, questions, stopping, now, shared);
            if stopping {
                // Under one lock: a command comes before the end and is written, or after it and is refused.
                let mut inbox = lock(&shared.inbox);
                inbox.ended = inbox.queue.is_empty();
                if inbox.ended {
                    return;
                }
            }
            let next = [self.retry_at.or(self.sync_at), self.store.rest(now)].into_iter().flatten().min();
            patience = next.map(|at| at.saturating_sub(clock().mono));
        }
    }

    fn turn(
        &mut self,
        commands: VecDeque<Command>,
        questions: Vec<Question>,
        stopping: bool,
        now: Now,
        shared: &Shared,
    ) {
        let mut written = Vec::new();
        let mut synced = Vec::new();
        let resting = self.retry_at.is_some_and(|at| now.mono < at) && !stopping;
        // Who asks does not wait for the disk.
        let mut good = !resting && questions.is_empty();
        for command in commands {
            // What comes in a burst is written in pieces: too much at once would be taken for a disk that cannot be written.
            good = good && (!self.store.waits_for_flush() || self.store.flush(now).is_ok());
            let noted = self.store.note(command.records, now);
            match (noted, command.reply) {
                (Ok(()), Some(reply)) if command.sync => synced.push(reply),
                (Ok(()), Some(reply)) => written.push(reply),
                (Ok(()), None) => {}
                (Err(error), reply) => {
                    tracing::error!(%error, "a checkpoint record cannot be stored");
                    written.extend(reply.map(|reply| Box::new(move |_| reply(false)) as Reply));
                }
            }
        }
        // Before the disk is waited for.
        questions.into_iter().for_each(|question| question(&self.store));
        let mut result = if resting { None } else { Some(self.store.flush(now)) };
        let good = matches!(result, Some(Ok(())));
        written.into_iter().for_each(|reply| reply(good));
        let due = stopping || !synced.is_empty() || self.sync_at.is_some_and(|at| at <= now.mono);
        if good && due && self.store.dirty() {
            result = Some(self.store.sync(now));
        }
        let good = matches!(result, Some(Ok(())));
        synced.into_iter().for_each(|reply| reply(good));
        if let Some(result) = result {
            self.told(result, now, shared);
        }
    }

    /// Plans the next sync or the next try, and says how things stand.
    fn told(&mut self, result: io::Result<()>, now: Now, shared: &Shared) {
        let mut trouble = lock(&shared.trouble);
        match result {
            Ok(()) => {
                self.retry_at = None;
                let due = now.mono.saturating_add(SYNC_EVERY);
                self.sync_at = self.store.dirty().then(|| self.sync_at.filter(|at| *at > now.mono).unwrap_or(due));
                *trouble = None;
                if std::mem::take(&mut self.said) {
                    tracing::info!("data_dir can be written again");
                }
            }
            Err(error) => {
                self.retry_at = Some(now.mono.saturating_add(RETRY_AFTER));
                // The next try is a whole one.
                self.sync_at = Some(now.mono);
                if self.say_at.is_none_or(|at| at <= now.mono) {
                    tracing::error!(%error, "data_dir cannot be written; positions are kept in memory only");
                    self.say_at = Some(now.mono.saturating_add(SAY_EVERY));
                    self.said = true;
                }
                *trouble = Some(error.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests;
