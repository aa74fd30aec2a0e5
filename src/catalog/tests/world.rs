//! Random histories: every stream of bytes is read under exactly one id, whatever rotates, is compressed, removed,
//! restarted; no id ever stands for two streams.

use super::rig::*;
use crate::catalog::sim::{SimDisk, SimWriter};
use crate::record::{FileId, Mark};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Duration;

/// What one writer wrote, from the creation of its file on.
#[derive(Debug, Default)]
struct Stream {
    content: Vec<u8>,
    /// Names it has now.
    names: Vec<PathBuf>,
    writer: Option<SimWriter>,
}

struct World {
    rig: Rig,
    inputs: Vec<crate::catalog::spec::InputSpec>,
    streams: Vec<Stream>,
    live: usize,
    rotated: Vec<usize>,
    restart: u32,
    lines: u64,
    stamps: u32,
    lows: BTreeMap<FileId, u64>,
    ids: HashMap<FileId, usize>,
    of: HashMap<usize, FileId>,
}

impl World {
    fn new(max_handles: usize) -> World {
        let inputs = vec![pods_input()];
        let mut first = setup(inputs.clone());
        first.max_handles = max_handles;
        let mut rig = Rig::with(SimDisk::new(), first, Duration::from_secs(100));
        rig.disk.mkdir("/var/log/pods");
        rig.tick();
        let mut world = World {
            rig,
            inputs,
            streams: Vec::new(),
            live: 0,
            rotated: Vec::new(),
            restart: 0,
            lines: 0,
            stamps: 100_000,
            lows: BTreeMap::new(),
            ids: HashMap::new(),
            of: HashMap::new(),
        };
        world.begin();
        world
    }

    fn live_path(&self) -> PathBuf {
        format!("{POD}/{}.log", self.restart).into()
    }

    /// A new live file.
    fn begin(&mut self) {
        let path = self.live_path();
        let writer = Some(self.rig.disk.writer(&path));
        self.streams.push(Stream { content: Vec::new(), names: vec![path], writer });
        self.live = self.streams.len() - 1;
    }

    fn write(&mut self, stream: usize, whole: bool) {
        self.lines += 1;
        // Told apart by its first bytes, also when it is torn.
        let mut text = format!("{:06} stdout F some text of a line\n", self.lines).into_bytes();
        if !whole {
            text.truncate(text.len() / 2);
        }
        let s = &mut self.streams[stream];
        if let Some(writer) = &s.writer {
            writer.append(&text);
            s.content.extend_from_slice(&text);
        }
    }

    fn rotate(&mut self, begin: bool) {
        self.stamps += 1;
        let to: PathBuf = format!("{}.20261122-{}", self.live_path().display(), self.stamps).into();
        self.rig.disk.rename(self.live_path(), &to);
        self.streams[self.live].names = vec![to];
        if begin {
            self.rotated.push(self.live);
            self.begin();
        }
    }

    fn plain_name(&self, stream: usize) -> Option<PathBuf> {
        self.streams[stream].names.iter().find(|n| !n.to_string_lossy().ends_with(".gz")).cloned()
    }

    fn compress(&mut self, stream: usize) {
        // The runtime is through with what kubelet compresses.
        self.streams[stream].writer = None;
        if let Some(plain) = self.plain_name(stream).filter(|_| self.streams[stream].names.len() == 1) {
            self.rig.disk.compress(&plain);
            self.streams[stream].names.push(format!("{}.gz", plain.display()).into());
        }
    }

    fn finish_compressing(&mut self, stream: usize) {
        if self.streams[stream].names.len() == 2 {
            let plain = self.streams[stream].names.remove(0);
            self.rig.disk.remove(plain);
        }
    }

    fn remove_oldest(&mut self) {
        if !self.rotated.is_empty() {
            let stream = self.rotated.remove(0);
            for name in std::mem::take(&mut self.streams[stream].names) {
                self.rig.disk.remove(name);
            }
        }
    }

    fn settle(&mut self, arg: usize) {
        let views: Vec<_> = self.rig.views.values().map(|v| (v.file.id, v.size)).collect();
        if let Some((id, size)) = views.get(arg % views.len().max(1)) {
            let low = if arg.is_multiple_of(3) { *size } else { size * (arg as u64 % 7) / 7 };
            let low = low.max(self.lows.get(id).copied().unwrap_or(0));
            self.lows.insert(*id, low);
            self.rig.settle(*id, low);
        }
    }

    fn restart_agent(mut self, down: Duration) -> World {
        let mut marks: HashMap<FileId, Vec<Mark>> = HashMap::new();
        for (id, low) in self.lows.iter().filter(|(_, low)| **low > 0) {
            if let Some(stream) = self.ids.get(id) {
                marks.insert(*id, vec![Mark::of(*low, &self.streams[*stream].content[..*low as usize])]);
            }
        }
        self.rig = self.rig.restart(self.inputs.clone(), down, marks);
        self.rig.tick();
        for (id, low) in &self.lows {
            self.rig.settle(*id, *low);
        }
        self
    }

