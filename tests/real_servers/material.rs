//! What all servers are given: records that are hard to carry, batches of them, and a way to read back.

use crate::client::{Reply, Signer, send};
use serde_json::{Value, json};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;
use tailrace::body::chunks::Pool;
use tailrace::config::checked::{Output, OutputKind};
use tailrace::lane::batch::{Batch, FileKey, Job, Target, Ticket};
use tailrace::lane::format::{Encoded, Format};
use tailrace::origin::{Fields, Meta, Origin};
use tailrace::output::http::Http;
use tailrace::record::{Channel, FileId, Grammar, Now, Record, RecordId, Stamp};
use tailrace::standin::Keys;

/// What `scripts/servers/start` wrote down.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run these tests by scripts/test"))
}

/// A name that nobody used before.
pub fn unique(start: &str) -> String {
    format!("{start}-{:016x}", RandomState::new().hash_one(start))
}

/// Nanoseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "real servers have real clocks")]
pub fn unix_ns() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_nanos().try_into().unwrap()
}

pub fn now() -> Now {
    Now { mono: Duration::from_secs(1), unix_ns: unix_ns() }
}

/// An output as a configuration says it: its keys without indentation.
pub fn output(keys: &str) -> Output {
    let keys = keys.trim().replace('\n', "\n    ");
    let text = format!(
        "data_dir: /nowhere\ninputs:\n  files: {{type: kubernetes, path: /nowhere, metadata: {{source: path}}}}\noutputs:\n  real:\n    \
         inputs: [files]\n    {keys}\n"
    );
    let config = tailrace::config::load(&text, "test", &|_| None).unwrap_or_else(|e| panic!("{e}\n{text}"));
    config.outputs.into_iter().next().unwrap()
}

pub fn http(output: &Output) -> Http {
    Http::new(output.ca_file.as_ref().map(|file| file.path.as_path())).unwrap()
}

pub fn pool() -> Arc<Pool> {
    Pool::new(64 << 20)
}

/// A container's file in this namespace.
pub fn origin(namespace: &str) -> Origin {
    let pairs = [
        ("kubernetes.namespace_name", namespace),
        ("kubernetes.pod_name", "web-1"),
        ("kubernetes.container_name", "app"),
        ("kubernetes.host", "node-1"),
        ("kubernetes.labels.app", "say \"hello\" \\ ü"),
    ];
    let pairs = pairs.map(|(name, value)| (name.into(), value.into()));
    let fields = Arc::new(Fields::new(pairs.into()));
    Origin {
        input: "files".into(),
        path: "/var/log/pods/x/app/0.log".into(),
        grammar: Grammar::Cri,
        fields: Arc::clone(&fields),
        meta: arc_swap::ArcSwap::from_pointee(Meta::new(fields)),
    }
}

/// One line, before it is a record.
#[derive(Clone, Debug)]
pub struct Line {
    /// Where it begins in its file.
    pub at: u64,
    pub unix_ns: i64,
    pub body: Vec<u8>,
    /// What `merge_json` found in it.
    pub processed: Option<String>,
}

impl Line {
    pub fn record(&self, file: u128) -> Record<'_> {
        let end = self.at + self.body.len() as u64 + 40;
        Record {
            id: RecordId { file: FileId(file), start: self.at, end, piece: 0 },
            time: Stamp { unix_ns: self.unix_ns, text: b"" },
            channel: Some(Channel::Stderr),
            body: &self.body,
            cut: false,
            processed: self.processed.as_deref().map(str::as_bytes),
        }
    }

    /// The document that a reader has to find.
    pub fn document(&self, namespace: &str) -> Value {
        let mut document = json!({
            "time": self.time(),
            "stream": "stderr",
            "log": String::from_utf8_lossy(&self.body),
            "kubernetes": {
                "pod_name": "web-1",
                "namespace_name": namespace,
                "host": "node-1",
                "container_name": "app",
                "labels": {"app": "say \"hello\" \\ ü"},
            },
        });
        if let Some(processed) = &self.processed {
            document["log_processed"] = serde_json::from_str(processed).unwrap();
        }
        document
    }

    pub fn time(&self) -> String {
        let time = jiff::Timestamp::from_nanosecond(self.unix_ns.into()).unwrap();
        time.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string()
    }
}

