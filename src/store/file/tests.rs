//! Damage by a table, life by a model: any order of appends, syncs, failures, kills and losses of power.

use super::super::arbitrary::{self, at, position_at};
use super::super::log::{Damage, FRAME_LEN, HEADER_LEN};
use super::super::memory::{Faults, MemoryStorage};
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn open(disk: &MemoryStorage) -> (Store, State, Vec<Notice>) {
    Store::open_in(Box::new(disk.clone()), at(50)).unwrap()
}

/// The positions that lane `l` has: file and offset.
fn positions(state: &State) -> Vec<(u128, u64)> {
    let lanes = state.lanes.values().flat_map(|lane| &lane.positions);
    let mut positions: Vec<_> = lanes.map(|(file, position)| (file.0, position.low)).collect();
    positions.sort_unstable();
    positions
}

/// A store of five records: files 0 to 4, each with a position.
fn five() -> Vec<u8> {
    let disk = MemoryStorage::default();
    let (mut store, ..) = open(&disk);
    for n in 0..5 {
        store.append(&[position_at("l", n, 100 + n as u64)], at(n as u64)).unwrap();
    }
    disk.bytes(NAME).unwrap()
}

/// Where record `n` of `five` begins; all are of one size.
fn begin(n: usize) -> usize {
    let size = (five().len() - HEADER_LEN) / 5;
    HEADER_LEN + n * size
}

struct Case {
    name: &'static str,
    harm: fn(&mut Vec<u8>),
    survive: &'static [u128],
    notices: Vec<Notice>,
}

fn cut(n: usize, what: Damage, lost_bytes: usize) -> Vec<Notice> {
    vec![Notice::Cut { torn: Torn { offset: begin(n) as u64, what }, lost_bytes: lost_bytes as u64 }]
}

fn aside(why: &str) -> Vec<Notice> {
    vec![Notice::MovedAside { to: format!("{NAME}.bad-1700000050"), why: why.into() }]
}

fn damages() -> Vec<Case> {
    let size = begin(1) - begin(0);
    let case = |name, harm, survive, notices| Case { name, harm, survive, notices };
    let skipped = vec![Notice::Skipped { records: 1 }];
    vec![
        case("nothing", |_| {}, &[0, 1, 2, 3, 4], vec![]),
        case("torn last record", |b| b.truncate(b.len() - 1), &[0, 1, 2, 3], cut(4, Damage::Short, size - 1)),
        case("torn frame", |b| b.truncate(begin(4) + 3), &[0, 1, 2, 3], cut(4, Damage::Short, 3)),
        case("half a record behind", |b| b.extend([40, 0, 0, 0, 1]), &[0, 1, 2, 3, 4], cut(5, Damage::Short, 5)),
        case("impossible length", |b| b[begin(2) + 3] = 0xff, &[0, 1], cut(2, Damage::Length, 3 * size)),
        case("length too long", |b| b[begin(2) + 2] = 1, &[0, 1], cut(2, Damage::Short, 3 * size)),
        case("length a little wrong", |b| b[begin(2)] += 1, &[0, 1], cut(2, Damage::Checksum, 3 * size)),
        case("wrong checksum at the end", |b| b[begin(4) + 4] ^= 1, &[0, 1, 2, 3], cut(4, Damage::Checksum, size)),
        case("wrong checksum in the middle", |b| b[begin(2) + 4] ^= 1, &[0, 1, 3, 4], skipped.clone()),
        case("flipped bit in the middle", |b| b[begin(1) + FRAME_LEN + 2] ^= 8, &[0, 2, 3, 4], skipped.clone()),
        case("flipped bit in a time", |b| b[begin(0) + 9] ^= 8, &[1, 2, 3, 4], skipped),
        case("zeroed last record", |b| b[begin(4)..].fill(0), &[0, 1, 2, 3], cut(4, Damage::Zeros, size)),
        case("zeros behind", |b| b.resize(b.len() + 4096, 0), &[0, 1, 2, 3, 4], cut(5, Damage::Zeros, 4096)),
        case(
            "a zeroed page in the middle",
            |b| b[begin(1)..begin(3)].fill(0),
            &[0],
            cut(1, Damage::Checksum, 4 * size),
        ),
        case("empty file", Vec::clear, &[], vec![Notice::Empty { lost_bytes: 0 }]),
        case("half a header", |b| b.truncate(6), &[], vec![Notice::Empty { lost_bytes: 6 }]),
        case("header alone", |b| b.truncate(HEADER_LEN), &[], vec![]),
        case("garbage header", |b| b[..8].fill(0xaa), &[], aside("not a tailrace log")),
        case("other version", |b| b[8] = 9, &[], aside("format version 9, this tailrace knows version 1")),
        case("another file", |b| *b = b"{\"positions\":{}}\n".to_vec(), &[], aside("not a tailrace log")),
    ]
}

