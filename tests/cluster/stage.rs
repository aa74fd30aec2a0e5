//! What the story is told on: the stand-ins, the history of the pods, the files that kubelet rotated, the time.

use crate::history::Watch;
use crate::support::Services;
use crate::truth::{TRUTH, written};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tailrace::standin::{self, opensearch};

/// Everything that a test of this kind holds.
pub struct Stage {
    began: Instant,
    pub services: Services,
    pub history: Watch,
    pub rotated: Rotated,
}

/// Files that kubelet rotated, by path, noted while they are there.
pub struct Rotated {
    seen: Arc<Mutex<BTreeSet<PathBuf>>>,
    stop: Arc<AtomicBool>,
}

impl Rotated {
    fn watch() -> Rotated {
        let rotated = Rotated { seen: Arc::default(), stop: Arc::default() };
        let (seen, stop) = (Arc::clone(&rotated.seen), Arc::clone(&rotated.stop));
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                seen.lock().unwrap().extend(rotated_now());
                std::thread::sleep(Duration::from_millis(500));
            }
        });
        rotated
    }

    /// Rotated, and compressed.
    pub fn counts(&self) -> (usize, usize) {
        let seen = self.seen.lock().unwrap();
        let gz = |path: &&PathBuf| path.extension().is_some_and(|e| e == "gz");
        (seen.iter().filter(|p| !gz(p)).count(), seen.iter().filter(gz).count())
    }
}

impl Drop for Rotated {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// `/var/log/pods/POD/CONTAINER/N.log.TIME[.gz]`
fn rotated_now() -> Vec<PathBuf> {
    let children = |path: PathBuf| fs::read_dir(path).into_iter().flatten().filter_map(Result::ok).map(|e| e.path());
    let files = children("/var/log/pods".into()).flat_map(children).flat_map(children);
    let is_rotated = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.contains(".log.") && !name.ends_with(".tmp")
    };
    files.filter(is_rotated).collect()
}

impl Stage {
    #[expect(clippy::disallowed_methods, reason = "a real cluster has a real clock")]
    pub fn begin() -> Stage {
        let options = standin::Options { keep_records: 2_000_000, ..standin::Options::default() };
        let services = Services::with(options, opensearch::Options::default());
        let (history, rotated) = (Watch::start(), Rotated::watch());
        fs::create_dir_all(TRUTH).unwrap();
        Stage { began: Instant::now(), services, history, rotated }
    }

    pub fn say(&self, what: &str) {
        println!("{:>6.1} s  {what}", self.began.elapsed().as_secs_f32());
    }

    /// Lines that a container wrote, over all of its runs and pods.
    pub fn wrote(uid: &str, container: &str) -> u64 {
        written().iter().filter(|(run, _)| run.uid == uid && run.container == container).map(|(_, n)| n).sum()
    }

    /// Waits until every output has all that was written until now; what is missing then, the judge names.
    pub fn until_delivered(&self) {
        let goal = written().values().sum::<u64>();
        let counts = || self.services.each().map(|(name, at)| (name, at.control.receipts().distinct()));
        let done = || counts().iter().all(|(_, there)| *there >= goal);
        let end = self.began.elapsed() + Duration::from_secs(60);
        while !done() && self.began.elapsed() < end {
            std::thread::sleep(Duration::from_millis(100));
        }
        let late = if done() { "" } else { ": NOT all of it within a minute" };
        self.say(&format!("{goal} lines were written, and are delivered{late} {:?}", counts()));
    }
}
