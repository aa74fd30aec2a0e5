//! What each stage costs a record: CPU time of this thread, best of several runs over the same corpus.
//!
//! `cargo bench --no-default-features --bench stages [-- NAME]` prints nanoseconds a record; NAME picks stages whose
//! name contains it. The corpus is made here (60 % JSON bodies, 40 % access log, random ids, about 250 B a line), so
//! figures of two machines compare the machines, and of two commits the commits.
//!
//! Instructions do not depend on who else uses the machine: with `--once` each stage runs once after one to warm up,
//! inside `once`, and nothing is timed. `valgrind --tool=callgrind --toggle-collect=stages::once BENCH NAME --once`
//! then counts that run; divide by the records.
#![expect(clippy::print_stdout, reason = "a bench's result is what it prints")]
#![expect(clippy::panic, clippy::expect_used, reason = "a bench that cannot go on ends")]

mod corpus;
mod encode;
mod lane;

use corpus::{Corpus, RECORDS, metadata};
use std::hint::black_box;
use std::time::Duration;
use tailrace::body::chunks::{CHUNK, Pool};
use tailrace::body::escape::{escape, escape_twice};
use tailrace::body::{Body, Codec};
use tailrace::decode::join::Joiner;
use tailrace::decode::line::{Line, parse};
use tailrace::decode::lines::next_line;
use tailrace::decode::stamp::DateCache;
use tailrace::record::{FileId, Grammar, Span};
use tailrace::transform::merge_json::{Merge, object};

/// CPU time for a stage; cheap ones run more often, for the best of them on a busy machine.
const SPEND: Duration = Duration::from_millis(400);
const RUNS: usize = 5;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let wanted = args.iter().find(|a| !a.starts_with('-')).cloned().unwrap_or_default();
    let untimed = args.iter().any(|a| a == "--once");
    let corpus = Corpus::new();
    let lines = corpus.block.len() / RECORDS;
    let bodies = corpus.bodies.iter().map(Vec::len).sum::<usize>() / RECORDS;
    println!("{RECORDS} records, {lines} B a line, {bodies} B a body; ns a record, best of {RUNS} runs or more");
    let show = |name: &str, stage: &mut dyn FnMut()| {
        if !name.contains(&wanted) {
            return;
        }
        if untimed {
            stage();
            once(stage);
            println!("{name}");
        } else {
            println!("{name:<28} {:>8.1}", best(stage));
        }
    };
    decode(&corpus, &show);
    transform(&corpus, &show);
    bodies_of_documents(&corpus, &show);
    encode::all(&corpus, &show);
    lane::all(&corpus, &show);
}

type Show<'s> = &'s dyn Fn(&str, &mut dyn FnMut());

fn decode(corpus: &Corpus, show: Show<'_>) {
    show("lines", &mut || {
        each_line(&corpus.block, |line| {
            black_box(line);
        });
    });
    let (mut scratch, mut dates) = (Vec::new(), DateCache::default());
    show("lines, cri", &mut || {
        each_line(&corpus.block, |line| {
            black_box(parse(Grammar::Cri, line, &mut scratch, &mut dates));
        });
    });
    show("lines, cri, join", &mut || {
        let mut joiner = Joiner::new(1 << 20);
        let mut at = 0;
        each_line(&corpus.block, |line| {
            let end = at + line.len() as u64 + 1;
            let span = Span { file: FileId(1), start: at, end };
            at = end;
            let line = parse(Grammar::Cri, line, &mut scratch, &mut dates);
            joiner.push(span, &line, 0, &mut |record, spans| {
                black_box((record.id, spans.len()));
            });
        });
    });
    show("lines, docker", &mut || {
        each_line(&corpus.docker, |line| {
            black_box(parse(Grammar::Docker, line, &mut scratch, &mut dates));
        });
    });
    show("parts of 16 KiB joined", &mut || {
        let mut joiner = Joiner::new(1 << 20);
        let part = vec![b'a'; 16 << 10];
        for i in 0..RECORDS as u64 {
            let line = Line { partial: i % 8 != 7, ..Line::whole(&part) };
            let span = Span { file: FileId(1), start: i, end: i + 1 };
            joiner.push(span, &line, 0, &mut |record, _| {
                black_box(record.body);
            });
        }
    });
}

fn transform(corpus: &Corpus, show: Show<'_>) {
    let mut out = Vec::new();
    let mut over_bodies = |what: fn(&[u8], &mut Vec<u8>)| {
        for body in &corpus.bodies {
            if out.len() > CHUNK {
                out.clear();
            }
            what(body, &mut out);
        }
        black_box(&mut out);
    };
    show("copy", &mut || over_bodies(|body, out| out.extend_from_slice(body)));
    show("escape", &mut || over_bodies(escape));
    show("escape_twice", &mut || over_bodies(escape_twice));
    show("merge_json", &mut || {
        for body in &corpus.bodies {
            black_box(matches!(object(body), Merge::Object(_)));
        }
    });
}

/// Documents as S3 gets them, in bodies of 5 MiB plain.
fn bodies_of_documents(corpus: &Corpus, show: Show<'_>) {
    let metadata = metadata();
    for (name, codec) in [
        ("plain body", Codec::Plain),
        ("gzip 1 body", Codec::Gzip(1)),
        ("gzip 2 body", Codec::Gzip(2)),
        ("zstd 1 body", Codec::Zstd(1)),
    ] {
        let mut body = Body::new(codec, Pool::new(256 * CHUNK));
        let (mut records, mut plain, mut sent) = (0, 0, 0);
        let mut seal = |body: &mut Body| {
            let sealed = body.finish();
            (plain, sent) = (plain + sealed.plain, sent + sealed.len);
        };
        show(name, &mut || {
            for text in &corpus.bodies {
                let to = body.plain();
                to.extend_from_slice(br#"{"time":"2026-11-22T10:15:00.123456789Z","stream":"stdout","log":""#);
                escape(text, to);
                to.push(b'"');
                to.extend_from_slice(&metadata);
                to.extend_from_slice(b"}\n");
                body.settle();
                if body.plain_len() > 5 << 20 {
                    seal(&mut body);
                }
            }
            seal(&mut body);
            records += RECORDS;
        });
        sizes(records, plain, sent);
    }
}

fn sizes(records: usize, plain: usize, sent: usize) {
    // Nothing ran where another stage was wanted.
    if let (Some(plain), Some(sent)) = (plain.checked_div(records), sent.checked_div(records)) {
        println!("{:<28} {plain:>8} B a record plain, {sent} sent", "");
    }
}

fn each_line(block: &[u8], mut see: impl FnMut(&[u8])) {
    for block in block.chunks(CHUNK) {
        let mut at = 0;
        while let Some((line, next)) = next_line(block, at) {
            see(&block[line]);
            at = next;
        }
    }
}

/// What callgrind is told to look at.
#[inline(never)]
fn once(stage: &mut dyn FnMut()) {
    stage();
}

/// Nanoseconds of CPU a record, the least of several runs after one to warm up.
fn best(stage: &mut dyn FnMut()) -> f64 {
    stage();
    let (mut least, mut runs, start) = (Duration::MAX, 0, cpu());
    while runs < RUNS || cpu().saturating_sub(start) < SPEND {
        let before = cpu();
        stage();
        least = least.min(cpu().saturating_sub(before));
        runs += 1;
    }
    least.as_nanos() as f64 / RECORDS as f64
}

fn cpu() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}
