use super::super::arbitrary::{lane, position_at};
use super::*;
use crate::record::Mark;

fn command(records: Vec<Saved>) -> Command {
    Command { records, sync: false, reply: None }
}

fn with_reply(records: Vec<Saved>) -> Command {
    Command { records, sync: false, reply: Some(Box::new(|_| ())) }
}

/// A position of about 16 KiB: the largest there is.
fn large(file: u128, low: u64) -> Saved {
    let position =
        Position { low, low_mark: Mark::NONE, above: vec![(0, 0); 1024], high_mark: Mark::NONE, cuts: Vec::new() };
    Saved::Position { lane: lane("l"), file: FileId(file), position }
}

fn closed(n: usize) -> Saved {
    Saved::Closed { lane: lane("l"), name: n.to_string().into() }
}

/// What waits, in order: for positions file and offset, for the rest `None`.
fn waiting(queue: &mut Queue) -> (Vec<Option<(u128, u64)>>, u64) {
    let (commands, shed) = queue.take();
    let records = commands.into_iter().flat_map(|command| command.records);
    let told = records.map(|saved| {
        if let Saved::Position { file, position, .. } = saved { Some((file.0, position.low)) } else { None }
    });
    (told.collect(), shed)
}

#[test]
fn below_the_limit_everything_waits_in_order() {
    let mut queue = Queue::default();
    for n in 0..100 {
        assert!(queue.put(command(vec![position_at("l", 1, n), closed(1)])).is_empty());
    }
    let (waiting, shed) = waiting(&mut queue);
    assert_eq!(waiting.len(), 200);
    assert_eq!(waiting.iter().flatten().map(|(_, low)| *low).collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
    assert_eq!(shed, 0);
    assert!(queue.is_empty());
}

#[test]
fn positions_that_were_replaced_go_first_and_cost_nothing() {
    let mut queue = Queue::default();
    assert!(queue.put(command(vec![closed(0)])).is_empty());
    let mut most = 0;
    for n in 0..10_000 {
        assert!(queue.put(command(vec![large(n as u128 % 3, n)])).is_empty());
        most = most.max(queue.bytes);
    }
    assert!(most <= LIMIT, "{most}");
    let (waiting, shed) = waiting(&mut queue);
    assert_eq!((waiting.first(), shed), (Some(&None), 0));
    assert_eq!(waiting[waiting.len() - 3..], [Some((1, 9_997)), Some((2, 9_998)), Some((0, 9_999))]);
}

#[test]
fn then_go_the_oldest_positions_and_are_counted() {
    let mut queue = Queue::default();
    assert!(queue.put(command(vec![closed(0)])).is_empty());
    for n in 0..1000u64 {
        assert!(queue.put(command(vec![large(u128::from(n), n)])).is_empty());
        assert!(queue.bytes <= LIMIT);
    }
    let (waiting, shed) = waiting(&mut queue);
    let kept: Vec<u64> = waiting.iter().flatten().map(|(_, low)| *low).collect();
    assert_eq!(waiting[0], None);
    assert_eq!(kept, (shed..1000).collect::<Vec<_>>());
    assert!((LOW / (17 << 10)..LIMIT / (16 << 10)).contains(&kept.len()), "{}", kept.len());
}

#[test]
fn then_the_oldest_commands_and_those_with_a_reply_are_refused_last() {
    let mut queue = Queue::default();
    assert!(queue.put(with_reply(vec![closed(0)])).is_empty());
    let mut n = 0;
    while queue.shed == 0 {
        n += 1;
        assert!(queue.put(command(vec![closed(n)])).is_empty());
    }
    let mut refused = 0;
    let mut asked = 1;
    while refused == 0 {
        asked += 1;
        refused = queue.put(with_reply(vec![closed(0)])).len();
        assert!(queue.bytes <= LIMIT);
    }
    let (commands, _) = queue.take();
    assert!(commands.iter().all(|command| command.reply.is_some()));
    assert_eq!(commands.len() + refused, asked);
}

#[test]
fn a_position_that_somebody_waits_for_is_not_thrown_away_for_a_newer_one() {
    let mut queue = Queue::default();
    assert!(queue.put(with_reply(vec![large(1, 1)])).is_empty());
    for n in 2..400 {
        assert!(queue.put(command(vec![large(1, n)])).is_empty());
    }
    let (waiting, shed) = waiting(&mut queue);
    assert_eq!((waiting.first(), waiting.last(), shed), (Some(&Some((1, 1))), Some(&Some((1, 399))), 0));
}

#[test]
fn one_command_over_the_limit_is_refused_at_once() {
    let mut queue = Queue::default();
    let records = (0..LIMIT / 64).map(closed).collect();
    assert_eq!(queue.put(with_reply(records)).len(), 1);
    assert!(queue.is_empty());
    assert!(queue.bytes == 0);
}
