//! `data_dir`: whether it can be written, what it lies on, how much is free, and who has it. The running agent's lock is
//! not touched: who holds it is read from /proc/locks.

use super::line::{Line, count};
use crate::catalog::disk::Disk;
use crate::catalog::os::OsDisk;
use crate::config::checked::Config;
use crate::store::lock;
use crate::store::peek::{NoPeek, peek};
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const OF: &str = "data_dir";

/// Its lines.
pub fn look(config: &Config) -> Vec<Line> {
    let dir = config.data_dir.as_path();
    let held = holder(dir);
    let mut lines = vec![writable(dir)];
    let there = dir.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"));
    if let Ok(kind) = rustix::fs::statfs(there).map(|stat| magic(stat.f_type)) {
        lines.extend(file_system(kind, there));
    }
    if let Ok(free) = OsDisk::default().free_percent(there) {
        lines.push(space(free, config.retain.min_free_percent));
    }
    lines.extend(held.map(|by| Line::ok(OF, format!("an agent is running with it: {by}"))));
    lines.extend(remembered(dir));
    let elsewhere: BTreeSet<&Path> = config.outputs.iter().map(|output| output.dead_letter_dir.as_path()).collect();
    let elsewhere = elsewhere.into_iter().filter(|letters| !letters.starts_with(dir));
    lines.extend(elsewhere.map(|letters| Line { of: "dead letters".to_owned(), ..writable(letters) }));
    lines
}

/// What an agent of before has left.
fn remembered(dir: &Path) -> Option<Line> {
    match peek(dir) {
        Ok((state, _)) => {
            let (files, lanes) = (count(state.files.len(), "file"), count(state.lanes.len(), "output"));
            Some(Line::ok(OF, format!("remembers {files} and where {lanes} stood")))
        }
        Err(NoPeek::Nothing) => None,
        Err(error @ (NoPeek::Io(_) | NoPeek::Problem(_))) => Some(Line::warn(
            OF,
            format!("{error}: it is moved aside at the next start, and files are read from their beginning"),
        )),
    }
}

/// A file without a name is written: it is gone with its handle, whatever happens to us.
fn writable(dir: &Path) -> Line {
    let named = |say: &str| format!("{}: {say}", dir.display());
    let advice =
        "name a directory that this user may write, or mount one; without it nothing is remembered over a restart";
    match dir.metadata() {
        Ok(meta) if !meta.is_dir() => Line::fail(OF, named("is not a directory: name one")),
        Ok(_) => match write(dir) {
            Ok(()) => Line::ok(OF, named("can be written")),
            Err(error) => Line::fail(OF, named(&format!("cannot be written: {error}: {advice}"))),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // It is made at the first start.
            let parent = dir.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"));
            match write(parent) {
                Ok(()) => Line::ok(OF, named("is not there yet, and can be made")),
                Err(error) => Line::fail(
                    OF,
                    named(&format!("is not there and cannot be made in {}: {error}: {advice}", parent.display())),
                ),
            }
        }
        Err(error) => Line::fail(OF, named(&format!("{error}: {advice}"))),
    }
}

fn write(dir: &Path) -> io::Result<()> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    match rustix::fs::open(dir, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => {
            let mut file = std::fs::File::from(file);
            file.write_all(b"tailrace doctor")?;
            file.sync_all()
        }
        // A file system without such files (NFS, older overlays): what the rights say has to do.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR) => {
            Ok(rustix::fs::access(dir, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)?)
        }
        Err(error) => Err(error.into()),
    }
}

/// `f_type` has another width on every machine.
fn magic(kind: impl TryInto<i64>) -> i64 {
    kind.try_into().unwrap_or(0) & 0xffff_ffff
}

