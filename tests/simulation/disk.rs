//! Reading never needs a write: whole agents that deliver everything while one kind of write to `data_dir` fails, and go on
//! without a gap when it does not any more.

use crate::plan::Kind;
use crate::truth::SLOTS;
use crate::world::World;
use rustix::io::Errno;
use std::time::Duration;
use tailrace::store::memory::{Faults, Write};

const ERRNOS: [Errno; 4] = [Errno::NOSPC, Errno::IO, Errno::ROFS, Errno::DQUOT];

/// The process dies meanwhile too: what it had is torn, and the next one opens a store that fails.
fn live(seed: u64, fails: Option<(Write, i32)>) {
    let mut world = World::new(Kind::Crash, seed, false);
    // What was not written may be delivered again, but for what has ids of its own.
    world.forgot = true;
    world.store.disk.set_faults(Faults { fails, ..Faults::default() });
    for _ in 0..world.plan.acts {
        world.act();
    }
    world.on_node(|node, _, hands| node.calm_down(hands));
    world.dead_letter_full = false;
    (0..SLOTS).for_each(|lane| world.services.heal(lane));
    // Everything is read and delivered, whatever the disk says.
    world.settle((0..SLOTS).collect());
    world.store.disk.set_faults(Faults::default());
    world.pass(Duration::from_secs(3));
    assert_eq!(world.store.next_due(), None, "all is written and synced, without anybody asking");
    world.finish();
}

#[test]
fn disk_everything_is_read_and_delivered_while_a_write_fails() {
    for (at, write) in Write::ALL.into_iter().enumerate() {
        for (nth, errno) in ERRNOS.into_iter().enumerate() {
            (0..3).for_each(|n| live((at * 40 + nth * 10 + n) as u64, Some((write, errno.raw_os_error()))));
        }
    }
}
