//! What silence, or the end of a file, made a record stays that record, whatever is written behind it; and what may not
//! end there goes on in the next file.

use crate::rig::Rig;
use std::time::Duration;
use tailrace::catalog::view::Found;
use tailrace::lane::batch::{Code, Scope, Verdict};
use tailrace::lane::step::{Action, Event};

const ONE: &str = "2023-11-14T22:13:20.000000001Z stdout P one\n";
const REST: &str = "2023-11-14T22:13:20.000000002Z stdout F two\n";

/// Cut `first` by a minute's silence, lose the answer, write `more`, and read it all again by `again`.
fn read_again_after_more(first: &str, more: &str, again: impl Fn(&mut Rig)) {
    let mut rig = Rig::new();
    rig.write(first);
    rig.pass(30);
    assert_eq!(rig.records(), [] as [&str; 0], "it may go on");
    rig.pass(31);
    let cut = rig.records();
    assert_eq!(cut.len(), 1, "{cut:?}");
    rig.write(more);
    again(&mut rig);
    rig.pass(6);
    rig.pass(6);
    let then = rig.records();
    assert!(then.contains(&cut[0]), "{cut:?} is not the same record in {then:?}");
    assert_eq!(then.len(), 2, "{then:?}");
}

fn refused(rig: &mut Rig) {
    while let Some(ticket) = rig.out.pop() {
        let (code, scope) = (Code::new("denied"), Scope::Key);
        rig.feed(Event::Answer(ticket, Verdict::Hold { code, scope, say: String::new() }));
    }
    rig.records();
    rig.pass(600);
}

#[test]
fn a_partial_line_that_silence_cut_is_cut_there_again_after_a_crash() {
    read_again_after_more(ONE, REST, Rig::kill);
}

#[test]
fn a_line_without_newline_that_silence_cut_is_cut_there_again_after_a_crash() {
    let (first, more) = REST.split_at(36);
    read_again_after_more(first, more, Rig::kill);
    let (first, more) = REST.split_at(20);
    read_again_after_more(first, more, Rig::kill);
}

#[test]
fn what_silence_cut_and_the_service_did_not_take_is_cut_there_again() {
    read_again_after_more(ONE, REST, refused);
}

#[test]
fn a_cut_is_written_before_its_record_leaves() {
    let mut rig = Rig::new();
    rig.write(ONE);
    rig.now.mono += Duration::from_secs(61);
    rig.now.unix_ns += 61_000_000_000;
    let mut event = Event::Tick;
    let (mut cuts, mut waits) = (Vec::new(), false);
    loop {
        event = match rig.lane.step(rig.now, event) {
            Action::Read { mut buffer, .. } => {
                buffer.clear();
                buffer.extend_from_slice(ONE.as_bytes());
                Event::Block(buffer, Ok(Found::Bytes(ONE.len())))
            }
            Action::Save { records, then, .. } => {
                rig.store.append(&records, rig.now).unwrap();
                waits |= then.is_some();
                Event::Tick
            }
            Action::Send(batch) => panic!("{batch:?} leaves before the store has answered"),
            Action::Bury { .. } | Action::Passed(_) => Event::Tick,
            Action::Sleep(_) | Action::Done => break,
        };
        let state = rig.store.state();
        let positions = state.lanes.values().flat_map(|lane| lane.positions.values());
        cuts = positions.flat_map(|p| p.cuts.clone()).collect();
    }
    assert!(waits, "the batch waits for the store");
    assert_eq!(cuts, [ONE.len() as u64]);
}

#[test]
fn a_join_at_the_end_of_a_file_that_will_be_deleted_soon_is_ended_by_the_next_one() {
    let mut rig = Rig::new();
    rig.write(ONE);
    rig.rotate();
    rig.pass(6);
    assert_eq!(rig.records(), [] as [&str; 0], "it goes on in a file that is not there yet");
    rig.write(REST);
    rig.pass(1);
    let sent = rig.records();
    assert!(sent.len() == 1 && sent[0].ends_with(" onetwo"), "{sent:?}");
}

#[test]
fn a_join_does_not_go_over_a_file_that_went_before_it_was_read() {
    for seen in ["", "2023-11-14T22:13:20.000000003Z stderr F other\n"] {
        let mut rig = Rig::new();
        rig.write(ONE);
        rig.rotate();
        rig.write(seen);
        rig.pass(6);
        rig.spoil();
        rig.write("2023-11-14T22:13:20.000000004Z stdout F its end\n");
        rig.rotate();
        rig.pass(6);
        rig.lose();
        rig.write(REST);
        rig.pass(6);
        while let Some(ticket) = rig.out.pop() {
            rig.feed(Event::Answer(ticket, Verdict::Delivered { already: 0 }));
        }
        rig.pass(6);
        let sent = rig.records();
        assert!(sent.iter().any(|record| record.ends_with(" one")), "{sent:?}");
        assert!(sent.iter().any(|record| record.ends_with(" two")), "{sent:?}");
    }
}
