//! The corpus: CRI files of 60 % JSON and 40 % access-log bodies with random ids, laid out like /var/log/pods.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

pub struct Corpus {
    pub bytes: u64,
    pub lines: u64,
    pub metadata_bytes: usize,
    pub pods: Vec<tailrace::metadata::pod::Pod>,
}

pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// What is written.
#[derive(Clone, Copy)]
pub struct Shape {
    pub lines: u64,
    pub files: u64,
    /// Bytes of metadata in a document, about.
    pub metadata: usize,
    /// Bytes of a line's body; `None`: as they come, about 240.
    pub body: Option<usize>,
}

/// containerd cuts longer lines into pieces of this size.
const PIECE: usize = 16 << 10;

/// Lines as they come.
pub fn write(logs: &Path, lines: u64, files: u64, metadata: usize) -> Corpus {
    write_shape(logs, &Shape { lines, files, metadata, body: None })
}

pub fn write_shape(logs: &Path, shape: &Shape) -> Corpus {
    let Shape { lines, files, metadata, .. } = *shape;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let start = jiff::Timestamp::now().as_nanosecond() as i64 - 600_000_000_000;
    let (mut bytes, mut pods, mut metadata_bytes) = (0, Vec::new(), 0);
    for file in 0..files {
        let pod = pod(file, metadata);
        let dir = logs.join(format!("{}_{}_{}/app", pod.namespace, pod.name, pod.uid));
        fs::create_dir_all(&dir).unwrap();
        let mut out = BufWriter::with_capacity(1 << 20, fs::File::create(dir.join("0.log")).unwrap());
        let here = lines / files + u64::from(file < lines % files);
        for i in 0..here {
            // Log time passes as it would at 10,000 lines a second over all files.
            let ns = start + (i * files * 100_000) as i64 % 500_000_000_000 + (random.next() % 90_000) as i64;
            let stamp = jiff::Timestamp::from_nanosecond(i128::from(ns)).unwrap();
            let body = match shape.body {
                Some(size) => body_of(size, &mut random),
                None => body(&mut random),
            };
            let pieces = body.as_bytes().chunks(PIECE);
            let last = pieces.len() - 1;
            for (n, piece) in pieces.enumerate() {
                let head = format!("{stamp:.9} stdout {} ", if n == last { "F" } else { "P" });
                bytes += (head.len() + piece.len() + 1) as u64;
                out.write_all(head.as_bytes()).unwrap();
                out.write_all(piece).unwrap();
                out.write_all(b"\n").unwrap();
            }
        }
        out.flush().unwrap();
        metadata_bytes = serde_json::to_vec(&pod.labels).unwrap().len() + 350;
        pods.push(pod);
    }
    Corpus { bytes, lines, metadata_bytes, pods }
}

/// Bodies one behind the other, cut to this many bytes.
fn body_of(size: usize, random: &mut Random) -> String {
    let mut text = body(random);
    while text.len() < size {
        text.push(' ');
        text.push_str(&body(random));
    }
    text.truncate(size.max(1));
    text
}

pub fn pod(n: u64, metadata: usize) -> tailrace::metadata::pod::Pod {
    let mut labels = Vec::new();
    let mut size = 350;
    let mut i = 0u64;
    while size < metadata {
        let label = (format!("app.kubernetes.io/label-{i}"), format!("value-{}-{n}", i * 7919));
        size += label.0.len() + label.1.len() + 6;
        labels.push((label.0.into(), label.1.into()));
        i += 1;
    }
    tailrace::metadata::pod::Pod {
        uid: format!("{n:08x}-1111-4222-8333-444444444444").into(),
        name: format!("cart-7d9c5b6f4-x{n:04}").into(),
        namespace: "shop".into(),
        node: "bench-node".into(),
        labels: labels.into(),
        containers: vec![tailrace::metadata::pod::Container {
            name: "app".into(),
            image: "registry.example.com/shop/cart:1.42.0".into(),
            id: Some(format!("{n:064x}").into()),
            running: true,
            ..Default::default()
        }]
        .into(),
        ..Default::default()
    }
}

pub fn body(random: &mut Random) -> String {
    let (id, user, took) = (random.next(), random.next() % 100_000, random.next() % 5_000);
    if random.next() % 10 < 6 {
        let level = ["info", "warn", "error", "debug", "info"][(random.next() % 5) as usize];
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
