//! The real thread on a real directory.

use super::*;
use crate::catalog::disk::{Base, Follow};
use crate::catalog::glob::Glob;
use crate::catalog::os::OsDisk;
use crate::catalog::pods::PathOnly;
use crate::catalog::reader::Reader;
use crate::catalog::spec::{InputSpec, Setup, SpecKind};
use crate::catalog::view::{Found, Life};
use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[expect(clippy::disallowed_methods, reason = "the edge of the test")]
fn clock() -> impl Fn() -> Now + Send {
    let start = Instant::now();
    move || Now {
        mono: start.elapsed(),
        unix_ns: SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64,
    }
}

struct Running {
    caller: Caller,
    views: Receiver<FileView>,
    scanned: Receiver<()>,
    reader: Reader,
    saved: Arc<Mutex<Vec<Saved>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

fn start(inputs: Vec<InputSpec>) -> Running {
    let setup = Setup {
        inputs,
        host: "node".into(),
        lanes: 1,
        once: false,
        max_handles: 100,
        retain_dir: "/data/retained".into(),
        retain_max: 1 << 30,
        min_free_percent: 0,
        known: HashMap::new(),
        marks: HashMap::new(),
        random: Box::new(|| crate::catalog::os::random_id().unwrap()),
    };
    let catalog = Catalog::new(setup, Arc::new(OsDisk::default()), PathOnly);
    let reader = Reader::new(catalog.shelf());
    let ((send, views), (looked, scanned)) = (channel(), channel());
    let caller = Caller::new().unwrap();
    let saved = Arc::new(Mutex::new(Vec::new()));
    let store = saved.clone();
    let around = Around {
        clock: Box::new(clock()),
        save: Box::new(move |records, _durable| store.lock().unwrap().extend(records)),
        report: Box::new(drop),
        beat: Box::new(|_| {}),
    };
    caller.join(0, sink(send, looked));
    let inner = caller.clone();
    let thread = std::thread::spawn(move || run(catalog, &inner, around));
    Running { caller, views, scanned, reader, saved, thread: Some(thread) }
}

/// Nobody listens any more once the test is through.
fn sink(send: Sender<FileView>, looked: Sender<()>) -> Sink {
    Box::new(move |told| match told {
        Told::Files(files) => files.iter().for_each(|v| drop(send.send(v.clone()))),
        Told::Scanned => drop(looked.send(())),
    })
}

/// Less than the minute after which everything is looked at: what is told within this, an event told of.
const PATIENCE: Duration = Duration::from_secs(20);

/// The kernel has a watch of this file.
fn until_watched(file: &Path) {
    let inode = format!("ino:{:x} ", std::fs::metadata(file).unwrap().ino());
    let since = clock();
    loop {
        let handles = std::fs::read_dir("/proc/self/fdinfo").unwrap().flatten();
        if handles.filter_map(|h| std::fs::read_to_string(h.path()).ok()).any(|text| text.contains(&inode)) {
            return;
        }
        assert!(since().mono < PATIENCE, "no watch of {}", file.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Running {
    fn wait(&self, what: impl Fn(&FileView) -> bool) -> FileView {
        loop {
            let view = self.views.recv_timeout(PATIENCE).expect("told in time");
            if what(&view) {
                return view;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.caller.stop();
        self.thread.take().unwrap().join().unwrap();
    }
}

fn pods(root: &Path) -> InputSpec {
    InputSpec {
        rules: Default::default(),
        name: "pods".into(),
        base: Arc::new(Base { root: root.into(), follow: Follow::Never }),
        exclude: Vec::new(),
        kind: SpecKind::Kubernetes { wait: None, skip_pod: None },
    }
}

const LINE: &str = "2026-11-22T10:15:00.123456789Z stdout F hello\n";

#[test]
fn a_new_pod_is_found_and_followed_through_a_rotation() {
    let dir = tempfile::tempdir().unwrap();
    let mut running = start(vec![pods(dir.path())]);
    let app = dir.path().join("ns_pod_uid/app");
    running.scanned.recv_timeout(PATIENCE).expect("an empty directory is soon looked at");
    std::fs::create_dir_all(&app).unwrap();
    std::fs::write(app.join("0.log"), LINE).unwrap();
    let first = running.wait(|v| v.size == LINE.len() as u64);
    let mut bytes = vec![0; 100];
    assert_eq!(running.reader.read(first.file.id, 0, &mut bytes).unwrap(), Found::Bytes(LINE.len()));
    std::fs::rename(app.join("0.log"), app.join("0.log.20261122-101500")).unwrap();
    std::fs::write(app.join("0.log"), LINE.replace("123", "456")).unwrap();
    let second = running.wait(|v| v.file.id != first.file.id);
    assert!(second.file.place > first.file.place);
    // The last name goes: the held handle still reads it.
    std::fs::remove_dir_all(dir.path().join("ns_pod_uid")).unwrap();
    running.wait(|v| v.file.id == second.file.id && v.life == Life::Ended);
    assert_eq!(running.reader.read(second.file.id, 0, &mut bytes).unwrap(), Found::Bytes(LINE.len()));
    assert_eq!(running.saved.lock().unwrap().iter().filter(|s| matches!(s, Saved::FileGone { .. })).count(), 0);
}

#[test]
fn a_plain_file_is_offered_when_its_id_is_durable_and_a_cold_one_wakes_at_a_write() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    std::fs::write(&path, "one\n").unwrap();
    // Old enough to be cold at once.
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
    let input = InputSpec {
        rules: Default::default(),
        name: "app".into(),
        base: Arc::new(Base { root: "/".into(), follow: Follow::Any }),
        exclude: Vec::new(),
        kind: SpecKind::File { include: vec![Glob::new(&format!("{}/*.log", dir.path().display()))], pod: Vec::new() },
    };
    let running = start(vec![input]);
    let first = running.wait(|v| v.size == 4);
    until_watched(&path);
    use std::io::Write as _;
    std::fs::File::options().append(true).open(&path).unwrap().write_all(b"two\n").unwrap();
    let grown = running.wait(|v| v.size == 8);
    assert_eq!(grown.file.id, first.file.id);
    let by_id: BTreeMap<_, _> = running
        .saved
        .lock()
        .unwrap()
        .iter()
        .filter_map(|s| if let Saved::File(f) = s { Some((f.id, f.clone())) } else { None })
        .collect();
    assert_eq!(by_id.len(), 1);
    let saved = running.saved.clone();
    drop(running);
    let last =
        saved.lock().unwrap().iter().rev().find_map(|s| if let Saved::File(f) = s { Some(f.size) } else { None });
    assert_eq!(last, Some(8));
}
