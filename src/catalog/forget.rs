//! What the store learns of a file, and how every trace of one goes.

use super::WatchChange;
use super::entry::{Group, Key, Trail, Who};
use super::identity;
use super::stock::Stock;
use super::view::Life;
use crate::store::saved::{KnownFile, Saved};

impl Stock {
    /// What the store keeps of it.
    pub fn save(&mut self, key: Key) {
        let path = self.entries.get(&key).and_then(|e| self.path_of(e));
        let Some(e) = self.entries.get_mut(&key) else { return };
        e.unsaved = None;
        let (Some(id), Some(input)) = (e.id, self.inputs.get(e.input)) else { return };
        let fields = match (&e.offered, &e.first_fields) {
            (Some(file), _) => Some(&file.origin.fields),
            (None, first) => first.as_ref(),
        };
        let last = e.offered.as_ref().map(|f| f.origin.path.clone());
        let kept = self.retained.of(key).map(|(kept, _)| Box::new(kept.clone()));
        let known = KnownFile {
            id,
            input: input.name.clone(),
            path: path.map(|p| p.to_string_lossy().as_ref().into()).or(last).unwrap_or_else(|| "".into()),
            inode: e.loc().map_or(0, |l| l.inode.0),
            head: e.head,
            place: e.place(),
            generation: e.generation,
            size: e.size,
            ages: e.ages.0.to_vec(),
            fields: fields.map_or_else(Vec::new, |f| f.iter().map(|(k, v)| (k.into(), v.into())).collect()),
            kept,
            proof: e.proof,
            rulings: e.rulings.clone(),
        };
        self.out.saved.push(Saved::File(known));
    }

    /// What the store has of it is out of date; it is written within half a minute.
    pub fn unsaved(&mut self, key: Key) {
        let now = self.now.mono;
        if let Some(e) = self.entries.get_mut(&key) {
            e.unsaved.get_or_insert(now);
            self.active.insert(key);
        }
    }

    /// Nothing of it can be read any more: what no lane settled is lost, and it is forgotten.
    pub fn gone(&mut self, key: Key) {
        let Some(e) = self.entries.get(&key) else { return };
        // What was closed empty was never looked into; another entry may have its bytes.
        let unseen = e.head.0 == 0 && e.source.is_none();
        let lost = if unseen { 0 } else { e.size.saturating_sub(self.settled(e)) };
        let who = self.who(e);
        self.count_lost(who, lost);
        self.forget(key);
    }

    /// Removes every trace, tells the lanes and the store.
    pub fn forget(&mut self, key: Key) {
        self.cool(key);
        self.forget_copy(key);
        let Some(mut e) = self.entries.remove(&key) else { return };
        for set in [&mut self.active, &mut self.touched, &mut self.measuring] {
            set.remove(&key);
        }
        if e.source.take().is_some() {
            self.open = self.open.saturating_sub(1);
        }
        e.trail = Trail::Gone;
        e.life = Life::Gone;
        let names = [e.plain.as_ref(), e.gz.as_deref()].into_iter().flatten().map(|loc| loc.inode);
        for inode in names.chain(e.lost.as_deref().copied()) {
            self.unmap(inode, key);
        }
        self.out.watch.push(WatchChange::Drop(key));
        if let Some(c) = self.counts.get_mut(e.input) {
            c.files = c.files.saturating_sub(1);
        }
        if let Some(dir) = self.dirs.get_mut(&e.dir) {
            dir.entries.retain(|k| *k != key);
        }
        if let Some(id) = e.id {
            if self.by_id.get(&id) == Some(&key) {
                self.by_id.remove(&id);
            }
            self.shelf.remove(id);
            self.progress.forget(id);
            self.out.saved.push(Saved::FileGone { id });
        }
        self.out.changed.extend(e.view());
        self.touch_group(e.group);
        self.leave_group(e.group, key);
    }

    pub fn unmap(&mut self, inode: (u64, u64), key: Key) {
        if self.by_inode.get(&inode) == Some(&key) {
            self.by_inode.remove(&inode);
        }
    }

    /// It has a name again.
    pub fn found(&mut self, key: Key) {
        let Some(lost) = self.entries.get_mut(&key).and_then(|e| e.lost.take()) else { return };
        let here =
            self.entries.get(&key).is_some_and(|e| e.plain.iter().chain(e.gz.as_deref()).any(|l| l.inode == *lost));
        if !here {
            self.unmap(*lost, key);
        }
    }

    fn leave_group(&mut self, chain: u64, key: Key) {
        let Some(group) = self.groups.get_mut(&chain) else { return };
        group.entries.retain(|k| *k != key);
        self.leave_if_empty(chain);
    }

    pub fn leave_if_empty(&mut self, chain: u64) {
        let Some(group) = self.groups.get(&chain) else { return };
        // A container's directory that is still there may get files, and its restarts go on counting.
        let waits = matches!(group.who, Who::Pod(_, _)) && !group.over;
        if group.entries.is_empty() && !waits {
            self.drop_group(chain);
        }
    }

    /// The group is no more; nor is its pod, when it was the last.
    pub fn drop_group(&mut self, chain: u64) {
        let Some(group) = self.groups.remove(&chain) else { return };
        let Group { who: Who::Pod(pod, _), .. } = *group else { return };
        let known = self.uids.remove(&(identity::chain(&[pod.uid().as_bytes()]), chain));
        if known.is_some() && self.groups_of(pod.uid()).is_empty() {
            self.out.forgotten_pods.push(pod.uid().to_owned());
        }
    }
}