#[test]
fn each_damage_costs_exactly_what_it_must_and_is_told() {
    for Case { name, harm, survive, notices } in damages() {
        let disk = MemoryStorage::default();
        let mut bytes = five();
        harm(&mut bytes);
        disk.put(NAME, &bytes);
        let (mut store, state, told) = open(&disk);
        let expected: Vec<(u128, u64)> = survive.iter().map(|n| (*n, 100 + *n as u64)).collect();
        assert_eq!(positions(&state), expected, "{name}");
        assert_eq!(told, notices, "{name}");
        if let Some(Notice::MovedAside { to, .. }) = told.first() {
            assert_eq!(disk.bytes(to), Some(bytes), "{name}");
        }
        // It goes on from there, and the next opening finds nothing amiss.
        store.append(&[position_at("l", 9, 1)], at(51)).unwrap();
        store.sync(at(51)).unwrap();
        let (_, state, told) = open(&disk);
        assert_eq!(positions(&state), [expected, vec![(9, 1)]].concat(), "{name}");
        assert_eq!(told, [], "{name}");
    }
}

#[test]
fn an_unreadable_store_is_moved_aside_and_kept() {
    let disk = MemoryStorage::default();
    disk.put(NAME, &five());
    disk.set_faults(Faults { unreadable: true, ..Faults::default() });
    let (store, state, told) = open(&disk);
    assert_eq!((state, told), (State::default(), aside("input/output error")));
    assert_eq!(disk.bytes(&format!("{NAME}.bad-1700000050")), Some(five()));
    assert_eq!(store.len(), HEADER_LEN as u64);
}

#[test]
fn what_cannot_be_moved_aside_is_not_overwritten() {
    let disk = MemoryStorage::default();
    disk.put(NAME, b"something precious");
    disk.set_faults(Faults { read_only: true, ..Faults::default() });
    let (mut store, _, told) = open(&disk);
    assert!(matches!(told[..], [Notice::MovedAside { .. }, Notice::Unwritable { .. }]), "{told:?}");
    assert!(store.append(&[position_at("l", 1, 1)], at(51)).is_err());
    assert_eq!(disk.bytes(NAME).unwrap(), b"something precious");
    disk.set_faults(Faults::default());
    store.flush(at(52)).unwrap();
    assert_eq!(disk.bytes(&format!("{NAME}.bad-1700000050")).unwrap(), b"something precious");
    assert_eq!(positions(&open(&disk).1), [(1, 1)]);
}

