use super::super::arbitrary::{self, at, position_at};
use super::super::file;
use super::super::memory::{Faults, MemoryStorage};
use super::super::saved::State;
use super::*;
use crate::record::FileId;
use std::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(20);

fn store(disk: &MemoryStorage) -> Store {
    Store::open_in(Box::new(disk.clone()), at(0)).unwrap().0
}

/// What a process would find that opened the directory now.
fn found(disk: &MemoryStorage) -> State {
    super::super::replay::replay(&disk.bytes(file::NAME).unwrap()).unwrap().0
}

fn count(state: &State) -> usize {
    state.lanes.values().map(|lane| lane.positions.len()).sum()
}

fn start(disk: &MemoryStorage) -> StoreHandle {
    #[expect(clippy::disallowed_methods, reason = "the thread waits in real time")]
    let begin = std::time::Instant::now();
    let clock = move || Now { mono: begin.elapsed(), unix_ns: 0 };
    StoreHandle::start(store(disk), clock).unwrap()
}

/// A reply, and where it arrives.
fn reply() -> (Reply, mpsc::Receiver<bool>) {
    let (send, receive) = mpsc::channel();
    (Box::new(move |done| send.send(done).unwrap_or_default()), receive)
}

fn writer(disk: &MemoryStorage) -> (Writer, Shared) {
    let store = store(disk);
    (Writer { store, retry_at: None, sync_at: None, say_at: None, said: false }, Shared::default())
}

fn plain(n: u64) -> VecDeque<Command> {
    VecDeque::from([Command { records: vec![position_at("l", u128::from(n), n)], sync: false, reply: None }])
}

fn asking(n: u64, sync: bool) -> (Command, mpsc::Receiver<bool>) {
    let (reply, receive) = reply();
    (Command { records: vec![position_at("l", u128::from(n), n)], sync, reply: Some(reply) }, receive)
}

fn until(condition: impl Fn() -> bool) {
    let waited = (0..PATIENCE.as_millis()).any(|_| {
        std::thread::sleep(Duration::from_millis(1));
        condition()
    });
    assert!(waited, "nothing happened within {PATIENCE:?}");
}

#[test]
fn what_is_handed_over_is_written_and_the_reply_says_so() {
    let disk = MemoryStorage::default();
    let handle = start(&disk);
    handle.append(vec![position_at("l", 1, 1)]);
    let (reply, done) = reply();
    handle.append_then(vec![position_at("l", 2, 2)], false, reply);
    assert_eq!(done.recv_timeout(PATIENCE), Ok(true));
    assert_eq!(count(&found(&disk)), 2);
    assert!(handle.healthy());
    handle.stop(PATIENCE).unwrap();
}

#[test]
fn a_synced_reply_means_that_a_loss_of_power_takes_nothing() {
    let disk = MemoryStorage::default();
    let handle = start(&disk);
    let (reply, done) = reply();
    handle.append_then(vec![position_at("l", 2, 2)], true, reply);
    assert_eq!(done.recv_timeout(PATIENCE), Ok(true));
    disk.lose_power(|_| 0);
    assert_eq!(count(&found(&disk)), 1);
    handle.stop(PATIENCE).unwrap();
}

#[test]
fn stop_writes_and_syncs_and_later_records_are_refused() {
    let disk = MemoryStorage::default();
    let handle = start(&disk);
    let late = handle.clone();
    for n in 0..3 {
        handle.append(vec![position_at("l", n, 1)]);
    }
    handle.stop(PATIENCE).unwrap();
    disk.lose_power(|_| 0);
    assert_eq!(count(&found(&disk)), 3);
    let (reply, done) = reply();
    late.append_then(vec![position_at("l", 2, 2)], false, reply);
    assert_eq!(done.recv_timeout(PATIENCE), Ok(false));
    late.stop(PATIENCE).unwrap();
}

#[test]
fn the_last_handle_that_goes_takes_the_thread_along() {
    let disk = MemoryStorage::default();
    let handle = start(&disk);
    let shared = Arc::clone(&handle.0.shared);
    handle.clone().append(vec![position_at("l", 1, 1)]);
    drop(handle);
    let inbox = lock(&shared.inbox);
    let ended = shared.ended.wait_timeout_while(inbox, PATIENCE, |inbox| !inbox.ended).unwrap();
    assert!(ended.0.ended);
    assert_eq!(count(&found(&disk)), 1);
}

