//! What the process gives up before it reads a byte that others wrote: Landlock (files) and seccomp (system calls).
//!
//! Promises: on where the kernel has them, and said either way; what cannot be had is left out, with a reason, and the agent
//! runs all the same. Nothing can be given back while the process lives, so a changed configuration that needs more is
//! refused with a sentence ([`Sandbox::covers`]). Which files are needed is `places`' business, which calls `calls`'.

mod calls;
mod places;

use crate::config::checked::Config;
use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope, make_bitflags,
};
use places::{Granted, Right};
use std::path::Path;

/// Rights that we know of and refuse where nothing is granted. Later ones are about sockets, which we need.
const KNOWN: ABI = ABI::V5;

/// One of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// In effect for the whole process.
    On,
    /// Not in effect, by the configuration's wish or for a reason of ours.
    Off(String),
    /// Not in effect: the kernel has it not, or refused.
    Missing(String),
}

impl Part {
    /// Whether it is in effect.
    pub fn is_on(&self) -> bool {
        matches!(self, Part::On)
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Part::On => f.write_str("on"),
            Part::Off(why) | Part::Missing(why) => write!(f, "off: {why}"),
        }
    }
}

/// What is in effect.
#[derive(Clone, Debug)]
pub struct Sandbox {
    /// Files.
    pub landlock: Part,
    /// System calls.
    pub seccomp: Part,
    granted: Vec<Granted>,
}

/// What this kernel has; for people who ask before they start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Landlock, of any version.
    pub landlock: bool,
    /// Filters of system calls.
    pub seccomp: bool,
}

/// Asks the kernel; changes nothing.
pub fn kernel() -> Kernel {
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let created = ruleset.handle_access(AccessFs::from_all(ABI::V1)).and_then(Ruleset::create);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    Kernel { landlock: created.is_ok(), seccomp: status.lines().any(|line| line.starts_with("Seccomp:")) }
}

impl Sandbox {
    /// Gives up what `config`, which came from `file`, does not need. Call it while the process has one thread: Landlock
    /// holds for the thread that asks and those that it starts.
    pub fn begin(config: &Config, file: &Path) -> Sandbox {
        let runs = places::program(config, &|name| std::env::var_os(name));
        let wanted = |on: bool, key: &str| match (on, &runs) {
            (false, _) => Err(Part::Off(format!("by `sandbox: {{{key}: false}}`"))),
            (true, Some(what)) => Err(Part::Off(format!("{what} has to run a program"))),
            (true, None) => Ok(()),
        };
        let mut granted = Vec::new();
        // Landlock first: its calls are not among those that seccomp refuses, but who knows the next version.
        let landlock = match wanted(config.sandbox.landlock, "landlock") {
            Ok(()) => {
                granted = places::granted(config, file, &|name| std::env::var_os(name));
                confine(&granted).unwrap_or_else(Part::Missing)
            }
            Err(part) => part,
        };
        let seccomp = match wanted(config.sandbox.seccomp, "seccomp") {
            Ok(()) => calls::refuse().map_or_else(Part::Missing, |()| Part::On),
            Err(part) => part,
        };
        Sandbox { landlock, seccomp, granted }
    }

    /// The same for a process that only sends the letters in `letters`: nothing of the inputs, nor of what an agent keeps.
    pub fn begin_for_letters(config: &Config, file: &Path, letters: &Path) -> Sandbox {
        let mut needed = config.clone();
        needed.inputs.clear();
        needed.data_dir = letters.to_owned();
        needed.outputs.iter_mut().for_each(|output| output.dead_letter_dir = letters.to_owned());
        Sandbox::begin(&needed, file)
    }

    /// Whether all that was wished is in effect.
    pub fn is_whole(&self) -> bool {
        !matches!((&self.landlock, &self.seccomp), (Part::Missing(_), _) | (_, Part::Missing(_)))
    }

    /// Says what is in effect.
    pub fn say(&self) {
        let list = |right: Right| {
            let of = self.granted.iter().filter(|g| g.configured && g.right == right);
            of.map(|g| g.path.display().to_string()).collect::<Vec<_>>().join(" ")
        };
        let (landlock, seccomp) = (self.landlock.to_string(), self.seccomp.to_string());
        if !self.is_whole() {
            tracing::warn!(%landlock, %seccomp, "the sandbox is not whole here; the agent runs all the same");
        } else if self.landlock.is_on() {
            tracing::info!(%landlock, %seccomp, reads = %list(Right::Read), writes = %list(Right::Write), "sandbox");
        } else {
            tracing::info!(%landlock, %seccomp, "sandbox");
        }
        let all = |g: &&Granted| g.configured && g.path == Path::new("/");
        if self.landlock.is_on() && self.granted.iter().any(|g| all(&g)) {
            tracing::warn!(
                "a path of the configuration is not there, nor is the directory above it: Landlock cannot be told of it \
                 and leaves all files open; make the directory, then restart"
            );
        }
    }

    /// Whether the process may still do what another configuration needs.
    ///
    /// # Errors
    /// A sentence that names the path.
    pub fn covers(&self, config: &Config) -> Result<(), String> {
        if !self.landlock.is_on() {
            return Ok(());
        }
        match places::configured(config).into_iter().find(|place| !place.is_in(&self.granted)) {
            None => Ok(()),
            Some(place) => Err(format!(
                "{}: this process gave up the right to {} there when it started (Landlock); restart it",
                place.path.display(),
                match place.right {
                    Right::Read => "read",
                    Right::Write => "write",
                }
            )),
        }
    }
}

/// Landlock. The error says why there is none.
fn confine(granted: &[Granted]) -> Result<Part, String> {
    let failed = |error: landlock::RulesetError| error.to_string();
    let all = AccessFs::from_all(KNOWN);
    let ruleset = Ruleset::default().handle_access(all).map_err(failed)?;
    // A signal to a process outside is nothing that a log agent sends.
    let mut ruleset = ruleset.scope(Scope::Signal).and_then(Ruleset::create).map_err(failed)?;
    for place in granted {
        // Gone since we looked: then it is not granted.
        let (Ok(fd), Ok(found)) = (PathFd::new(&place.path), std::fs::metadata(&place.path)) else { continue };
        let mut rights = rights(place.right);
        if !found.is_dir() {
            rights &= AccessFs::from_file(KNOWN);
        }
        ruleset = ruleset.add_rule(PathBeneath::new(fd, rights)).map_err(failed)?;
    }
    let status = ruleset.restrict_self().map_err(failed)?;
    match status.ruleset {
        // An older kernel refuses less, but what it can.
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(Part::On),
        RulesetStatus::NotEnforced => Err("this kernel has no Landlock, or it is not switched on".to_owned()),
    }
}

/// Never a right to run anything, or to make a device, a socket or a FIFO.
fn rights(right: Right) -> BitFlags<AccessFs> {
    let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    match right {
        Right::Read => read,
        Right::Write => {
            read | make_bitflags!(AccessFs::{
                WriteFile | Truncate | RemoveDir | RemoveFile | MakeDir | MakeReg | Refer
            })
        }
    }
}
