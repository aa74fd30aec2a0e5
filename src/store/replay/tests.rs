use super::super::{arbitrary, log};
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn log_of(records: &[Saved]) -> Vec<u8> {
    let mut out = Vec::new();
    log::write_header(&mut out);
    for saved in records {
        let mut payload = Vec::new();
        codec::encode(saved, &mut payload);
        log::write_record(7, &payload, &mut out).unwrap();
    }
    out
}

fn state_of(records: &[Saved]) -> State {
    let mut state = State::default();
    for saved in records {
        fold(&mut state, saved.clone());
    }
    state
}

fn lane() -> LaneId {
    arbitrary::lane("s3")
}

fn upload(id: Option<&str>) -> Saved {
    Saved::Upload { lane: lane(), name: "o".into(), upload: id.map(Into::into) }
}

fn part(id: &str, number: u16, end: u64) -> Saved {
    let tag = PartTag { number, etag: "e".into(), crc32c: "c".into() };
    let spans = vec![Span { file: FileId(1), start: 0, end }];
    Saved::Part { lane: lane(), name: "o".into(), upload: id.into(), tag, spans }
}

fn intent(upload: Option<&str>) -> Saved {
    let upload = upload.map(|id| (id.into(), Vec::new()));
    Saved::Intent { lane: lane(), intent: Intent { name: "o".into(), spans: Vec::new(), upload } }
}

/// Of an object: the open upload's id and its parts' numbers; the upload that the intent names.
type Object = (Option<(Option<String>, Vec<u16>)>, Option<Option<String>>);

/// What is known of the object `o`.
fn object(records: &[Saved]) -> Object {
    let state = state_of(records).lanes.remove(&lane()).unwrap_or_default();
    let open = state.uploads.get("o").map(|open| {
        (open.upload.as_deref().map(str::to_owned), open.parts.iter().map(|(tag, _)| tag.number).collect())
    });
    let decided = state.intents.first().map(|intent| intent.upload.as_ref().map(|(id, _)| id.to_string()));
    (open, decided)
}

#[test]
fn an_object_goes_from_upload_over_parts_to_intent_to_nothing() {
    let a = || Some("a".to_owned());
    let closed = Saved::Closed { lane: lane(), name: "o".into() };
    for (name, records, expected) in [
        ("about to be created", vec![upload(None)], (Some((None, vec![])), None)),
        ("created", vec![upload(None), upload(Some("a"))], (Some((a(), vec![])), None)),
        ("with parts", vec![upload(Some("a")), part("a", 1, 9), part("a", 3, 9)], (Some((a(), vec![1, 3])), None)),
        ("a part tells the id", vec![upload(None), part("a", 1, 9)], (Some((a(), vec![1])), None)),
        ("a part again", vec![part("a", 1, 9), part("a", 2, 9), part("a", 1, 8)], (Some((a(), vec![1, 2])), None)),
        ("the id told again", vec![part("a", 1, 9), upload(Some("a"))], (Some((a(), vec![1])), None)),
        ("another upload", vec![part("b", 1, 9), part("a", 2, 9)], (Some((a(), vec![2])), None)),
        ("created anew", vec![part("b", 1, 9), upload(None)], (Some((None, vec![])), None)),
        ("decided", vec![part("a", 1, 9), intent(Some("a"))], (None, Some(a()))),
        ("a late part changes nothing", vec![intent(Some("a")), part("a", 9, 9)], (None, Some(a()))),
        ("decided again without its upload", vec![intent(Some("a")), intent(None)], (None, Some(None))),
        ("closed", vec![part("a", 1, 9), intent(Some("a")), closed.clone()], (None, None)),
        ("abandoned", vec![part("a", 1, 9), closed], (None, None)),
    ] {
        assert_eq!(object(&records), expected, "{name}");
    }
}

#[test]
fn a_position_in_a_file_that_is_gone_stays_until_its_lane_has_left_it() {
    let kept = arbitrary::position_at("s3", 2, 9);
    let gone = Saved::FileGone { id: FileId(1) };
    let lanes = ["s3", "cw"].map(|lane| arbitrary::position_at(lane, 1, 5));
    let mut records: Vec<Saved> = lanes.into_iter().chain([kept, gone]).collect();
    for (who, left) in [("s3", 1), ("cw", 0)] {
        assert_eq!(state_of(&records).gone.len(), 1, "{left} after {who}");
        records.push(Saved::Left { lane: arbitrary::lane(who), file: FileId(1) });
    }
    let state = state_of(&records);
    assert_eq!(state.lanes[&lane()].positions.keys().collect::<Vec<_>>(), [&FileId(2)]);
    assert!(state.gone.is_empty() && state.lanes[&arbitrary::lane("cw")].positions.is_empty());
}

#[test]
fn a_forgotten_lane_is_as_if_it_never_was() {
    let records = [arbitrary::position_at("s3", 1, 5), Saved::Forgotten { lane: lane() }];
    assert_eq!(state_of(&records), State::default());
}

#[test]
fn what_cannot_be_understood_is_counted_and_the_rest_is_taken() {
    let mut bytes = log_of(&[arbitrary::position_at("s3", 1, 5)]);
    log::write_record(0, &[250, 1, 0], &mut bytes).unwrap();
    log::write_record(0, &[1, 1, 0, 77], &mut bytes).unwrap();
    bytes.extend(log_of(&[arbitrary::position_at("s3", 1, 6)]).split_off(log::HEADER_LEN));
    let (state, found) = replay(&bytes).unwrap();
    assert_eq!(state.lanes[&lane()].positions[&FileId(1)].low, 6);
    assert_eq!((found.foreign, found.unreadable, found.end.records), (1, 2, 4));
}

proptest! {
    #[test]
    fn a_replayed_snapshot_is_the_same_state(records in vec(arbitrary::saved(), 0..40)) {
        let (state, found) = replay(&log_of(&records)).unwrap();
        prop_assert_eq!(found.end.records, records.len() as u64);
        prop_assert_eq!(&state, &state_of(&records));
        let short = snapshot(&state);
        prop_assert_eq!(&replay(&log_of(&short)).unwrap().0, &state);
        prop_assert_eq!(snapshot(&state_of(&short)), short);
    }

    #[test]
    fn any_payload_with_a_good_checksum_folds_to_a_state_that_can_be_saved(
        records in vec(arbitrary::saved(), 0..4),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut payload = Vec::new();
        records.iter().for_each(|saved| codec::encode(saved, &mut payload));
        for (at, byte) in damage.into_iter().filter(|_| !records.is_empty()) {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        let mut bytes = Vec::new();
        log::write_header(&mut bytes);
        log::write_record(0, &payload, &mut bytes).unwrap();
        let (state, _) = replay(&bytes).unwrap();
        prop_assert_eq!(&replay(&log_of(&snapshot(&state))).unwrap().0, &state);
    }
}
