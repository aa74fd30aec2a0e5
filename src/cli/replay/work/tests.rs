use super::*;
use std::time::Duration;

fn now() -> Now {
    Now { mono: Duration::ZERO, unix_ns: 7 }
}
fn letter(start: u64) -> String {
    format!(
        "{{\"reason\":\"r\",\"output\":\"s\",\"spans\":[{{\"file\":\"0a\",\"start\":{start},\"end\":{}}}],\
         \"time\":\"2026-11-22T10:15:00Z\",\"log\":\"x\"}}\n",
        start + 5
    )
}
/// A directory with these letters in `s.jsonl`.
fn place(letters: &[u64]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("s.jsonl"), letters.iter().map(|n| letter(*n)).collect::<String>()).unwrap();
    dir
}
fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
/// All that is in batches.
fn taken(work: &Work) -> Vec<String> {
    let names = work.take(now()).unwrap();
    let texts = names.iter().map(|name| read(work.path(name, "batch")));
    texts.flat_map(|text| text.lines().map(|line| format!("{line}\n")).collect::<Vec<_>>()).collect()
}

#[test]
fn what_is_left_and_what_was_refused_goes_back_and_the_rest_is_gone() {
    let dir = place(&[0, 10, 20]);
    let work = Work::open(dir.path(), now()).unwrap();
    let [name] = &work.take(now()).unwrap()[..] else { panic!("one batch") };
    assert!(!dir.path().join("s.jsonl").exists());
    work.refused(name, letter(10).as_bytes()).unwrap();
    let end = (letter(0) + &letter(10)).len() as u64;
    work.finish(name, &[(end, end + letter(20).len() as u64)]).unwrap();
    assert_eq!(read(dir.path().join("s.jsonl")), letter(10) + &letter(20));
    work.clean_up().unwrap();
    assert!(!dir.path().join("replay").exists());
}

#[test]
fn a_second_replay_is_told_of_the_first() {
    let dir = place(&[0]);
    let _first = Work::open(dir.path(), now()).unwrap();
    let Err(Problem::Busy(by)) = Work::open(dir.path(), now()) else { panic!("both work") };
    assert!(by.contains("pid"), "{by}");
}

/// Every state that a kill can leave: each letter is in a batch once, and nothing else is there.
#[test]
fn wherever_it_was_killed_the_next_one_has_every_letter_once() {
    let all = vec![letter(0), letter(10), letter(20)];
    let whole = all.concat();
    type Left = fn(&Path, &str);
    let states: [(&str, Left); 6] = [
        ("renamed, not sorted", |dir, text| std::fs::write(dir.join("s.jsonl.5.taken"), text).unwrap()),
        ("sorted in part", |dir, text| {
            std::fs::write(dir.join("s.jsonl.5.taken"), text).unwrap();
            std::fs::write(dir.join("s.jsonl.5.new"), &text[..40]).unwrap();
        }),
        ("sorted, the first not removed", |dir, text| {
            std::fs::write(dir.join("s.jsonl.5.taken"), text).unwrap();
            std::fs::write(dir.join("s.jsonl.5.batch"), text).unwrap();
        }),
        ("being sent", |dir, text| std::fs::write(dir.join("s.jsonl.5.batch"), text).unwrap()),
        ("what stays is decided, and nothing of it appended", |dir, text| {
            std::fs::write(dir.join("s.jsonl.5.batch"), text).unwrap();
            std::fs::write(dir.join("s.jsonl.5.refused"), &text[..40]).unwrap();
            std::fs::write(dir.join("s.jsonl.5.back"), text).unwrap();
        }),
        ("what stays was appended, and its list is still there", |dir, text| {
            std::fs::write(dir.parent().unwrap().join("s.jsonl"), text).unwrap();
            std::fs::write(dir.join("s.jsonl.5.back"), text).unwrap();
        }),
    ];
    for (state, leave) in states {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("replay");
        std::fs::create_dir(&inside).unwrap();
        leave(&inside, &whole);
        assert!(!left_behind(dir.path()).unwrap().is_empty(), "{state}");
        let work = Work::open(dir.path(), now()).unwrap();
        assert_eq!(taken(&work), all, "{state}");
        let rest = work.stems("taken").unwrap().len() + work.stems("back").unwrap().len();
        assert_eq!((rest, dir.path().join("s.jsonl").exists()), (0, false), "{state}");
    }
}
