//! What the system grants this process: file descriptors, inotify watches, memory, `openat2`, a sandbox. Each is judged by a pure
//! function of numbers.

use super::line::{Line, count};
use crate::cli::sandbox::Kernel;
use crate::config::checked::Config;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use std::path::{Path, PathBuf};

/// Beyond `memory_limit`: code, runtime, TLS, allocator.
const BESIDE: u64 = 24 << 20;

/// Files and directories of all inputs together.
pub fn look(config: &Config, files: usize, directories: usize) -> Vec<Line> {
    let mut lines = vec![handles(crate::catalog::os::handle_budget(), files)];
    lines.extend(inotify(files, directories));
    lines.extend(cgroup_limit().map(|limit| memory(config.memory_limit, limit)));
    lines.push(kernel(has_openat2()));
    lines.push(sandbox(config.sandbox.landlock, config.sandbox.seccomp, crate::cli::sandbox::kernel()));
    lines
}

/// `budget`: half of what may be open.
fn handles(budget: usize, files: usize) -> Line {
    let of = "file descriptors";
    if files <= budget {
        return Line::ok(of, format!("{} for {}", budget.saturating_mul(2), count(files, "file")));
    }
    let need = files.saturating_mul(2).next_power_of_two();
    Line::warn(
        of,
        format!(
            "{} for {files} files: the files that are read least are closed and opened again and again; set LimitNOFILE={need} \
             (systemd) or ulimit -n {need}",
            budget.saturating_mul(2)
        ),
    )
}

fn inotify(files: usize, directories: usize) -> Vec<Line> {
    let limit = |name: &str| -> Option<u64> {
        std::fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok()?.trim().parse().ok()
    };
    let mut lines = Vec::new();
    if let Err(error) = rustix::fs::inotify::init(rustix::fs::inotify::CreateFlags::CLOEXEC) {
        let now = limit("max_user_instances").map_or(String::new(), |most| format!(" (now {most})"));
        let say = format!(
            "none to be had: {error}: raise fs.inotify.max_user_instances{now}; until then everything is polled"
        );
        lines.push(Line::warn("inotify", say));
    }
    let used = used_watches(Path::new("/proc"), std::process::id());
    lines.extend(limit("max_user_watches").map(|most| watches(most, used, files, directories)));
    lines
}

/// A directory has a watch each, and every file that nobody writes to just now.
fn watches(most: u64, used_by_others: u64, files: usize, directories: usize) -> Line {
    let need = (files as u64).saturating_add(directories as u64);
    let left = most.saturating_sub(used_by_others);
    if need > left {
        let enough = need.saturating_add(used_by_others).saturating_mul(2).next_power_of_two();
        let say = format!(
            "{need} watches are needed and {left} are left of {most}: what is not watched is polled; run sysctl -w \
             fs.inotify.max_user_watches={enough}, and write it to /etc/sysctl.d"
        );
        return Line::warn("inotify", say);
    }
    Line::ok("inotify", format!("{need} of {left} watches are needed (fs.inotify.max_user_watches {most})"))
}

/// Watches of this user's other programs, as far as /proc shows them. A running agent's are the same that are needed.
fn used_watches(proc: &Path, own: u32) -> u64 {
    let user = rustix::process::geteuid().as_raw();
    let names = std::fs::read_dir(proc).into_iter().flatten().flatten().take(20_000);
    let others = names.map(|entry| entry.path()).filter(|path| {
        use std::os::unix::fs::MetadataExt;
        let pid = path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
        let ours = || std::fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "tailrace");
        pid.is_some_and(|pid| pid != own) && path.metadata().is_ok_and(|meta| meta.uid() == user) && !ours()
    });
    let of_process = |path: PathBuf| -> u64 {
        let handles = std::fs::read_dir(path.join("fd")).into_iter().flatten().flatten().take(20_000);
        let inotify =
            handles.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to == Path::new("anon_inode:inotify")));
        let lines = |name: std::ffi::OsString| -> u64 {
            let text = std::fs::read_to_string(path.join("fdinfo").join(name)).unwrap_or_default();
            text.lines().filter(|line| line.starts_with("inotify ")).count() as u64
        };
        inotify.map(|fd| lines(fd.file_name())).sum()
    };
    others.map(of_process).sum()
}

/// The smallest limit of the control groups that this process is in.
fn cgroup_limit() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let number = |path: PathBuf| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    groups.lines().filter_map(limit_files).flatten().filter_map(number).min()
}

