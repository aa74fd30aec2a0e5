//! Copies that an earlier life left in `data_dir/retained`: those that are whole wait for their files; of a file that
//! the first look at everything does not show, the copy is read instead, under the same identity. A copy's name says
//! enough of it when the store's last words were lost. All others go.

use super::copy::{Copied, name_of, named};
use super::disk::{Base, read_full};
use super::entry::{Entry, Group, Key, PodName, Trail, Who};
use super::name::{self, Suffix};
use super::retain::Copy;
use super::stock::Stock;
use super::view::{Life, Place};
use super::{ages, identity};
use crate::decode::line::detect;
use crate::record::{FileId, Mark};
use crate::store::saved::{Kept, KnownFile};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

impl Stock {
    /// Before anything else at a start: which copies are there and whole.
    pub fn find_copies(&mut self) {
        let base = self.retained.base.clone();
        // No directory, no copies; one that cannot be listed now may be at the next start.
        let Ok(listed) = self.disk.list(&base, Path::new("")) else { return };
        let mut names: BTreeSet<Box<str>> =
            listed.iter().filter_map(|l| l.name.to_str()).map(Box::<str>::from).collect();
        let known: Vec<(FileId, Kept)> =
            self.known.rest().filter_map(|(id, (file, _))| Some((*id, (**file.kept.as_ref()?).clone()))).collect();
        for (id, kept) in known {
            let name = name_of(id, kept.plain, kept.gz);
            if names.contains(&name)
                && let Some(inode) = self.whole(&base, &name, &kept)
            {
                names.remove(&name);
                self.retained.unclaimed.insert(id, (kept, inode));
            }
        }
        self.find_forgotten_copies(&base, &mut names);
        if !names.is_empty() {
            tracing::info!(copies = names.len(), "copies of log files that nobody needs any more are removed");
        }
        for name in names {
            self.retained.discard(name, Duration::ZERO);
        }
    }

    /// Copies of known files of which the store does not know: its last words were lost. A copy that has its name is
    /// whole.
    fn find_forgotten_copies(&mut self, base: &Base, names: &mut BTreeSet<Box<str>>) {
        let forgotten: Vec<_> = names.iter().filter_map(|name| Some((name.clone(), named(name)?))).collect();
        for (name, (id, plain, gz)) in forgotten {
            // Of one that the store knows it is known that it is not whole.
            let forgotten = self.known.get(id).is_some_and(|(file, _)| file.kept.is_none());
            if forgotten && let Ok((end, inode)) = self.end_of(base, &name) {
                names.remove(&name);
                self.retained.unclaimed.insert(id, (Kept { plain, gz, end }, inode));
            }
        }
    }

    fn end_of(&self, base: &Base, name: &str) -> io::Result<(Mark, (u64, u64))> {
        let content = self.disk.open(base, Path::new(name))?;
        let stat = content.stat()?;
        let mut tail = [0; Mark::MAX];
        let got = read_full(content.as_ref(), stat.size.saturating_sub(Mark::MAX as u64), &mut tail)?;
        Ok((Mark::of(stat.size, tail.get(..got).unwrap_or_default()), (stat.inode, stat.dev)))
    }

    /// Inode and device of a copy that is as it was made.
    fn whole(&self, base: &Base, name: &str, kept: &Kept) -> Option<(u64, u64)> {
        let content = self.disk.open(base, Path::new(name)).ok()?;
        let stat = content.stat().ok().filter(|stat| stat.size == kept.end.at)?;
        let mut bytes = [0; Mark::MAX];
        let tail = bytes.get_mut(..usize::from(kept.end.len))?;
        let from = kept.end.at.checked_sub(tail.len() as u64)?;
        let got = read_full(content.as_ref(), from, tail).ok()?;
        (got == tail.len() && kept.end.holds(tail)).then_some((stat.inode, stat.dev))
    }

    /// The file of this id was found; its copy, if there is one, is its.
    pub fn claim_copy(&mut self, key: Key, id: FileId) {
        if let Some((kept, inode)) = self.retained.unclaimed.remove(&id) {
            self.retained.copies.insert(key, Copy::There { kept, inode });
            self.active.insert(key);
        }
    }

