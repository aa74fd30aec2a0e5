//! One life of the agent: the catalog and three lanes over what the store had.

use crate::books::Books;
use crate::chance::Chance;
use crate::fs::Fs;
use crate::node::pods::SimPods;
use crate::outputs::{Output, Outputs};
use crate::plan::Plan;
use crate::rig::{Machine, Rig};
use crate::small;
use crate::store::{ReplyTo, SimStore};
use crate::truth::{CLOUDWATCH, OPENSEARCH, S3, kind};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tailrace::body::chunks::{CHUNK, Pool};
use tailrace::catalog::Catalog;
use tailrace::catalog::reader::Reader;
use tailrace::catalog::spec::Setup;
use tailrace::catalog::view::FileView;
use tailrace::config::checked::{CatchUp, CatchUpOrder, Start};
use tailrace::lane::format::Format;
use tailrace::lane::step::{Event, Lane, Settings};
use tailrace::record::Now;
use tailrace::store::saved::{LaneId, LaneState, State, marks};

const KINDS: [&str; 3] = ["cloudwatch", "s3", "opensearch"];
/// `--give-up`.
pub const GIVE_UP: Duration = Duration::from_secs(60);

pub struct Agent {
    pub catalog: Catalog<SimPods>,
    pub rigs: Vec<Rig>,
    pub wake: Duration,
    pub scanned: bool,
    /// So often the store said that what the catalog waits for is durable.
    pub synced: u32,
}

impl Agent {
    pub fn start(
        (plan, outputs): (&Plan, &Outputs),
        once: bool,
        mut state: State,
        now: Now,
        (fs, pods): (&Fs, &SimPods),
        chance: &mut Chance,
    ) -> Agent {
        let mut next = chance.bits();
        let setup = Setup {
            inputs: plan.inputs(),
            host: "node-1".into(),
            lanes: outputs.here.len(),
            once,
            max_handles: plan.handles,
            retain_dir: "/data/retained".into(),
            retain_max: plan.retain_max,
            min_free_percent: 20,
            known: std::mem::take(&mut state.files),
            marks: marks(&state.lanes),
            random: Box::new(move || {
                next = next.wrapping_add(1);
                u128::from(next) << 64 | 7
            }),
        };
        pods.retell();
        let catalog = Catalog::new(setup, Arc::new(fs.disk.clone()), pods.clone());
        let rigs = outputs.here.iter().enumerate().map(|(number, output)| {
            let saved = state.lanes.remove(&LaneId(output.id.clone()));
            let pool = Pool::new(plan.chunks * CHUNK);
            let settings = settings(plan, output, once, chance);
            let books = Books::open(output, saved.as_ref());
            let concurrency = settings.concurrency;
            let lane = lane(plan, kind(output.slot), settings, &pool, saved, now);
            Rig::new((number, output.slot, concurrency), lane, pool, Reader::new(catalog.shelf()), books)
        });
        let rigs = rigs.collect();
        Agent { catalog, rigs, wake: Duration::ZERO, scanned: false, synced: 0 }
    }

    /// The catalog's thread goes round once.
    pub fn tick(&mut self, plan: &Plan, now: Now, fs: &mut Fs, store: &mut SimStore, chance: &mut Chance) -> String {
        (0..std::mem::take(&mut self.synced)).for_each(|_| self.catalog.synced());
        let hints = fs.watches.take(plan.deaf && chance.one_in(15));
        let turn = self.catalog.tick(now, &hints);
        let refuse = plan.deaf && chance.one_in(4);
        fs.watches.set(&turn.watch, &fs.disk, chance, refuse);
        if !turn.saved.is_empty() || turn.must_sync {
            store.append(turn.saved, turn.must_sync, turn.must_sync.then_some(ReplyTo::Catalog));
        }
        for job in turn.jobs {
            self.catalog.copied(job.run());
        }
        self.rigs.iter_mut().for_each(|rig| rig.post(&turn.changed));
        if turn.first_scan_done && !std::mem::replace(&mut self.scanned, true) {
            self.rigs.iter_mut().for_each(|rig| rig.push(Event::Scanned));
        }
        self.wake = turn.wake;
        if !turn.changed.is_empty() {
            // A lane may just have opened one for each of its gzip cursors.
            let (open, most) = (self.catalog.report().open_files, plan.handles as u64 + 4);
            assert!(open <= most, "{open} handles, {most} allowed");
        }
        let view = |v: &FileView| {
            let danger = if v.danger { " danger" } else { "" };
            format!(" {}..{} {} {:?}{danger}", v.file.id, v.size, v.file.origin.path, v.life)
        };
        turn.changed.iter().map(view).collect()
    }
    pub fn reply(&mut self, to: ReplyTo, good: bool) {
        match to {
            ReplyTo::Lane(lane, ticket) => {
                if let Some(rig) = self.lane(lane) {
                    rig.push(Event::Saved(ticket, good));
                }
            }
            // Written, or it cannot be written now.
            ReplyTo::Catalog => self.synced += 1,
        }
    }
    pub fn lane(&mut self, slot: usize) -> Option<&mut Rig> {
        self.rigs.iter_mut().find(|rig| rig.index == slot)
    }
    pub fn done(&self) -> bool {
        self.rigs.iter().all(|rig| rig.done)
    }
}

fn settings(plan: &Plan, to: &Output, once: bool, chance: &mut Chance) -> Settings {
    let orders = [CatchUpOrder::Fair, CatchUpOrder::Oldest, CatchUpOrder::Newest];
    let order = chance.pick(&orders).unwrap_or(CatchUpOrder::Fair);
    let input = |name: &str| (Arc::from(name), (Start::Beginning, plan.max_record));
    Settings {
        output: to.id.clone(),
        id: LaneId(to.id.clone()),
        kind: KINDS[kind(to.slot)],
        inputs: BTreeMap::from([input("pods"), input("apps")]),
        max_age: if kind(to.slot) == S3 { plan.s3_max_age } else { Duration::from_secs(5) },
        select: Vec::new(),
        merge_json: false,
        concurrency: 1 + chance.below(6) as usize,
        catch_up: CatchUp { order, share_percent: 50 },
        stall_after: Duration::from_secs(300),
        once: once.then_some(GIVE_UP),
        seed: chance.bits(),
    }
}

fn lane(
    plan: &Plan,
    kind: usize,
    settings: Settings,
    pool: &Arc<Pool>,
    saved: Option<LaneState>,
    now: Now,
) -> Box<dyn Machine> {
    fn boxed<F: Format>(f: F, s: Settings, p: &Arc<Pool>, saved: Option<LaneState>, now: Now) -> Box<dyn Machine> {
        Box::new(Lane::new(f, s, p.clone(), saved, now))
    }
    match kind {
        CLOUDWATCH => boxed(small::cloudwatch(plan, pool.clone()), settings, pool, saved, now),
        S3 => boxed(small::s3(plan, pool.clone()), settings, pool, saved, now),
        OPENSEARCH => boxed(small::opensearch(plan, pool.clone()), settings, pool, saved, now),
        other => panic!("no lane {other}"),
    }
}
