//! Strategies for the tests of this module: records of few lanes, files and names, so that they meet each other.

use super::saved::{Intent, Kept, KnownFile, LaneId, Position, Saved, Sums};
use crate::catalog::view::Place;
use crate::lane::batch::PartTag;
use crate::record::{FileId, Mark, Now, Span};
use crate::ruling::{Ruling, Rulings};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// A moment `seconds` after some start.
pub(super) fn at(seconds: u64) -> Now {
    Now { mono: Duration::from_secs(seconds), unix_ns: 1_700_000_000_000_000_000 + seconds as i64 * 1_000_000_000 }
}

pub(super) fn lane(name: &str) -> LaneId {
    LaneId(name.into())
}

pub(super) fn position_at(lane_name: &str, file: u128, low: u64) -> Saved {
    let position = Position { low, low_mark: Mark::NONE, above: Vec::new(), high_mark: Mark::NONE, cuts: Vec::new() };
    Saved::Position { lane: lane(lane_name), file: FileId(file), position }
}

fn a_lane() -> impl Strategy<Value = LaneId> {
    prop_oneof![Just("s3"), Just("cw"), Just("")].prop_map(lane)
}

fn a_name() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![Just("logs/a"), Just("logs/b"), Just("é\u{0}")].prop_map(Arc::from)
}

fn an_upload() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![Just("u1"), Just("u2")].prop_map(Arc::from)
}

fn an_id() -> impl Strategy<Value = FileId> {
    prop_oneof![4 => 0..4u128, 1 => any::<u128>()].prop_map(FileId)
}

fn a_number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0..1000u64, any::<u64>(), Just(u64::MAX)]
}

fn a_mark() -> impl Strategy<Value = Mark> {
    (a_number(), any::<u16>(), any::<u32>()).prop_map(|(at, len, crc)| Mark { at, len, crc })
}

fn a_position() -> impl Strategy<Value = Position> {
    (a_number(), a_mark(), vec((a_number(), a_number()), 0..5), a_mark(), vec(a_number(), 0..5))
        .prop_map(|(low, low_mark, above, high_mark, cuts)| Position { low, low_mark, above, high_mark, cuts })
}

fn sums() -> impl Strategy<Value = Sums> {
    let both = || (a_number(), a_number());
    let by_hand = [a_number(), a_number(), a_number()];
    (both(), both(), [both(), both(), both(), both(), both(), both()], a_number(), a_number(), by_hand).prop_map(
        |(delivered, dead_lettered, dropped, lost_bytes, possible_duplicates, [skipped, again, gone])| Sums {
            delivered,
            dead_lettered,
            dropped,
            lost_bytes,
            possible_duplicates,
            skipped,
            again,
            gone,
        },
    )
}

fn spans() -> impl Strategy<Value = Vec<Span>> {
    vec((an_id(), a_number(), a_number()).prop_map(|(file, start, end)| Span { file, start, end }), 0..4)
}

fn a_tag() -> impl Strategy<Value = PartTag> {
    (0..4u16, any::<u8>()).prop_map(|(number, text)| PartTag {
        number,
        etag: format!("\"{text}\"").into(),
        crc32c: format!("{text}==").into(),
    })
}

fn an_intent() -> impl Strategy<Value = Intent> {
    (a_name(), spans(), option::of((an_upload(), vec(a_tag(), 0..4)))).prop_map(|(name, spans, upload)| Intent {
        name,
        spans,
        upload,
    })
}

fn a_file() -> impl Strategy<Value = KnownFile> {
    let place = (any::<u64>(), any::<u32>(), a_number());
    let texts = vec((any::<String>(), any::<String>()), 0..4);
    let steps = vec((a_number(), (0..128u8).prop_map(Ruling::of_code)), 1..4);
    let rulings = vec((any::<String>().prop_map(Into::into), steps), 0..3).prop_map(Rulings::new);
    let kept = (option::of((a_number(), any::<bool>(), a_mark())), option::of((1..=256u16, any::<u32>())), rulings);
    (
        (an_id(), any::<String>(), any::<String>(), a_number(), any::<(u16, u32)>()),
        (place, any::<u32>(), a_number(), vec((a_number(), any::<i64>()), 0..5), texts),
        kept,
    )
        .prop_map(
            |((id, input, path, inode, head), ((chain, restart, turn), generation, size, ages, fields), kept)| {
                let (kept, proof, rulings) = kept;
                let kept = kept.map(|(plain, gz, end)| Box::new(Kept { plain, gz, end }));
                let proof = proof.map_or(Mark::NONE, |(len, crc)| Mark { at: size, len, crc });
                let place = Place { chain, restart, turn };
                let (input, path) = (input.into(), path.into());
                KnownFile { id, input, path, inode, head, place, generation, size, ages, fields, kept, proof, rulings }
            },
        )
}

/// Any record.
pub(super) fn saved() -> impl Strategy<Value = Saved> {
    prop_oneof![
        a_file().prop_map(Saved::File),
        an_id().prop_map(|id| Saved::FileGone { id }),
        (a_lane(), an_id()).prop_map(|(lane, file)| Saved::Left { lane, file }),
        (a_lane(), an_id(), a_position()).prop_map(|(lane, file, position)| Saved::Position { lane, file, position }),
        (a_lane(), sums()).prop_map(|(lane, sums)| Saved::Sums { lane, sums }),
        (a_lane(), 0..5u64, any::<u32>()).prop_map(|(lane, ticket, records)| Saved::Attempt { lane, ticket, records }),
        (a_lane(), 0..5u64).prop_map(|(lane, ticket)| Saved::Answered { lane, ticket }),
        (a_lane(), a_name(), option::of(an_upload())).prop_map(|(lane, name, upload)| Saved::Upload {
            lane,
            name,
            upload
        }),
        (a_lane(), a_name(), an_upload(), a_tag(), spans()).prop_map(|(lane, name, upload, tag, spans)| Saved::Part {
            lane,
            name,
            upload,
            tag,
            spans
        }),
        (a_lane(), an_intent()).prop_map(|(lane, intent)| Saved::Intent { lane, intent }),
        (a_lane(), a_name()).prop_map(|(lane, name)| Saved::Closed { lane, name }),
        (a_lane(), option::of(any::<i64>()), option::of(a_number())).prop_map(|(lane, since, keep)| Saved::Absent {
            lane,
            since,
            keep: keep.map(Duration::from_secs)
        }),
        a_lane().prop_map(|lane| Saved::Forgotten { lane }),
    ]
}
