//! What every S3 has to do, whoever made it; and a bucket to do it in.

use crate::client::Reply;
use crate::material::{Line, Noise, batches, http, kind, output, pool, signed, unique, variable};
use std::io::Read;
use std::sync::Arc;
use tailrace::config::checked::{Compression, OutputKind, S3};
use tailrace::lane::batch::{Batch, Job, PartTag, Verdict};
use tailrace::lane::format::Format;
use tailrace::output::probe::Came;
use tailrace::output::s3::format::S3Format;
use tailrace::output::s3::service::S3Service;

fn pick(kind: &OutputKind) -> Option<&S3> {
    if let OutputKind::S3(of) = kind { Some(of) } else { None }
}

/// A bucket and an output that writes to it.
pub struct Bucket {
    pub name: String,
    url: String,
    pub service: S3Service,
    format: S3Format,
    compression: Compression,
}

impl Bucket {
    /// A new bucket at the server that this variable names.
    pub async fn new(server: &str, more: &str) -> Bucket {
        let bucket = Bucket::absent(server, &format!("profile: good\n{more}"));
        let reply = bucket.ask("PUT", "").await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        bucket
    }

    /// One that nobody made.
    pub fn absent(server: &str, more: &str) -> Bucket {
        let (name, url) = (unique("tailrace"), variable(server));
        let region = if more.contains("region:") { "" } else { "region: us-east-1\n" };
        let output = output(&format!(
            "type: s3\nbucket: {name}\nkey: \"logs/{{kubernetes.namespace_name}}/%Y/%m/%d/\"\nendpoint: {url}\n{region}{more}"
        ));
        let config = kind(&output, pick);
        let service = S3Service::new(config, http(&output)).unwrap();
        let format = S3Format::new(config, "node-1".into(), pool());
        Bucket { name, url, service, format, compression: config.compression }
    }

    /// A request below the bucket, by nobody's code but the tests'.
    pub async fn ask(&self, method: &str, path: &str) -> Reply {
        let uri = format!("{}/{}{path}", self.url, self.name);
        signed("s3", http::Request::builder().method(method).uri(uri).body(Vec::new()).unwrap()).await
    }

    /// One body with all of these lines, and an object name.
    pub fn object(&mut self, namespace: &str, lines: &[Line]) -> (Arc<str>, Batch) {
        let mut batches = batches(&mut self.format, namespace, 7, lines);
        assert_eq!(batches.len(), 1);
        let batch = batches.remove(0);
        let random = u64::from_str_radix(&self.name[self.name.len() - 16..], 16).unwrap();
        (self.format.object_name(&batch.target, lines[0].unix_ns, random).into(), batch)
    }

    pub async fn attempt(&self, batch: &Batch, job: Job) -> Verdict {
        let bodies = if matches!(job, Job::Put { .. } | Job::Part { .. }) { batch.bodies.clone() } else { Vec::new() };
        self.service.attempt(&Batch { job, bodies, ..batch.clone() }).await
    }

    pub async fn put(&self, name: &Arc<str>, batch: &Batch) -> Verdict {
        self.attempt(batch, Job::Put { name: Arc::clone(name) }).await
    }

    pub async fn complete(&self, name: &Arc<str>, batch: &Batch, upload: &Arc<str>, parts: &[PartTag]) -> Verdict {
        let job = Job::Complete { name: Arc::clone(name), upload: Arc::clone(upload), parts: parts.to_vec() };
        self.attempt(batch, job).await
    }

    /// Uploads each body as a part; gives back what Complete has to name.
    pub async fn parts(&self, name: &Arc<str>, batches: &[&Batch]) -> (Arc<str>, Vec<PartTag>) {
        let (mut id, mut tags) = (None, Vec::new());
        for (number, batch) in (1..).zip(batches) {
            let job = Job::Part { name: Arc::clone(name), upload: id.clone(), number };
            let verdict = self.attempt(batch, job).await;
            let Verdict::Staged { upload, tag } = verdict else { panic!("part {number}: {verdict:?}") };
            assert_eq!(tag.number, number);
            assert!(id.is_none_or(|before| before == upload), "one upload for all parts");
            id = Some(upload);
            tags.push(tag);
        }
        (id.unwrap(), tags)
    }

    /// An object's lines, as JSON, and what the service says of it.
    pub async fn read(&self, name: &str) -> (Vec<serde_json::Value>, Reply) {
        let reply = self.ask("GET", &format!("/{}", in_url(name))).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let mut text = String::new();
        let read = match self.compression {
            Compression::Zstd => zstd::stream::read::Decoder::new(&reply.body[..]).unwrap().read_to_string(&mut text),
            Compression::Gzip => flate2::read::MultiGzDecoder::new(&reply.body[..]).read_to_string(&mut text),
        };
        assert!(read.unwrap() > 0);
        (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), reply)
    }

    /// Names of all objects.
    pub async fn names(&self) -> Vec<String> {
        let text = self.ask("GET", "?list-type=2").await.text();
        let keys = text.split("<Key>").skip(1);
        keys.map(|rest| rest.split("</Key>").next().unwrap().replace("&amp;", "&").replace("&#39;", "'")).collect()
    }

    /// Uploads that are neither completed nor aborted.
    pub async fn open_uploads(&self) -> usize {
        let reply = self.ask("GET", "?uploads=").await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.text().matches("<UploadId>").count()
    }
}

/// A name as a path, as AWS wants it encoded.
fn in_url(name: &str) -> String {
    let byte = |b: u8| match b {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => char::from(b).to_string(),
        _ => format!("%{b:02X}"),
    };
    name.bytes().map(byte).collect()
}

/// Lines that no compressor makes much smaller: `mib` MiB of them, compressed.
pub fn noise(mib: usize, seed: u64) -> Vec<Line> {
    let mut noise = Noise(seed);
    let mut lines = crate::material::lines(mib * 16);
    for line in &mut lines {
        line.body = noise.text(90 * 1024).into_bytes();
    }
    lines
}

/// What came of trying each right below a prefix.
pub async fn probed(bucket: &Bucket) -> Vec<(&'static str, Came)> {
    let probe = bucket.service.probe("logs/shop/").await;
    probe.tried.into_iter().map(|tried| (tried.right, tried.came)).collect()
}

/// Every right is allowed, and no object and no upload stays of the trial.
pub async fn assert_probing_leaves_nothing(bucket: &Bucket) {
    let rights = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListBucketMultipartUploads"];
    assert_eq!(probed(bucket).await, rights.map(|right| (right, Came::Allowed)));
    assert!(bucket.names().await.is_empty());
    let uploads = bucket.ask("GET", "?uploads=").await.text();
    assert!(!uploads.contains("<Upload>"), "{uploads}");
}
