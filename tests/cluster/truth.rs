//! What was written: the counts that `writer` left on the node, and what a line says of itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Where the pods' hostPath leads.
pub const TRUTH: &str = "/var/lib/truth";

/// One run of one container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    pub uid: String,
    pub container: String,
    pub life: u32,
}

/// Lines that each run wrote, so far.
pub fn written() -> BTreeMap<Run, u64> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(TRUTH).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let [uid, container, life] = name.split('.').collect::<Vec<_>>()[..] else { panic!("{name}") };
        let Ok(life) = life.parse() else { continue };
        all.insert(Run { uid: uid.into(), container: container.into(), life }, number(&path));
    }
    all
}

/// The file is written anew with each line, and may be seen empty.
fn number(path: &Path) -> u64 {
    for _ in 0..200 {
        if let Ok(number) = fs::read_to_string(path).unwrap().trim().parse() {
            return number;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("{} stays empty", path.display())
}

/// What a line says of itself.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    pub run: Run,
    pub number: u64,
    pub pod: &'a str,
    pub namespace: &'a str,
    pub stream: &'a str,
    pub colour: &'a str,
    /// Nothing is missing from it or was put in.
    pub whole: bool,
}

/// `None`: no line of `writer`, or its head is damaged.
pub fn line(text: &str) -> Option<Line<'_>> {
    let mut words = text.split(' ');
    words.next()?.strip_prefix("tr=")?;
    let mut word = |name: &str| words.next()?.strip_prefix(name)?.strip_prefix('=');
    let (uid, pod, namespace, container) = (word("uid")?, word("pod")?, word("ns")?, word("c")?);
    let (life, number) = (word("life")?.parse().ok()?, word("n")?.parse::<u64>().ok()?);
    let (stream, colour, pad) = (word("stream")?, word("colour")?, word("pad")?.parse::<usize>().ok()?);
    let body = words.next().unwrap_or_default();
    let rest = (words.next(), words.next());
    let whole = body.len() == pad && body.bytes().all(|b| b == b'a') && rest == (Some(&*format!("end={number}")), None);
    let run = Run { uid: uid.into(), container: container.into(), life };
    Some(Line { run, number, pod, namespace, stream, colour, whole })
}

#[test]
fn a_line_that_lost_a_byte_or_its_end_is_not_whole() {
    let good = "tr=0 uid=u pod=p ns=n c=c life=0 n=7 stream=stdout colour=red pad=3 aaa end=7";
    assert!(line(good).unwrap().whole);
    for bad in [good.replace("aaa", "aa"), good.replace(" end=7", ""), format!("{good}0"), format!("{good} x")] {
        assert!(!line(&bad).unwrap().whole, "{bad}");
    }
    assert!(line("tr=0 uid=u").is_none());
}
