//! Where in a file a position may stand, and its proof: read from the file itself, compressed or not.

use crate::catalog::disk::{Base, Content, Disk, Follow};
use crate::catalog::gz::Cursor;
use crate::catalog::identity;
use crate::catalog::os::OsDisk;
use crate::catalog::shelf::Source;
use crate::record::Mark;
use crate::store::saved::KnownFile;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes read at once.
const BLOCK: usize = 64 << 10;

/// What goes by: how far we are, and the last place where a line begins.
#[derive(Debug, Default)]
struct Walk {
    at: u64,
    /// The last bytes below `at`.
    tail: Vec<u8>,
    /// The last line begins here.
    line: u64,
    /// The last bytes below that.
    line_tail: Vec<u8>,
}

impl Walk {
    fn feed(&mut self, block: &[u8]) {
        if let Some(newline) = memchr::memrchr(b'\n', block) {
            let (upto, _) = block.split_at(newline + 1);
            self.line = self.at + upto.len() as u64;
            self.line_tail = last(&self.tail, upto);
        }
        self.tail = last(&self.tail, block);
        self.at += block.len() as u64;
    }
}

fn last(before: &[u8], block: &[u8]) -> Vec<u8> {
    let new = block.get(block.len().saturating_sub(Mark::MAX)..).unwrap_or(block);
    let old = before.get(before.len().saturating_sub(Mark::MAX - new.len())..).unwrap_or(before);
    [old, new].concat()
}

/// A place where a line begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Its offset.
    pub at: u64,
    /// Its proof.
    pub mark: Mark,
    /// Bytes between it and the place asked for: the beginning of a line.
    pub short: u64,
}

/// A log file, found again by what the store knows of it.
pub struct LogFile {
    source: Source,
    /// Where it is now.
    pub path: PathBuf,
}

impl LogFile {
    /// At its last known path, or, when it was rotated since, under another name in the same directory.
    pub fn find(known: &KnownFile) -> io::Result<Option<LogFile>> {
        let path = Path::new(&*known.path);
        let base = Base { root: PathBuf::from("/"), follow: Follow::Any };
        let disk = OsDisk::default();
        let open = |path: &Path| -> io::Result<(LogFile, bool)> {
            let content: Arc<dyn Content> = disk.open(&base, path)?;
            let same_inode = content.stat()?.inode == known.inode;
            let gz = path.extension().is_some_and(|e| e == "gz");
            Ok((LogFile { source: Source { content, gz }, path: path.to_owned() }, same_inode))
        };
        let is_it =
            |file: &LogFile| identity::first_bytes(&file.source).is_ok_and(|b| identity::begins_with(&b, known.head));
        if let Ok((file, _)) = open(path)
            && is_it(&file)
        {
            return Ok(Some(file));
        }
        let mut others: Vec<(LogFile, bool)> = Vec::new();
        for entry in std::fs::read_dir(path.parent().unwrap_or(Path::new("/")))? {
            others.extend(open(&entry?.path()).ok().filter(|(file, _)| is_it(file)));
        }
        // Equal first lines are no rarity: then the inode has to say which one.
        if others.len() > 1 {
            others.retain(|(_, same_inode)| *same_inode);
        }
        Ok(if others.len() == 1 { others.pop().map(|(file, _)| file) } else { None })
    }

    /// The last beginning of a line at or below `at`; `None`: the file ends before. Without `at`: at its end.
    pub fn point(&self, at: Option<u64>) -> io::Result<Option<Point>> {
        let mut walk = Walk::default();
        let mut cursor = self.source.gz.then(|| Cursor::new(self.source.content.clone()));
        let mut block = vec![0; BLOCK];
        while at.is_none_or(|at| walk.at < at) {
            let most = at.map_or(BLOCK as u64, |at| at - walk.at).min(BLOCK as u64) as usize;
            let room = block.get_mut(..most).unwrap_or_default();
            let got = match &mut cursor {
                Some(cursor) => cursor.next(room)?,
                None => self.source.content.read_at(walk.at, room)?,
            };
            if got == 0 {
                break;
            }
            walk.feed(block.get(..got).unwrap_or_default());
        }
        if at.is_some_and(|at| walk.at < at) {
            return Ok(None);
        }
        let mark = if walk.line == 0 { Mark::NONE } else { Mark::of(walk.line, &walk.line_tail) };
        Ok(Some(Point { at: walk.line, mark, short: walk.at - walk.line }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_walk_in_any_steps_finds_the_last_line_and_its_proof(
            text in proptest::collection::vec(prop_oneof![9 => any::<u8>(), 1 => Just(b'\n')], 0..2000),
            steps in proptest::collection::vec(1usize..700, 1..40),
        ) {
            let mut walk = Walk::default();
            let (mut from, mut steps) = (0, steps.into_iter().cycle());
            while from < text.len() {
                let to = (from + steps.next().unwrap()).min(text.len());
                walk.feed(&text[from..to]);
                from = to;
            }
            let line = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            prop_assert_eq!((walk.at, walk.line), (text.len() as u64, line as u64));
            prop_assert_eq!(&walk.line_tail, &text[line.saturating_sub(Mark::MAX)..line]);
        }
    }
}
