//! Finding and offering files.

use super::rig::*;
use crate::catalog::view::Life;
use std::time::Duration;

#[test]
fn a_file_that_is_there_is_offered_at_the_first_tick_with_its_size() {
    let mut rig = Rig::new(vec![pods_input()]);
    let text = line(1, "hello");
    rig.disk.append(format!("{POD}/0.log"), &text);
    rig.tick();
    let view = rig.only();
    assert_eq!((view.size, view.life, view.danger), (text.len() as u64, Life::Growing, false));
    assert_eq!(view.file.at_scan, Some(text.len() as u64));
    assert_eq!(view.file.origin.who(), "shop/web-1/app");
    assert_eq!(rig.read(view.file.id), text);
}

#[test]
fn growth_is_told_within_a_tenth_of_a_second() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.disk.append(format!("{POD}/0.log"), &line(1, "a"));
    rig.tick();
    rig.run(Duration::from_millis(300));
    rig.disk.append(format!("{POD}/0.log"), &line(2, "b"));
    let before = rig.only().size;
    rig.run(Duration::from_millis(100));
    assert_eq!(rig.only().size, before + line(2, "b").len() as u64);
}
