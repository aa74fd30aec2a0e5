//! Log files as kubelet and containerd make them: pods that come and go, lines cut at 16 KiB, rotation with gzip.
//!
//! `plan` decides (seeded, no I/O, time comes in), `disk` carries out, `ledger` knows every id that was written
//! and where it is. The order of operations is kubelet's: the oldest rotated file removed, the plain one packed into
//! `.tmp`, renamed to `.gz`, removed; then `N.log` renamed, and for a moment the runtime writes on into the renamed
//! file before it opens a new `N.log`.

mod body;
mod disk;
mod files;
mod framing;
mod ledger;
mod plan;
#[cfg(test)]
mod tests;

pub use body::Shape;
pub use disk::Op;
pub use files::MayGo;
pub use framing::Runtime;
pub use ledger::{Ledger, Turns};
pub use plan::Plan;

use crate::record::Now;
use std::collections::HashSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is written, and how fast it is turned over.
#[derive(Clone, Debug)]
pub struct Options {
    /// Pods that are there from start to end.
    pub pods: usize,
    /// Containers in each pod.
    pub containers: usize,
    /// Pods that come and go: so many at a time.
    pub passing_pods: usize,
    /// How long such a pod lives.
    pub pod_life: Duration,
    /// Pods whose container dies again and again, after at most three lines, sometimes without the last newline.
    pub crashing_pods: usize,
    /// How long such a container lives.
    pub crash_every: Duration,
    /// Some containers say much more than others.
    pub uneven: bool,
    /// Lines a second in all, by [`Writer::step`].
    pub lines_per_second: u64,
    /// kubelet's containerLogMaxSize; 10 MiB there.
    pub rotate_at: u64,
    /// kubelet's containerLogMaxFiles, at least 2; 5 there.
    pub max_files: usize,
    /// How often sizes are looked at; 10 s there.
    pub rotate_every: Duration,
    /// The runtime opens the new file so long after the rename, at most.
    pub reopen_within: Duration,
    /// A container dies and is started again so often; `None`: never.
    pub restart_every: Option<Duration>,
    /// Dead restarts whose files stay for good; on a real node the last one's go within 10 s of the next start.
    pub keep_restarts: usize,
    /// What has to go (dead restarts, ended pods) goes so much later.
    pub remove_after: Duration,
    /// Bytes in a CRI or Docker part; 16 KiB there.
    pub part_bytes: usize,
    /// What lines look like, by weight.
    pub mix: Vec<(Shape, u32)>,
    /// Who writes the files.
    pub runtime: Runtime,
    /// Now and then a write ends in the middle of a line and goes on with the next step.
    pub torn: bool,
}

impl Default for Options {
    fn default() -> Self {
        let mix = vec![
            (Shape::Text, 60),
            (Shape::Json, 30),
            (Shape::MultiByte, 4),
            (Shape::Odd, 3),
            (Shape::Bytes, 1),
            (Shape::Empty, 1),
            (Shape::Long, 1),
        ];
        Options {
            pods: 4,
            containers: 1,
            passing_pods: 0,
            pod_life: Duration::from_secs(5),
            crashing_pods: 0,
            crash_every: Duration::from_secs(1),
            uneven: false,
            lines_per_second: 1_000,
            rotate_at: 10 << 20,
            max_files: 5,
            rotate_every: Duration::from_secs(10),
            reopen_within: Duration::from_millis(50),
            restart_every: None,
            keep_restarts: 0,
            remove_after: Duration::from_secs(10),
            part_bytes: 16 << 10,
            mix,
            runtime: Runtime::Containerd,
            torn: true,
        }
    }
}

impl Options {
    /// For the demo: everything happens within seconds, and what is deleted was written at least 8 s before.
    pub fn demo() -> Options {
        Options {
            pods: 3,
            passing_pods: 2,
            pod_life: Duration::from_secs(6),
            lines_per_second: 3_000,
            rotate_at: 512 << 10,
            rotate_every: Duration::from_secs(1),
            max_files: 10,
            restart_every: Some(Duration::from_secs(4)),
            remove_after: Duration::from_secs(8),
            ..Options::default()
        }
    }
}