/// `0::/a/b` (v2) or `5:memory:/a/b` (v1): the files that may hold a limit, up to the root. Pure.
fn limit_files(line: &str) -> Option<Vec<PathBuf>> {
    let (_, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    let (root, file) = if controllers.is_empty() {
        ("/sys/fs/cgroup", "memory.max")
    } else if controllers.split(',').any(|name| name == "memory") {
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
    } else {
        return None;
    };
    let inside = Path::new(path.trim_start_matches('/'));
    Some(inside.ancestors().take(32).map(|group| Path::new(root).join(group).join(file)).collect())
}

fn memory(memory_limit: u64, cgroup: u64) -> Line {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let need = memory_limit.saturating_add(BESIDE);
    if need > cgroup {
        let say = format!(
            "the control group allows {} MiB, and memory_limit {} MiB takes up to {} MiB: the kernel will kill the agent; set \
             resources.limits.memory (MemoryMax) to {}Mi, or lower memory_limit",
            cgroup >> 20,
            mib(memory_limit),
            mib(need),
            mib(need)
        );
        return Line::fail("memory", say);
    }
    Line::ok("memory", format!("memory_limit {} MiB fits what the control group allows", mib(memory_limit)))
}

fn has_openat2() -> bool {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::open("/", flags, Mode::empty());
    dir.is_ok_and(|dir| rustix::fs::openat2(&dir, ".", flags, Mode::empty(), ResolveFlags::BENEATH).is_ok())
}

fn kernel(openat2: bool) -> Line {
    if openat2 {
        return Line::ok("kernel", "has openat2");
    }
    Line::warn(
        "kernel",
        "no openat2 (before 5.6, or a seccomp profile): links are looked for one directory at a time, which is as safe and slower",
    )
}

/// What the agent will give up at its start: as it is wished, as far as the kernel has it.
fn sandbox(landlock: bool, seccomp: bool, kernel: Kernel) -> Line {
    let parts = [
        (
            "landlock",
            landlock,
            kernel.landlock,
            "Landlock (Linux 5.13, and `landlock` among the names of the kernel's parameter lsm=)",
        ),
        ("seccomp", seccomp, kernel.seccomp, "seccomp (CONFIG_SECCOMP_FILTER)"),
    ];
    let missing: Vec<&str> = parts.iter().filter(|(_, wished, has, _)| *wished && !has).map(|part| part.3).collect();
    let off: Vec<&str> = parts.iter().filter(|(_, wished, ..)| !wished).map(|part| part.0).collect();
    if !missing.is_empty() {
        let say = format!(
            "this kernel, or what confines us here, has no {}: the agent runs without",
            missing.join(" and no ")
        );
        return Line::warn("sandbox", say);
    }
    match off.as_slice() {
        [] => Line::ok("sandbox", "Landlock and seccomp are to be had"),
        off => Line::ok("sandbox", format!("{} off by the configuration's `sandbox`", off.join(" and "))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::Grade;
    use super::*;

    #[test]
    fn what_is_too_little_is_said_with_the_number_that_is_enough() {
        assert_eq!(handles(512, 512).grade, Grade::Ok);
        let few = handles(512, 513);
        assert!(few.grade == Grade::Warn && few.say.contains("LimitNOFILE=2048"), "{}", few.say);
        assert_eq!(watches(8192, 8000, 100, 92).grade, Grade::Ok);
        let few = watches(8192, 8000, 101, 92);
        assert!(few.grade == Grade::Warn && few.say.contains("max_user_watches=32768"), "{}", few.say);
        assert_eq!(memory(40 << 20, 64 << 20).grade, Grade::Ok);
        let little = memory(41 << 20, 64 << 20);
        assert!(little.grade == Grade::Fail && little.say.contains("to 65Mi"), "{}", little.say);
        assert_eq!((kernel(true).grade, kernel(false).grade), (Grade::Ok, Grade::Warn));
    }

    #[test]
    fn limits_are_looked_for_up_to_the_root_in_both_versions() {
        let files = |line| limit_files(line).map(|all| all.iter().map(|p| p.display().to_string()).collect::<Vec<_>>());
        let v2 = ["/sys/fs/cgroup/a/b/memory.max", "/sys/fs/cgroup/a/memory.max", "/sys/fs/cgroup/memory.max"];
        assert_eq!(files("0::/a/b").unwrap(), v2);
        assert_eq!(files("5:memory:/").unwrap(), ["/sys/fs/cgroup/memory/memory.limit_in_bytes"]);
        assert_eq!(files("4:cpu,cpuacct:/a"), None);
        assert_eq!(files(""), None);
    }

    #[test]
    fn a_sandbox_that_cannot_be_had_is_said_and_one_that_is_not_wished_too() {
        let has = |landlock, seccomp| Kernel { landlock, seccomp };
        for (landlock, seccomp, kernel, grade, part) in [
            (true, true, has(true, true), Grade::Ok, "Landlock and seccomp are to be had"),
            (true, true, has(false, true), Grade::Warn, "has no Landlock (Linux 5.13"),
            (true, true, has(true, false), Grade::Warn, "has no seccomp (CONFIG_SECCOMP_FILTER): the agent runs"),
            (true, true, has(false, false), Grade::Warn, "lsm=) and no seccomp"),
            (false, true, has(false, true), Grade::Ok, "landlock off by"),
            (false, true, has(false, false), Grade::Warn, "has no seccomp"),
            (false, false, has(false, false), Grade::Ok, "landlock and seccomp off by"),
        ] {
            let line = sandbox(landlock, seccomp, kernel);
            assert!(line.grade == grade && line.say.contains(part), "{landlock} {seccomp} {kernel:?}: {line:?}");
        }
    }
}
