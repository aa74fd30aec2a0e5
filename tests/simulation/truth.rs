//! What was written, byte by byte, and what became of it at each service: the measure of everything.
//!
//! Text is made of *cells* of eight bytes: `^`, four characters that number the cell, three of payload (any bytes).
//! Every cell is written once, so a service can say of each record which bytes it holds, and the judge of each byte
//! how often it arrived. Headers of lines are 40 bytes and limits are multiples of 8: a cut never goes through a cell.

use serde::Deserialize;
use std::borrow::Cow;
use std::collections::HashMap;

/// Kinds of outputs, and destinations: two of each kind.
pub const KINDS: usize = 3;
pub const SLOTS: usize = 6;
pub const CLOUDWATCH: usize = 0;
pub const S3: usize = 1;
pub const OPENSEARCH: usize = 2;

pub fn kind(slot: usize) -> usize {
    slot % KINDS
}

/// A document, as any of the three services gets it.
#[derive(Deserialize)]
pub struct Doc<'a> {
    #[serde(borrow)]
    pub time: Cow<'a, str>,
    #[serde(borrow, default)]
    pub stream: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub log: Cow<'a, str>,
    #[serde(default)]
    pub partial: Option<bool>,
}

pub struct Cell {
    pub content: usize,
    /// Plain offset of the cell in its content.
    pub at: u64,
    /// Which line of the application, and the how-manieth cell of it.
    pub whole: u32,
    pub nth: u32,
    /// As JSON will show the payload; of an empty line: nothing.
    shown: String,
    /// Only when the line has its header: (stamp in unix ns, channel).
    pub head: Option<(i64, &'static str)>,
    /// Its line stood half written for a minute, or its parts are a minute apart and their stamps are not: a rule of
    /// silence may have cut it, and another reading may not.
    pub torn: bool,
    /// Its line was written in parts: a lane that begins anew may find other siblings to join than the one before it.
    pub part: bool,
    /// A service that looks at records refuses this one.
    pub poison: bool,
    /// Stored by a service; written to a dead-letter file.
    pub arrived: [u16; SLOTS],
    pub buried: [u16; SLOTS],
}

/// One append-only run of bytes: what the catalog should see as one file, under whatever names.
pub struct Content {
    pub bytes: Vec<u8>,
    pub cells: Vec<u32>,
    /// Starts of lines.
    pub lines: Vec<u64>,
    /// A pod's log.
    pub pods: bool,
    /// Where it was first, for traces.
    pub called: String,
    /// Names it has on the disk now.
    pub names: usize,
    /// What was not settled when it went is nobody's fault: it was gone before the agent could hold it, or while
    /// the agent was away.
    pub excused: bool,
    /// Cut in place, or cut by a rule of silence that another reading might not follow: after a loss of power it may
    /// come again under another identity.
    pub unsteady: bool,
    /// Its first line stood half written for so long that its id may be made of half a line.
    pub stub: bool,
}

#[derive(Default)]
pub struct Truth {
    pub cells: Vec<Cell>,
    pub contents: Vec<Content>,
    /// Empty lines by their stamps, which are unique.
    empty: HashMap<String, u32>,
    pub wholes: u32,
    /// Lines written; makes stamps unique.
    pub lines: u64,
    /// Records that hold a cell the service had before.
    pub repeats: [u64; SLOTS],
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

impl Truth {
    pub fn content(&mut self, pods: bool, called: String) -> usize {
        self.contents.push(Content {
            bytes: Vec::new(),
            cells: Vec::new(),
            lines: Vec::new(),
            pods,
            called,
            names: 0,
            excused: false,
            unsteady: false,
            stub: false,
        });
        self.contents.len() - 1
    }

    /// A new cell that will stand at `at` of `content`; its eight bytes.
    pub fn cell(&mut self, content: usize, at: u64, place: (u32, u32), payload: [u8; 3], poison: bool) -> [u8; 8] {
        let number = self.cells.len() as u32;
        let digit = |shift: u32| DIGITS.get((number >> shift) as usize & 63).copied().unwrap_or(b'A');
        let shown = String::from_utf8_lossy(&payload).into_owned();
        let (whole, nth) = place;
        self.add(
            content,
            Cell {
                content,
                at,
                whole,
                nth,
                shown,
                head: None,
                torn: false,
                part: false,
                poison,
                arrived: [0; SLOTS],
                buried: [0; SLOTS],
            },
        );
        let [a, b, c] = payload;
        [b'^', digit(18), digit(12), digit(6), digit(0), a, b, c]
    }
    /// An empty line is known by its stamp.
    pub fn empty_line(&mut self, content: usize, at: u64, whole: u32, stamp: &str) {
        self.empty.insert(stamp.to_owned(), self.cells.len() as u32);
        let shown = String::new();
        let cell = Cell {
            content,
            at,
            whole,
            nth: 0,
            shown,
            head: None,
            torn: false,
            part: false,
            poison: false,
            arrived: [0; SLOTS],
            buried: [0; SLOTS],
        };
        self.add(content, cell);
    }
    fn add(&mut self, content: usize, cell: Cell) {
        let number = self.cells.len() as u32;
        self.cells.push(cell);
        if let Some(content) = self.contents.get_mut(content) {
            content.cells.push(number);
        }
    }
    /// A rule of silence may have gone through this line.
    pub fn torn(&mut self, whole: u32) {
        self.cells.iter_mut().rev().take(1_000).filter(|c| c.whole == whole).for_each(|c| c.torn = true);
    }
    pub fn last_cell(&mut self) -> Option<&mut Cell> {
        self.cells.last_mut()
    }

