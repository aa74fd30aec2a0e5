//! The floor: read the same files and compress the same documents with the same library, on one thread, nothing else.

use crate::corpus::Corpus;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tailrace::body::chunks::Pool;
use tailrace::body::{Aim, Body, Codec};

pub struct Floor {
    pub cpu_per_million: f64,
    pub bytes_per_record: f64,
}

fn thread_cpu() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}

pub fn measure(output: &str, corpus: &Corpus, logs: &Path) -> Floor {
    let (codec, batch) = match output {
        "s3" => (Codec::Zstd, 64 << 20),
        "s3-gzip" => (Codec::Gzip(Aim::Size), 64 << 20),
        "cloudwatch" => (Codec::Gzip(Aim::Speed), 1 << 20),
        _ => (Codec::Gzip(Aim::Speed), 5 << 20),
    };
    let mut spent = Duration::ZERO;
    let (mut sent, mut records) = (0u64, 0u64);
    let mut body = Body::new(codec, Pool::new(64 << 20));
    for pod in &corpus.pods {
        let path = logs.join(format!("{}_{}_{}/app/0.log", pod.namespace, pod.name, pod.uid));
        let (documents, count) = documents(&path, pod, output);
        records += count;
        let began = thread_cpu();
        read(&path);
        for batch in documents.chunks(batch) {
            for block in batch.chunks(64 << 10) {
                body.plain().extend_from_slice(block);
                body.settle();
            }
            sent += body.finish().len as u64;
        }
        spent += thread_cpu() - began;
    }
    Floor {
        cpu_per_million: spent.as_secs_f64() * 1e6 / records as f64,
        bytes_per_record: sent as f64 / records as f64,
    }
}

fn read(path: &Path) {
    let file = File::open(path).unwrap();
    let mut block = vec![0u8; 64 << 10];
    let mut at = 0;
    loop {
        let n = file.read_at(&mut block, at).unwrap();
        if n == 0 {
            return;
        }
        at += n as u64;
        std::hint::black_box(&block);
    }
}

/// The documents of one file, as the output writes them but for batch-wide framing.
fn documents(path: &Path, pod: &tailrace::metadata::pod::Pod, output: &str) -> (Vec<u8>, u64) {
    let wanted = tailrace::metadata::pod::Wanted { labels: true, ..Default::default() };
    let base = vec![("kubernetes.host".into(), "bench-node".into())];
    let fields = tailrace::metadata::pod::fields(pod, "app", 0, &wanted, Default::default(), base);
    let meta = tailrace::origin::Meta::new(Arc::new(fields));
    let text = std::fs::read(path).unwrap();
    let (mut out, mut count) = (Vec::new(), 0);
    for line in text.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
        count += 1;
        let mut parts = line.splitn(4, |b| *b == b' ');
        let stamp = parts.next().unwrap();
        let body = parts.nth(2).unwrap();
        let mut document = Vec::new();
        document.extend_from_slice(b"{\"time\":\"");
        document.extend_from_slice(stamp);
        document.extend_from_slice(b"\",\"stream\":\"stdout\",\"log\":\"");
        tailrace::body::escape::escape(body, &mut document);
        document.push(b'"');
        document.extend_from_slice(meta.plain());
        document.push(b'}');
        if output == "cloudwatch" {
            out.extend_from_slice(b"{\"timestamp\":1700000000000,\"message\":\"");
            tailrace::body::escape::escape(&document, &mut out);
            out.extend_from_slice(b"\"},");
        } else {
            if output == "opensearch" {
                out.extend_from_slice(
                    format!("{{\"create\":{{\"_id\":\"{:032x}{count:016x}\"}}}}\n", 7u128).as_bytes(),
                );
                out.extend_from_slice(b"{\"@timestamp\":\"");
                out.extend_from_slice(stamp);
                out.extend_from_slice(b"\",");
                out.extend_from_slice(&document[1..]);
            } else {
                out.extend_from_slice(&document);
            }
            out.push(b'\n');
        }
    }
    (out, count)
}
