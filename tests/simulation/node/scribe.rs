//! Writes an application's lines the way a container runtime does, or plainly, with everything that real logs hold.

use super::Hands;
use crate::chance::Chance;
use crate::fs::Pen;
use crate::plan::Plan;
use crate::truth::Truth;
use std::time::Duration;
use tailrace::output::document::{TIME_LEN, time_text};
use tailrace::record::Stamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Cri,
    Docker,
    Plain,
}

/// One writer's grammar and what it has begun.
pub struct Scribe {
    style: Style,
    nasty: bool,
    poison: bool,
    first_halves: bool,
    /// By channel: a line written in parts.
    open: [Option<Open>; 2],
    /// A line that was torn in the middle.
    half: Option<Half>,
}

#[derive(Clone, Copy)]
struct Open {
    whole: u32,
    cells: u32,
    /// When its last part was written, and what that part's stamp says (unix ns).
    at: Duration,
    stamp: i64,
    torn: bool,
}

struct Half {
    whole: u32,
    rest: Vec<u8>,
    at: Duration,
    first: bool,
}

/// 30 bytes, as all stamps here.
const BANNER_STAMP: &str = "2023-11-14T22:13:20.000000001Z";
/// The agent's rules of silence strike after a minute.
const SILENCE: Duration = Duration::from_secs(55);

impl Scribe {
    pub fn new(style: Style, plan: &Plan) -> Scribe {
        let poison = plan.poison && style != Style::Plain;
        let &Plan { nasty, first_halves, .. } = plan;
        Scribe { style, nasty, poison, first_halves, open: [None, None], half: None }
    }
    /// What stands first in many files: no cells, always the same.
    pub fn banner(&mut self, pen: &Pen, hands: &mut Hands<'_>) {
        let mut text = self.head(BANNER_STAMP, "stdout", false);
        text.extend_from_slice(b"ready to serve..");
        text.extend_from_slice(&self.end(BANNER_STAMP, "stdout", false, "\n"));
        if let Some(content) = hands.truth.contents.get_mut(pen.content) {
            content.lines.push(0);
        }
        hands.fs.append(pen, &text, hands.truth);
    }
    /// The writer has died: what it had begun is never finished.
    pub fn forget(&mut self) {
        self.open = [None, None];
        self.half = None;
    }
    /// Somebody takes what is there for all there is (`--once`).
    pub fn tear(&mut self, truth: &mut Truth) {
        for open in self.open.iter_mut().flatten() {
            open.torn = true;
            truth.torn(open.whole);
        }
        if let Some(half) = &self.half {
            truth.torn(half.whole);
        }
    }
    /// The rest of a torn line.
    pub fn finish_half(&mut self, pen: &Pen, hands: &mut Hands<'_>) {
        let Some(half) = self.half.take() else { return };
        if hands.mono - half.at >= SILENCE {
            hands.truth.torn(half.whole);
            if let Some(content) = hands.truth.contents.get_mut(pen.content).filter(|_| half.first) {
                content.stub = true;
            }
        }
        hands.fs.append(pen, &half.rest, hands.truth);
    }