    fn step(mut self, op: u8, arg: usize) -> World {
        let newest_rotated = self.rotated.last().copied();
        let any_rotated = self.rotated.get(arg % self.rotated.len().max(1)).copied();
        match (op, newest_rotated, any_rotated) {
            (0..=3, _, _) => self.write(self.live, true),
            (4, _, _) => self.write(self.live, arg.is_multiple_of(2)),
            (5, _, _) => self.rotate(true),
            (6, Some(last), _) => self.write(last, true),
            (7, _, Some(any)) => self.compress(any),
            (8, _, Some(any)) => self.finish_compressing(any),
            (9, _, _) => self.remove_oldest(),
            (10, _, _) if self.restart < 3 => {
                self.streams[self.live].writer = None;
                self.rotated.push(self.live);
                self.restart += 1;
                self.begin();
            }
            (11, _, _) => self.settle(arg),
            (12, _, _) => {
                // Reopening failed: the rename is taken back.
                self.rotate(false);
                if arg.is_multiple_of(2) {
                    self.rig.tick();
                }
                let back = self.live_path();
                self.rig.disk.rename(&self.streams[self.live].names[0], &back);
                self.streams[self.live].names = vec![back];
            }
            (13, _, _) => self.rig.run(Duration::from_millis(arg as u64 % 3000)),
            (14, _, _) => self.rig.secs(arg as u64 % 90),
            (15, _, _) => return self.restart_agent(Duration::from_secs(arg as u64 % 40)),
            (16, _, _) => {
                // One rotation as kubelet does it, without a look between its steps.
                if self.rotated.len() > 2 {
                    self.remove_oldest();
                }
                for stream in self.rotated.clone() {
                    self.compress(stream);
                    self.finish_compressing(stream);
                }
                self.rotate(true);
                self.write(self.live, true);
            }
            (_, _, _) => self.rig.tick(),
        }
        self
    }

    /// What lanes were told is true, and each stream has one id.
    fn check(&mut self) -> Result<(), TestCaseError> {
        let views: Vec<_> = self.rig.views.values().cloned().collect();
        for view in views {
            let id = view.file.id;
            let bytes = self.rig.read(id);
            let stream = match self.ids.get(&id) {
                Some(stream) => *stream,
                None => {
                    let whole = bytes.len() as u64 == view.size;
                    let found = self.streams.iter().position(|s| !bytes.is_empty() && s.content.starts_with(&bytes));
                    let Some(found) = found.filter(|_| whole) else {
                        // Deleted before it could be read even once.
                        continue;
                    };
                    prop_assert!(!self.of.contains_key(&found), "a second id {} for stream {}", id, found);
                    self.ids.insert(id, found);
                    self.of.insert(found, id);
                    found
                }
            };
            let s = &self.streams[stream];
            prop_assert!(s.content.starts_with(&bytes), "{id} shows bytes of another stream");
            if !s.names.is_empty() {
                prop_assert_eq!(bytes.len() as u64, view.size, "{:?} of {:?} cannot be read", id, &s.names);
            }
        }
        Ok(())
    }

    /// In the end everything that has a name is known to its last byte.
    fn check_end(&mut self) -> Result<(), TestCaseError> {
        self.rig.secs(130);
        self.check()?;
        for (n, s) in self.streams.iter().enumerate().filter(|(_, s)| !s.names.is_empty() && !s.content.is_empty()) {
            let id = self.of.get(&n);
            prop_assert!(id.is_some(), "stream {} at {:?} was never offered: {:?}", n, &s.names, self.rig.offered());
            let view = id.and_then(|id| self.rig.views.get(id));
            prop_assert_eq!(view.map(|v| v.size), Some(s.content.len() as u64), "stream {}", n);
        }
        let mut places: Vec<_> = self.rig.views.values().map(|v| (v.file.place, self.ids.get(&v.file.id))).collect();
        places.sort();
        let order: Vec<_> = places.iter().map(|(_, stream)| *stream).collect();
        prop_assert!(order.is_sorted(), "siblings out of order: {:?}", places);
        prop_assert!(self.rig.catalog.report().lost.values().all(|lost| *lost < 1 << 20));
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_stream_is_read_under_one_id(ops in proptest::collection::vec((0u8..18, 0usize..1000), 1..60)) {
        let mut world = World::new(1000);
        for (op, arg) in ops {
            world = world.step(op, arg);
            if arg.is_multiple_of(4) {
                world.rig.tick();
                world.check()?;
            }
        }
        world.check_end()?;
    }

    /// Closed files: inodes are given to others at once, names are all there is to go by.
    #[test]
    fn also_with_hardly_a_handle(
        handles in 0usize..3,
        ops in proptest::collection::vec((0u8..18, 0usize..1000), 1..60),
    ) {
        let mut world = World::new(handles);
        for (op, arg) in ops {
            world = world.step(op, arg);
            if arg.is_multiple_of(4) {
                world.rig.tick();
                world.check()?;
            }
        }
        world.check_end()?;
    }

    #[test]
    fn also_without_any_watch(ops in proptest::collection::vec((0u8..18, 0usize..1000), 1..40)) {
        let mut world = World::new(1000);
        for (op, arg) in ops {
            world.rig.watching = false;
            world = world.step(op, arg);
            if arg.is_multiple_of(8) {
                world.rig.secs(61);
                world.check()?;
            }
        }
        world.rig.watching = false;
        world.check_end()?;
    }
}
