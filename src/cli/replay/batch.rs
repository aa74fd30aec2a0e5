//! A batch of dead letters: one file, in which the letters of one origin stand together, so that a lane can read each
//! such run as if it were a log file. Written once and never changed: places in it are positions.

use crate::catalog::identity;
use crate::catalog::view::{Ages, File as LogFile, FileView, Life, Place};
use crate::decode::letter::{self, Letter};
use crate::origin::{Fields, Meta, Origin};
use crate::record::{FileId, Grammar, Span};
use arc_swap::ArcSwap;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

/// The input by which lanes of a replay read.
pub const INPUT: &str = "dead letters";

/// A run of letters of one origin, for one output.
#[derive(Debug)]
pub struct Group {
    /// Names the run, for ever.
    pub id: FileId,
    /// The output that refused them.
    pub output: String,
    /// Where each letter begins in the batch; then the end of the last.
    pub starts: Vec<u64>,
    /// What a lane is told of it.
    pub view: FileView,
}

impl Group {
    /// Where it begins in the batch.
    pub fn start(&self) -> u64 {
        self.starts.first().copied().unwrap_or(0)
    }
    /// Its letters, as a lane names them.
    pub fn letters(&self) -> impl Iterator<Item = Span> + '_ {
        let base = self.start();
        let pairs = self.starts.iter().zip(self.starts.iter().skip(1));
        pairs.map(move |(start, end)| Span { file: self.id, start: start - base, end: end - base })
    }
}

/// What is in a batch.
#[derive(Debug, Default)]
pub struct Batch {
    /// Runs, in order.
    pub groups: Vec<Group>,
    /// Where what is no dead letter begins, and ends.
    pub strange: (u64, u64),
    /// Lines in that.
    pub strange_lines: u64,
}

/// Each line of a file with its newline; the last may lack one.
pub fn each_line(file: &File, mut take: impl FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(64 << 10, file);
    let (mut at, mut line) = (0, Vec::new());
    loop {
        line.clear();
        let got = reader.read_until(b'\n', &mut line)? as u64;
        if got == 0 {
            return Ok(());
        }
        take(at, &line)?;
        at += got;
        line.shrink_to(1 << 20);
    }
}

/// The letter in a line, if it is one.
pub fn letter(line: &[u8]) -> Option<Letter> {
    letter::parse(line.strip_suffix(b"\n").unwrap_or(line))
}

/// Writes the batch that a file of dead letters makes: origins together, each letter once, strange lines last.
pub fn sort(from: &File, to: &mut impl Write) -> io::Result<()> {
    let mut origins: HashMap<FileId, u32> = HashMap::new();
    let mut seen: HashSet<FileId> = HashSet::new();
    let mut lines: Vec<(u32, u64, usize)> = Vec::new();
    each_line(from, |at, line| {
        let Some(letter) = letter(line) else {
            if !line.iter().all(u8::is_ascii_whitespace) {
                lines.push((u32::MAX, at, line.len()));
            }
            return Ok(());
        };
        // An agent that was killed while it wrote wrote it once more.
        let id = format!("{:?}", letter.id);
        if seen.insert(identity::derive(&letter.output, &id, 0, 0, b"")) {
            let next = u32::try_from(origins.len()).unwrap_or(u32::MAX - 1);
            lines.push((*origins.entry(origin_of(&letter)).or_insert(next), at, line.len()));
        }
        Ok(())
    })?;
    lines.sort_by_key(|(origin, at, _)| (*origin, *at));
    let mut line = Vec::new();
    for (_, at, len) in lines {
        line.resize(len, 0);
        from.read_exact_at(&mut line, at)?;
        to.write_all(&line)?;
        if line.last() != Some(&b'\n') {
            to.write_all(b"\n")?;
        }
    }
    to.flush()
}

/// Finds the runs of a batch again. `name` is the batch's own, the same at each time.
pub fn load(file: &File, name: &str) -> io::Result<Batch> {
    let mut batch = Batch::default();
    let mut current: Option<FileId> = None;
    each_line(file, |at, line| {
        let end = at + line.len() as u64;
        let Some(letter) = letter(line) else {
            if batch.strange_lines == 0 {
                batch.strange.0 = at;
            }
            batch.strange.1 = end;
            batch.strange_lines += 1;
            return Ok(());
        };
        let origin = origin_of(&letter);
        if current != Some(origin) {
            current = Some(origin);
            batch.groups.push(group(&letter, name, at));
        }
        if let Some(group) = batch.groups.last_mut() {
            group.starts.push(end);
            let size = end - group.start();
            group.view.size = size;
        }
        Ok(())
    })?;
    for group in &mut batch.groups {
        // Everything is there from the beginning.
        if let Some(file) = Arc::get_mut(&mut group.view.file) {
            file.at_scan = Some(group.view.size);
        }
    }
    Ok(batch)
}

