//! Blocks to lines to records, and what may be done to a record before it is encoded.

use crate::corpus::{Corpus, RECORDS};
use crate::{Show, black_box, encode, formats};
use std::io::Write;
use tailrace::body::chunks::CHUNK;
use tailrace::body::escape::{escape, escape_twice};
use tailrace::body::gunzip::{GzCursor, Inflated};
use tailrace::decode::join::Joiner;
use tailrace::decode::line::{Line, parse};
use tailrace::decode::lines::next_line;
use tailrace::decode::stamp::{self, DateCache};
use tailrace::record::{FileId, Grammar, Span};
use tailrace::transform::merge_json::{Merge, object};
use tailrace::transform::select::Predicate;

pub fn all(corpus: &Corpus, show: Show<'_>) {
    gunzip(corpus, show);
    lines(corpus, show);
    joins(corpus, show);
    transform(corpus, show);
}

/// A rotated file that kubelet compressed, read as a lane reads it.
fn gunzip(corpus: &Corpus, show: Show<'_>) {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&corpus.block).expect("memory");
    let gz = gz.finish().expect("memory");
    let mut out = vec![0; CHUNK];
    show("gunzip", &mut || {
        let mut cursor = GzCursor::new(gz.as_slice());
        while let Inflated::Bytes(len) = cursor.read(&mut out).expect("memory") {
            black_box(&out[..len]);
        }
        assert_eq!(cursor.at(), corpus.block.len() as u64);
    });
}

fn lines(corpus: &Corpus, show: Show<'_>) {
    show("lines", &mut || {
        each_line(&corpus.block, |line| {
            black_box(line);
        });
    });
    let (mut scratch, mut dates) = (Vec::new(), DateCache::default());
    show("stamp", &mut || {
        for text in &corpus.stamps {
            black_box(stamp::parse(text.as_bytes(), &mut dates));
        }
    });
    show("lines, cri", &mut || {
        each_line(&corpus.block, |line| {
            black_box(parse(Grammar::Cri, line, &mut scratch, &mut dates));
        });
    });
    show("lines, docker", &mut || {
        each_line(&corpus.docker, |line| {
            black_box(parse(Grammar::Docker, line, &mut scratch, &mut dates));
        });
    });
}

fn joins(corpus: &Corpus, show: Show<'_>) {
    let (mut scratch, mut dates) = (Vec::new(), DateCache::default());
    let mut joiner = Joiner::new(1 << 20);
    show("lines, cri, join", &mut || {
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
    let part = vec![b'a'; 16 << 10];
    show("parts of 16 KiB joined", &mut || {
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
    show("escape", &mut || over_bodies(|body, out| _ = escape(body, out)));
    show("escape_twice", &mut || over_bodies(|body, out| _ = escape_twice(body, out)));
    show("merge_json", &mut || {
        for body in &corpus.bodies {
            black_box(matches!(object(body), Merge::Object(_)));
        }
    });
    let wanted = Predicate::parse(r#"stream == "stderr" or log =~ "status.:5..""#).expect("a predicate");
    let fields = formats::origin(Grammar::Cri).fields;
    show("select", &mut || {
        for (nth, body) in corpus.bodies.iter().enumerate() {
            black_box(wanted.keeps(&fields, &encode::record(nth, body)));
        }
    });
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
