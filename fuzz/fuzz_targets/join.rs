//! Whatever is joined and cut where: every byte and span comes out once, in order, per channel.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;
use tailrace::decode::join::Joiner;
use tailrace::decode::line::Line;
use tailrace::record::{Channel, FileId, Span, Stamp};

fuzz_target!(|data: &[u8]| {
    let Some((max, steps)) = data.split_first() else { return };
    let max = usize::from(*max);
    let mut joiner = Joiner::new(max);
    let (mut at, mut file, mut now) = (0u64, 0u128, 0i64);
    let mut want = BTreeMap::<u8, (Vec<u8>, Vec<Span>)>::new();
    let mut got = BTreeMap::<u8, (Vec<u8>, Vec<Span>)>::new();
    let number = |channel: Option<Channel>| channel.map_or(0, |c| 1 + c as u8);
    let mut keep = |record: &tailrace::record::Record<'_>, spans: &[Span]| {
        assert!(!spans.is_empty() && record.id.start == spans[0].start && record.id.file == spans[0].file);
        assert!(spans.last().is_some_and(|s| s.end == record.id.end));
        assert!(record.body.len() <= max || spans.len() == 1);
        assert!(record.cut || record.id.piece == 0);
        let (body, all) = got.entry(number(record.channel)).or_default();
        body.extend_from_slice(record.body);
        all.extend_from_slice(spans);
    };
    for step in steps.chunks_exact(3) {
        let channel =
            [None, Some(Channel::Stdout), Some(Channel::Stderr), Some(Channel::Stdout)][usize::from(step[0] & 3)];
        now = now.wrapping_add(i64::from(step[2] as i8) << 30);
        match step[0] >> 5 {
            0 => joiner.end(&mut keep),
            1 => (file, at) = (file + 1, 0),
            _ => {}
        }
        let body = vec![step[2]; usize::from(step[1])];
        let stamp = (step[0] & 8 == 0).then_some(Stamp { unix_ns: now, text: b"text" });
        let line = Line { stamp, channel, partial: step[0] & 4 == 0, body: &body };
        let span = Span { file: FileId(file), start: at, end: at + 1 + u64::from(step[1]) };
        at = span.end;
        let (bytes, spans) = want.entry(number(channel)).or_default();
        bytes.extend_from_slice(&body);
        spans.push(span);
        joiner.push(span, &line, now, &mut keep);
        assert_eq!(joiner.is_open(), joiner.open_spans().next().is_some());
    }
    joiner.end(&mut keep);
    assert!(!joiner.is_open());
    assert_eq!(got, want);
});
