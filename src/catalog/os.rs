//! Linux: the real [`Disk`].
//!
//! Below a root that pods may write into nothing is opened through a link: `openat2` beneath the root, or, where the
//! kernel or a seccomp profile has no `openat2`, one component at a time. `O_NONBLOCK`, so that a FIFO does not hang
//! us, `O_NOATIME` where we may, and regular files only.

mod cold;

use super::disk::{Base, Content, Disk, Follow, Kind, Listed, Stat};
use super::docker;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{self, Advice, AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, SeekFrom};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// More names in one directory are an error: nobody rotates that many.
const NAMES_MAX: usize = 1 << 17;

/// Pages may be kept in folios of up to this size; one that is only partly spoken of stays.
const BORDER: u64 = 2 << 20;

/// The disk of this machine.
#[derive(Debug, Default)]
pub struct OsDisk {
    /// `openat2` answered ENOSYS or EPERM once.
    stepwise: AtomicBool,
}

/// Half of what this process may open: the catalog's share. Raises the soft limit to the hard one first.
pub fn handle_budget() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).is_ok();
    let most = if raised { limit.maximum } else { limit.current };
    usize::try_from(most.unwrap_or(u64::MAX) / 2).unwrap_or(usize::MAX).clamp(16, 1 << 20)
}

/// 128 bits from the system, for ids of files that have no pod.
pub fn random_id() -> io::Result<u128> {
    let mut bytes = [0u8; 16];
    let got = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    if got < bytes.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(u128::from_le_bytes(bytes))
}

struct OsContent(OwnedFd);

impl Content for OsContent {
    fn read_at(&self, at: u64, to: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::pread(&self.0, to, at)?)
    }
    fn stat(&self) -> io::Result<Stat> {
        Ok(stat_of(&fs::fstat(&self.0)?))
    }
    fn hole(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        // The offset that this moves is nobody's: all reads name theirs.
        let seek = |to| match fs::seek(&self.0, to) {
            Ok(at) => Ok(Some(at)),
            // Past the end, or nothing but a hole from here on.
            Err(Errno::NXIO) => Ok(None),
            Err(e) => Err(e),
        };
        let start = match seek(SeekFrom::Hole(from)) {
            Ok(Some(start)) => start,
            Ok(None) | Err(Errno::INVAL) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        let end = match seek(SeekFrom::Data(start))? {
            Some(end) => end,
            None => self.stat()?.size,
        };
        Ok((start < end).then_some(start..end))
    }
    fn advise_done(&self, from: u64, to: u64) {
        // What lies across the border, or was still dirty the last time, goes now.
        let from = from.saturating_sub(BORDER);
        if let Some(len) = NonZeroU64::new(to.saturating_sub(from)) {
            fs::fadvise(&self.0, from, Some(len), Advice::DontNeed).ok();
        }
    }
    fn advise_cold(&self, from: u64, to: u64) {
        // A hole has no pages, and should not get any.
        if let Ok(hole) = self.hole(from) {
            cold::call_cold(self.0.as_fd(), from, hole.map_or(to, |hole| hole.start.min(to)));
        }
    }
}

fn stat_of(s: &fs::Stat) -> Stat {
    Stat {
        size: u64::try_from(s.st_size).unwrap_or(0),
        taken: u64::try_from(s.st_blocks).unwrap_or(0).saturating_mul(512),
        inode: s.st_ino,
        dev: s.st_dev,
        links: u64::from(s.st_nlink as u32),
        mtime_ns: s.st_mtime.saturating_mul(1_000_000_000).saturating_add(i64::try_from(s.st_mtime_nsec).unwrap_or(0)),
    }
}

