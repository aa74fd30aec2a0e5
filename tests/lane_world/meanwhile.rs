//! What a lane hears of a file while it reads it: that a request of another key is due lets it listen in the middle of a plan.

use crate::rig::{settings, view_in};
use crate::toy::{Style, Toy};
use std::time::Duration;
use tailrace::body::chunks::Pool;
use tailrace::catalog::view::{Ages, FileView, Found, Life};
use tailrace::lane::batch::{Batch, Code, Scope, Verdict};
use tailrace::lane::step::{Action, Event, Lane};
use tailrace::record::Now;

const OTHER: &str = "2023-11-14T22:13:20.000000001Z stdout F other\n";
const WHOLE: &str = "2023-11-14T22:13:20.000000002Z stdout F whole\n";

/// A lane whose clock goes when it is told to.
struct Scene {
    now: Now,
    lane: Lane<Toy>,
    texts: Vec<(FileView, String)>,
    sent: Vec<Batch>,
}

impl Scene {
    fn pass(&mut self, seconds: u64) {
        self.now.mono += Duration::from_secs(seconds);
        self.now.unix_ns += seconds as i64 * 1_000_000_000;
    }
    /// File `at` has this now.
    fn says(&mut self, at: usize, text: &str, life: Life) -> Event {
        let (view, all) = &mut self.texts[at];
        all.push_str(text);
        (view.size, view.life, view.grew) = (all.len() as u64, life, self.now.mono);
        if view.ages.0.is_empty() {
            view.ages = Ages([(u64::MAX, self.now.unix_ns)].into());
        }
        Event::Files(vec![view.clone()])
    }
    /// Until it sleeps, or does what is asked for.
    fn until(&mut self, mut event: Event, wanted: impl Fn(&Action) -> bool) -> Option<Action> {
        loop {
            let action = self.lane.step(self.now, event);
            if wanted(&action) {
                return Some(action);
            }
            event = match action {
                Action::Read { file, at, len, buffer } => self.block(file, at, len, buffer),
                Action::Save { then, .. } => then.map_or(Event::Tick, |ticket| Event::Saved(ticket, true)),
                Action::Send(batch) => {
                    self.sent.push(batch);
                    Event::Tick
                }
                Action::Bury { .. } | Action::Passed(_) => Event::Tick,
                Action::Sleep(_) | Action::Done => return None,
            };
        }
    }
    fn block(&self, file: tailrace::record::FileId, at: u64, len: usize, mut buffer: Vec<u8>) -> Event {
        let (_, text) = self.texts.iter().find(|(view, _)| view.file.id == file).unwrap();
        let part = text.as_bytes().get(at as usize..at as usize + len).unwrap_or(&[]);
        buffer.clear();
        buffer.extend_from_slice(part);
        Event::Block(buffer, Ok(Found::Bytes(part.len())))
    }
    fn records(&mut self) -> Vec<String> {
        let bodies = self.sent.drain(..).flat_map(|batch| batch.bodies);
        let bytes: Vec<u8> = bodies.flat_map(|body| body.chunks.concat()).collect();
        let text = |line: &str| line.split_once(' ').unwrap().1.to_owned();
        String::from_utf8(bytes).unwrap().lines().map(text).collect()
    }
}

/// The file has `WHOLE` and `begun` when the plan is made, and `rest` too, and this life, when it is read to there.
fn grows_in_the_middle(begun: &str, rest: &str, life: Life) -> Vec<String> {
    let now = Now { mono: Duration::from_secs(1), unix_ns: 1_700_000_000_000_000_000 };
    let lane = Lane::new(Toy::new(Style::Items), settings(7), Pool::new(1 << 20), None, now);
    let file = |namespace, chain| {
        let none = Ages([].into());
        (FileView { ages: none, ..view_in(namespace, now, chain, 1) }, String::new())
    };
    let texts = vec![file("other", 1), file("this", 2)];
    let mut scene = Scene { now, lane, texts, sent: Vec::new() };
    let said = scene.says(0, OTHER, Life::Growing);
    scene.until(said, |_| false);
    scene.pass(6);
    scene.until(Event::Tick, |_| false);
    let ticket = scene.sent.pop().unwrap().ticket;
    let busy = Verdict::Retry {
        after: Some(Duration::from_secs(10)),
        code: Code::new("busy"),
        scope: Scope::Key,
        say: String::new(),
    };
    scene.until(Event::Answer(ticket, busy), |_| false);
    let said = scene.says(1, &format!("{WHOLE}{begun}"), Life::Growing);
    scene.until(said, |_| false);
    scene.pass(6);
    let read = scene.until(Event::Tick, |action| matches!(action, Action::Read { .. }));
    let Some(Action::Read { file, at, len, buffer }) = read else { panic!("{read:?}") };
    let block = scene.block(file, at, len, buffer);
    // The busy one is asked again now: the lane hears what there is to hear.
    scene.pass(20);
    let action = scene.lane.step(scene.now, block);
    let Action::Send(other) = action else {
        panic!("the plan was through before: this test tests nothing: {action:?}")
    };
    let said = scene.says(1, rest, life);
    scene.until(said, |_| false);
    let mut records = Vec::new();
    let mut out = vec![other.ticket];
    for _ in 0..4 {
        for ticket in out.drain(..) {
            scene.until(Event::Answer(ticket, Verdict::Delivered { already: 0 }), |_| false);
        }
        scene.pass(30);
        scene.until(Event::Tick, |_| false);
        out.extend(scene.sent.iter().map(|batch| batch.ticket));
        records.extend(scene.records());
    }
    records
}

#[test]
fn a_line_that_is_finished_while_its_beginning_is_read_arrives_whole() {
    let (begun, rest) = ("2023-11-14T22:13:20.000000003Z stdout F finis", "hed\n");
    for life in [Life::Growing, Life::Final, Life::Ended] {
        assert_eq!(grows_in_the_middle(begun, rest, life), ["whole", "finished"], "{life:?}");
    }
}

#[test]
fn parts_that_come_while_those_before_are_read_are_joined() {
    let begun = "2023-11-14T22:13:20.000000003Z stdout P one \n";
    let rest = "2023-11-14T22:13:20.000000004Z stdout F two\n";
    for life in [Life::Growing, Life::Final, Life::Ended] {
        assert_eq!(grows_in_the_middle(begun, rest, life), ["whole", "one two"], "{life:?}");
    }
}
