//! What each stage costs a record: CPU time of this thread, best of several runs over the same corpus.
//!
//! `cargo bench --no-default-features --bench stages [-- NAME]` prints nanoseconds a record; NAME picks stages whose
//! name contains it. The corpus is made here (60 % JSON bodies, 40 % access log, random ids, about 250 B a line), so
//! figures of two machines compare the machines, and of two commits the commits.
#![expect(clippy::print_stdout, reason = "a bench's result is what it prints")]

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

const RECORDS: usize = 20_000;
const RUNS: usize = 9;
/// About 900 B, as a pod with labels renders it.
const METADATA: usize = 893;

fn main() {
    let wanted = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    let corpus = Corpus::new();
    let lines = corpus.block.len() / RECORDS;
    let bodies = corpus.bodies.iter().map(Vec::len).sum::<usize>() / RECORDS;
    println!("{RECORDS} records, {lines} B a line, {bodies} B a body; ns a record, best of {RUNS} runs");
    let show = |name: &str, stage: &mut dyn FnMut()| {
        if name.contains(&wanted) {
            println!("{name:<28} {:>8.1}", best(stage));
        }
    };
    decode(&corpus, &show);
    transform(&corpus, &show);
    bodies_of_documents(&corpus, &show);
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
    let metadata = vec_of_metadata();
    for (name, codec) in [
        ("plain body", Codec::Plain),
        ("gzip 1 body", Codec::Gzip(1)),
        ("gzip 2 body", Codec::Gzip(2)),
        ("zstd 1 body", Codec::Zstd(1)),
    ] {
        let mut body = Body::new(codec, Pool::new(256 * CHUNK));
        let (mut plain, mut sent) = (0, 0);
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
        });
        if plain > 0 {
            let records = (RUNS + 1) * RECORDS;
            println!("{:<28} {:>8} B a record plain, {} sent", "", plain / records, sent / records);
        }
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

/// Nanoseconds of CPU a record, the least of several runs after one to warm up.
fn best(stage: &mut dyn FnMut()) -> f64 {
    stage();
    let mut least = Duration::MAX;
    for _ in 0..RUNS {
        let before = cpu();
        stage();
        least = least.min(cpu().saturating_sub(before));
    }
    least.as_nanos() as f64 / RECORDS as f64
}

fn cpu() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}

struct Corpus {
    bodies: Vec<Vec<u8>>,
    /// CRI lines.
    block: Vec<u8>,
    /// The same as Docker writes them.
    docker: Vec<u8>,
}

impl Corpus {
    fn new() -> Self {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let (mut bodies, mut block, mut docker) = (Vec::new(), Vec::new(), Vec::new());
        for i in 0..RECORDS as u64 {
            let body = body(&mut random);
            let (second, nanos) = (i / 1000 % 60, random.next() % 1_000_000_000);
            let stamp = format!("2026-11-22T10:15:{second:02}.{nanos:09}Z");
            block.extend_from_slice(format!("{stamp} stdout F {body}\n").as_bytes());
            let log = serde_json::Value::String(format!("{body}\n"));
            docker.extend_from_slice(
                format!("{{\"log\":{log},\"stream\":\"stdout\",\"time\":\"{stamp}\"}}\n").as_bytes(),
            );
            bodies.push(body.into_bytes());
        }
        Corpus { bodies, block, docker }
    }
}

fn body(random: &mut Random) -> String {
    let (id, user, took, status) = (random.next(), random.next() % 100_000, random.next() % 5_000, random.next() % 5);
    if random.next() % 10 < 6 {
        let level = ["info", "warn", "error", "debug", "info"][status as usize];
        format!(
            r#"{{"level":"{level}","msg":"request served","request_id":"{id:016x}","user":"u{user}","method":"GET","route":"/api/v1/items/{}","status":200,"took_ms":{took},"upstream":"cart-{:04x}","trace":"{:016x}"}}"#,
            random.next() % 10_000,
            random.next() % 65_536,
            random.next()
        )
    } else {
        format!(
            r#"10.{}.{}.{} - u{user} [22/Nov/2026:10:15:00 +0000] "GET /api/v1/items/{}?session={id:016x} HTTP/1.1" 200 {took} "https://shop.example.com/" "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0" {:016x}"#,
            random.next() % 256,
            random.next() % 256,
            random.next() % 256,
            random.next() % 10_000,
            random.next()
        )
    }
}

fn vec_of_metadata() -> Vec<u8> {
    let mut out = br#","kubernetes":{"pod_name":"cart-7d9c5b6f4-x2x9z","namespace_name":"shop","labels":{"#.to_vec();
    let mut i = 0;
    while out.len() < METADATA - 30 {
        out.extend_from_slice(format!("\"app.kubernetes.io/label-{i}\":\"value-{}\",", i * 7919).as_bytes());
        i += 1;
    }
    out.extend_from_slice(br#""last":"one"}}"#);
    out
}

/// xorshift64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
