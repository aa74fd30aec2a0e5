//! A record as one line of JSON lines: for S3's objects and OpenSearch's bulks.

use super::document::{Depth, Lead, write_document};
use crate::origin::Meta;
use crate::record::Record;

/// Appends the document and a newline; there is no other newline in it, whatever the record holds.
pub fn write_line(out: &mut Vec<u8>, lead: Lead, meta: &Meta, record: &Record<'_>) {
    let start = out.len();
    write_document(out, Depth::Plain, lead, meta, record);
    // JSON found in a body is passed through as it stands, and may be laid out on several lines. Inside of strings it
    // has no raw newline, so every one is white space.
    if record.processed.is_some_and(|json| memchr::memchr2(b'\n', b'\r', json).is_some()) {
        for byte in out.iter_mut().skip(start).filter(|byte| matches!(byte, b'\n' | b'\r')) {
            *byte = b' ';
        }
    }
    out.push(b'\n');
}
