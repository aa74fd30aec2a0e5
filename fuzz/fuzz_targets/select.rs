//! Any text is a predicate or a problem inside it; what lifting decides, looking at a record decides alike.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tailrace::origin::Fields;
use tailrace::record::{Channel, FileId, Record, RecordId, Stamp};
use tailrace::transform::select::{Lifted, Predicate};

fn fields(known: bool) -> Fields {
    let mut pairs = vec![("kubernetes.namespace_name".into(), "shop".into()), ("path".into(), "/a".into())];
    if known {
        pairs.push(("kubernetes.labels.a".into(), "b".into()));
        pairs.push(("tailrace.pod".into(), "known".into()));
    }
    Fields::new(pairs)
}

fuzz_target!(|text: &str| {
    let predicate = match Predicate::parse(text) {
        Ok(predicate) => predicate,
        Err(problem) => {
            assert!(problem.at <= text.len());
            return;
        }
    };
    let id = RecordId { file: FileId(1), start: 0, end: 1, piece: 0 };
    let time = Stamp { unix_ns: 0, text: b"" };
    for (known, channel, body) in [(true, Some(Channel::Stdout), &b"a"[..]), (false, None, b"\xff")] {
        let (fields, record) = (fields(known), Record { id, time, channel, body, cut: false, processed: None });
        let full = predicate.keeps(&fields, &record);
        match predicate.lift(&fields) {
            Lifted::Keep => assert!(full),
            Lifted::Skip => assert!(!full),
            Lifted::PerRecord(rest) => assert_eq!(rest.keeps(&Fields::default(), &record), full),
        }
    }
});