#[test]
fn a_disk_that_hangs_holds_nobody_up_and_its_end_is_the_end_of_it() {
    let disk = MemoryStorage::default();
    let handle = start(&disk);
    let (reply, done) = reply();
    let hang = disk.hang();
    handle.append_then(vec![position_at("l", 7, 1)], true, reply);
    for n in 0..100_000u64 {
        handle.append(vec![position_at("l", u128::from(n % 10), n)]);
    }
    assert_eq!(done.try_recv(), Err(mpsc::TryRecvError::Empty));
    let error = handle.clone().stop(Duration::from_millis(1)).unwrap_err();
    assert!(error.contains("did not answer"), "{error}");
    drop(hang);
    assert_eq!(done.recv_timeout(PATIENCE), Ok(true));
    handle.stop(PATIENCE).unwrap();
    let state = found(&disk);
    let low: u64 = state.lanes.values().flat_map(|lane| lane.positions.values()).map(|position| position.low).sum();
    assert_eq!(low, (99_990..100_000).sum::<u64>());
}

#[test]
fn who_waits_for_a_disk_that_hangs_is_told_no_in_the_end_and_only_once() {
    let disk = MemoryStorage::default();
    let handle = start(&disk);
    let (first, done) = reply();
    let hang = disk.hang();
    handle.append_then(vec![position_at("l", 7, 1)], true, first);
    (0..LOOKS).for_each(|_| handle.lose_patience());
    assert_eq!((done.try_recv(), handle.healthy()), (Err(mpsc::TryRecvError::Empty), true));
    handle.lose_patience();
    assert_eq!((done.try_recv(), handle.healthy()), (Ok(false), false));
    drop(hang);
    until(|| handle.healthy());
    let (second, again) = reply();
    handle.append_then(vec![position_at("l", 8, 1)], true, second);
    assert_eq!(again.recv_timeout(PATIENCE), Ok(true));
    (0..=LOOKS).for_each(|_| handle.lose_patience());
    assert!(done.try_recv().is_err() && again.try_recv().is_err() && handle.healthy());
    handle.stop(PATIENCE).unwrap();
    assert_eq!(count(&found(&disk)), 2);
}

#[test]
fn a_full_disk_is_told_and_healed_without_anybody_asking_again() {
    let disk = MemoryStorage::default();
    let handle = start(&disk);
    disk.set_faults(Faults { room: Some(3), ..Faults::default() });
    let (first, done) = reply();
    handle.append_then(vec![position_at("l", 1, 1)], false, first);
    assert_eq!(done.recv_timeout(PATIENCE), Ok(false));
    until(|| !handle.healthy());
    assert!(handle.trouble().is_some());
    disk.set_faults(Faults::default());
    until(|| handle.healthy());
    assert_eq!(count(&found(&disk)), 1);
    handle.stop(PATIENCE).unwrap();
}

#[test]
fn stop_on_a_full_disk_says_why() {
    let disk = MemoryStorage::default();
    let handle = start(&disk);
    disk.set_faults(Faults { read_only: true, ..Faults::default() });
    handle.append(vec![position_at("l", 1, 1)]);
    let error = handle.stop(PATIENCE).unwrap_err();
    assert!(error.contains("read-only"), "{error}");
}

#[test]
fn a_reply_that_panics_leaves_nobody_waiting() {
    let disk = MemoryStorage::default();
    let handle = start(&disk);
    handle.append_then(vec![position_at("l", 1, 1)], false, Box::new(|_| panic!("on purpose")));
    assert!(handle.stop(PATIENCE).unwrap_err().contains("panicked"));
}

#[test]
fn all_who_wait_share_one_sync() {
    let disk = MemoryStorage::default();
    let (mut writer, shared) = writer(&disk);
    let before = disk.syncs();
    let (commands, done): (VecDeque<_>, Vec<_>) = (0..50).map(|n| asking(n, true)).unzip();
    writer.turn(commands, Vec::new(), false, at(1), &shared);
    assert!(done.iter().all(|done| done.try_recv() == Ok(true)));
    assert_eq!(disk.syncs() - before, 1);
}