    /// Everything was looked at once: what was not found and has a copy is read from that.
    pub fn revive(&mut self) {
        if self.retained.unclaimed.is_empty() || !std::mem::take(&mut self.listed) {
            return;
        }
        let ids: Vec<FileId> = self.retained.unclaimed.keys().copied().collect();
        let doubt = self.doubt();
        let mut chains = BTreeSet::new();
        for id in ids {
            let Some((file, _)) = self.known.get(id) else { continue };
            let Some(input) = self.inputs.iter().position(|spec| spec.name == file.input) else { continue };
            if doubt.about(input, file) {
                continue;
            }
            let copy = self.retained.unclaimed.remove(&id);
            let Some(file) = self.known.claim(id) else { continue };
            chains.insert(file.place.chain);
            self.revive_file(input, file, copy, Trail::Kept);
        }
        for chain in chains {
            self.touch_group(chain);
        }
        self.known.tidy();
    }

    /// A file that has no name any more, as the store knows it.
    pub fn revive_file(&mut self, input: usize, file: KnownFile, copy: Option<Copied>, trail: Trail) -> Key {
        let path = PathBuf::from(&*file.path);
        let live = path.file_name().is_some_and(|n| {
            let parsed = if self.kubernetes(input) { name::kubelet(n) } else { Some(name::plain(n)) };
            parsed.is_some_and(|n| n.suffix == Suffix::Live && !n.gz)
        });
        let (key, place, dir) = (self.key(), file.place, self.dir_at(input, &path));
        self.group_of_revived(input, place, &path, self.dirs.contains_key(&dir));
        if let Some(group) = self.groups.get_mut(&place.chain) {
            group.entries.push(key);
            group.newest = group.newest.max(place.restart);
            let run = group.run_mut(place.restart);
            run.latest_turn = run.latest_turn.max(place.turn);
        }
        let now = self.now;
        let size = copy.as_ref().map_or(file.size, |(kept, _)| kept.plain);
        // What was in the file beyond its copy went with it.
        let missing = file.size.saturating_sub(size);
        let entry = Entry {
            dir,
            id: Some(file.id),
            head: file.head,
            proof: file.proof,
            generation: file.generation,
            turn: place.turn,
            live,
            size,
            ages: ages::restored(&file.ages),
            trail,
            life: Life::Final,
            danger: true,
            first_fields: super::recognise::fields(file.fields),
            rulings: file.rulings,
            at_scan: Some(size),
            ..Entry::new(input, place.chain, place.restart, now)
        };
        self.entries.insert(key, Box::new(entry));
        self.by_id.insert(file.id, key);
        if let Some(c) = self.counts.get_mut(input) {
            c.files += 1;
        }
        if let Some((kept, inode)) = copy {
            self.retained.copies.insert(key, Copy::There { kept, inode });
            self.shelve(key);
        }
        if self.kubernetes(input)
            && let Some(bytes) = self.shelf.open(file.id).ok().and_then(|s| identity::first_bytes(&s).ok())
            && let Some(e) = self.entries.get_mut(&key)
        {
            e.grammar = detect(&bytes);
        }
        if let Some(e) = self.entries.get(&key) {
            let who = self.who(e);
            self.count_lost(who, missing);
        }
        self.active.insert(key);
        key
    }

    fn group_of_revived(&mut self, input: usize, place: Place, path: &Path, dir_is_there: bool) {
        if self.groups.contains_key(&place.chain) {
            return;
        }
        let who = match (self.kubernetes(input), container_of(path)) {
            (true, Some((pod, container))) => {
                self.note_uid(pod.uid(), place.chain);
                Who::Pod(pod.into(), container)
            }
            (_, _) => Who::Path,
        };
        let (over, entries, runs) = (!dir_is_there, Vec::new(), Vec::new());
        let group = Group { input, who, entries, over, newest: 0, runs };
        self.groups.insert(place.chain, Box::new(group));
    }

    fn dir_at(&self, input: usize, path: &Path) -> Key {
        let root = &self.base(input).root;
        let dir = path.parent().and_then(|dir| dir.strip_prefix(root).ok());
        let found = self.dirs.iter().find(|(_, d)| d.input == input && Some(&*d.path) == dir);
        found.map_or(0, |(key, _)| *key)
    }
}

/// Pod and container, as the path of a log says them.
pub(super) fn container_of(path: &Path) -> Option<(PodName, Arc<str>)> {
    let container = path.parent()?;
    let pod = name::pod_dir(container.parent()?.file_name()?.to_str()?)?;
    Some((PodName::new(&pod), container.file_name()?.to_str()?.into()))
}
