use super::*;
use proptest::prelude::*;

const SECOND: i64 = 1_000_000_000;

/// A record as it was given away, owned.
#[derive(Clone, Debug, PartialEq)]
struct Got {
    body: String,
    piece: u32,
    cut: bool,
    ns: i64,
    stamp: String,
    channel: Option<Channel>,
    spans: Vec<Span>,
}

struct World {
    joiner: Joiner,
    file: FileId,
    at: u64,
    got: Vec<Got>,
}

fn keep(got: &mut Vec<Got>, r: &Record<'_>, spans: &[Span]) {
    assert_eq!((r.id.file, r.id.start), (spans[0].file, spans[0].start));
    assert_eq!(r.id.end, spans.last().unwrap().end);
    got.push(Got {
        body: r.body.escape_ascii().to_string(),
        piece: r.id.piece,
        cut: r.cut,
        ns: r.time.unix_ns,
        stamp: String::from_utf8(r.time.text.to_vec()).unwrap(),
        channel: r.channel,
        spans: spans.to_vec(),
    });
}

impl World {
    fn new(max_record: usize) -> Self {
        World { joiner: Joiner::new(max_record), file: FileId(1), at: 0, got: Vec::new() }
    }
    fn push(&mut self, channel: Option<Channel>, partial: bool, second: Option<i64>, body: &str) -> Span {
        let text = second.map(|s| format!("at {s}")).unwrap_or_default();
        let stamp = second.map(|s| Stamp { unix_ns: s * SECOND, text: text.as_bytes() });
        let line = Line { stamp, channel, partial, body: body.as_bytes() };
        let span = Span { file: self.file, start: self.at, end: self.at + body.len() as u64 + 1 };
        self.at = span.end;
        let got = &mut self.got;
        self.joiner.push(span, &line, 7, &mut |r, s| keep(got, r, s));
        span
    }
    fn out(&mut self, partial: bool, second: i64, body: &str) -> Span {
        self.push(Some(Channel::Stdout), partial, Some(second), body)
    }
    fn err(&mut self, partial: bool, second: i64, body: &str) -> Span {
        self.push(Some(Channel::Stderr), partial, Some(second), body)
    }
    fn end(&mut self) {
        let got = &mut self.got;
        self.joiner.end(&mut |r, s| keep(got, r, s));
    }
    fn bodies(&self) -> Vec<&str> {
        self.got.iter().map(|g| g.body.as_str()).collect()
    }
    fn cuts(&self) -> Vec<(&str, u32, bool)> {
        self.got.iter().map(|g| (g.body.as_str(), g.piece, g.cut)).collect()
    }
}

#[test]
fn a_complete_line_is_a_record_that_borrows_it() {
    let line = Line { stamp: None, channel: None, partial: false, body: b"hello" };
    let span = Span { file: FileId(1), start: 0, end: 6 };
    let mut seen = 0;
    Joiner::new(2).push(span, &line, 7, &mut |r, spans| {
        assert_eq!(r.body.as_ptr(), line.body.as_ptr());
        assert_eq!(
            (r.body, r.time.unix_ns, r.time.text, r.cut, spans),
            (&b"hello"[..], 7, &b""[..], false, &[span][..])
        );
        seen += 1;
    });
    assert_eq!(seen, 1);
}

#[test]
fn parts_become_one_record_with_the_first_stamp_and_a_span_each() {
    let mut w = World::new(100);
    let spans = [w.out(true, 1, "a"), w.out(true, 2, "b"), w.out(false, 3, "c")];
    let [got] = &w.got[..] else { panic!("{:?}", w.got) };
    assert_eq!((got.body.as_str(), got.ns, got.stamp.as_str(), got.cut), ("abc", SECOND, "at 1", false));
    assert_eq!(got.spans, spans);
    assert!(!w.joiner.is_open());
}

