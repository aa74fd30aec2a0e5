//! What the stages work on, the same in every run.

pub const RECORDS: usize = 20_000;
/// About 900 B, as a pod with labels renders it.
pub const METADATA: usize = 893;

pub struct Corpus {
    pub bodies: Vec<Vec<u8>>,
    pub stamps: Vec<String>,
    /// CRI lines.
    pub block: Vec<u8>,
    /// The same as Docker writes them.
    pub docker: Vec<u8>,
}

impl Corpus {
    pub fn new() -> Self {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let (mut bodies, mut stamps, mut block, mut docker) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for i in 0..RECORDS as u64 {
            let body = body(&mut random);
            // Ascending, as one container writes: 1,000 lines a second.
            let (second, nanos) = (i / 1000 % 60, i % 1000 * 1_000_000 + random.next() % 1_000_000);
            let stamp = format!("2026-11-22T10:15:{second:02}.{nanos:09}Z");
            block.extend_from_slice(format!("{stamp} stdout F {body}\n").as_bytes());
            let log = serde_json::Value::String(format!("{body}\n"));
            docker.extend_from_slice(
                format!("{{\"log\":{log},\"stream\":\"stdout\",\"time\":\"{stamp}\"}}\n").as_bytes(),
            );
            bodies.push(body.into_bytes());
            stamps.push(stamp);
        }
        Corpus { bodies, stamps, block, docker }
    }
}

/// A text in so many parts of about the same length, each of whole lines.
pub fn parts(text: &[u8], count: usize) -> Vec<&[u8]> {
    let mut from = 0;
    let end = |at: usize| text[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let mut next = |nth: usize| {
        let part = &text[from..end(text.len() * nth / count)];
        from += part.len();
        part
    };
    (1..=count).map(&mut next).collect()
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

/// As [`METADATA`] says.
pub fn metadata() -> Vec<u8> {
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
