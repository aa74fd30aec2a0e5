//! A lane stays within its share of `memory_limit`, whatever its lines are and though nothing is ever answered: its live
//! bytes are counted while it reads until it stops by itself. What a vector has room for counts as live.
#![allow(unsafe_code, reason = "an allocator is unsafe by its trait; this one counts and passes on")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![cfg(feature = "agent")]

#[path = "../benches/stages/corpus.rs"]
#[allow(dead_code, reason = "of the bench, which uses all of it")]
mod corpus;
#[path = "../benches/stages/formats.rs"]
#[allow(dead_code, reason = "of the bench, which uses all of it")]
mod formats;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tailrace::body::chunks::Pool;
use tailrace::catalog::view::{Ages, File, FileView, Found, Life, Place};
use tailrace::config::checked::{CatchUp, CatchUpOrder, Compression, Config, OutputKind, Start};
use tailrace::config::memory;
use tailrace::lane::format::Format;
use tailrace::lane::pump::BLOCK;
use tailrace::lane::step::{Action, Event, Lane, Settings};
use tailrace::origin::Origin;
use tailrace::record::{FileId, Grammar, Now};
use tailrace::store::saved::LaneId;

thread_local! {
    /// Of this thread alone, because tests run side by side: live bytes, and the most there ever were.
    static LIVE: Cell<(i64, i64)> = const { Cell::new((0, 0)) };
}

struct Counting;

fn count(bytes: i64) {
    let (live, most) = LIVE.get();
    LIVE.set((live + bytes, most.max(live + bytes)));
}

// SAFETY: each call goes to the system's allocator as it came, and its answer comes back as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(block, layout) }
    }
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as i64 - layout.size() as i64);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Of zstd at level 1, which is C and is not counted here (heaptrack says 2.1 MB).
const ZSTD: i64 = 9 << 18;
/// 2026-11-22T10:15:00Z.
const NOON: i64 = 1_795_342_500_000_000_000;
/// More than any lane reads without an answer.
const PLENTY: u64 = 1 << 30;

/// The three outputs of the configuration that `memory_limit`'s default is made for.
fn three() -> Config {
    let text = "inputs: {f: {type: file, include: [/f]}}\noutputs:\n  c: {type: cloudwatch_logs, inputs: [f], log_group: g}\n  \
                s: {type: s3, inputs: [f], bucket: abc, key: k}\n  o: {type: opensearch, inputs: [f], url: 'http://h', index: i}\n";
    tailrace::config::load(text, "f", &|name| (name == "NODE_NAME").then(|| "n".to_string())).unwrap()
}

/// Lines of one kind, which come again and again.
fn lines(of: &str) -> Vec<u8> {
    let mut noise = 88_172_645_463_325_252u64;
    let mut random = || {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise
    };
    let mut text = Vec::new();
    match of {
        "usual" => return corpus::Corpus::new().block,
        "tiny" => (0..40_000).for_each(|_| text.extend_from_slice(b"2026-11-22T10:15:00.123456789Z stdout F x\n")),
        "random" => {
            while text.len() < 8 << 20 {
                text.extend_from_slice(b"2026-11-22T10:15:00.123456789Z stdout F ");
                (0..64).for_each(|_| text.extend_from_slice(format!("{:016x}", random()).as_bytes()));
                text.push(b'\n');
            }
        }
        "longest" => {
            text.extend_from_slice(b"2026-11-22T10:15:00.123456789Z stdout F ");
            (0..65_000).for_each(|_| text.extend_from_slice(format!("{:016x}", random()).as_bytes()));
            text.push(b'\n');
        }
        other => panic!("no lines are called {other}"),
    }
    text
}