#[test]
fn nobody_asking_it_syncs_once_a_second_and_only_when_something_was_written() {
    let disk = MemoryStorage::default();
    let (mut writer, shared) = writer(&disk);
    let before = disk.syncs();
    let tick = |tenths| Now { mono: Duration::from_millis(tenths * 100), unix_ns: 0 };
    for tenths in 0..=50 {
        writer.turn(plain(tenths), Vec::new(), false, tick(tenths), &shared);
    }
    assert!((4..=5).contains(&(disk.syncs() - before)), "{}", disk.syncs() - before);
    let last = writer.sync_at.unwrap();
    writer.turn(VecDeque::new(), Vec::new(), false, Now { mono: last, unix_ns: 0 }, &shared);
    assert_eq!((writer.sync_at, writer.retry_at), (None, None));
    let now = disk.syncs();
    writer.turn(VecDeque::new(), Vec::new(), false, tick(900), &shared);
    assert_eq!(disk.syncs(), now);
}

#[test]
fn a_failing_disk_is_left_alone_between_two_tries() {
    let disk = MemoryStorage::default();
    let (mut writer, shared) = writer(&disk);
    disk.set_faults(Faults { read_only: true, ..Faults::default() });
    writer.turn(plain(1), Vec::new(), false, at(10), &shared);
    assert_eq!(writer.retry_at, Some(at(10).mono + RETRY_AFTER));
    disk.set_faults(Faults::default());
    let (command, done) = asking(2, true);
    writer.turn(VecDeque::from([command]), Vec::new(), false, at(10), &shared);
    assert_eq!((done.try_recv(), count(&found(&disk))), (Ok(false), 0));
    writer.turn(VecDeque::new(), Vec::new(), false, at(11), &shared);
    assert_eq!((writer.retry_at, writer.sync_at), (None, None));
    disk.lose_power(|_| 0);
    assert_eq!(count(&found(&disk)), 2);
}

#[test]
fn the_last_turn_tries_even_a_disk_that_just_failed() {
    let disk = MemoryStorage::default();
    let (mut writer, shared) = writer(&disk);
    disk.set_faults(Faults { read_only: true, ..Faults::default() });
    writer.turn(plain(1), Vec::new(), false, at(10), &shared);
    disk.set_faults(Faults::default());
    writer.turn(VecDeque::new(), Vec::new(), true, at(10), &shared);
    disk.lose_power(|_| 0);
    assert_eq!(count(&found(&disk)), 1);
}

#[test]
fn a_lasting_sync_error_stays_visible_until_a_sync_goes_well() {
    let disk = MemoryStorage::default();
    let (mut writer, shared) = writer(&disk);
    disk.set_faults(Faults { sync_fails: true, ..Faults::default() });
    let (command, done) = asking(1, true);
    writer.turn(VecDeque::from([command]), Vec::new(), false, at(1), &shared);
    assert_eq!(done.try_recv(), Ok(false));
    for second in 2..9 {
        writer.turn(plain(second), Vec::new(), false, at(second), &shared);
        assert!(lock(&shared.trouble).is_some(), "{second}");
    }
    disk.set_faults(Faults::default());
    writer.turn(VecDeque::new(), Vec::new(), false, at(9), &shared);
    assert_eq!(*lock(&shared.trouble), None);
    disk.lose_power(|_| 0);
    assert_eq!(count(&found(&disk)), 8);
}

#[test]
fn a_question_is_answered_from_all_that_was_handed_over_before_it_also_while_the_disk_fails() {
    let disk = MemoryStorage::default();
    let handle = start(&disk);
    disk.set_faults(Faults { read_only: true, ..Faults::default() });
    let (send, receive) = mpsc::channel();
    for n in 1..=3 {
        handle.append(vec![position_at("l", n, n as u64)]);
        let send = send.clone();
        handle.ask(Box::new(move |store| send.send(store.lane(&arbitrary::lane("l"))).unwrap()));
        let known = receive.recv_timeout(PATIENCE).unwrap().unwrap();
        assert_eq!((known.positions.len(), known.positions[&FileId(n)].low), (n as usize, n as u64));
    }
    let (none, asked) = mpsc::channel();
    handle.ask(Box::new(move |store| none.send(store.lane(&arbitrary::lane("x"))).unwrap()));
    assert_eq!(asked.recv_timeout(PATIENCE).unwrap(), None);
    let after = handle.clone();
    assert!(handle.stop(PATIENCE).is_err());
    let (late, nobody) = mpsc::channel::<()>();
    after.ask(Box::new(move |_| late.send(()).unwrap()));
    assert!(nobody.recv_timeout(PATIENCE).is_err(), "it is dropped, not kept");
}
