//! A program that writes plain lines to a path, and logrotate, which moves, copies, truncates and compresses.

use super::Hands;
use super::scribe::{Scribe, Style};
use crate::fs::{Pen, with_suffix};
use crate::plan::Plan;
use std::path::PathBuf;

pub struct App {
    path: PathBuf,
    scribe: Scribe,
    pen: Option<Pen>,
    /// The file was moved away; the program has not noticed yet.
    moved: bool,
    banner: bool,
}

impl App {
    pub fn new(path: PathBuf, plan: &Plan) -> App {
        let scribe = Scribe::new(Style::Plain, plan);
        App { path, scribe, pen: None, moved: false, banner: plan.banner }
    }
    fn open(&mut self, hands: &mut Hands<'_>) {
        hands.say(|| format!("open {}", self.path.display()));
        let called = self.path.to_string_lossy().into_owned();
        let there = hands.fs.content_at(&self.path);
        let content = there.unwrap_or_else(|| hands.truth.content(false, called));
        let pen = hands.fs.open(&self.path, content, hands.truth);
        if there.is_none() && self.banner {
            self.scribe.banner(&pen, hands);
        }
        self.pen = Some(pen);
        self.moved = false;
    }
    pub fn write(&mut self, lines: u64, hands: &mut Hands<'_>) {
        if self.pen.is_none() || (self.moved && hands.chance.one_in(2)) {
            self.close(hands);
            self.open(hands);
        }
        let Some(pen) = &self.pen else { return };
        for _ in 0..lines {
            self.scribe.line(pen, hands);
        }
    }
    pub fn tear(&mut self, hands: &mut Hands<'_>) {
        self.scribe.tear(hands.truth);
    }
    fn close(&mut self, hands: &mut Hands<'_>) {
        if let Some(pen) = self.pen.take() {
            self.scribe.finish_half(&pen, hands);
        }
        self.scribe.forget();
    }
    fn numbered(&self, n: u32) -> PathBuf {
        with_suffix(&self.path, &format!(".{n}"))
    }
    /// `create`: a.log.1 to a.log.2, a.log to a.log.1; the program goes on in it until it is told.
    pub fn shift(&mut self, hands: &mut Hands<'_>) {
        if self.pen.is_none() || self.moved {
            return;
        }
        hands.say(|| format!("shift {}", self.path.display()));
        self.make_room(hands);
        let (live, first) = (self.path.clone(), self.numbered(1));
        hands.fs.rename(&live, &first, hands.truth);
        self.moved = true;
    }
    fn make_room(&mut self, hands: &mut Hands<'_>) {
        let (last, gz) = (self.numbered(2), with_suffix(&self.numbered(2), ".gz"));
        hands.fs.remove(&last, 0, hands.truth);
        hands.fs.remove(&gz, 0, hands.truth);
        for suffix in ["", ".gz"] {
            let (from, to) = (with_suffix(&self.numbered(1), suffix), with_suffix(&self.numbered(2), suffix));
            if hands.fs.exists(&from) {
                hands.fs.rename(&from, &to, hands.truth);
            }
        }
    }
    /// `copytruncate`, between two lines.
    pub fn copytruncate(&mut self, hands: &mut Hands<'_>) {
        if self.moved || self.pen.is_none() {
            return;
        }
        self.finish_half(hands);
        hands.say(|| format!("copytruncate {}", self.path.display()));
        self.make_room(hands);
        let (live, first) = (self.path.clone(), self.numbered(1));
        hands.fs.copy(&live, &first, hands.truth);
        self.cut(hands);
    }
    pub fn truncate(&mut self, hands: &mut Hands<'_>) {
        if !self.moved && self.pen.is_some() {
            hands.say(|| format!("truncate {}", self.path.display()));
            self.finish_half(hands);
            self.cut(hands);
        }
    }
    fn finish_half(&mut self, hands: &mut Hands<'_>) {
        if let Some(pen) = &self.pen {
            self.scribe.finish_half(pen, hands);
        }
    }
    fn cut(&mut self, hands: &mut Hands<'_>) {
        let next = hands.truth.content(false, format!("{} (cut)", self.path.display()));
        if let Some(pen) = &mut self.pen {
            hands.fs.truncate(&self.path, pen, next, hands.truth);
            if self.banner {
                self.scribe.banner(pen, hands);
            }
        }
    }
    /// `compress` of the file before.
    pub fn compress(&mut self, hands: &mut Hands<'_>) {
        let first = self.numbered(1);
        if hands.fs.exists(&first) && !self.moved && !hands.fs.exists(&with_suffix(&first, ".gz")) {
            hands.say(|| format!("compress {}", first.display()));
            hands.fs.compress(&first, hands.truth);
            hands.fs.remove(&first, 0, hands.truth);
        }
    }
    /// Somebody deletes it; the program makes a new one, perhaps with the same inode.
    pub fn delete(&mut self, hands: &mut Hands<'_>) {
        if self.moved {
            return;
        }
        hands.say(|| format!("delete {}", self.path.display()));
        self.close(hands);
        hands.fs.remove(&self.path, 0, hands.truth);
    }
}