#[test]
fn a_full_disk_tears_nothing_and_loses_nothing() {
    let disk = MemoryStorage::default();
    let (mut store, ..) = open(&disk);
    store.append(&[position_at("l", 0, 1)], at(0)).unwrap();
    let good = store.len();
    for room in [0, 1, 20] {
        disk.set_faults(Faults { room: Some(room), ..Faults::default() });
        let error = store.append(&[position_at("l", u128::from(room), 2)], at(1)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!((store.len(), disk.bytes(NAME).unwrap().len() as u64), (good, good + room));
        // A process that dies now leaves what was good.
        assert_eq!(positions(&open(&disk).1), [(0, 1)]);
    }
    disk.set_faults(Faults::default());
    store.append(&[position_at("l", 3, 3)], at(2)).unwrap();
    assert_eq!(positions(&open(&disk).1), [(0, 2), (1, 2), (3, 3), (20, 2)]);
}

#[test]
fn a_disk_full_for_long_costs_no_memory_and_is_caught_up_with_a_rewrite() {
    let disk = MemoryStorage::default();
    let (mut store, ..) = open(&disk);
    disk.set_faults(Faults { room: Some(0), ..Faults::default() });
    for n in 0..1000 {
        assert!(store.append(&[position_at("l", n % 7, n as u64)], at(1)).is_err());
        assert!(store.unwritten.len() <= UNWRITTEN_MAX);
    }
    disk.set_faults(Faults::default());
    store.sync(at(2)).unwrap();
    assert_eq!(open(&disk).1, store.state());
    assert_eq!(positions(&store.state()).len(), 7);
}

#[test]
fn after_a_failed_sync_everything_goes_into_a_new_file() {
    let disk = MemoryStorage::default();
    let (mut store, ..) = open(&disk);
    store.append(&[position_at("l", 0, 1)], at(0)).unwrap();
    disk.set_faults(Faults { sync_fails: true, ..Faults::default() });
    store.sync(at(1)).unwrap_err();
    disk.set_faults(Faults::default());
    // The kernel would say yes to a second fsync of the same file, and the bytes would be gone.
    store.sync(at(2)).unwrap();
    disk.lose_power(|_| 0);
    assert_eq!(positions(&open(&disk).1), [(0, 1)]);
}

#[test]
fn a_log_that_grew_is_rewritten_to_what_it_must_hold() {
    let disk = MemoryStorage::default();
    let (mut store, ..) = open(&disk);
    let mut largest = 0;
    for n in 0..500 {
        store.append(&[position_at("l", n % 3, n as u64)], at(0)).unwrap();
        store.sync(at(0)).unwrap();
        largest = largest.max(store.len());
    }
    assert!((REWRITE_MIN..REWRITE_MIN + 200).contains(&(largest + 100)), "{largest}");
    assert!(store.len() < REWRITE_MIN);
    assert_eq!(disk.names(), [NAME]);
    assert_eq!(positions(&open(&disk).1), [(0, 498), (1, 499), (2, 497)]);
}

#[test]
fn a_rewrite_that_fails_leaves_the_log_as_it_is_and_no_rubbish() {
    let disk = MemoryStorage::default();
    let (mut store, ..) = open(&disk);
    while store.len() <= REWRITE_MIN {
        store.append(&[position_at("l", 0, store.len())], at(0)).unwrap();
    }
    disk.set_faults(Faults { room: Some(5), ..Faults::default() });
    store.sync(at(1)).unwrap();
    assert_eq!(disk.names(), [NAME]);
    disk.set_faults(Faults::default());
    store.append(&[position_at("l", 1, 7)], at(1)).unwrap();
    assert_eq!(open(&disk).1, store.state());
}

#[test]
fn records_of_one_append_come_back_together_or_not_at_all() {
    let disk = MemoryStorage::default();
    let (mut store, ..) = open(&disk);
    let before = store.len() as usize;
    store.append(&[position_at("l", 1, 1), position_at("l", 2, 2)], at(0)).unwrap();
    let bytes = disk.bytes(NAME).unwrap();
    for cut in before..bytes.len() {
        disk.put(NAME, &bytes[..cut]);
        assert_eq!(positions(&open(&disk).1), [], "{cut}");
    }
}

#[test]
fn an_impossibly_long_record_is_refused_and_spoils_nothing() {
    let disk = MemoryStorage::default();
    let (mut store, ..) = open(&disk);
    let long = Saved::Closed { lane: arbitrary::lane("l"), name: "x".repeat(log::MAX_PAYLOAD).into() };
    let error = store.append(&[position_at("l", 1, 1), long], at(0)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    store.append(&[position_at("l", 2, 2)], at(0)).unwrap();
    assert_eq!(positions(&open(&disk).1), [(2, 2)]);
}

#[test]
fn a_real_directory_is_made_written_and_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("a/b");
    let (mut store, state, told) = Store::open(&dir, at(0)).unwrap();
    assert_eq!((state, told), (State::default(), vec![]));
    for n in 0..200 {
        store.append(&[position_at("l", n % 3, n as u64)], at(0)).unwrap();
    }
    store.sync(at(1)).unwrap();
    assert_eq!(std::fs::metadata(dir.join(NAME)).unwrap().len(), store.len());
    drop(store);
    let (_, state, told) = Store::open(&dir, at(2)).unwrap();
    assert_eq!((positions(&state), told), (vec![(0, 198), (1, 199), (2, 197)], vec![]));
}

#[test]
fn a_log_that_was_removed_while_in_use_is_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("data");
    let (mut store, ..) = Store::open(&dir, at(0)).unwrap();
    store.append(&[position_at("l", 1, 1)], at(0)).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    store.append(&[position_at("l", 2, 2)], at(0)).unwrap();
    assert_eq!(store.sync(at(1)).unwrap_err().kind(), io::ErrorKind::NotFound);
    store.sync(at(2)).unwrap();
    assert_eq!(positions(&Store::open(&dir, at(3)).unwrap().1), [(1, 1), (2, 2)]);
}

