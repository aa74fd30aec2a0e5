//! How a runtime writes a line down: CRI with parts, or Docker's json-file.

use jiff::tz::{Offset, TimeZone};

/// Who writes the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// `STAMP stdout F BODY`, nine digits of a second.
    Containerd,
    /// `{"log":"BODY\n","stream":"stdout","time":"STAMP"}`, zeros cut.
    Docker,
}

/// What one line looks like to the runtime.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Any bytes without a newline.
    pub body: &'a [u8],
    /// stderr, else stdout.
    pub error: bool,
    /// The process died before the newline: the last part stays a partial one.
    pub unfinished: bool,
    /// Seconds east of UTC.
    pub offset: i32,
}

/// The physical lines, each with its newline; a body longer than `part` bytes becomes several.
/// `stamp` yields the time of each part.
pub fn frame(runtime: Runtime, line: &Line<'_>, part: usize, mut stamp: impl FnMut() -> i64) -> Vec<Vec<u8>> {
    let stream = if line.error { "stderr" } else { "stdout" };
    let pieces = pieces(runtime, line.body, part.max(1));
    let last = pieces.len() - 1;
    let framed = pieces.into_iter().enumerate().map(|(i, piece)| {
        let whole = i == last && !line.unfinished;
        let time = stamp();
        match runtime {
            Runtime::Containerd => {
                let tag = if whole { "F" } else { "P" };
                let mut out = format!("{} {stream} {tag} ", time_text(time, line.offset, true)).into_bytes();
                out.extend_from_slice(piece);
                out.push(b'\n');
                out
            }
            Runtime::Docker => {
                let mut text = String::from_utf8_lossy(piece).into_owned();
                if whole {
                    text.push('\n');
                }
                let log = serde_json::Value::String(text).to_string();
                let log = log.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
                let time = time_text(time, line.offset, false);
                format!("{{\"log\":{log},\"stream\":\"{stream}\",\"time\":\"{time}\"}}\n").into_bytes()
            }
        }
    });
    framed.collect()
}

/// containerd cuts anywhere. So does Docker, and spoils the letter that it cuts in two, before any reader sees it: then
/// no sum would hold, so letters are left whole.
fn pieces(runtime: Runtime, body: &[u8], part: usize) -> Vec<&[u8]> {
    let (mut pieces, mut rest) = (Vec::new(), body);
    while rest.len() > part {
        let begins_letter = |at: &usize| rest.get(*at).is_some_and(|byte| byte & 0xC0 != 0x80);
        let whole = (part.saturating_sub(3).max(1)..=part).rev().find(begins_letter).unwrap_or(part);
        let (piece, more) = rest.split_at(if runtime == Runtime::Docker { whole } else { part });
        pieces.push(piece);
        rest = more;
    }
    pieces.push(rest);
    pieces
}

fn time_text(unix_ns: i64, offset: i32, fixed: bool) -> String {
    let stamp = jiff::Timestamp::from_nanosecond(i128::from(unix_ns)).unwrap_or_default();
    let zone = Offset::from_seconds(offset).map_or(TimeZone::UTC, TimeZone::fixed);
    let pattern = match (fixed, offset) {
        (true, 0) => "%Y-%m-%dT%H:%M:%S.%9fZ",
        (true, _) => "%Y-%m-%dT%H:%M:%S.%9f%:z",
        (false, 0) => "%Y-%m-%dT%H:%M:%S%.fZ",
        (false, _) => "%Y-%m-%dT%H:%M:%S%.f%:z",
    };
    stamp.to_zoned(zone).strftime(pattern).to_string()
}

/// As kubelet names a rotated file.
pub fn rotation_stamp(unix_ns: i64) -> String {
    let stamp = jiff::Timestamp::from_nanosecond(i128::from(unix_ns)).unwrap_or_default();
    stamp.strftime("%Y%m%d-%H%M%S").to_string()
}
