//! Random histories of a plain log: logrotate by rename and by copytruncate, compression that takes its time,
//! removal, restarts of the agent. Every stream of bytes is read under exactly one id.

use super::rig::*;
use crate::catalog::sim::gzip;
use crate::record::{FileId, Mark};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

const LIVE: &str = "/srv/app.log";

/// One run of bytes. `name`: where its plain bytes are; `packed`: its `.gz` is there and whole.
#[derive(Debug, Default)]
struct Stream {
    content: Vec<u8>,
    name: Option<String>,
    packed: Option<String>,
}

struct World {
    rig: Rig,
    include: Vec<&'static str>,
    streams: Vec<Stream>,
    live: usize,
    /// Newest first: place n is `app.log.{n+1}`.
    rotated: Vec<usize>,
    lines: u64,
    lows: BTreeMap<FileId, u64>,
    ids: HashMap<FileId, usize>,
    of: HashMap<usize, FileId>,
}

impl World {
    fn new(include: Vec<&'static str>) -> World {
        let mut rig = Rig::new(vec![file_input("app", &include)]);
        rig.disk.append(LIVE, b"");
        rig.tick();
        World {
            rig,
            include,
            streams: vec![Stream { name: Some(LIVE.into()), ..Stream::default() }],
            live: 0,
            rotated: Vec::new(),
            lines: 0,
            lows: BTreeMap::new(),
            ids: HashMap::new(),
            of: HashMap::new(),
        }
    }

    fn write(&mut self, whole: bool) {
        self.lines += 1;
        let mut text = format!("{:06} some text of a line\n", self.lines).into_bytes();
        if !whole {
            text.truncate(text.len() / 2);
        }
        self.rig.disk.append(LIVE, &text);
        self.streams[self.live].content.extend_from_slice(&text);
    }

    /// `app.log.N` becomes `app.log.N+1`, compressed or not.
    fn shift(&mut self) {
        for (n, stream) in self.rotated.iter().enumerate().rev() {
            let s = &mut self.streams[*stream];
            for (name, end) in [(&mut s.name, ""), (&mut s.packed, ".gz")] {
                if let Some(from) = name {
                    let to = format!("{LIVE}.{}{end}", n + 2);
                    self.rig.disk.rename(&*from, &to);
                    *from = to;
                }
            }
        }
        self.rotated.insert(0, self.live);
    }

    fn begin(&mut self) {
        self.streams.push(Stream { name: Some(LIVE.into()), ..Stream::default() });
        self.live = self.streams.len() - 1;
    }

    fn rotate(&mut self) {
        self.shift();
        let to = format!("{LIVE}.1");
        self.rig.disk.rename(LIVE, &to);
        self.streams[self.live].name = Some(to);
        self.rig.disk.append(LIVE, b"");
        self.begin();
    }

    fn copytruncate(mut self, arg: usize) -> World {
        self.shift();
        let to = format!("{LIVE}.1");
        self.rig.disk.copy(LIVE, &to);
        match arg % 4 {
            0 => self = self.restart_agent(Duration::from_secs(3)),
            1 => self.rig.tick(),
            2 => self.rig.secs(2),
            _ => {}
        }
        self.rig.disk.truncate(LIVE, 0);
        self.streams[self.live].name = Some(to);
        self.begin();
        // Growth past the old size between two looks cannot be told from growth; a look comes each 100 ms.
        self.rig.run(Duration::from_millis(200));
        self
    }

    fn compress(&mut self, stream: usize, slowly: bool) {
        let s = &mut self.streams[stream];
        let (Some(name), None) = (s.name.clone(), &s.packed) else { return };
        let (packed, to) = (gzip(&s.content), format!("{name}.gz"));
        let (first, rest) = packed.split_at(if slowly { packed.len() / 2 } else { 0 });
        self.rig.disk.append(&to, first);
        if slowly {
            self.rig.secs(2);
        }
        self.rig.disk.append(&to, rest);
        if slowly {
            self.rig.tick();
        }
        self.rig.disk.remove(&name);
        let s = &mut self.streams[stream];
        s.name = None;
        s.packed = Some(to);
    }