    /// The cells of a record's text, in order, each proven to be as it was written and next to its neighbour.
    pub fn cells_of(&self, doc: &Doc<'_>) -> Result<Vec<u32>, String> {
        if matches!(doc.log.as_ref(), "" | "\r") {
            return Ok(self.empty.get(doc.time.as_ref()).copied().into_iter().collect());
        }
        let mut found = Vec::new();
        for part in doc.log.split('^').skip(1) {
            let number = number(part).ok_or_else(|| format!("no cell: {part:?} in {:?}", doc.log))?;
            let cell = self.cells.get(number as usize).ok_or_else(|| format!("unknown cell {number}"))?;
            if !part.get(4..).is_some_and(|rest| rest.starts_with(&cell.shown)) {
                return Err(format!("cell {number} was {:?} and came as {part:?}", cell.shown));
            }
            let before = found.last().and_then(|n| self.cells.get(*n as usize));
            if before.is_some_and(|b: &Cell| (b.whole, b.nth + 1) != (cell.whole, cell.nth)) {
                let (one, other) = (found.last().copied().unwrap_or(0), number);
                let which = [one, other].map(|n| self.describe(n));
                return Err(format!("cells that were never neighbours: {which:#?}"));
            }
            found.push(number);
        }
        if let Some(first) = found.first().and_then(|n| self.cells.get(*n as usize))
            && let (Some((_, channel)), Some(stream)) = (first.head, &doc.stream)
            && channel != stream
        {
            return Err(format!("{stream} of a line to {channel}: {:?}", doc.log));
        }
        Ok(found)
    }
    /// A service has stored a record of these cells. True when it had one of them before.
    pub fn arrive(&mut self, lane: usize, cells: &[u32]) -> bool {
        let mut repeated = false;
        for number in cells {
            let Some(cell) = self.cells.get_mut(*number as usize) else { continue };
            let steady = self.contents.get(cell.content).is_some_and(|c| !c.unsteady);
            if let Some(count) = cell.arrived.get_mut(lane) {
                repeated |= *count > 0 && steady;
                *count += 1;
            }
        }
        if let Some(count) = self.repeats.get_mut(lane).filter(|_| repeated) {
            *count += 1;
        }
        repeated
    }
    pub fn poisoned(&self, cells: &[u32]) -> bool {
        cells.iter().any(|n| self.cells.get(*n as usize).is_some_and(|c| c.poison))
    }
    /// A line of the dead-letter file.
    pub fn bury(&mut self, lane: usize, line: &str) -> Result<(), String> {
        let doc: Doc<'_> = serde_json::from_str(line).map_err(|e| format!("{e}: {line}"))?;
        for number in self.cells_of(&doc)? {
            if let Some(count) = self.cells.get_mut(number as usize).and_then(|c| c.buried.get_mut(lane)) {
                *count += 1;
            }
        }
        Ok(())
    }
    /// For people.
    pub fn describe(&self, number: u32) -> String {
        let Some(cell) = self.cells.get(number as usize) else { return "?".into() };
        let Some(content) = self.contents.get(cell.content) else { return "?".into() };
        format!(
            "cell {number} at {} of {} (content {}, {} bytes, {} names{}{}); arrived {:?}, buried {:?}, whole {} nth {}",
            cell.at,
            content.called,
            cell.content,
            content.bytes.len(),
            content.names,
            if content.excused { ", excused" } else { "" },
            if content.unsteady { ", unsteady" } else { "" },
            cell.arrived,
            cell.buried,
            cell.whole,
            cell.nth,
        ) + &self.line_of(cell)
    }
}

impl Truth {
    /// The line of this cell goes over several files, and one of them, or one that stood between them, is not there any
    /// more: what is left of it, read again by another process, has another id.
    pub fn beheaded(&self, cell: &Cell) -> bool {
        let files = self.cells.iter().filter(|c| c.whole == cell.whole).map(|c| c.content);
        let (first, last) = files.fold((usize::MAX, 0), |(low, high), file| (low.min(file), high.max(file)));
        let called = self.contents.get(cell.content).map(|c| &c.called);
        let gone = |c: &Content| Some(&c.called) == called && c.names == 0;
        first < last && self.contents.get(first..=last).is_some_and(|files| files.iter().any(gone))
    }
    fn line_of(&self, cell: &Cell) -> String {
        let Some(content) = self.contents.get(cell.content) else { return String::new() };
        let next = content.lines.partition_point(|l| *l <= cell.at);
        let end = content.lines.get(next).map_or(content.bytes.len(), |l| *l as usize);
        let start = next.checked_sub(1).and_then(|n| content.lines.get(n)).map_or(0, |l| *l as usize);
        let text = content.bytes.get(start..end.min(start + 160)).unwrap_or_default().escape_ascii();
        format!(" in {start}..{end} {text}")
    }
}

impl Content {
    /// Numbers of the cells in `from..to`.
    pub fn cells_in<'a>(&'a self, cells: &'a [Cell], from: u64, to: u64) -> impl Iterator<Item = u32> + 'a {
        let at = move |n: &u32| cells.get(*n as usize).map_or(0, |c| c.at);
        let first = self.cells.partition_point(|n| at(n) < from);
        self.cells.iter().skip(first).copied().take_while(move |n| at(n) < to)
    }
}

fn number(part: &str) -> Option<u32> {
    let text = part.as_bytes().get(..4)?;
    text.iter().try_fold(0u32, |sum, c| Some(sum << 6 | DIGITS.iter().position(|d| d == c)? as u32))
}
