//! What will be deleted soon goes first, also when nobody can read it any more: at nobody else's cost.

use crate::rig::Rig;
use std::time::Duration;
use tailrace::lane::batch::Verdict;

#[test]
fn a_file_in_danger_that_cannot_be_read_any_more_holds_up_no_other_pod() {
    let mut rig = Rig::new();
    rig.write("2023-11-14T22:13:20.000000001Z stdout F cut off\n");
    rig.spoil();
    rig.rotate();
    rig.another_pod();
    // More than one round: every other time it is read alone.
    for n in 0..6 {
        // Both are due when the lane wakes.
        rig.now.mono += Duration::from_secs(6);
        rig.now.unix_ns += 6_000_000_000;
        rig.write(&format!("2023-11-14T22:13:2{n}.000000002Z stdout F line {n}\n"));
        let sent = rig.records();
        assert!(sent.len() == 1 && sent[0].ends_with(&format!(" line {n}")), "round {n}, at once: {sent:?}");
        rig.answer(&Verdict::Delivered { already: 0 });
    }
    assert!(rig.lane.report().lag_bytes > 0, "what was cut off may turn up");
}