impl OsDisk {
    /// Opens below the base, with links as it allows.
    fn open_fd(&self, base: &Base, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        match &base.follow {
            Follow::Any => Ok(retry_atime(flags, |flags| fs::openat(CWD, base.root.join(path), flags, Mode::empty()))?),
            Follow::Never => self.beneath(&base.root, path, flags),
            Follow::Into(roots) => match self.beneath(&base.root, path, flags) {
                Err(e) if e.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                    let (root, inside) = self.link_target(base, path, roots)?;
                    self.beneath(&root, &inside, flags)
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    let Some((link, suffix)) = path.file_name().and_then(docker::behind) else { return Err(e) };
                    let (root, mut inside) =
                        self.link_target(base, &path.with_file_name(link), roots).map_err(|_| e)?;
                    inside.as_mut_os_string().push(suffix);
                    self.beneath(&root, &inside, flags)
                }
                other => other,
            },
        }
    }

    /// Where the link at `path` leads: one of the roots, and the path inside it.
    fn link_target(&self, base: &Base, path: &Path, roots: &[PathBuf]) -> io::Result<(PathBuf, PathBuf)> {
        let refused = || io::Error::from(Errno::XDEV);
        let target = self.read_link(base, path)?;
        for root in roots {
            if let Ok(inside) = target.strip_prefix(root)
                && inside.components().all(|c| matches!(c, Component::Normal(_)))
            {
                return Ok((root.clone(), inside.to_path_buf()));
            }
        }
        Err(refused())
    }

    /// What Docker rotated behind the links that were listed.
    fn behind_links(&self, base: &Base, dir: &Path, roots: &[PathBuf], listed: &mut Vec<Listed>) {
        let is_link = |l: &&Listed| l.kind == Kind::Link && docker::is_link(&l.name);
        let links: Vec<OsString> = listed.iter().filter(is_link).map(|l| l.name.clone()).collect();
        for link in links {
            // A link that leads nowhere, or elsewhere, is refused when it is opened.
            let Ok((root, inside)) = self.link_target(base, &dir.join(&link), roots) else { continue };
            let (Some(folder), Some(target)) = (inside.parent(), inside.file_name()) else { continue };
            let there = self.list(&Base { root, follow: Follow::Never }, folder).unwrap_or_default();
            for file in there.into_iter().filter(|file| file.kind == Kind::File) {
                if let Some(name) = docker::shown(&link, target, &file.name)
                    && !listed.iter().any(|l| l.name == name)
                {
                    listed.push(Listed { name, ..file });
                }
            }
        }
    }

    fn beneath(&self, root: &Path, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let top = fs::openat(CWD, root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        if !self.stepwise.load(Ordering::Relaxed) {
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            let opened = retry_atime(flags, |flags| fs::openat2(&top, path, flags, Mode::empty(), resolve));
            match opened {
                Err(Errno::NOSYS | Errno::PERM) => self.stepwise.store(true, Ordering::Relaxed),
                other => return Ok(other?),
            }
        }
        Ok(by_steps(top, path, flags)?)
    }
}

/// What `openat2` does, one component at a time; each must be a real directory.
fn by_steps(top: OwnedFd, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut names: Vec<&OsStr> = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => names.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err(Errno::XDEV),
        }
    }
    let last = names.pop().unwrap_or(OsStr::new("."));
    let mut dir = top;
    for name in names {
        dir = fs::openat(&dir, name, step, Mode::empty()).map_err(|e| told_apart(&dir, name, e))?;
    }
    retry_atime(flags | OFlags::NOFOLLOW, |flags| {
        let fd = fs::openat(&dir, last, flags, Mode::empty()).map_err(|e| told_apart(&dir, last, e))?;
        // With O_PATH a link itself is opened.
        if flags.contains(OFlags::PATH) && FileType::from_raw_mode(fs::fstat(&fd)?.st_mode) == FileType::Symlink {
            return Err(Errno::LOOP);
        }
        Ok(fd)
    })
}

/// A link where a directory is wanted says ENOTDIR here and ELOOP from `openat2`: say ELOOP.
fn told_apart(dir: &OwnedFd, name: &OsStr, e: Errno) -> Errno {
    let is_link = || {
        fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::Symlink)
    };
    if e == Errno::NOTDIR && is_link() { Errno::LOOP } else { e }
}

/// O_NOATIME is for the owner and CAP_FOWNER; others read without it.
fn retry_atime(flags: OFlags, open: impl Fn(OFlags) -> Result<OwnedFd, Errno>) -> Result<OwnedFd, Errno> {
    match open(flags) {
        Err(Errno::PERM) if flags.contains(OFlags::NOATIME) => open(flags.difference(OFlags::NOATIME)),
        other => other,
    }
}