    fn remove_oldest(&mut self) {
        if let Some(stream) = self.rotated.pop() {
            let s = &mut self.streams[stream];
            for name in [s.name.take(), s.packed.take()].into_iter().flatten() {
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
        self.rig = self.rig.restart(vec![file_input("app", &self.include)], down, marks);
        self.rig.tick();
        for (id, low) in &self.lows {
            self.rig.settle(*id, *low);
        }
        self
    }

    fn step(mut self, op: u8, arg: usize) -> World {
        let any = self.rotated.get(arg % self.rotated.len().max(1)).copied();
        match (op, any) {
            (0..=3, _) => self.write(true),
            (4, _) => self.write(arg.is_multiple_of(2)),
            (5 | 6, _) => self.rotate(),
            (7, Some(any)) => self.compress(any, arg.is_multiple_of(2)),
            (8, _) if !self.streams[self.live].content.is_empty() => return self.copytruncate(arg),
            (9, _) => self.remove_oldest(),
            (10, _) => self.settle(arg),
            (11, _) => self.rig.run(Duration::from_millis(arg as u64 % 3000)),
            (12, _) => self.rig.secs(arg as u64 % 90),
            (13, _) => return self.restart_agent(Duration::from_secs(arg as u64 % 40)),
            (14, _) => {
                self.rig.disk.remove(LIVE);
                self.streams[self.live].name = None;
                self.rig.disk.append(LIVE, b"");
                self.begin();
            }
            (_, _) => self.rig.tick(),
        }
        self
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        for view in self.rig.views.values().cloned().collect::<Vec<_>>() {
            let id = view.file.id;
            let bytes = self.rig.read(id);
            let stream = match self.ids.get(&id) {
                Some(stream) => *stream,
                None => {
                    let whole = bytes.len() as u64 == view.size && !bytes.is_empty();
                    let found = self.streams.iter().position(|s| whole && s.content.starts_with(&bytes));
                    let Some(found) = found else { continue };
                    prop_assert!(!self.of.contains_key(&found), "a second id {} for stream {}", id, found);
                    self.ids.insert(id, found);
                    self.of.insert(found, id);
                    found
                }
            };
            let s = &self.streams[stream];
            prop_assert!(s.content.starts_with(&bytes), "{id} shows bytes of another stream");
            if s.name.is_some() || s.packed.is_some() {
                prop_assert_eq!(bytes.len() as u64, view.size, "{:?} cannot be read", s.name);
            }
        }
        Ok(())
    }

    fn check_end(&mut self) -> Result<(), TestCaseError> {
        self.rig.secs(190);
        self.check()?;
        let all = self.include.iter().any(|g| g.ends_with('*'));
        for (n, s) in self.streams.iter().enumerate() {
            let there = s.name.is_some() || s.packed.is_some();
            if !there || s.content.is_empty() || !(all || n == self.live || self.of.contains_key(&n)) {
                continue;
            }
            let view = self.of.get(&n).and_then(|id| self.rig.views.get(id));
            prop_assert_eq!(
                view.map(|v| v.size),
                Some(s.content.len() as u64),
                "stream {} {:?} {:?}",
                n,
                s.name,
                s.packed
            );
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_stream_is_read_under_one_id(
        all in any::<bool>(),
        ops in proptest::collection::vec((0u8..17, 0usize..1000), 1..50),
    ) {
        let mut world = World::new(if all { vec!["/srv/app.log*"] } else { vec![LIVE] });
        for (op, arg) in ops {
            world = world.step(op, arg);
            // The agent looks at least once between two things that happen.
            world.rig.run(Duration::from_millis(120));
            world.check()?;
        }
        world.check_end()?;
    }
}