/// `count` lines a millisecond apart, up to now: hard ones first, then ordinary ones.
pub fn lines(count: usize) -> Vec<Line> {
    let hard: [&[u8]; 9] = [
        b"",
        b"\"quoted\" \\ back\\\\slashed \\u0041 \\n",
        b"\0\x01\x1f\x7f\ttab\rreturn",
        "äöü 漢字 🦀 \u{2028} \u{feff}".as_bytes(),
        b"not UTF-8: \xff\xfe\xc3( \xed\xa0\x80 end \xf0\x9f",
        br#"{"index":{"_index":"other"}}"#,
        b"{\"delete\":{}}",
        b"<Error><Code>NoSuchBucket</Code></Error>",
        &[b'x'; 70_000],
    ];
    let begin = unix_ns() - count as i64 * 1_000_000;
    let mut at = 0;
    (0..count)
        .map(|i| {
            let body =
                hard.get(i).map_or_else(|| format!("line {i} of {count}: GET /cart 200").into_bytes(), |b| b.to_vec());
            let line = Line { at, unix_ns: begin + i as i64 * 1_000_000, body, processed: None };
            at += line.body.len() as u64 + 40;
            line
        })
        .collect()
}

/// Encodes all lines into as many batches as the format wants.
pub fn batches<F: Format>(format: &mut F, namespace: &str, file: u128, lines: &[Line]) -> Vec<Batch> {
    let origin = origin(namespace);
    let key = format.key(&origin);
    let (mut made, mut first) = (Vec::new(), None);
    for line in lines {
        let record = line.record(file);
        let mut encoded = format.encode(now(), &origin, &record);
        if encoded == Encoded::Full {
            made.push(seal(format, &key, first.take().unwrap()));
            encoded = format.encode(now(), &origin, &record);
        }
        assert!(matches!(encoded, Encoded::Taken { .. }), "{encoded:?}");
        first.get_or_insert(line.unix_ns);
    }
    made.push(seal(format, &key, first.unwrap()));
    made
}

fn seal<F: Format>(format: &mut F, key: &FileKey, first_ns: i64) -> Batch {
    let target: Target = format.target(key, first_ns);
    let finished = format.finish();
    Batch { ticket: Ticket(1), target, job: Job::Send, bodies: finished.bodies, items: finished.items }
}

/// The destination's own part of an output.
pub fn kind<T>(output: &Output, pick: fn(&OutputKind) -> Option<&T>) -> &T {
    pick(&output.kind).expect("the kind of output that the test wrote")
}

/// The keys of a profile in the file that AWS_SHARED_CREDENTIALS_FILE names.
fn keys(profile: &str) -> Keys {
    let text = std::fs::read_to_string(variable("AWS_SHARED_CREDENTIALS_FILE")).unwrap();
    let section = text.split_once(&format!("[{profile}]")).unwrap().1;
    let value =
        |name: &str| section.split_once(name).unwrap().1.lines().next().unwrap().trim_matches([' ', '=']).to_owned();
    Keys { access: value("aws_access_key_id"), secret: value("aws_secret_access_key"), token: None }
}

/// A request of our own, signed with the good keys.
pub async fn signed(service: &str, mut request: http::Request<Vec<u8>>) -> Reply {
    let mut signer = Signer::new(service, unix_ns() / 1_000_000_000);
    signer.keys = keys("good");
    signer.sign(&mut request);
    send(request).await.unwrap()
}

/// Text that compressors can take a quarter of, and no more: 6 random bits a byte.
pub struct Noise(pub u64);

impl Noise {
    pub fn text(&mut self, len: usize) -> String {
        const SYMBOLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut symbol = || {
            // xorshift64*; its state may not be 0.
            self.0 |= u64::from(self.0 == 0);
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            char::from(SYMBOLS[(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 58) as usize])
        };
        (0..len).map(|_| symbol()).collect()
    }
}
