//! Once something about a file changed, or each second while it depends on time: its life, its danger, whether it is
//! offered, closed, saved, forgotten.

use super::entry::{Entry, Group, Heat, Key, Trail, Who};
use super::order::{self, Standing, Threat};
use super::pods::{PodPath, Pods};
use super::stock::Stock;
use super::view::Life;
use super::{Catalog, keep};
use std::time::Duration;

/// What the store has of a pod's log may be out of date for so long.
const SAVE: Duration = Duration::from_secs(30);
/// And of one that will be gone soon: a later life counts by it what went with the file.
const SAVE_ENDANGERED: Duration = Duration::from_secs(1);
/// A truncated file's copy turns up within this time.
const COPY: Duration = Duration::from_secs(60);
/// Rounds of judging what judging others touched.
const ROUNDS: usize = 8;

impl Stock {
    pub fn touch_active(&mut self) {
        self.touched.extend(self.active.iter().copied());
    }

    /// The container and restart of a file, for questions about its pod.
    pub fn pod_path<'a>(&'a self, group: &'a Group, restart: u32) -> Option<PodPath<'a>> {
        match &group.who {
            Who::Pod(pod, container) => {
                let input = &self.inputs.get(group.input)?.name;
                let (uid, namespace, pod) = (pod.uid(), pod.namespace(), pod.pod());
                Some(PodPath { input, uid, namespace, pod, container, restart })
            }
            Who::Path => None,
        }
    }

    fn siblings<'a>(&'a self, group: &'a Group, restart: u32) -> impl Iterator<Item = &'a Entry> {
        group
            .entries
            .iter()
            .filter_map(|k| self.entries.get(k).map(AsRef::as_ref))
            .filter(move |e: &&Entry| e.restart == restart)
    }

    /// Its container has no later restart and is not over as far as directories say; this is its live file.
    pub fn newest_live(&self, e: &Entry) -> bool {
        let group = self.groups.get(&e.group);
        self.kubernetes(e.input) && e.live && group.is_some_and(|g| e.restart == g.newest && !g.over)
    }

    fn retire(&mut self, key: Key) -> bool {
        let Some(e) = self.entries.get(&key) else { return true };
        let (now, settled) = (self.now.mono, self.settled(e));
        let through = if e.offered.is_some() { settled >= e.size } else { e.size == 0 };
        match e.trail {
            Trail::Deleted | Trail::Elsewhere | Trail::Kept if through && (e.complete() || e.size == 0) => {
                if self.last_look(key) {
                    return false;
                }
                self.forget(key);
            }
            Trail::Displaced(since) if now.saturating_sub(since) >= COPY => self.gone(key),
            Trail::Gone => self.gone(key),
            Trail::Named
            | Trail::Missing(_)
            | Trail::Deleted
            | Trail::Elsewhere
            | Trail::Displaced(_)
            | Trail::Kept => return false,
        }
        true
    }

    /// Closes what nobody needs open, and says whether the file can be left alone until something happens.
    fn rest_assured(&mut self, key: Key) {
        let Some(e) = self.entries.get(&key) else { return };
        let settled = self.settled(e);
        let newest = self.newest_live(e);
        let nothing_to_read = settled >= e.size;
        let named = e.loc().is_some() && e.trail == Trail::Named;
        let shown = e.offered.is_some() || (e.id.is_none() && e.size == 0);
        let cache = keep::cache_outstanding(e, settled);
        if e.source.is_some() && e.heat == Heat::Cold && e.id.is_some() && shown && named {
            let plain_gone = e.plain.is_none() && e.source.as_ref().is_some_and(|s| !s.gz);
            let may_close = nothing_to_read && !newest && !cache && e.measure.is_none();
            if may_close || (plain_gone && nothing_to_read) {
                self.look_and_close(key);
            }
        }
        if nothing_to_read {
            // Also of what was cold when it was found.
            self.drop_rendered(key);
        }
        let Some(e) = self.entries.get_mut(&key) else { return };
        let old = match (e.trail, e.danger) {
            (Trail::Deleted, _) => Duration::ZERO,
            (_, true) => SAVE_ENDANGERED,
            (_, false) => SAVE,
        };
        if e.unsaved.is_some_and(|since| self.now.mono.saturating_sub(since) >= old || e.heat == Heat::Cold) {
            self.save(key);
        }
        let Some(e) = self.entries.get(&key) else { return };
        let steady = e.complete() || e.live;
        let held_well = e.source.is_none() || newest || (e.id.is_none() && e.size == 0);
        let over = self.groups.get(&e.group).is_some_and(|g| g.over || e.restart < g.newest) && !e.complete();
        let left_alone = !self.wants_copy(e);
        let idle = e.heat == Heat::Cold && shown && named && steady && held_well && !over && !cache && left_alone;
        if idle && e.unsaved.is_none() && e.measure.is_none() && !e.unsynced {
            self.active.remove(&key);
        } else {
            self.active.insert(key);
        }
    }

