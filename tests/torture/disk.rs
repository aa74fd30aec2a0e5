//! What happens to `data_dir`: torn, full, read-only, lost; and how that is done on this machine.

use crate::case::{Pace, Trouble, millis};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tailrace::standin::rng::Rng;

/// Bytes of the small file system.
const SMALL: u64 = 6 << 20;

/// By what means a trouble is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    /// Nothing special is needed.
    Plain,
    /// A small file system of its own.
    Mount,
    /// Mounting is not allowed: no process may write into any file (EFBIG).
    Limit,
    /// Mounting is not allowed, and permissions bind us.
    Permissions,
}

/// The directory, and what is wrong with it now.
#[derive(Debug)]
pub struct Disk {
    dir: PathBuf,
    trouble: Trouble,
    means: Means,
    pace: Pace,
    rng: Rng,
    /// Wrong now: full or read-only.
    pub wrong: bool,
    turns_at: Duration,
}

impl Disk {
    /// Makes the directory. `Err`: what this machine does not allow.
    pub fn new(dir: &Path, trouble: Trouble, pace: Pace, seed: u64) -> Result<Disk, String> {
        fs::create_dir(dir).unwrap();
        let means = match trouble {
            Trouble::Nothing | Trouble::Torn | Trouble::Lost => Means::Plain,
            Trouble::Full if mount(dir) => Means::Mount,
            Trouble::Full => Means::Limit,
            Trouble::ReadOnly if mount(dir) => Means::Mount,
            Trouble::ReadOnly if permissions_bind(dir) => Means::Permissions,
            Trouble::ReadOnly => return Err("mounting is not allowed here, and permissions do not bind root".into()),
        };
        let mut rng = Rng::new(seed);
        let turns_at = millis(&mut rng, pace.disk);
        Ok(Disk { dir: dir.to_owned(), trouble, means, pace, rng, wrong: false, turns_at })
    }
    /// What the agent's process is begun with.
    pub fn first(&self) -> Option<&'static str> {
        // Else the signal would end it, as it ends any process that does not expect it.
        (self.means == Means::Limit).then_some("trap '' XFSZ")
    }
    /// For the table.
    pub fn means(&self) -> &'static str {
        match self.means {
            Means::Plain => "",
            Means::Mount => "a file system of 6 MiB",
            Means::Limit => "RLIMIT_FSIZE, as mounting is not allowed",
            Means::Permissions => "permissions, as mounting is not allowed",
        }
    }

    /// Between two lives, right after a kill; says what was done.
    pub fn killed(&mut self) -> Option<String> {
        match self.trouble {
            Trouble::Nothing | Trouble::Full => None,
            Trouble::Torn => self.tear(),
            Trouble::Lost => self.rng.chance(0.6).then(|| self.lose()),
            Trouble::ReadOnly if self.wrong => None,
            Trouble::ReadOnly => self.rng.chance(0.6).then(|| {
                self.set_read_only(true);
                "data_dir is read-only".into()
            }),
        }
    }
    /// While the agent (this process, if any) lives; says what was done.
    pub fn tick(&mut self, at: Duration, agent: Option<Pid>) -> Option<String> {
        if self.trouble == Trouble::Full && self.wrong {
            self.fill(agent);
        }
        if at < self.turns_at {
            return None;
        }
        self.turns_at = at + millis(&mut self.rng, self.pace.disk);
        match self.trouble {
            Trouble::Nothing | Trouble::Torn => None,
            Trouble::Full if self.wrong => {
                self.empty(agent);
                Some("data_dir has room again".into())
            }
            Trouble::Full => {
                self.wrong = true;
                self.fill(agent);
                Some("data_dir is full".into())
            }
            // It is made so between two lives: a file system with open files cannot be.
            Trouble::ReadOnly => self.wrong.then(|| {
                self.set_read_only(false);
                "data_dir can be written again".into()
            }),
            Trouble::Lost => (agent.is_some() && self.rng.chance(0.3)).then(|| self.lose()),
        }
    }
    /// All is well from here on.
    pub fn mend(&mut self, agent: Option<Pid>) {
        match self.trouble {
            Trouble::Full => self.empty(agent),
            Trouble::ReadOnly if self.wrong => self.set_read_only(false),
            Trouble::Nothing | Trouble::Torn | Trouble::ReadOnly | Trouble::Lost => {}
        }
    }

    fn tear(&mut self) -> Option<String> {
        let path = self.dir.join("checkpoints.log");
        let len = fs::metadata(&path).ok()?.len();
        // Mostly near the end, where writes are torn; else anywhere, as if all the rest had never been synced.
        let near = self.rng.chance(0.5);
        let from = if near { len.saturating_sub(4_096) } else { 0 };
        let cut = from + self.rng.below(len - from + 1);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.set_len(cut).unwrap();
        let tail = match self.rng.below(3) {
            0 => "",
            1 => {
                file.write_all(&vec![0; usize::try_from(self.rng.below(3_000)).unwrap()]).unwrap();
                ", zeros behind it"
            }
            _ => {
                let noise: Vec<u8> = (0..self.rng.below(300)).flat_map(|_| self.rng.bits().to_le_bytes()).collect();
                file.write_all(&noise).unwrap();
                ", noise behind it"
            }
        };
        Some(format!("the store is cut at {cut} of {len}{tail}"))
    }
    fn lose(&mut self) -> String {
        // The agent may be making files in it meanwhile.
        while fs::remove_dir_all(&self.dir).is_err_and(|e| e.kind() != std::io::ErrorKind::NotFound) {}
        "data_dir is lost".into()
    }
    fn fill(&self, agent: Option<Pid>) {
        if self.means == Means::Limit {
            limit(agent, Some(0));
            return;
        }
        let mut filler = OpenOptions::new().create(true).append(true).open(self.dir.join("filler")).unwrap();
        for piece in [64 << 10, 1 << 10, 1] {
            while filler.write(&vec![b'x'; piece]).is_ok_and(|n| n > 0) {}
        }
    }
    fn empty(&mut self, agent: Option<Pid>) {
        self.wrong = false;
        if self.means == Means::Limit {
            limit(agent, None);
        } else {
            // Not there when it was never full.
            drop(fs::remove_file(self.dir.join("filler")));
        }
    }
    fn set_read_only(&mut self, on: bool) {
        self.wrong = on;
        if self.means == Means::Mount {
            let how = if on { "remount,ro" } else { "remount,rw" };
            let done = Command::new("mount").args(["-o", how]).arg(&self.dir).output().unwrap();
            assert!(done.status.success(), "mount -o {how}: {}", String::from_utf8_lossy(&done.stderr));
        } else {
            let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            let files: Vec<_> = fs::read_dir(&self.dir).unwrap().map(|e| e.unwrap().path()).collect();
            files.iter().for_each(|f| mode(f, if on { 0o500 } else { 0o700 }));
            mode(&self.dir, if on { 0o500 } else { 0o700 });
        }
    }
    /// What is in it, in a place that stays.
    pub fn save(&self) {
        if self.means == Means::Mount {
            let to = self.dir.with_extension("kept");
            drop(Command::new("cp").arg("-a").arg(&self.dir).arg(to).output());
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.means == Means::Mount {
            drop(Command::new("umount").arg("-l").arg(&self.dir).output());
        }
    }
}

fn mount(dir: &Path) -> bool {
    let size = format!("size={SMALL},mode=0700");
    let done = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tailrace-torture"]).arg(dir).output();
    done.is_ok_and(|out| out.status.success())
}

/// Not for root.
fn permissions_bind(dir: &Path) -> bool {
    let mode = |mode| fs::set_permissions(dir, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o500);
    let bound = File::create(dir.join("probe")).is_err();
    mode(0o700);
    drop(fs::remove_file(dir.join("probe")));
    bound
}

fn limit(agent: Option<Pid>, bytes: Option<u64>) {
    if agent.is_some() {
        // It may have ended meanwhile.
        prlimit(agent, Resource::Fsize, Rlimit { current: bytes, maximum: None }).ok();
    }
}
