//! The checkpoint store: it goes on in memory, says so once a minute, asks nobody, and catches up when it can.

use crate::support::until;
use crate::{ERRNOS, at, cases, fails};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tailrace::store::file::{NAME, Store};
use tailrace::store::memory::{MemoryStorage, Write};
use tailrace::store::saved::{LaneId, Saved, State};
use tailrace::store::thread::StoreHandle;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

const SOON: Duration = Duration::from_secs(20);

/// What stands in `data_dir` when the process starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    Log,
    /// Its end is torn.
    Torn,
    /// It cannot be read.
    Garbage,
}

fn note(ticket: u64) -> Saved {
    Saved::Attempt { lane: LaneId("l".into()), ticket, records: 1 }
}

fn notes(state: &State) -> Vec<u64> {
    state.lanes.values().flat_map(|lane| lane.attempts.keys().copied()).collect()
}

fn disk(before: Before) -> MemoryStorage {
    let disk = MemoryStorage::default();
    if before == Before::Garbage {
        disk.put(NAME, b"this was a log once, before somebody wrote into it");
    } else if before != Before::Nothing {
        let (mut store, ..) = Store::open_in(Box::new(disk.clone()), at(0)).unwrap();
        store.append(&[note(1)], at(0)).unwrap();
        let bytes = disk.bytes(NAME).unwrap();
        disk.put(NAME, &[bytes.as_slice(), if before == Before::Torn { b"torn" } else { b"" }].concat());
    }
    disk
}

/// Which of these writes is waited for: one that only has to survive the process, one that is synced.
fn expected(before: Before, write: Write) -> (bool, bool) {
    let rewritten_first = matches!(before, Before::Nothing | Before::Garbage);
    match write {
        Write::Append => (false, false),
        // What was not read by this process, and by it alone, is replaced before a sync vouches for it.
        Write::Prepare | Write::Create | Write::Rename | Write::Sync => (!rewritten_first, false),
        // The directory is synced after the new log stands: what is appended to it survives the process.
        Write::SyncDir => (true, false),
        Write::Truncate => (before != Before::Torn, before != Before::Torn),
        Write::Remove => (true, true),
    }
}

#[test]
fn positions_are_kept_in_memory_while_they_cannot_be_written_and_written_when_they_can() {
    let heard = listen();
    println!("checkpoint store, each write with each of four errnos: (appended, synced); then all is there");
    for before in [Before::Nothing, Before::Log, Before::Torn, Before::Garbage] {
        for (write, name, errno) in cases() {
            let disk = disk(before);
            heard.lock().unwrap().clear();
            disk.set_faults(fails(write, errno));
            let (store, state, _) = Store::open_in(Box::new(disk.clone()), at(0)).unwrap();
            let known = matches!(before, Before::Log | Before::Torn);
            assert_eq!(notes(&state), if known { vec![1] } else { vec![] }, "what can be read is known");
            let clock = Arc::new(AtomicU64::new(0));
            let time = clock.clone();
            let handle = StoreHandle::start(store, move || at(time.load(Ordering::Relaxed))).unwrap();
            let ask = |ticket, sync| {
                let (send, answer) = channel();
                clock.fetch_add(600, Ordering::Relaxed);
                handle.append_then(vec![note(ticket)], sync, Box::new(move |good| send.send(good).unwrap()));
                answer.recv_timeout(SOON).expect("nobody waits in vain")
            };
            let replies: Vec<(bool, bool)> = (0..5).map(|n| (ask(10 + 2 * n, false), ask(11 + 2 * n, true))).collect();
            let (appended, synced) = expected(before, write);
            let case = format!("{before:?} {write:?} {name}: {replies:?}");
            assert!(replies.iter().all(|r| r.1 == synced), "{case}");
            // A failing rewrite may be one of an append's too: what is said is never more than what is.
            assert!(replies.iter().all(|r| !r.0 || appended), "{case}");
            let said = |text: &str| heard.lock().unwrap().iter().filter(|l| l.contains(text)).count();
            let (times, why) = (usize::from(!synced), std::io::Error::from_raw_os_error(errno).to_string());
            // Answers come first, then the news.
            until(&case, SOON, || handle.trouble() == (!synced).then(|| why.clone()));
            assert_eq!(said("positions are kept in memory only"), times, "{case}: said once");

            disk.set_faults(Default::default());
            assert!(ask(99, true), "{case}: it comes back by itself");
            until(&case, SOON, || handle.trouble().is_none() && said("data_dir can be written again") == times);
            disk.lose_power(|_| 0);
            let (_, state, _) = Store::open_in(Box::new(disk.clone()), at(0)).unwrap();
            let all: Vec<u64> = known.then_some(1).into_iter().chain(10..20).chain([99]).collect();
            assert_eq!(notes(&state), all, "{case}: nothing is forgotten");
            if name == ERRNOS[0].0 {
                println!("  {before:?} {write:?}: {:?}", replies[4]);
            }
            handle.stop(SOON).unwrap();
        }
    }
}

/// Messages of our own log, of this whole process.
fn listen() -> Arc<Mutex<Vec<String>>> {
    struct Heard(Arc<Mutex<Vec<String>>>);
    struct Message(String);
    impl Visit for Message {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            if field.name() == "message" {
                self.0 = format!("{value:?}");
            }
        }
    }
    impl<S: tracing::Subscriber> Layer<S> for Heard {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            let mut message = Message(String::new());
            event.record(&mut message);
            self.0.lock().unwrap().push(message.0);
        }
    }
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Heard(heard.clone()))).unwrap();
    heard
}
