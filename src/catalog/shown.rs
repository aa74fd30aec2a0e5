//! Which names of a listing matter to the catalog, and in what order.

use super::disk::{Kind, Listed};
use super::entry::{DirKind, Key, Loc};
use super::files::Named;
use super::name;
use super::spec::SpecKind;
use super::stock::Stock;
use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;

/// A name that a listing shows.
pub(super) struct Shown {
    pub name: OsString,
    pub inode: u64,
    pub link: bool,
    /// No pattern matches it: looked at only because it may be what became of a known file.
    pub outside: bool,
}

impl Stock {
    pub fn names_in(&self, key: Key) -> Vec<(Named, Loc)> {
        let entries = self.dirs.get(&key).map(|d| d.entries.as_slice()).unwrap_or_default();
        let mut out = Vec::with_capacity(entries.len());
        for file in entries {
            let Some(e) = self.entries.get(file) else { continue };
            out.extend(e.plain.iter().map(|loc| ((*file, false), loc.clone())));
            out.extend(e.gz.as_deref().map(|loc| ((*file, true), loc.clone())));
        }
        out
    }

    /// The names that matter here. What looks like a log and is no file is counted.
    pub fn shown(&mut self, key: Key, listed: &[Listed], had: &[(Named, Loc)]) -> Vec<Shown> {
        let Some(dir) = self.dirs.get(&key) else { return Vec::new() };
        let (input, path) = (dir.input, dir.path.clone());
        let links = self.base(input).follow != super::disk::Follow::Never;
        let mine: HashSet<u64> = had.iter().map(|(_, loc)| loc.listed).collect();
        let mut stems: HashSet<Vec<u8>> = had.iter().map(|(_, loc)| name::plain(&loc.name).stem.to_vec()).collect();
        let wanted: Vec<bool> = listed.iter().map(|l| self.matches(key, l)).collect();
        for (l, _) in listed.iter().zip(&wanted).filter(|(_, wanted)| **wanted) {
            stems.insert(name::plain(&l.name).stem.to_vec());
        }
        let glob = matches!(self.dirs.get(&key).map(|d| &d.kind), Some(DirKind::Glob(_)));
        let mut out = Vec::new();
        for (l, wanted) in listed.iter().zip(wanted) {
            let related = || {
                glob && l.kind == Kind::File
                    && (mine.contains(&l.inode)
                        || self.known.looks_for_inode(l.inode)
                        || stems.contains(name::plain(&l.name).stem)
                        || self.looks_for_stem(key, name::plain(&l.name).stem))
            };
            if !(wanted || related()) || self.excluded(input, &path.join(&l.name)) {
                continue;
            }
            match l.kind {
                Kind::File => {}
                Kind::Link if links => {}
                Kind::Link => {
                    let at = self.absolute(input, &path.join(&l.name));
                    self.refuse(at, &rustix::io::Errno::LOOP.into());
                    continue;
                }
                Kind::Dir | Kind::Other => {
                    // A directory that a `*` meets on its way is nothing to count.
                    if l.kind == Kind::Other || !glob {
                        let at = self.absolute(input, &path.join(&l.name));
                        self.refuse(at, &io::ErrorKind::InvalidInput.into());
                    }
                    continue;
                }
            }
            let link = l.kind == Kind::Link;
            out.push(Shown { name: l.name.clone(), inode: l.inode, link, outside: !wanted });
        }
        out
    }

    /// A sibling of this path is known from an earlier life and was not found yet.
    fn looks_for_stem(&self, key: Key, stem: &[u8]) -> bool {
        let chain = || self.dirs.get(&key).and_then(|dir| self.chain_of_path(dir.input, &dir.path, stem));
        !self.known.is_empty() && chain().is_some_and(|chain| self.known.looks_for_chain(chain))
    }

    fn matches(&self, key: Key, l: &Listed) -> bool {
        let Some(dir) = self.dirs.get(&key) else { return false };
        match (&dir.kind, self.inputs.get(dir.input).map(|i| &i.kind)) {
            (DirKind::Container(_, _), _) => name::kubelet(&l.name).is_some(),
            (DirKind::Glob(states), Some(SpecKind::File { include, .. })) => states
                .iter()
                .any(|(at, state)| include.get(*at).is_some_and(|glob| glob.file(*state, l.name.as_bytes()))),
            (DirKind::Root | DirKind::Pod(_) | DirKind::Glob(_), _) => false,
        }
    }
}

/// Plain before `.gz`, older siblings before younger: so that turns and twins fall into place.
pub(super) fn oldest_first(shown: &[Shown], mut new: Vec<usize>) -> Vec<&Shown> {
    new.sort_unstable();
    new.dedup();
    let mut order: Vec<(name::LogName<'_>, &Shown)> =
        new.into_iter().filter_map(|at| shown.get(at)).map(|s| (name::plain(&s.name), s)).collect();
    order.sort_by(|(a, x), (b, y)| {
        (a.gz, a.stem)
            .cmp(&(b.gz, b.stem))
            .then_with(|| a.suffix.age_order(&b.suffix))
            .then_with(|| x.name.cmp(&y.name))
    });
    order.into_iter().map(|(_, s)| s).collect()
}
