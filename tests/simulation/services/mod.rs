//! The three services: strict about what they are sent, and as unreliable as the weather.
//!
//! Bodies are decompressed and parsed; every limit of the real service is enforced (with smaller numbers, so that a
//! small world meets them). What a request does and what its answer says are two things: answers get lost.

pub mod cloudwatch;
pub mod opensearch;
pub mod s3;
pub mod weather;

use crate::chance::Chance;
use crate::truth::{CLOUDWATCH, KINDS, OPENSEARCH, S3, SLOTS, Truth, kind};
use cloudwatch::CloudWatch;
use opensearch::OpenSearch;
use s3::Buckets;
use std::io::Read;
use std::time::Duration;
use tailrace::lane::batch::{Batch, Code, Scope, Sealed, Ticket, Verdict};
use weather::{Strike, Weather};

/// No attempt takes longer: the agent gives up waiting.
const LONGEST: Duration = Duration::from_secs(300);

/// A request on the wire.
struct Request {
    lane: usize,
    batch: Batch,
    due: Duration,
    strike: Strike,
}

#[derive(Default)]
pub struct Services {
    pub cloudwatch: [CloudWatch; 2],
    pub s3: [Buckets; 2],
    pub opensearch: [OpenSearch; 2],
    pub weather: [Weather; SLOTS],
    flying: Vec<Request>,
    /// Requests that nobody waits for any more and that may still arrive.
    ghosts: Vec<(Duration, usize, Batch)>,
}

/// What a service looks at besides the request.
pub struct At<'a> {
    pub truth: &'a mut Truth,
    /// Which service this is.
    pub slot: usize,
    /// The services' clock is right.
    pub true_ns: i64,
    pub mono: Duration,
    pub chance: &'a mut Chance,
}

impl Services {
    pub fn send(&mut self, lane: usize, batch: Batch, at: &mut At<'_>) {
        let weather = self.weather.get(lane).cloned().unwrap_or_default();
        let strike = weather.strike(&batch, at);
        let wait = match strike {
            Strike::Hang => LONGEST,
            Strike::None | Strike::Verdict(_) | Strike::After(_) | Strike::Some
                if weather.slow && at.chance.one_in(10) =>
            {
                at.chance.millis(1_000, 60_000)
            }
            Strike::None | Strike::Verdict(_) | Strike::After(_) | Strike::Some => at.chance.millis(1, 300),
        };
        self.flying.push(Request { lane, batch, due: at.mono + wait, strike });
    }
    pub fn in_flight(&self, lane: usize) -> usize {
        self.flying.iter().filter(|r| r.lane == lane).count()
    }
    pub fn next_due(&self) -> Option<Duration> {
        let ghosts = self.ghosts.iter().map(|(due, _, _)| *due);
        self.flying.iter().map(|r| r.due).chain(ghosts).min()
    }
    /// The next answer that is due, if any.
    pub fn answer(&mut self, at: &mut At<'_>) -> Option<(usize, Ticket, Verdict)> {
        while let Some(found) = self.ghosts.iter().position(|(due, _, _)| *due <= at.mono) {
            let (_, lane, batch) = self.ghosts.swap_remove(found);
            self.take_in(lane, &batch, at);
        }
        let ready: Vec<usize> = (0..self.flying.len()).filter(|i| self.is_due(*i, at.mono)).collect();
        let request = self.flying.swap_remove(at.chance.pick(&ready)?);
        let Request { lane, batch, strike, .. } = request;
        let verdict = match strike {
            Strike::None => self.take_in(lane, &batch, at),
            Strike::Verdict(verdict) => {
                let lost = matches!(verdict, Verdict::Unknown { .. });
                if lost && at.chance.one_in(3) {
                    self.ghosts.push((at.mono + at.chance.millis(1, 20_000), lane, batch.clone()));
                }
                if verdict == Verdict::NoUpload {
                    self.s3.get_mut(lane / KINDS).expect("a slot").lose_upload(&batch);
                }
                verdict
            }
            Strike::After(verdict) => {
                self.take_in(lane, &batch, at);
                verdict
            }
            Strike::Some => {
                at.slot = lane;
                self.opensearch.get_mut(lane / KINDS).expect("a slot").take_some(&batch, at)
            }
            Strike::Hang => {
                if at.chance.one_in(2) {
                    self.take_in(lane, &batch, at);
                }
                Verdict::Unknown { code: Code::new("timeout"), scope: Scope::Key, say: String::new() }
            }
        };
        Some((lane, batch.ticket, verdict))
    }
    fn is_due(&self, at: usize, mono: Duration) -> bool {
        self.flying.get(at).is_some_and(|r| r.due <= mono)
    }
    fn take_in(&mut self, lane: usize, batch: &Batch, at: &mut At<'_>) -> Verdict {
        at.slot = lane;
        let which = lane / KINDS;
        match kind(lane) {
            CLOUDWATCH => self.cloudwatch.get_mut(which).expect("a slot").take_in(batch, at),
            S3 => self.s3.get_mut(which).expect("a slot").take_in(batch, at),
            OPENSEARCH => self.opensearch.get_mut(which).expect("a slot").take_in(batch, at),
            other => panic!("no service {other}"),
        }
    }
    /// The agent is gone; what it sent may still arrive.
    pub fn hang_up(&mut self, at: &mut At<'_>) {
        for request in std::mem::take(&mut self.flying) {
            if at.chance.one_in(2) {
                self.ghosts.push((at.mono + at.chance.millis(0, 3_000), request.lane, request.batch));
            }
        }
    }
    pub fn heal(&mut self, lane: usize) {
        if let Some(weather) = self.weather.get_mut(lane) {
            *weather = Weather::default();
        }
    }
}

/// The bytes of one body.
pub fn bytes_of(body: &Sealed) -> Vec<u8> {
    let bytes: Vec<u8> = body.chunks.iter().flat_map(|c| c.iter().copied()).collect();
    assert_eq!(bytes.len(), body.len, "a sealed body knows its length");
    bytes
}

/// The text of one body: one gzip member, or one zstd frame.
pub fn text_of(body: &Sealed) -> String {
    let bytes = bytes_of(body);
    let mut text = String::new();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut gunzip = flate2::bufread::GzDecoder::new(bytes.as_slice());
        gunzip.read_to_string(&mut text).expect("valid gzip of valid UTF-8");
        assert!(gunzip.into_inner().is_empty(), "one member");
    } else {
        text = String::from_utf8(zstd::decode_all(bytes.as_slice()).expect("valid zstd")).expect("valid UTF-8");
    }
    assert_eq!(text.len(), body.plain, "a sealed body knows its plain length");
    text
}