impl Disk for OsDisk {
    fn list(&self, base: &Base, dir: &Path) -> io::Result<Vec<Listed>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        // Directories of Docker mode are never links.
        let fd = match base.follow {
            Follow::Any => fs::openat(CWD, base.root.join(dir), flags, Mode::empty())?,
            Follow::Never | Follow::Into(_) => self.beneath(&base.root, dir, flags)?,
        };
        let mut out = Vec::new();
        let mut entries = fs::Dir::new(fd)?;
        while let Some(entry) = entries.read() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            if out.len() == NAMES_MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "too many names in one directory"));
            }
            let told = match entry.file_type() {
                FileType::Unknown => fs::statat(entries.fd()?, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
                    .map_or(FileType::Unknown, |s| FileType::from_raw_mode(s.st_mode)),
                told @ (FileType::Directory
                | FileType::RegularFile
                | FileType::Symlink
                | FileType::Fifo
                | FileType::Socket
                | FileType::CharacterDevice
                | FileType::BlockDevice) => told,
            };
            let kind = match told {
                FileType::Directory => Kind::Dir,
                FileType::RegularFile => Kind::File,
                FileType::Symlink => Kind::Link,
                FileType::Fifo
                | FileType::Socket
                | FileType::CharacterDevice
                | FileType::BlockDevice
                | FileType::Unknown => Kind::Other,
            };
            out.push(Listed { name: OsString::from_vec(name.to_vec()), kind, inode: entry.ino() });
        }
        if let Follow::Into(roots) = &base.follow {
            self.behind_links(base, dir, roots, &mut out);
        }
        Ok(out)
    }

    fn read_link(&self, base: &Base, path: &Path) -> io::Result<PathBuf> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::INVAL.into()) };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = match base.follow {
            Follow::Any => fs::openat(CWD, base.root.join(parent), flags, Mode::empty())?,
            Follow::Never | Follow::Into(_) => self.beneath(&base.root, parent, flags)?,
        };
        let text = fs::readlinkat(&dir, name, Vec::new())?;
        Ok(base.root.join(parent).join(OsStr::from_bytes(text.as_bytes())))
    }

    fn open(&self, base: &Base, path: &Path) -> io::Result<Arc<dyn Content>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NOATIME;
        let fd = self.open_fd(base, path, flags)?;
        if FileType::from_raw_mode(fs::fstat(fd.as_fd())?.st_mode) != FileType::RegularFile {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Arc::new(OsContent(fd)))
    }

    fn peek(&self, base: &Base, path: &Path) -> io::Result<Stat> {
        if base.follow == Follow::Any {
            return Ok(stat_of(&fs::statat(CWD, base.root.join(path), AtFlags::empty())?));
        }
        Ok(stat_of(&fs::fstat(self.open_fd(base, path, OFlags::PATH | OFlags::CLOEXEC)?)?))
    }

    fn free_percent(&self, path: &Path) -> io::Result<u8> {
        let s = fs::statvfs(path)?;
        let percent = u128::from(s.f_bavail) * 100 / u128::from(s.f_blocks.max(1));
        Ok(percent.min(100) as u8)
    }

    fn write_whole(&self, path: &Path, more: &mut dyn FnMut(&mut Vec<u8>) -> io::Result<()>) -> io::Result<()> {
        let dir = path.parent().unwrap_or(Path::new("/"));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let unfinished = path.with_added_extension("tmp");
        let options = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mut fill = || {
            let mut file = std::fs::File::from(fs::open(&unfinished, options, Mode::RUSR | Mode::WUSR)?);
            let mut bytes = Vec::new();
            loop {
                bytes.clear();
                more(&mut bytes)?;
                if bytes.is_empty() {
                    break;
                }
                file.write_all(&bytes)?;
            }
            file.sync_data()?;
            std::fs::rename(&unfinished, path)?;
            std::fs::File::open(dir)?.sync_all()
        };
        fill().inspect_err(|_| {
            // Whatever is left of it is in nobody's way, and is removed at the next start.
            std::fs::remove_file(&unfinished).ok();
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }
}

#[cfg(test)]
#[path = "tests/os.rs"]
mod tests;
