use super::*;
use proptest::prelude::*;

fn ruling(code: u8) -> Ruling {
    Ruling::of_code(code)
}
fn out() -> Ruling {
    Ruling { out: Streams::BOTH, ..Ruling::default() }
}

#[test]
fn a_change_holds_from_its_byte_on_and_the_first_word_of_an_unknown_pod_from_the_beginning() {
    let mut steps = Steps::new();
    assert!(decide(&mut steps, 0, Ruling::default()));
    assert!(!decide(&mut steps, 50, Ruling::default()));
    assert!(decide(&mut steps, 100, out()));
    assert!(decide(&mut steps, 300, Ruling::default()));
    assert_eq!(until(&steps), u64::MAX);
    assert_eq!(holes(&steps).collect::<Vec<_>>(), [(100, 300)]);
    assert_eq!((at(&steps, 99).all_out(), at(&steps, 100).all_out(), at(&steps, 300).all_out()), (false, true, false));
    // Taken back before a byte came: as if it had never been.
    assert!(decide(&mut steps, 300, out()));
    assert_eq!(steps, [(0, Ruling::default()), (100, out())]);
    assert_eq!(until(&steps), 100);

    let unsure = Ruling { unsure: true, ..Ruling::default() };
    let mut steps = Steps::new();
    assert!(decide(&mut steps, 0, unsure));
    assert!(decide(&mut steps, 500, out()));
    assert_eq!((steps.clone(), until(&steps)), (vec![(0, out())], 0));
    // Forgotten again by whoever told us: what was decided stays.
    assert!(!decide(&mut steps, 900, unsure));
}

#[test]
fn of_two_inputs_the_kinder_one_holds_for_who_reads_both() {
    let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
    let rulings = Rulings::new(vec![
        (a.clone(), vec![(0, Ruling::default()), (10, out())]),
        (b, vec![(0, out()), (20, Ruling::default()), (30, out())]),
    ]);
    let both = rulings.for_inputs(["a", "b"].into_iter());
    let outs: Vec<bool> = [0, 9, 10, 19, 20, 29, 30].iter().map(|o| at(&both, *o).all_out()).collect();
    assert_eq!(outs, [false, false, true, true, false, false, true]);
    assert_eq!(until(&rulings.for_inputs(["a"].into_iter())), 10);
    // Nothing is decided by the third.
    assert!(rulings.for_inputs(["a", "b", "c"].into_iter()).is_empty());
    assert!(Rulings::default().for_inputs(["a"].into_iter()).is_empty());
}

#[test]
fn a_line_without_a_stream_goes_only_with_both() {
    let (one, two) = (Channel::Stdout, Channel::Stderr);
    assert!(Streams::only(one).has(Some(one)) && !Streams::only(one).has(Some(two)) && !Streams::only(one).has(None));
    assert!(Streams::BOTH.has(Some(one)) && Streams::BOTH.has(Some(two)) && Streams::BOTH.has(None));
    assert!(!Streams::NONE.has(None) && !Streams::NONE.has(Some(two)));
}

proptest! {
    #[test]
    fn whatever_is_decided_is_kept_by_the_store_and_stays_in_order(
        words in proptest::collection::vec((0u64..50, 0u8..128), 0..80)
    ) {
        let mut steps = Steps::new();
        let mut grown = 0;
        for (more, code) in words {
            let ruling = ruling(code);
            prop_assert_eq!(Ruling::of_code(ruling.code()), ruling);
            grown += more;
            let before = steps.clone();
            let new = decide(&mut steps, grown, ruling);
            prop_assert_eq!(new, steps != before);
            // What is decided now holds for what comes now, unless nobody knows any more.
            let kept = ruling.unsure && before.last().is_some_and(|(_, last)| !last.unsure);
            prop_assert!(kept || at(&steps, u64::MAX) == ruling);
            // And what was written before keeps its decision, while there is room and it was sure of itself.
            if before.len() < MOST && !before.last().is_some_and(|(_, last)| last.unsure) {
                for offset in 0..grown {
                    prop_assert_eq!(at(&steps, offset), at(if before.is_empty() { &steps } else { &before }, offset));
                }
            }
            prop_assert!(steps.len() <= MOST && steps.first().is_some_and(|(from, _)| *from == 0));
            prop_assert!(steps.windows(2).all(|w| w[0].0 < w[1].0));
        }
    }

    #[test]
    fn who_reads_two_inputs_gets_what_either_gives_at_each_byte(
        a in proptest::collection::vec((1u64..9, 0u8..16), 0..6), b in proptest::collection::vec((1u64..9, 0u8..16), 0..6)
    ) {
        let steps = |words: Vec<(u64, u8)>| {
            let (mut steps, mut at) = (Steps::new(), 0);
            for (more, code) in words {
                decide(&mut steps, at, ruling(code));
                at += more;
            }
            steps
        };
        let (a, b) = (steps(a), steps(b));
        let both = either(&a, &b);
        for offset in 0..60 {
            let (x, y, z) = (at(&a, offset), at(&b, offset), at(&both, offset));
            prop_assert_eq!(z.out, x.out.and(y.out));
            prop_assert_eq!(z.json, x.json.or(y.json));
        }
    }
}
