//! The one disk format: a header, then records that can each be proved whole. Pure: bytes in, bytes out.
//!
//! ```text
//! header  8  magic "tailrlog"
//!         2  format version, u16 LE
//! record  4  payload length n, u32 LE, at most 16 MiB
//!         4  CRC-32C of the length, the time and the payload, u32 LE
//!         8  time of writing, unix nanoseconds, i64 LE
//!         n  payload
//! ```
//! A log with the one record (time 1, payload "abc"), byte by byte (a test holds this to the code):
//! ```hex
//! 74 61 69 6c 72 6c 6f 67 01 00
//! 03 00 00 00 1f b8 c3 3a 01 00 00 00 00 00 00 00 61 62 63
//! ```
//! Reading ends at the first record that is not whole: a torn write damages only the end of a log. One exception:
//! a record whose bytes are wrong but whose length leads to a good one is bit rot; it alone is skipped, and counted.
//! What a payload means is the business of others; so is every file operation.

use std::fmt;

/// The format version that this code writes and reads.
pub const VERSION: u16 = 1;
/// A longer payload is not written, and a longer length not believed: garbage never makes us allocate.
pub const MAX_PAYLOAD: usize = 16 << 20;
/// Bytes before the first record.
pub const HEADER_LEN: usize = 10;
/// Bytes of a record before its payload.
pub const FRAME_LEN: usize = 16;

const MAGIC: [u8; 8] = *b"tailrlog";

/// These bytes are no log that can be read. Nothing was taken from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// They do not begin as a log begins.
    #[error("not a tailrace log")]
    NotALog,
    /// A log of another format version.
    #[error("format version {found}, this tailrace knows version {known}")]
    OtherVersion { found: u16, known: u16 },
}

/// A payload over [`MAX_PAYLOAD`]; nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record of {len} bytes is over the limit of {MAX_PAYLOAD}")]
pub struct TooLong {
    /// Bytes of the payload.
    pub len: usize,
}

/// Where a log stops being whole, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// First byte that cannot be used.
    pub offset: u64,
    /// What is wrong there.
    pub what: Damage,
}

/// How a log can end badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The file ends inside its header (an empty file too).
    Header,
    /// The file ends inside a record.
    Short,
    /// A length over [`MAX_PAYLOAD`].
    Length,
    /// The checksum disagrees, and the length does not lead to a good record.
    Checksum,
    /// Nothing but zero bytes to the end: a file that grew before its bytes were on disk.
    Zeros,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Damage::Header => "ends inside the header",
            Damage::Short => "ends inside a record",
            Damage::Length => "impossible record length",
            Damage::Checksum => "wrong checksum",
            Damage::Zeros => "only zero bytes follow",
        })
    }
}

/// What reading a log to its end found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// Bytes up to which the log can be kept; the next record goes there. 0: not even the header.
    pub valid_len: u64,
    /// Why the rest cannot be kept.
    pub torn: Option<Torn>,
    /// Records given out.
    pub records: u64,
    /// Damaged records that were skipped because a good one followed.
    pub skipped: u64,
}

/// Begins a log.
pub fn write_header(out: &mut Vec<u8>) {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
}

/// Adds one record.
pub fn write_record(unix_ns: i64, payload: &[u8], out: &mut Vec<u8>) -> Result<(), TooLong> {
    let len = match u32::try_from(payload.len()) {
        Ok(len) if payload.len() <= MAX_PAYLOAD => len.to_le_bytes(),
        Ok(_) | Err(_) => return Err(TooLong { len: payload.len() }),
    };
    let time = unix_ns.to_le_bytes();
    out.extend_from_slice(&len);
    out.extend_from_slice(&checksum(len, time, payload).to_le_bytes());
    out.extend_from_slice(&time);
    out.extend_from_slice(payload);
    Ok(())
}

fn checksum(len: [u8; 4], time: [u8; 8], payload: &[u8]) -> u32 {
    let crc = crc32c::crc32c_append(crc32c::crc32c(&len), &time);
    crc32c::crc32c_append(crc, payload)
}

/// Gives out the records of a log, oldest first: time of writing and payload.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    end: End,
    done: bool,
}

impl<'a> Reader<'a> {
    /// Refuses what is not a log of this version. A file that ends inside the header is a log cut to nothing.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Problem> {
        let mut reader = Reader { bytes, at: HEADER_LEN, end: End::default(), done: false };
        let mut header = Vec::with_capacity(HEADER_LEN);
        write_header(&mut header);
        if bytes.len() < HEADER_LEN {
            if !header.starts_with(bytes) {
                return Err(Problem::NotALog);
            }
            reader.end.torn = Some(Torn { offset: 0, what: Damage::Header });
            reader.done = true;
            return Ok(reader);
        }
        match bytes.split_at_checked(MAGIC.len()) {
            Some((magic, [low, high, ..])) if magic == MAGIC => {
                let found = u16::from_le_bytes([*low, *high]);
                if found != VERSION {
                    return Err(Problem::OtherVersion { found, known: VERSION });
                }
            }
            Some(_) | None => return Err(Problem::NotALog),
        }
        reader.end.valid_len = HEADER_LEN as u64;
        Ok(reader)
    }

    /// Reads what is left, and says how the log ends.
    pub fn end(mut self) -> End {
        for _ in self.by_ref() {}
        self.end
    }

    fn stop(&mut self, what: Damage) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let what = if rest.iter().all(|b| *b == 0) { Damage::Zeros } else { what };
        self.end.torn = Some(Torn { offset: self.at as u64, what });
        self.done = true;
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = (i64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            if self.at >= self.bytes.len() {
                self.done = true;
                break;
            }
            let frame = match Frame::at(self.bytes, self.at) {
                Ok(frame) => frame,
                Err(what) => {
                    self.stop(what);
                    break;
                }
            };
            if frame.good {
                self.at = frame.next;
                self.end.records = self.end.records.saturating_add(1);
                self.end.valid_len = frame.next as u64;
                return Some((frame.unix_ns, frame.payload));
            }
            if !Frame::at(self.bytes, frame.next).is_ok_and(|next| next.good) {
                self.stop(Damage::Checksum);
                break;
            }
            self.end.skipped = self.end.skipped.saturating_add(1);
            self.at = frame.next;
        }
        None
    }
}

struct Frame<'a> {
    unix_ns: i64,
    payload: &'a [u8],
    next: usize,
    good: bool,
}

impl<'a> Frame<'a> {
    fn at(bytes: &'a [u8], at: usize) -> Result<Frame<'a>, Damage> {
        let rest = bytes.get(at..).ok_or(Damage::Short)?;
        let (len, rest) = rest.split_first_chunk::<4>().ok_or(Damage::Short)?;
        let (crc, rest) = rest.split_first_chunk::<4>().ok_or(Damage::Short)?;
        let (time, rest) = rest.split_first_chunk::<8>().ok_or(Damage::Short)?;
        let n = u32::from_le_bytes(*len) as usize;
        if n > MAX_PAYLOAD {
            return Err(Damage::Length);
        }
        let payload = rest.get(..n).ok_or(Damage::Short)?;
        let good = checksum(*len, *time, payload) == u32::from_le_bytes(*crc);
        Ok(Frame { unix_ns: i64::from_le_bytes(*time), payload, next: at + FRAME_LEN + n, good })
    }
}

#[cfg(test)]
mod tests;