/// The plan, and the directory that it is carried out in.
#[derive(Debug)]
pub struct Writer {
    root: PathBuf,
    plan: Plan,
    /// Of deleted files.
    inodes: HashSet<u64>,
}

impl Writer {
    /// `root` stands for `/var/log/pods`; it is made where it is missing.
    ///
    /// # Errors
    /// When the directory or the first files cannot be made.
    pub fn new(root: &Path, seed: u64, options: Options, now: Now) -> io::Result<Writer> {
        std::fs::create_dir_all(root)?;
        let mut writer = Writer { root: root.to_owned(), plan: Plan::new(seed, options), inodes: HashSet::new() };
        writer.carry_out(|plan| plan.begin(now))?;
        Ok(writer)
    }
    /// Everything that is due at this time: lines, rotations, restarts, pods that come and go.
    ///
    /// # Errors
    /// The first operation that failed.
    pub fn step(&mut self, now: Now) -> io::Result<()> {
        self.step_keeping(now, &|_| true)
    }
    /// The same; a file that is due to be deleted waits until it `may_go`.
    ///
    /// # Errors
    /// The first operation that failed.
    pub fn step_keeping(&mut self, now: Now, may_go: MayGo<'_>) -> io::Result<()> {
        self.carry_out(|plan| plan.step(now, may_go))
    }
    /// So many lines at once, spread over the living containers; nothing else happens.
    ///
    /// # Errors
    /// The first operation that failed.
    pub fn write_lines(&mut self, now: Now, lines: u64) -> io::Result<()> {
        self.carry_out(|plan| plan.lines(now, lines))
    }
    /// Rotates every living container's file, whatever its size.
    ///
    /// # Errors
    /// The first operation that failed.
    pub fn rotate_all(&mut self, now: Now) -> io::Result<()> {
        self.carry_out(|plan| plan.rotate_all(now))
    }
    /// Lets every container die and start again.
    ///
    /// # Errors
    /// The first operation that failed.
    pub fn restart_all(&mut self, now: Now) -> io::Result<()> {
        self.carry_out(|plan| plan.restart_all(now))
    }
    /// Writes what was held back (torn lines, parts of long ones): from here on every id in the ledger is on disk.
    ///
    /// # Errors
    /// The first operation that failed.
    pub fn finish(&mut self, now: Now) -> io::Result<()> {
        self.carry_out(|plan| plan.finish(now))
    }
    /// Only what kubelet still does once nobody writes: files of ended pods and of dead restarts go in their time. Until
    /// then a last line without its end may have more to come, for all a reader knows.
    ///
    /// # Errors
    /// The first operation that failed.
    pub fn clean_up(&mut self, now: Now) -> io::Result<()> {
        self.clean_up_keeping(now, &|_| true)
    }
    /// The same; a file that is due to be deleted waits until it `may_go`.
    ///
    /// # Errors
    /// The first operation that failed.
    pub fn clean_up_keeping(&mut self, now: Now, may_go: MayGo<'_>) -> io::Result<()> {
        self.carry_out(|plan| plan.clean_up(now, may_go))
    }
    /// What was written.
    pub fn ledger(&self) -> &Ledger {
        self.plan.ledger()
    }
    /// `namespace/pod/container` of the living, and the file each writes into, relative to the root.
    pub fn containers(&self) -> Vec<(String, PathBuf)> {
        self.plan.containers()
    }

    fn carry_out(&mut self, plan: impl FnOnce(&mut Plan) -> Vec<Op>) -> io::Result<()> {
        for op in plan(&mut self.plan) {
            if let Op::Remove(path) = &op {
                self.inodes.insert(std::fs::metadata(self.root.join(path))?.ino());
            }
            disk::carry_out(&self.root, &op)?;
            if let Op::Create(path) = &op
                && self.inodes.remove(&std::fs::metadata(self.root.join(path))?.ino())
            {
                self.plan.ledger_mut().turns.inodes_again += 1;
            }
        }
        Ok(())
    }
}
