//! The node: containers that write a line at a time, a kubelet that rotates, packs and removes their files.
//!
//! Lines are spread evenly over the files and over time: one `write` each, as containerd does. Each line carries
//! `tr=` (its number) and `at=` (when it was written). Runs on a thread of its own until it is stopped.

use crate::corpus::{self, Random};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tailrace::metadata::pod::Pod;

/// kubelet keeps so many files of a container.
const MAX_FILES: usize = 5;
/// A pod's files stay so long after its last line.
const LINGER: Duration = Duration::from_secs(10);

/// How the node behaves.
#[derive(Clone, Copy)]
pub struct Habits {
    pub rate: u64,
    pub rotate_at: u64,
    /// A pod lives so long; `None`: to the end.
    pub life: Option<Duration>,
}

/// A node at work.
pub struct Node {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Node {
    /// The first `alive` pods begin at once; with a life, the next ones take their places.
    pub fn start(logs: &Path, pods: &[Pod], alive: usize, habits: Habits) -> Node {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut work = Work {
            logs: logs.to_owned(),
            waiting: pods.to_vec(),
            containers: Vec::new(),
            ended: Vec::new(),
            habits,
            random: Random(0x2545_f491_4f6c_dd1d),
            number: 0,
        };
        work.waiting.reverse();
        (0..alive).for_each(|n| work.birth(n as f64 / alive as f64));
        let (stop_too, count) = (stop.clone(), written.clone());
        let thread = std::thread::spawn(move || work.run(&stop_too, &count));
        Node { stop, written, thread: Some(thread) }
    }
    /// Lines written so far.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }
    /// Lines written in all.
    pub fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        self.written()
    }
}

struct Container {
    dir: PathBuf,
    file: File,
    size: u64,
    ends: Option<Instant>,
}

struct Work {
    logs: PathBuf,
    /// Last first.
    waiting: Vec<Pod>,
    containers: Vec<Container>,
    ended: Vec<(Instant, PathBuf)>,
    habits: Habits,
    random: Random,
    number: u64,
}

pub fn dir_of(logs: &Path, pod: &Pod) -> PathBuf {
    logs.join(format!("{}_{}_{}/app", pod.namespace, pod.name, pod.uid))
}

pub fn unix_ns() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as i64
}

/// A line as containerd writes it.
pub fn line(random: &mut Random, number: u64) -> String {
    let ns = unix_ns();
    let stamp = jiff::Timestamp::from_nanosecond(i128::from(ns)).unwrap();
    let body = corpus::body(random);
    let tag = format!("tr={number:016x} at={ns:019}");
    let body = match body.find("request served") {
        Some(at) => format!("{}{tag}{}", &body[..at], &body[at + "request served".len()..]),
        None => format!("{body} {tag}"),
    };
    format!("{stamp:.9} stdout F {body}\n")
}

impl Work {
    /// A pod begins, `part` of its life behind it.
    fn birth(&mut self, part: f64) {
        let Some(pod) = self.waiting.pop() else { return };
        let dir = dir_of(&self.logs, &pod);
        fs::create_dir_all(&dir).unwrap();
        let file = create(&dir.join("0.log"));
        let ends = self.habits.life.map(|life| Instant::now() + life.mul_f64(1.0 - part));
        self.containers.push(Container { dir, file, size: 0, ends });
    }

    fn run(&mut self, stop: &AtomicBool, count: &AtomicU64) {
        let began = Instant::now();
        let mut looked = began;
        while !stop.load(Ordering::Acquire) {
            let due = (began.elapsed().as_secs_f64() * self.habits.rate as f64) as u64;
            while self.number < due && !self.containers.is_empty() {
                let at = self.number as usize % self.containers.len();
                let text = line(&mut self.random, self.number);
                let container = &mut self.containers[at];
                container.file.write_all(text.as_bytes()).unwrap();
                container.size += text.len() as u64;
                self.number += 1;
                count.store(self.number, Ordering::Release);
            }
            if looked.elapsed() >= Duration::from_millis(100) {
                looked = Instant::now();
                self.tend();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// kubelet's part: one rotation at a time, so that the writer is never held up for long.
    fn tend(&mut self) {
        let limit = self.habits.rotate_at;
        // By turns, not all at once: files of one age would all be rotated in one second.
        let full =
            self.containers.iter_mut().enumerate().find(|(at, c)| c.size >= limit + limit * (*at as u64 % 16) / 16);
        if let Some((_, container)) = full {
            container.rotate();
        }
        let now = Instant::now();
        while let Some(at) = self.containers.iter().position(|c| c.ends.is_some_and(|ends| now >= ends)) {
            let gone = self.containers.swap_remove(at);
            self.ended.push((now, gone.dir));
            self.birth(0.0);
        }
        self.ended.retain(|(since, dir)| {
            let stays = since.elapsed() < LINGER;
            if !stays {
                fs::remove_dir_all(dir.parent().unwrap()).unwrap();
            }
            stays
        });
    }
}

fn create(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

impl Container {
    fn rotate(&mut self) {
        let mut rotated: Vec<PathBuf> =
            fs::read_dir(&self.dir).unwrap().map(|e| e.unwrap().path()).filter(|p| !p.ends_with("0.log")).collect();
        rotated.sort();
        while rotated.len() > MAX_FILES - 2 {
            fs::remove_file(rotated.remove(0)).unwrap();
        }
        for plain in rotated.iter().filter(|p| p.extension().is_none_or(|e| e != "gz")) {
            pack(plain);
        }
        let stamp = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S");
        fs::rename(self.dir.join("0.log"), self.dir.join(format!("0.log.{stamp}"))).unwrap();
        self.file = create(&self.dir.join("0.log"));
        self.size = 0;
    }
}

fn pack(plain: &Path) {
    let name = plain.file_name().unwrap().to_str().unwrap().to_owned();
    let (tmp, gz) = (plain.with_file_name(format!("{name}.tmp")), plain.with_file_name(format!("{name}.gz")));
    let mut out = flate2::write::GzEncoder::new(File::create(&tmp).unwrap(), flate2::Compression::fast());
    std::io::copy(&mut File::open(plain).unwrap(), &mut out).unwrap();
    out.finish().unwrap();
    fs::rename(&tmp, &gz).unwrap();
    fs::remove_file(plain).unwrap();
}