/// The most bytes that were live while a lane read until it stopped, because it is full.
fn most<F: Format>(make: impl FnOnce(Arc<Pool>) -> F, concurrency: usize, bodies: usize, text: &[u8]) -> i64 {
    let origin = Arc::new(formats::origin(Grammar::Cri));
    let mut now = Now { mono: Duration::from_secs(1), unix_ns: NOON };
    let settings = settings(origin.input.clone(), concurrency);
    let views = (0..2 * concurrency as u64).map(|n| view(n, &origin, now)).collect();
    let (before, _) = LIVE.get();
    LIVE.set((before, before));
    let pool = Pool::new(bodies);
    let mut lane = Lane::new(make(pool.clone()), settings, pool, None, now);
    let (mut event, mut out, mut sleeps) = (Event::Files(views), Vec::new(), 0);
    while sleeps < 20 {
        event = match lane.step(now, event) {
            Action::Read { at, len, mut buffer, .. } => {
                buffer.resize(BLOCK, 0);
                let from = (at % text.len() as u64) as usize;
                let found = len.min(text.len() - from);
                buffer[..found].copy_from_slice(&text[from..from + found]);
                Event::Block(buffer, Ok(Found::Bytes(found)))
            }
            Action::Save { then, .. } => then.map_or(Event::Tick, |ticket| Event::Saved(ticket, true)),
            Action::Send(batch) => {
                out.push(batch);
                Event::Tick
            }
            Action::Sleep(until) => {
                sleeps += 1;
                now.unix_ns += until.saturating_sub(now.mono).as_nanos() as i64;
                now.mono = until;
                Event::Tick
            }
            Action::Bury { .. } | Action::Passed(_) | Action::Done => Event::Tick,
        };
    }
    assert!(!out.is_empty());
    LIVE.get().1 - before
}

fn settings(input: Arc<str>, concurrency: usize) -> Settings {
    Settings {
        output: "o".into(),
        id: LaneId("o".into()),
        kind: "o",
        inputs: BTreeMap::from([(input, (Start::Beginning, 1 << 20))]),
        max_age: Duration::from_secs(5),
        select: Vec::new(),
        merge_json: false,
        concurrency,
        catch_up: CatchUp { order: CatchUpOrder::Fair, share_percent: 100 },
        stall_after: Duration::from_secs(300),
        once: None,
        seed: 7,
    }
}

/// One of some files that never end.
fn view(n: u64, origin: &Arc<Origin>, now: Now) -> FileView {
    let place = Place { chain: n, restart: 0, turn: 1 };
    FileView {
        file: Arc::new(File { id: FileId(n.into()), place, origin: origin.clone(), at_scan: None }),
        size: PLENTY,
        life: Life::Growing,
        danger: false,
        grew: now.mono,
        ages: Ages(Arc::new([(PLENTY, NOON)])),
        rulings: Default::default(),
    }
}

/// The most that each kind of output holds of such lines, and its share of that limit.
fn check(limit: u64, of: &str) {
    let mut config = three();
    config.memory_limit = limit;
    let text = lines(of);
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    let mut over = Vec::new();
    for (output, share) in config.outputs.iter().zip(memory::shares(&config)) {
        let (bodies, n) = (memory::bodies(output, share), output.concurrency);
        let s3 = |how| most(|pool| formats::s3(how, pool), n, bodies, &text);
        let most = match &output.kind {
            OutputKind::CloudWatch(_) => most(|pool| formats::cloudwatch(false, pool), n, bodies, &text),
            OutputKind::S3(_) => s3(Compression::Gzip).max(s3(Compression::Zstd) + ZSTD),
            OutputKind::OpenSearch(_) => most(formats::opensearch, n, bodies, &text),
        };
        let say = format!("{}, {of} lines: {:.2} of {:.2} MiB", output.name, mib(most as f64), mib(share as f64));
        over.extend((most > share as i64).then_some(say));
    }
    assert!(over.is_empty(), "{over:#?}");
}

/// `memory_limit` where nothing is said.
const DEFAULT: u64 = 40 << 20;
/// The least that is allowed for these three.
const LEAST: u64 = memory::FIXED + memory::CLOUDWATCH + memory::S3 + memory::OPENSEARCH;

#[test]
fn a_lane_whose_answers_do_not_come_stays_within_its_share() {
    check(DEFAULT, "usual");
    check(LEAST, "usual");
}

#[test]
fn a_lane_stays_within_its_share_with_the_smallest_records() {
    check(DEFAULT, "tiny");
    check(LEAST, "tiny");
}

#[test]
fn a_lane_stays_within_its_share_when_nothing_can_be_compressed() {
    check(DEFAULT, "random");
    check(LEAST, "random");
}

#[test]
fn a_lane_stays_within_its_share_with_lines_of_a_mebibyte() {
    check(DEFAULT, "longest");
}
