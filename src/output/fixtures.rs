//! Origins and records for the tests of formats.

use crate::origin::{Fields, Meta, Origin};
use crate::record::{Channel, FileId, Grammar, Now, Record, RecordId, Stamp};
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::Duration;

/// 2026-11-22T10:15:00Z.
pub const NOON: i64 = 1_795_342_500_000_000_000;

pub fn now() -> Now {
    Now { mono: Duration::from_secs(1), unix_ns: NOON }
}

/// A file of a container in this namespace.
pub fn origin(namespace: &str) -> Origin {
    let fields = Arc::new(Fields::new(vec![
        ("kubernetes.namespace_name".into(), namespace.into()),
        ("kubernetes.pod_name".into(), "web-1".into()),
    ]));
    Origin {
        input: "pods".into(),
        path: "/var/log/pods/x/0.log".into(),
        grammar: Grammar::Cri,
        fields: Arc::clone(&fields),
        meta: ArcSwap::from_pointee(Meta::new(fields)),
    }
}

/// The record at these bytes of file 7, of this time.
pub fn record(start: u64, unix_ns: i64, body: &[u8]) -> Record<'_> {
    let end = start + body.len() as u64 + 40;
    Record {
        id: RecordId { file: FileId(7), start, end, piece: 0 },
        time: Stamp { unix_ns, text: b"" },
        channel: Some(Channel::Stdout),
        body,
        cut: false,
        processed: None,
    }
}