/// Letters with the same answer go to the same key with the same metadata.
fn origin_of(letter: &Letter) -> FileId {
    let text = serde_json::json!([letter.output, letter.input, letter.path, letter.fields, letter.key_fields]);
    identity::derive(&text.to_string(), "", 0, 0, b"")
}

fn group(letter: &Letter, batch: &str, at: u64) -> Group {
    let owned = |n: &str, v: &str| (n.to_owned().into(), v.into());
    let first = letter.first_fields().into_iter().map(|(n, v)| owned(n, v)).collect();
    let now = Arc::new(Fields::new(letter.fields.iter().map(|(n, v)| owned(n, v)).collect()));
    let origin = Origin {
        input: INPUT.into(),
        path: letter.path.as_str().into(),
        grammar: Grammar::Letter,
        fields: Arc::new(Fields::new(first)),
        meta: ArcSwap::from_pointee(Meta::new(now)),
    };
    let id = identity::derive(batch, "", 0, 0, &at.to_le_bytes());
    let place = Place { chain: id.0 as u64, restart: 0, turn: 0 };
    let file = LogFile { id, place, origin: Arc::new(origin), at_scan: None };
    let view = FileView {
        rulings: Default::default(),
        file: Arc::new(file),
        size: 0,
        life: Life::Ended,
        danger: false,
        grew: Duration::ZERO,
        ages: Ages(Arc::new([])),
    };
    Group { id, output: letter.output.clone(), starts: vec![at], view }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek};

    fn line(output: &str, path: &str, start: u64) -> String {
        format!(
            "{{\"reason\":\"r\",\"output\":\"{output}\",\"path\":\"{path}\",\"spans\":[{{\"file\":\"0a\",\"start\":{start},\
             \"end\":{}}}],\"time\":\"2026-11-22T10:15:00Z\",\"log\":\"x\"}}\n",
            start + 5
        )
    }
    fn sorted(text: &str) -> (String, Batch) {
        let mut from = tempfile::tempfile().unwrap();
        from.write_all(text.as_bytes()).unwrap();
        from.rewind().unwrap();
        let mut to = tempfile::tempfile().unwrap();
        sort(&from, &mut to).unwrap();
        to.rewind().unwrap();
        let batch = load(&to, "b").unwrap();
        let mut text = String::new();
        to.rewind().unwrap();
        to.read_to_string(&mut text).unwrap();
        (text, batch)
    }

    #[test]
    fn letters_of_one_origin_come_together_each_once_and_strange_lines_last() {
        let (a, b, c) = (line("s", "/a", 0), line("s", "/b", 10), line("s", "/a", 20));
        let (text, batch) = sorted(&format!("{a}nonsense\n\n{b}{a}{c}{{\"torn\":"));
        assert_eq!(text, format!("{a}{c}{b}nonsense\n{{\"torn\":\n"));
        assert_eq!(batch.groups.len(), 2);
        assert_eq!(batch.groups[0].letters().map(|s| (s.start, s.end)).collect::<Vec<_>>(), {
            let (first, second) = (a.len() as u64, (a.len() + c.len()) as u64);
            [(0, first), (first, second)]
        });
        assert_eq!((batch.groups[1].start(), batch.groups[1].view.size), ((a.len() + c.len()) as u64, b.len() as u64));
        assert_eq!(batch.groups[1].view.file.at_scan, Some(b.len() as u64));
        assert_eq!((batch.strange_lines, batch.strange.1), (2, text.len() as u64));
    }

    #[test]
    fn the_last_letter_counts_without_its_newline_too() {
        let whole = line("s", "/a", 0);
        let (text, batch) = sorted(whole.trim_end());
        assert_eq!((text, batch.groups.len()), (whole, 1));
    }

    #[test]
    fn runs_keep_their_ids_and_two_never_share_one() {
        let text = [line("s", "/a", 0), line("s", "/b", 9), line("t", "/a", 0)].concat();
        let ids = |batch: Batch| batch.groups.iter().map(|g| g.id).collect::<Vec<_>>();
        let (first, second) = (ids(sorted(&text).1), ids(sorted(&text).1));
        assert_eq!(first, second);
        assert_eq!(first.iter().collect::<HashSet<_>>().len(), 3);
    }
}
