//! A container and its log files, as containerd writes them and kubelet rotates, compresses and removes them.

use super::Hands;
use super::scribe::Scribe;
use crate::fs::Pen;
use std::path::PathBuf;

/// What kubelet does to one log, one system call at a time.
#[derive(Clone, Debug)]
enum Step {
    Prune,
    Pack,
    Compress,
    Rename,
    Reopen,
}

pub struct Container {
    pub uid: String,
    pub name: String,
    pub dir: PathBuf,
    pub restart: u32,
    scribe: Scribe,
    pen: Option<Pen>,
    steps: Vec<Step>,
    keep: usize,
    banner: bool,
}

impl Container {
    pub fn new(pod: (&str, &str), name: &str, keep: usize, banner: bool, scribe: Scribe) -> Container {
        let (uid, dir) = pod;
        let dir = PathBuf::from(dir).join(name);
        let (uid, name) = (uid.to_owned(), name.to_owned());
        Container { uid, name, dir, restart: 0, scribe, pen: None, steps: Vec::new(), keep, banner }
    }
    fn live(&self) -> PathBuf {
        self.dir.join(format!("{}.log", self.restart))
    }
    fn open(&mut self, hands: &mut Hands<'_>) {
        let path = self.live();
        hands.say(|| format!("open {}", path.display()));
        let called = path.to_string_lossy().into_owned();
        let there = hands.fs.content_at(&path);
        let content = there.unwrap_or_else(|| hands.truth.content(true, called));
        let pen = hands.fs.open(&path, content, hands.truth);
        if there.is_none()
            && self.restart == 0
            && self.rotated(hands).is_empty()
            && self.banner
            && hands.chance.percent(80)
        {
            self.scribe.banner(&pen, hands);
        }
        self.pen = Some(pen);
    }
    pub fn write(&mut self, lines: u64, hands: &mut Hands<'_>) {
        if self.pen.is_none() {
            self.open(hands);
        }
        let Some(pen) = &self.pen else { return };
        for _ in 0..lines {
            self.scribe.line(pen, hands);
        }
    }
    /// kubelet found the log large enough.
    pub fn rotate(&mut self) {
        if self.steps.is_empty() && self.pen.is_some() {
            self.steps = vec![Step::Reopen, Step::Rename, Step::Compress, Step::Pack, Step::Prune];
        }
    }
    pub fn tear(&mut self, hands: &mut Hands<'_>) {
        self.scribe.tear(hands.truth);
    }
    pub fn busy(&self) -> bool {
        !self.steps.is_empty()
    }
    /// One of kubelet's steps.
    pub fn step(&mut self, hands: &mut Hands<'_>) {
        let Some(step) = self.steps.pop() else { return };
        hands.say(|| format!("{step:?} {}", self.live().display()));
        let rotated = self.rotated(hands);
        match step {
            Step::Prune => {
                for path in rotated.iter().take(rotated.len().saturating_sub(self.keep)) {
                    hands.fs.remove(path, 0, hands.truth);
                }
            }
            Step::Pack => {
                let part = hands.chance.one_in(3);
                if let Some(plain) = rotated.into_iter().find(|p| p.extension().is_none_or(|e| e != "gz")) {
                    hands.fs.pack(&plain, part);
                }
            }
            Step::Compress => {
                let plain = rotated.into_iter().find(|p| p.extension().is_none_or(|e| e != "gz"));
                let Some(plain) = plain else { return };
                let gz = crate::fs::with_suffix(&plain, ".gz");
                if hands.fs.exists(&gz) {
                    hands.fs.remove(&plain, 0, hands.truth);
                } else {
                    hands.fs.compress(&plain, hands.truth);
                }
                self.steps.push(Step::Compress);
            }
            Step::Rename => {
                if let Some(pen) = &self.pen {
                    self.scribe.finish_half(pen, hands);
                }
                let stamp = hands.next_stamp();
                let to = self.dir.join(format!("{}.log.{stamp}", self.restart));
                let live = self.live();
                hands.fs.rename(&live, &to, hands.truth);
                if hands.chance.one_in(6) {
                    hands.fs.disk.overlook(&to);
                }
            }
            Step::Reopen => match rotated.last().filter(|_| hands.chance.one_in(8)) {
                // The runtime did not answer: kubelet renames back.
                Some(last) => {
                    let live = self.live();
                    hands.fs.rename(last, &live, hands.truth);
                }
                None => {
                    if let Some(pen) = &self.pen {
                        self.scribe.finish_half(pen, hands);
                    }
                    self.open(hands);
                }
            },
        }
    }
    /// Rotated siblings of this restart, oldest first.
    fn rotated(&self, hands: &Hands<'_>) -> Vec<PathBuf> {
        let prefix = format!("{}.log.", self.restart);
        let mut names = hands.fs.disk.names(&self.dir);
        let rotated = |name: &str| name.starts_with(&prefix) && !name.ends_with(".tmp");
        names.retain(|p| p.file_name().is_some_and(|n| rotated(&n.to_string_lossy())));
        names
    }
    /// The container died; the next one starts. What was begun is never finished.
    pub fn start_again(&mut self, hands: &mut Hands<'_>) {
        while self.busy() {
            self.step(hands);
        }
        self.pen = None;
        self.scribe.forget();
        hands.pods.terminated(&self.uid, &self.name, self.restart);
        self.restart += 1;
        hands.say(|| format!("restart {}", self.live().display()));
        self.open(hands);
    }
    /// It fails again and again, and says little or nothing each time; kubelet keeps only the last one's log.
    pub fn crash_loop(&mut self, hands: &mut Hands<'_>) {
        for _ in 0..1 + hands.chance.below(4) {
            self.start_again(hands);
            let lines = hands.chance.below(3);
            self.write(lines, hands);
        }
        if hands.chance.one_in(2) {
            self.reap(hands);
        }
    }
    /// kubelet removes the logs of dead containers.
    pub fn reap(&mut self, hands: &mut Hands<'_>) {
        let live = format!("{}.log", self.restart);
        for path in hands.fs.disk.names(&self.dir) {
            if path.file_name().is_some_and(|n| !n.to_string_lossy().starts_with(&live)) {
                hands.say(|| format!("reap {}", path.display()));
                hands.fs.remove(&path, 0, hands.truth);
            }
        }
    }
    /// The pod is deleted: no more lines.
    pub fn stop(&mut self, hands: &mut Hands<'_>) {
        while self.busy() {
            self.step(hands);
        }
        if let Some(pen) = self.pen.take() {
            self.scribe.finish_half(&pen, hands);
        }
        hands.pods.terminated(&self.uid, &self.name, self.restart);
    }
}
