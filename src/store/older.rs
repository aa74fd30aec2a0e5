//! A store that version 0.1.0 wrote, as bytes that never change: every later version reads all of it.

use super::arbitrary::{at, lane, position_at};
use super::file::{NAME, Notice, Store};
use super::memory::MemoryStorage;
use super::saved::{Intent, KnownFile, LaneState, OpenUpload, Position, State, Sums};
use super::{codec, log};
use crate::catalog::view::Place;
use crate::lane::batch::PartTag;
use crate::record::{FileId, Mark, Span};

/// Written by the code of 0.1.0 from `state()`; a new format gets a fixture of its own beside this one.
const WRITTEN_BY_0_1: &[u8] = include_bytes!("older/checkpoints-0.1.log");

fn file(id: u128, path: &str, restart: u32) -> KnownFile {
    KnownFile {
        rulings: Default::default(),
        id: FileId(id),
        input: "pods".into(),
        path: path.into(),
        inode: 1_000 + u64::from(restart),
        head: (73, 0x1234_5678),
        place: Place { chain: 0xfeed_f00d, restart, turn: 1 << 32 },
        generation: restart,
        size: 70_000,
        ages: vec![(4_000, 1_700_000_000_000_000_000), (70_000, 1_700_000_001_000_000_000)],
        fields: vec![
            ("kubernetes.pod_name".into(), "cart-0".into()),
            ("kubernetes.namespace_name".into(), "shöp".into()),
        ],
        kept: None,
        proof: Mark::NONE,
    }
}

fn position(low: u64, above: &[(u64, u64)]) -> Position {
    let mark = |at, crc| Mark { at, len: 256, crc };
    let high = above.last().map_or(Mark::NONE, |(_, end)| mark(*end, 0xaa55_0001));
    Position { low, low_mark: mark(low, 0x0bad_cafe), above: above.to_vec(), high_mark: high, cuts: Vec::new() }
}

fn tag(number: u16) -> PartTag {
    PartTag { number, etag: format!("\"e{number}\"").into(), crc32c: format!("c{number}==").into() }
}

/// What the fixture holds: something of every kind that leaves a trace.
fn state() -> State {
    let (old, new) = (FileId(7), FileId(u128::MAX - 1));
    let span = |file, start, end| Span { file, start, end };
    let archive = LaneState {
        positions: [(old, position(70_000, &[])), (new, position(100, &[(300, 400), (65_536, 69_999)]))].into(),
        sums: Sums {
            delivered: (1_000, 64_000),
            dead_lettered: (2, 300),
            dropped: [(1, 2), (3, 4), (5, 6), (7, 8), (0, 0), (0, 0)],
            lost_bytes: 9,
            possible_duplicates: 10,
            // It did not keep what the books need: the next start takes them as they stand.
            gone: Sums::UNKNOWN,
            ..Sums::default()
        },
        uploads: [
            ("logs/created".into(), OpenUpload::default()),
            (
                "logs/parts".into(),
                OpenUpload {
                    upload: Some("upload-1".into()),
                    parts: vec![
                        (tag(1), vec![span(old, 0, 10), span(new, 5, 9)]),
                        (tag(2), vec![span(new, 20, 1 << 40)]),
                    ],
                },
            ),
        ]
        .into(),
        intents: vec![
            Intent { name: "logs/put".into(), spans: vec![span(new, 300, 400)], upload: None },
            Intent {
                name: "logs/complete".into(),
                spans: vec![span(old, 10, 20), span(new, 100, 200)],
                upload: Some(("upload-2".into(), vec![tag(1), tag(2)])),
            },
        ],
        ..LaneState::default()
    };
    let cloudwatch = LaneState { attempts: [(3, 40), (300, 5_000)].into(), ..LaneState::default() };
    let left = LaneState { absent_since: Some(1_700_000_002_000_000_000), ..LaneState::default() };
    State {
        files: [(old, file(old.0, "/var/log/pods/a_b_c/d/0.log", 0)), (new, file(new.0, "/x/1.log", 1))].into(),
        lanes: [(lane("archive"), archive), (lane("cloudwatch"), cloudwatch), (lane("left"), left)].into(),
        ..State::default()
    }
}

fn opened(bytes: &[u8]) -> (MemoryStorage, State, Vec<Notice>) {
    let disk = MemoryStorage::default();
    disk.put(NAME, bytes);
    let (_, state, told) = Store::open_in(Box::new(disk.clone()), at(50)).unwrap();
    (disk, state, told)
}

#[test]
fn a_store_of_0_1_is_read_whole_without_a_word() {
    let (disk, read, told) = opened(WRITTEN_BY_0_1);
    assert_eq!(told, []);
    assert_eq!(read, state());
    assert_eq!(disk.bytes(NAME).as_deref(), Some(WRITTEN_BY_0_1), "reading changes nothing");
}

#[test]
fn kinds_of_a_newer_minor_version_are_passed_over_and_said_and_the_rest_is_kept() {
    let mut bytes = WRITTEN_BY_0_1.to_vec();
    let mut payload = vec![200, 3, 1, 2, 3];
    codec::encode(&position_at("archive", 7, 80_000), &mut payload);
    log::write_record(0, &payload, &mut bytes).unwrap();
    let (_, read, told) = opened(&bytes);
    assert_eq!(told, [Notice::Foreign { foreign: 1, unreadable: 0 }]);
    assert_eq!(read.lanes[&lane("archive")].positions[&FileId(7)].low, 80_000);
    assert_eq!(read.files, state().files);
}

#[test]
fn another_format_version_is_kept_under_another_name_and_nothing_is_taken_from_it() {
    let mut bytes = WRITTEN_BY_0_1.to_vec();
    bytes[8] = 2;
    let (disk, read, told) = opened(&bytes);
    let [Notice::MovedAside { to, why }] = told.as_slice() else { panic!("{told:?}") };
    assert!(why.contains("format version 2"), "{why}");
    assert_eq!((disk.bytes(to), read), (Some(bytes), State::default()));
}
