//! The node: pods that come, write, restart, rotate and go, programs that write plain files, and the API's word on pods.

pub mod app;
pub mod pod;
pub mod pods;
pub mod scribe;

use crate::chance::Chance;
use crate::fs::Fs;
use crate::plan::Plan;
use crate::truth::Truth;
use app::App;
use pod::Container;
use pods::SimPods;
use scribe::{Scribe, Style};
use std::path::PathBuf;
use std::time::Duration;

pub const PODS: &str = "/var/log/pods";
pub const APPS: &str = "/data";

/// What every act of the node needs.
pub struct Hands<'a> {
    pub fs: &'a mut Fs,
    pub truth: &'a mut Truth,
    pub chance: &'a mut Chance,
    pub pods: &'a SimPods,
    pub unix_ns: i64,
    pub mono: Duration,
    pub stamps: &'a mut u64,
    pub trace: bool,
}

impl Hands<'_> {
    /// As kubelet names rotated logs; later ones sort later.
    fn next_stamp(&mut self) -> String {
        *self.stamps += 1;
        format!("20231115-{:06}", *self.stamps)
    }
    fn say(&self, what: impl FnOnce() -> String) {
        if self.trace {
            crate::say(&format!("    node: {}", what()));
        }
    }
}

pub struct Node {
    pub containers: Vec<Container>,
    apps: Vec<App>,
    leaving: Vec<(String, PathBuf)>,
    born: u32,
    pub stamps: u64,
    pub pods: SimPods,
}

impl Node {
    pub fn new(plan: &Plan) -> Node {
        let apps = (0..plan.apps).map(|n| App::new(PathBuf::from(format!("{APPS}/app{n}/a.log")), plan));
        Node {
            containers: Vec::new(),
            apps: apps.collect(),
            leaving: Vec::new(),
            born: 0,
            stamps: 0,
            pods: SimPods::default(),
        }
    }

    pub fn new_pod(&mut self, plan: &Plan, hands: &mut Hands<'_>) {
        self.born += 1;
        let (n, namespace) = (self.born, if self.born.is_multiple_of(2) { "shop" } else { "tools" });
        let uid = format!("uid{n}");
        let dir = format!("{PODS}/{namespace}_pod-{n}_{uid}");
        hands.say(|| format!("new pod {dir}"));
        let style = if hands.chance.one_in(4) { Style::Docker } else { Style::Cri };
        for name in ["app", "side"].iter().take(1 + usize::from(hands.chance.one_in(4))) {
            let scribe = Scribe::new(style, plan);
            let keep = 1 + hands.chance.below(3) as usize;
            self.containers.push(Container::new((&uid, &dir), name, keep, plan.banner, scribe));
        }
        if hands.chance.percent(70) {
            self.pods.know(&uid, namespace, &format!("pod-{n}"));
        }
    }
    /// Something happens on the node.
    pub fn act(&mut self, plan: &Plan, hands: &mut Hands<'_>) {
        if self.containers.is_empty() || (self.containers.len() < 4 && hands.chance.one_in(25)) {
            return self.new_pod(plan, hands);
        }
        let at = hands.chance.below(self.containers.len() as u64) as usize;
        let Some(container) = self.containers.get_mut(at) else { return };
        let lines = if hands.chance.one_in(10) { 40 } else { 12 };
        match hands.chance.below(100) {
            0..45 => container.write(1 + hands.chance.below(lines), hands),
            45..60 if container.busy() => container.step(hands),
            45..52 => container.rotate(),
            52..54 => container.start_again(hands),
            54 => container.crash_loop(hands),
            55..58 => container.reap(hands),
            58..60 => self.end_pod(at, hands),
            60..63 => self.pods.learn_one(),
            63..66 => self.sweep(hands),
            66..82 => self.app(hands),
            _ => container.write(1, hands),
        }
    }
    /// kubelet's work that is under way goes on.
    pub fn go_on(&mut self, hands: &mut Hands<'_>) {
        for container in &mut self.containers {
            if container.busy() && hands.chance.one_in(3) {
                container.step(hands);
            }
        }
    }
    fn app(&mut self, hands: &mut Hands<'_>) {
        let at = hands.chance.below(self.apps.len() as u64) as usize;
        let Some(app) = self.apps.get_mut(at) else { return };
        match hands.chance.below(30) {
            0..2 => app.shift(hands),
            2 => app.copytruncate(hands),
            3 => app.truncate(hands),
            4 => app.delete(hands),
            5..8 => app.compress(hands),
            _ => app.write(1 + hands.chance.below(10), hands),
        }
    }
    /// A pod is deleted: its containers stop now, its directory goes later.
    fn end_pod(&mut self, at: usize, hands: &mut Hands<'_>) {
        let Some(uid) = self.containers.get(at).map(|c| c.uid.clone()) else { return };
        self.pods.going(&uid);
        let (ended, rest) = std::mem::take(&mut self.containers).into_iter().partition(|c| c.uid == uid);
        self.containers = rest;
        for mut container in Vec::<Container>::from_iter(ended) {
            container.stop(hands);
            hands.say(|| format!("pod {uid} ends"));
            if let Some(dir) = container.dir.parent() {
                self.leaving.push((uid.clone(), dir.to_path_buf()));
            }
        }
    }
    fn sweep(&mut self, hands: &mut Hands<'_>) {
        if let Some((uid, dir)) = self.leaving.pop() {
            hands.say(|| format!("remove {}", dir.display()));
            hands.fs.remove_tree(&dir, hands.truth);
            self.pods.deleted(&uid);
        }
    }
    /// `--once` takes what is unfinished for finished.
    pub fn tear(&mut self, hands: &mut Hands<'_>) {
        self.containers.iter_mut().for_each(|c| c.tear(hands));
        self.apps.iter_mut().for_each(|a| a.tear(hands));
    }
    /// Everybody's last words: the runtime is through with what it began, or not.
    pub fn calm_down(&mut self, hands: &mut Hands<'_>) {
        for container in &mut self.containers {
            while container.busy() {
                container.step(hands);
            }
        }
    }
}