    pub fn line(&mut self, pen: &Pen, hands: &mut Hands<'_>) {
        self.finish_half(pen, hands);
        let Hands { fs, truth, chance, unix_ns, mono, .. } = hands;
        let at = truth.contents.get(pen.content).map_or(0, |c| c.bytes.len() as u64);
        let first = at == 0;
        let channel = usize::from(chance.one_in(4));
        let partial = self.style != Style::Plain && !first && chance.one_in(7);
        let open = self.open.get(channel).copied().flatten();
        let cells = match chance.below(30) {
            0 if !first && !partial => 0,
            // Docker's daemon cuts at 16 KiB: none of its lines is longer than a record may be.
            1 if self.style != Style::Docker && chance.one_in(6) => chance.within(110, 300),
            1 if self.style != Style::Docker => chance.within(24, 110),
            _ => chance.within(1, 5),
        };
        let (whole, nth) = open.map_or_else(
            || {
                truth.wholes += 1;
                (truth.wholes, 0)
            },
            |open| (open.whole, open.cells),
        );
        let name = if channel == 0 { "stdout" } else { "stderr" };
        truth.lines += 1;
        let stamp = stamp(*unix_ns, truth.lines);
        let torn = open.is_some_and(|o| o.torn || (*mono - o.at >= SILENCE && stamp.0 - o.stamp < 61_000_000_000));
        if let Some(open) = self.open.get_mut(channel) {
            *open = partial.then_some(Open { whole, cells: nth + cells as u32, at: *mono, stamp: stamp.0, torn });
        }
        let mut text = self.head(&stamp.1, name, partial);
        if cells == 0 && !partial && open.is_none() && self.style != Style::Plain {
            truth.empty_line(pen.content, at, whole, &stamp.1);
        }
        for n in 0..cells as u32 {
            let place = (whole, nth + n);
            let poison = self.poison && whole % 29 == 0;
            let payload = self.payload(chance);
            let cell = truth.cell(pen.content, at + text.len() as u64, place, payload, poison);
            text.extend_from_slice(&cell);
            if let Some(cell) = truth.last_cell().filter(|_| self.style != Style::Plain) {
                cell.head = Some((stamp.0, name));
                cell.part = partial || open.is_some();
            }
        }
        if torn {
            truth.torn(whole);
        }
        let head = text.len() - cells as usize * 8;
        text.extend_from_slice(&self.tail(&stamp.1, name, partial, chance));
        if let Some(content) = truth.contents.get_mut(pen.content) {
            content.lines.push(at);
        }
        let cut = match chance.below(25) {
            0 => head + 8 * chance.below(cells + 1) as usize,
            1 => 8 * chance.below(head as u64 / 8 + 1) as usize,
            _ => text.len(),
        };
        let told = !first || self.first_halves;
        if cut < text.len() && told && cells > 0 {
            self.half = Some(Half { whole, rest: text.split_off(cut), at: *mono, first });
        }
        fs.append(pen, &text, truth);
    }

    fn head(&self, stamp: &str, channel: &str, partial: bool) -> Vec<u8> {
        match self.style {
            Style::Cri => format!("{stamp} {channel} {} ", if partial { "P" } else { "F" }).into_bytes(),
            Style::Docker => br#"{"log":""#.to_vec(),
            Style::Plain => Vec::new(),
        }
    }
    fn tail(&self, stamp: &str, channel: &str, partial: bool, chance: &mut Chance) -> Vec<u8> {
        let end = if chance.one_in(20) { "\r\n" } else { "\n" };
        self.end(stamp, channel, partial, end)
    }
    fn end(&self, stamp: &str, channel: &str, partial: bool, end: &str) -> Vec<u8> {
        match self.style {
            Style::Cri | Style::Plain => end.as_bytes().to_vec(),
            Style::Docker => {
                let newline = if partial { "" } else { "\\n" };
                format!("{newline}\",\"stream\":\"{channel}\",\"time\":\"{stamp}\"}}\n").into_bytes()
            }
        }
    }
    fn payload(&self, chance: &mut Chance) -> [u8; 3] {
        const NASTY: [[u8; 3]; 10] = [
            [0, 0, 0],
            [0xff, 0xfe, b'x'],
            [0x80, 0x80, 0x80],
            [0xc3, 0xa9, b'x'],
            [0xe2, 0x82, 0xac],
            [0xe2, 0x82, b'x'],
            *b"\"\\\"",
            *b"\t\r\x1b",
            *b"{\"}",
            [0x7f, b' ', b' '],
        ];
        match self.style {
            Style::Cri | Style::Plain if self.nasty && chance.one_in(4) => chance.pick(&NASTY).unwrap_or(*b"nix"),
            Style::Cri | Style::Plain | Style::Docker => *b"abc",
        }
    }
}

/// A stamp that no other line has: nine digits, so that every header is 40 bytes long.
fn stamp(unix_ns: i64, unique: u64) -> (i64, String) {
    let ns = unix_ns - unix_ns.rem_euclid(1_000_000) + (unique as i64 % 99_999) * 10 + 1;
    let mut scratch = [0; TIME_LEN];
    let text = time_text(&Stamp { unix_ns: ns, text: b"" }, &mut scratch);
    (ns, String::from_utf8_lossy(text).into_owned())
}