#[test]
fn channels_join_apart_and_records_come_in_the_order_they_end() {
    let mut w = World::new(100);
    w.out(true, 1, "o1");
    w.err(true, 1, "e1");
    w.push(None, false, None, "none");
    w.err(false, 1, "e2");
    w.out(false, 1, "o2");
    assert_eq!(w.bodies(), ["none", "e1e2", "o1o2"]);
}

#[test]
fn a_join_goes_on_in_the_next_sibling() {
    let mut w = World::new(100);
    let first = w.out(true, 1, "a");
    (w.file, w.at) = (FileId(2), 0);
    assert_eq!(w.joiner.open_since_file(), Some(FileId(1)));
    let second = w.out(false, 1, "b");
    assert_eq!(w.got[0].spans, [first, second]);
    assert_eq!(w.joiner.open_since_file(), None);
}

#[test]
fn a_line_past_max_record_is_cut_between_parts() {
    let mut w = World::new(4);
    for body in ["ab", "cd", "ef", "gh"] {
        w.out(true, 1, body);
    }
    w.out(false, 1, "i");
    w.out(false, 1, "next");
    assert_eq!(w.cuts(), [("abcd", 0, true), ("efgh", 1, true), ("i", 2, true), ("next", 0, false)]);
}

#[test]
fn the_last_piece_may_be_made_of_parts_and_a_single_part_may_be_too_long() {
    let mut w = World::new(4);
    w.out(true, 1, "abcdef");
    w.out(true, 2, "g");
    w.out(false, 3, "h");
    assert_eq!(w.cuts(), [("abcdef", 0, true), ("gh", 1, true)]);
    assert_eq!((w.got[1].ns, w.got[1].stamp.as_str()), (2 * SECOND, "at 2"));
}

#[test]
fn a_piece_without_stamp_keeps_the_time_of_the_one_before() {
    let mut w = World::new(4);
    let out = Some(Channel::Stdout);
    w.push(out, true, Some(1), "abcd");
    w.push(out, true, None, "efgh");
    w.push(out, false, None, "ij");
    w.out(true, 2, "x");
    w.out(false, 2, "y");
    w.push(out, false, None, "k");
    let times = w.got.iter().map(|g| (g.body.as_str(), g.ns, g.stamp.as_str())).collect::<Vec<_>>();
    assert_eq!(
        times,
        [
            ("abcd", SECOND, "at 1"),
            ("efgh", SECOND, "at 1"),
            ("ij", SECOND, "at 1"),
            ("xy", 2 * SECOND, "at 2"),
            ("k", 7, "")
        ]
    );
}

#[test]
fn a_join_ends_before_a_part_a_minute_later() {
    let mut w = World::new(100);
    w.out(true, 0, "a");
    w.out(true, 59, "b");
    w.out(true, 118, "c");
    w.out(true, 178, "d");
    w.out(false, 100, "e");
    assert_eq!(w.cuts(), [("abc", 0, false), ("de", 0, false)]);
}

#[test]
fn a_stale_join_ends_when_the_other_channel_moves_on() {
    let mut w = World::new(100);
    w.err(true, 1, "password: ");
    w.out(false, 2, "a");
    w.out(false, 61, "b");
    assert_eq!(w.bodies(), ["a", "password: ", "b"]);
    assert!(!w.joiner.is_open());
}

#[test]
fn a_gap_after_a_cut_ends_the_line() {
    let mut w = World::new(2);
    w.out(true, 0, "ab");
    w.out(true, 1, "cd");
    w.out(false, 61, "ef");
    assert_eq!(w.cuts(), [("ab", 0, true), ("cd", 1, true), ("ef", 0, false)]);
}

#[test]
fn an_end_rule_gives_open_joins_away_oldest_first() {
    let mut w = World::new(100);
    let (e, o) = (w.err(true, 1, "e"), w.out(true, 2, "o"));
    assert_eq!(w.joiner.open_spans().collect::<Vec<_>>(), [o, e]);
    w.end();
    w.end();
    assert_eq!(w.bodies(), ["e", "o"]);
    assert_eq!(w.joiner.open_spans().count(), 0);
}