/// What a file system means for state. Pure.
fn file_system(kind: i64, at: &Path) -> Option<Line> {
    let (name, trouble) = match kind {
        0xef53 => ("ext4", None),
        0x5846_5342 => ("xfs", None),
        0x9123_683e => ("btrfs", None),
        0x2fc1_2fc1 => ("zfs", None),
        0xf2f5_2010 => ("f2fs", None),
        0x0102_1994 => ("tmpfs", Some("positions are gone after a reboot: put it on a disk")),
        0x8584_58f6 => ("ramfs", Some("positions are gone after a reboot: put it on a disk")),
        0x794c_7630 => ("overlay", Some("it goes with the container: mount a directory of the node (hostPath)")),
        0x6969 => ("NFS", Some("locks and writes depend on a server: put it on a local disk")),
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => {
            ("SMB", Some("locks and writes depend on a server: put it on a local disk"))
        }
        0x6573_5546 => ("FUSE", Some("whether its locks and fsync hold is up to its program: put it on a local disk")),
        _ => return None,
    };
    Some(match trouble {
        None => Line::ok(OF, format!("is on {name}")),
        Some(trouble) => Line::warn(OF, format!("{} is on {name}: {trouble}", at.display())),
    })
}

/// Deleted files are kept only while there is room.
fn space(free: u8, min_free: u8) -> Line {
    if free < min_free {
        let say = format!(
            "{free} % of its file system is free, below retain.min_free ({min_free} %): deleted files are not kept until they \
             are delivered; free space, or lower retain.min_free"
        );
        return Line::warn(OF, say);
    }
    Line::ok(OF, format!("{free} % of its file system is free (retain.min_free {min_free} %)"))
}

/// Who holds the lock, as far as this process can see.
fn holder(dir: &Path) -> Option<String> {
    let path = dir.join(lock::NAME);
    let inode = path.metadata().ok()?.ino();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let pid = locks.lines().find_map(|line| of_lock(line, inode))?;
    let name = std::fs::read_to_string(&path).unwrap_or_default();
    let name: String = name.trim().chars().filter(|c| !c.is_control()).take(200).collect();
    Some(if name.is_empty() { format!("pid {pid}") } else { name })
}

/// `1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF`: the pid, if it is this file's. Pure.
fn of_lock(line: &str, inode: u64) -> Option<u32> {
    let mut words = line.split_whitespace().skip(1).filter(|word| *word != "->");
    let (kind, _, mode) = (words.next()?, words.next()?, words.next()?);
    let (pid, file) = (words.next()?.parse().ok()?, words.next()?);
    let its: u64 = file.rsplit(':').next()?.parse().ok()?;
    (kind == "FLOCK" && mode == "WRITE" && its == inode).then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::super::line::Grade;
    use super::*;

    #[test]
    fn the_kernels_list_tells_who_holds_a_file() {
        assert_eq!(of_lock("1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF", 5678), Some(1234));
        assert_eq!(of_lock("1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF", 567), None);
        assert_eq!(of_lock("2: POSIX  ADVISORY  WRITE 1234 fd:01:5678 0 EOF", 5678), None);
        assert_eq!(of_lock("", 0), None);
    }

    #[test]
    fn state_that_does_not_stay_and_room_that_is_missing_are_said() {
        let grade = |kind| file_system(kind, Path::new("/d")).map(|line| line.grade);
        assert_eq!(grade(0xef53), Some(Grade::Ok));
        assert_eq!(grade(0x0102_1994), Some(Grade::Warn));
        assert_eq!(grade(0x794c_7630), Some(Grade::Warn));
        assert_eq!(grade(1), None);
        assert_eq!((space(20, 20).grade, space(19, 20).grade), (Grade::Ok, Grade::Warn));
    }

    #[test]
    fn writing_is_tried_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(writable(dir.path()).grade, Grade::Ok);
        assert_eq!(writable(&dir.path().join("not/there")).grade, Grade::Ok);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert_eq!(writable(&dir.path().join("file")).grade, Grade::Fail);
        assert_eq!(writable(&dir.path().join("file/in")).grade, Grade::Fail);
    }
}