#[test]
fn a_directory_under_the_logs_name_is_moved_aside() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join(NAME).join("x")).unwrap();
    let (mut store, _, told) = Store::open(dir.path(), at(0)).unwrap();
    assert!(matches!(told[..], [Notice::MovedAside { .. }]), "{told:?}");
    store.append(&[position_at("l", 1, 1)], at(0)).unwrap();
    assert_eq!(positions(&Store::open(dir.path(), at(1)).unwrap().1), [(1, 1)]);
}

#[test]
fn a_data_dir_that_is_a_file_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(Store::open(&file, at(0)).is_err());
    assert!(Store::open(&file.join("below"), at(0)).is_err());
}

#[derive(Clone, Debug)]
enum Act {
    Append(Vec<Saved>),
    Sync,
    Faults(Faults),
    Heal,
    Kill,
    LosePower(Vec<u64>),
}

fn act() -> impl Strategy<Value = Act> {
    let faults = prop_oneof![
        Just(Faults { read_only: true, ..Faults::default() }),
        (0..600u64).prop_map(|room| Faults { room: Some(room), ..Faults::default() }),
        Just(Faults { sync_fails: true, ..Faults::default() }),
    ];
    prop_oneof![
        8 => vec(arbitrary::saved(), 1..4).prop_map(Act::Append),
        3 => Just(Act::Sync),
        1 => faults.prop_map(Act::Faults),
        2 => Just(Act::Heal),
        1 => Just(Act::Kill),
        1 => vec(any::<u64>(), 1..9).prop_map(Act::LosePower),
    ]
}

/// What must hold: the state found is that of some beginning of what was appended, and that beginning has everything
/// that a call promised.
#[derive(Default)]
struct Model {
    /// After each append.
    states: Vec<State>,
    written: usize,
    synced: usize,
}

impl Model {
    fn append(&mut self, records: &[Saved]) {
        let mut state = self.states.last().cloned().unwrap_or_default();
        records.iter().for_each(|saved| replay::fold(&mut state, saved.clone()));
        self.states.push(state);
    }

    fn reopened(&mut self, found: &State, at_least: usize) {
        let empty = State::default();
        let all: Vec<&State> = std::iter::once(&empty).chain(&self.states).collect();
        let fits = (at_least..all.len()).rev().find(|n| all[*n] == found);
        assert!(fits.is_some(), "not a state between {at_least} and {} appends: {found:?}", all.len() - 1);
        self.states.truncate(fits.unwrap_or(0));
        self.written = self.states.len();
    }
}

proptest! {
    #[test]
    fn any_life_keeps_what_was_promised(acts in vec(act(), 1..60)) {
        let disk = MemoryStorage::default();
        let (mut store, ..) = open(&disk);
        let mut model = Model::default();
        for act in acts {
            match act {
                Act::Append(records) => {
                    model.append(&records);
                    if store.append(&records, at(1)).is_ok() {
                        model.written = model.states.len();
                    }
                }
                Act::Sync => {
                    if store.sync(at(1)).is_ok() {
                        model.written = model.states.len();
                        model.synced = model.states.len();
                    }
                }
                Act::Faults(faults) => disk.set_faults(faults),
                Act::Heal => disk.set_faults(Faults::default()),
                Act::Kill => {
                    disk.set_faults(Faults::default());
                    let (reopened, found, _) = open(&disk);
                    store = reopened;
                    model.reopened(&found, model.written);
                }
                Act::LosePower(choices) => {
                    let mut choices = choices.into_iter().cycle();
                    disk.lose_power(|n| choices.next().map_or(0, |choice| choice % (n + 1)));
                    let (reopened, found, _) = open(&disk);
                    store = reopened;
                    model.reopened(&found, model.synced);
                }
            }
            model.synced = model.synced.min(model.states.len());
            prop_assert_eq!(store.state(), model.states.last().cloned().unwrap_or_default());
        }
    }
}

#[test]
fn stores_that_cannot_be_read_are_each_kept_and_only_the_last_few() {
    let disk = MemoryStorage::default();
    for n in 0..9u8 {
        disk.put(NAME, &[n; 20]);
        let (.., told) = open(&disk);
        let [Notice::MovedAside { to, .. }] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(disk.bytes(to).unwrap(), [n; 20]);
    }
    let kept: Vec<u8> =
        disk.names().iter().filter(|n| n.contains(".bad-")).map(|n| disk.bytes(n).unwrap()[0]).collect();
    assert_eq!(kept, [4, 5, 6, 7, 8]);
}