    pub fn tell(&mut self, key: Key) {
        let Some(e) = self.entries.get_mut(&key) else { return };
        if e.offered.is_some() && !std::mem::replace(&mut e.told, true) {
            self.out.changed.extend(e.view());
        }
    }
}

impl<P: Pods> Catalog<P> {
    /// Looks after everything that was touched, and what that touches.
    pub(super) fn judge_touched(&mut self) {
        for _ in 0..ROUNDS {
            let touched = std::mem::take(&mut self.stock.touched);
            if touched.is_empty() {
                return;
            }
            for key in touched {
                self.judge(key);
            }
        }
        // What is left is looked after in the next tick.
        self.stock.active.append(&mut self.stock.touched);
    }

    fn judge(&mut self, key: Key) {
        self.stock.identify(key);
        self.weigh(key);
        if self.stock.retire(key) {
            return;
        }
        self.stock.offer(key, &self.pods);
        self.stock.rest_assured(key);
        self.stock.tell(key);
    }

    /// Life and danger as they are now.
    fn weigh(&mut self, key: Key) {
        let stock = &self.stock;
        let Some(e) = stock.entries.get(&key) else { return };
        let Some(group) = stock.groups.get(&e.group) else { return };
        let pod = stock.pod_path(group, e.restart);
        let kubernetes = pod.is_some();
        let terminated = pod.as_ref().is_some_and(|p| self.pods.terminated(p));
        let going = pod.as_ref().is_some_and(|p| self.pods.going(p.uid));
        let older_restart = kubernetes && e.restart < group.newest;
        let unlinked = matches!(e.trail, Trail::Deleted | Trail::Elsewhere | Trail::Displaced(_) | Trail::Kept);
        let standing = Standing {
            gone: e.trail == Trail::Gone,
            once: stock.once,
            has_next: stock.siblings(group, e.restart).any(|s| s.turn > e.turn && s.trail != Trail::Gone),
            live: e.live,
            gz: e.gz.is_some(),
            unlinked,
            quiet: stock.now.mono.saturating_sub(e.grew.max(e.moved)),
            over: older_restart || group.over || terminated,
            kubernetes,
        };
        let rotated = |s: &&Entry| s.loc().is_some() && !s.live;
        let count = stock.siblings(group, e.restart).filter(rotated).count();
        let oldest = stock.siblings(group, e.restart).filter(rotated).map(|s| s.turn).min() == Some(e.turn);
        let most = if kubernetes { stock.most_rotated.max(count) } else { stock.most_rotated };
        let threat = Threat {
            oldest_rotated: kubernetes && oldest && e.loc().is_some() && !e.live,
            rotated: count,
            most_rotated: most,
            older_restart,
            going: going || terminated || (kubernetes && group.over),
            deleted: unlinked,
        };
        let (life, danger) = (order::life(&standing), order::in_danger(&threat));
        let ends = !e.complete() && matches!(life, Life::Final | Life::Ended);
        self.stock.most_rotated = most;
        // Its size first: nobody looks again.
        if ends && self.stock.last_look(key) {
            return;
        }
        let Some(e) = self.stock.entries.get_mut(&key) else { return };
        let again = e.complete() && life == Life::Growing;
        if (e.life, e.danger) != (life, danger) {
            e.life = life;
            e.danger = danger;
            e.told = false;
        }
        if again && e.plain.is_some() && !self.stock.once {
            self.stock.heat(key);
        }
    }
}
