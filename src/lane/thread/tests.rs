use super::*;
use crate::catalog::view::{Ages, File, Place};
use crate::lane::batch::Verdict;
use crate::origin::{Fields, Meta, Origin};
use crate::record::Grammar;
use crate::ruling::Rulings;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);
const PATIENCE: Duration = Duration::from_secs(20);

fn view(id: u128, size: u64) -> FileView {
    let fields = Arc::new(Fields::new(Vec::new()));
    let meta = arc_swap::ArcSwap::from_pointee(Meta::new(fields.clone()));
    let origin = Origin { input: "in".into(), path: "/a".into(), grammar: Grammar::Plain, fields, meta };
    let place = Place { chain: 1, restart: 0, turn: id as u64 };
    FileView {
        file: Arc::new(File { id: FileId(id), place, origin: Arc::new(origin), at_scan: None }),
        size,
        life: Life::Growing,
        danger: false,
        grew: Duration::ZERO,
        ages: Ages(Arc::new([(size, 0)])),
        rulings: Rulings::default(),
    }
}

fn answer(ticket: u64) -> Event {
    Event::Answer(Ticket(ticket), Verdict::Delivered { already: 0 })
}

/// What an event is, in a word each.
fn told(event: Option<Event>) -> String {
    match event {
        Some(Event::Files(views)) => {
            views.iter().map(|v| format!("{}:{}", v.file.id.0, v.size)).collect::<Vec<_>>().join(" ")
        }
        Some(Event::Answer(ticket, _)) => format!("answer {}", ticket.0),
        Some(Event::Drain { .. }) => "drain".into(),
        None => "nothing".into(),
        Some(other) => format!("{other:?}"),
    }
}

/// A lane asks, and may rest; and where it says what it was told.
fn asks(inbox: &Arc<Inbox>, rest: Duration) -> Receiver<String> {
    let (say, heard) = channel();
    let own = inbox.clone();
    std::thread::spawn(move || say.send(told(own.take(LONG, rest))));
    heard
}

/// What it is told now.
fn hears(inbox: &Arc<Inbox>, rest: Duration) -> String {
    asks(inbox, rest).recv_timeout(PATIENCE).unwrap()
}

/// A lane that heard of growth a moment ago, and sleeps.
fn resting(inbox: &Arc<Inbox>) -> Receiver<String> {
    let heard = asks(inbox, LONG);
    for _ in 0..20_000 {
        if inbox.mail.lock().unwrap().resting {
            return heard;
        }
        assert_eq!(heard.recv_timeout(Duration::from_millis(1)), Err(RecvTimeoutError::Timeout), "it does not rest");
    }
    panic!("it neither rests nor hears");
}

/// It would have been woken by now.
fn assert_sleeps(heard: &Receiver<String>) {
    assert_eq!(heard.recv_timeout(Duration::from_millis(50)), Err(RecvTimeoutError::Timeout));
}

#[test]
fn growth_waits_for_company_and_danger_does_not() {
    let ended = FileView { life: Life::Ended, ..view(2, 20) };
    for pressing in [FileView { danger: true, ..view(2, 20) }, ended] {
        let inbox = Arc::new(Inbox::default());
        let heard = resting(&inbox);
        inbox.post(&[view(1, 10)]);
        assert_sleeps(&heard);
        inbox.post(&[view(1, 11), view(3, 30)]);
        assert_sleeps(&heard);
        inbox.post(std::slice::from_ref(&pressing));
        assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), "1:11 2:20 3:30");
        // What pressed was heard: the next rest is one again.
        let heard = resting(&inbox);
        inbox.post(&[view(1, 12)]);
        assert_sleeps(&heard);
        inbox.push(answer(1));
        assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), "1:12");
        assert_eq!(hears(&inbox, LONG), "answer 1");
        // Danger that came before the rest does not let it begin.
        inbox.post(&[pressing]);
        assert_eq!(hears(&inbox, LONG), "2:20");
    }
    // A lane that does not rest hears of growth at once.
    let inbox = Arc::new(Inbox::default());
    inbox.post(&[view(1, 10)]);
    assert_eq!(hears(&inbox, Duration::ZERO), "1:10");
}

#[test]
fn an_answer_ends_the_rest() {
    let inbox = Arc::new(Inbox::default());
    let heard = resting(&inbox);
    inbox.push(answer(7));
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), "answer 7");
    // One that is there already does not let it begin.
    inbox.push(answer(8));
    assert_eq!(hears(&inbox, LONG), "answer 8");
    // A batch that nobody answers for is an answer too.
    let heard = resting(&inbox);
    drop(Reply::new(inbox.clone(), Ticket(9)));
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), "answer 9");
}

#[test]
fn a_drain_is_heard_after_views() {
    let inbox = Arc::new(Inbox::default());
    let heard = resting(&inbox);
    inbox.post(&[view(1, 10)]);
    inbox.push(Event::Drain { by: LONG });
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), "1:10");
    inbox.post(&[view(2, 20)]);
    assert_eq!(hears(&inbox, LONG), "2:20");
    assert_eq!(hears(&inbox, LONG), "drain");
    assert_eq!(told(inbox.take(Duration::ZERO, LONG)), "nothing");
}
