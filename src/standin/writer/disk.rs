//! The operations of a plan, done to real files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// One operation; paths are relative to the writer's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// A directory and those above it.
    MakeDir(PathBuf),
    /// A new, empty file; one of the same name must not be there.
    Create(PathBuf),
    /// Bytes at the end of a file that is there, in one write.
    Append(PathBuf, Vec<u8>),
    /// A file gets another name.
    Rename(PathBuf, PathBuf),
    /// A gzip of the first is made under the second name.
    Gzip(PathBuf, PathBuf),
    /// A file goes.
    Remove(PathBuf),
    /// An empty directory goes.
    RemoveDir(PathBuf),
}

/// Does it.
pub fn carry_out(root: &Path, op: &Op) -> io::Result<()> {
    let done = match op {
        Op::MakeDir(path) => fs::create_dir_all(root.join(path)),
        Op::Create(path) => File::create_new(root.join(path)).map(drop),
        Op::Append(path, bytes) => {
            OpenOptions::new().append(true).open(root.join(path)).and_then(|mut f| f.write_all(bytes))
        }
        Op::Rename(from, to) => fs::rename(root.join(from), root.join(to)),
        Op::Gzip(from, to) => gzip(&root.join(from), &root.join(to)),
        Op::Remove(path) => fs::remove_file(root.join(path)),
        Op::RemoveDir(path) => fs::remove_dir(root.join(path)),
    };
    done.map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", op.path().display())))
}

impl Op {
    /// What it works on.
    pub fn path(&self) -> &Path {
        match self {
            Op::MakeDir(path) | Op::Create(path) | Op::Append(path, _) | Op::Rename(path, _) => path,
            Op::Gzip(path, _) | Op::Remove(path) | Op::RemoveDir(path) => path,
        }
    }
}

fn gzip(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut packed = flate2::write::GzEncoder::new(File::create(to)?, flate2::Compression::default());
    io::copy(&mut source, &mut packed)?;
    packed.finish().map(drop)
}