#[test]
fn clear_forgets_what_is_open_and_nothing_of_it_comes_back() {
    let mut w = World::new(3);
    w.out(true, 1, "abc");
    w.out(true, 1, "d");
    w.joiner.clear();
    w.out(true, 99, "x");
    w.out(false, 99, "y");
    assert_eq!(w.cuts(), [("abc", 0, true), ("xy", 0, false)]);
}

#[test]
fn parts_of_a_record_are_bounded() {
    let mut w = World::new(usize::MAX);
    for _ in 0..MAX_PARTS + 1 {
        w.out(true, 1, "");
    }
    w.out(false, 1, "z");
    assert_eq!(w.got.iter().map(|g| g.spans.len()).collect::<Vec<_>>(), [MAX_PARTS, 2]);
    assert!(w.got.iter().all(|g| g.cut));
}

#[test]
fn times_at_the_ends_of_the_scale_do_not_overflow() {
    let mut w = World::new(100);
    w.push(None, true, Some(i64::MIN / SECOND), "a");
    w.push(None, true, Some(i64::MAX / SECOND), "b");
    w.push(None, false, Some(i64::MIN / SECOND), "c");
    assert_eq!(w.bodies(), ["a", "bc"]);
}

fn line() -> impl Strategy<Value = (Option<Channel>, bool, Option<i64>, String)> {
    let channel = prop_oneof![Just(Some(Channel::Stdout)), Just(Some(Channel::Stderr)), Just(None)];
    (channel, any::<bool>(), proptest::option::of(0i64..200), "[a-z]{0,6}")
}

proptest! {
    /// Whatever is cut where: per channel, bodies put together are the lines put together; spans are all there, once, in order.
    #[test]
    fn nothing_is_lost_doubled_or_reordered(lines in proptest::collection::vec(line(), 0..60), max_record in 0usize..20) {
        let mut w = World::new(max_record);
        let (mut bodies, mut spans) = (std::collections::BTreeMap::<_, String>::new(), std::collections::BTreeMap::<_, Vec<Span>>::new());
        let name = |c: Option<Channel>| c.map(Channel::as_str);
        for (channel, partial, second, body) in &lines {
            let span = w.push(*channel, *partial, *second, body);
            bodies.entry(name(*channel)).or_default().push_str(body);
            spans.entry(name(*channel)).or_default().push(span);
        }
        w.end();
        for (channel, body) in bodies {
            let of = || w.got.iter().filter(|g| name(g.channel) == channel);
            prop_assert_eq!(of().map(|g| g.body.as_str()).collect::<String>(), body);
            prop_assert_eq!(of().flat_map(|g| g.spans.clone()).collect::<Vec<_>>(), spans.remove(&channel).unwrap());
            prop_assert!(of().all(|g| g.body.len() <= max_record || g.spans.len() == 1));
        }
    }

    /// Read again from the start of any whole record, the rest comes out the same (one channel, no piece before).
    #[test]
    fn a_replay_from_a_record_start_cuts_alike(lines in proptest::collection::vec((any::<bool>(), 0i64..40, "[a-z]{0,6}"), 1..40), from in any::<proptest::sample::Index>()) {
        let mut second = 0;
        let lines: Vec<_> = lines.into_iter().map(|(p, step, body)| { second += step; (p, second, body) }).collect();
        let run = |skip: u64| {
            let mut w = World::new(8);
            for (partial, second, body) in &lines {
                if w.at < skip { w.at += body.len() as u64 + 1 } else { w.out(*partial, *second, body); }
            }
            w.end();
            w.got
        };
        let all = run(0);
        let starts: Vec<_> = all.iter().filter(|g| g.piece == 0).map(|g| g.spans[0].start).collect();
        let start = starts[from.index(starts.len())];
        let rest: Vec<_> = all.into_iter().filter(|g| g.spans[0].start >= start).collect();
        prop_assert_eq!(run(start), rest);
    }
}
