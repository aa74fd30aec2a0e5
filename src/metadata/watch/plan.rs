//! What to ask the API server next, and when. Pure: it is told what came of the last request.
//!
//! First all pods, from the server's cache (`resourceVersion=0`): as the beginning of a watch, or, of a server that cannot do
//! that, as a list; then one watch after another from where the last one ended. After
//! 410 that is done anew; after two in a row not from the cache, which is then too far behind. A server that could not begin
//! a watch may only have been in trouble: it is tried again after 410 and after failures in a row. A failed request is
//! repeated: with growing pauses, or, when the server is busy (429, 5xx), spread over 30 s so that the nodes of a cluster do not
//! come back all at once.

use std::time::Duration;

/// Times that tests shorten.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Nodes spread their requests over this time when the server is busy.
    pub spread: Duration,
    /// First pause after a failure.
    pub pause_first: Duration,
    /// Longest pause after a failure.
    pub pause_max: Duration,
    /// From a request to the head of the answer; for a list also to its end.
    pub answer: Duration,
    /// A watch that brings nothing (not even a bookmark, which come about every minute) is opened anew.
    pub silence: Duration,
    /// The server ends a watch after this.
    pub watch: Duration,
    /// Kubelet is asked again after this, should no file wait for a pod earlier.
    pub refresh: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            spread: Duration::from_secs(30),
            pause_first: Duration::from_secs(1),
            pause_max: Duration::from_secs(30),
            answer: Duration::from_secs(30),
            silence: Duration::from_secs(120),
            watch: Duration::from_secs(290),
            refresh: Duration::from_secs(30),
        }
    }
}

/// The nodes of a cluster whose agents all start together spread their first requests over this time.
const START_SPREAD: Duration = Duration::from_secs(1);
/// Longest wish of the server that is followed.
const WISH_MAX: Duration = Duration::from_secs(300);
/// After so many failures in a row the version is not trusted any more: list.
const WATCH_TRIES: u32 = 5;
/// A watch that ended sooner, in good order, is not followed by the next one at once.
const WATCH_SHORT: Duration = Duration::from_secs(1);

/// The next request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A watch that begins with all pods of the node (`sendInitialEvents`). From the server's cache, or as they are.
    Begin { cached: bool },
    /// All pods of the node. From the server's cache, or (dearer) as they are.
    List { cached: bool },
    /// Changes since this version.
    Watch { from: String },
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// A complete list, as of this version.
    Listed { version: String },
    /// It does not begin watches with what is there: list from now on.
    CannotBegin,
    /// A watch ended in good order or by its timeout, after this time, having reached this version.
    Ended { after: Duration, version: String },
    /// A watch broke off: a server that restarts ends all of its watches so.
    Broke,
    /// The version is too old (410).
    Gone,
    /// No answer, or one that says no.
    Failed {
        /// The server is there but busy: 429 or 5xx.
        busy: bool,
        /// It named a time.
        wish: Option<Duration>,
    },
}

/// The state between requests.
#[derive(Debug)]
pub struct Plan {
    timing: Timing,
    /// Where the watch goes on; `None`: list first.
    version: Option<String>,
    /// The server was not found unable to begin a watch with what is there, or that was long ago.
    begins: bool,
    failures: u32,
    gone: u32,
    jitter: Jitter,
}

impl Plan {
    /// `seed`: different on every node.
    pub fn new(timing: Timing, seed: u64) -> Self {
        Plan { timing, version: None, begins: true, failures: 0, gone: 0, jitter: Jitter(seed) }
    }

    /// How long to wait before the first request: with pods of an earlier life it can be a moment later than that of
    /// other nodes, but files wait until somebody says that they are still as they were.
    pub fn start(&mut self, cached: bool) -> Duration {
        if cached { self.jitter.up_to(START_SPREAD) } else { Duration::ZERO }
    }

    /// What to ask now.
    pub fn ask(&self) -> Ask {
        match &self.version {
            Some(version) => Ask::Watch { from: version.clone() },
            None if self.begins => Ask::Begin { cached: self.gone < 2 },
            None => Ask::List { cached: self.gone < 2 },
        }
    }

    /// Takes in what came, and says how long to wait before [`Plan::ask`].
    pub fn came(&mut self, came: Came) -> Duration {
        match came {
            Came::Listed { version } => {
                self.failures = 0;
                self.version = Some(version);
                Duration::ZERO
            }
            Came::CannotBegin => {
                self.begins = false;
                Duration::ZERO
            }
            Came::Ended { after, version } => {
                (self.failures, self.gone) = (0, 0);
                self.version = Some(version);
                if after < WATCH_SHORT { self.timing.pause_first } else { Duration::ZERO }
            }
            Came::Broke => {
                let pause = self.pause();
                self.failed();
                pause
            }
            Came::Gone => {
                (self.version, self.begins) = (None, true);
                self.gone = self.gone.saturating_add(1);
                if self.gone == 1 { Duration::ZERO } else { self.pause() }
            }
            Came::Failed { busy, wish } => {
                let pause = self.pause();
                self.failed();
                let spread = if busy { self.jitter.up_to(self.timing.spread) } else { Duration::ZERO };
                let wish = wish.unwrap_or(Duration::ZERO).min(WISH_MAX);
                pause.max(wish).saturating_add(spread)
            }
        }
    }

    /// The watch came as far as this version (an event or a bookmark); it is of use also when the watch then breaks.
    pub fn reached(&mut self, version: String) {
        (self.failures, self.gone) = (0, 0);
        self.version = Some(version);
    }

    fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= WATCH_TRIES {
            self.version = None;
        }
        if self.failures == WATCH_TRIES {
            self.begins = true;
        }
    }

    /// Between half and all of a time that doubles with each failure in a row.
    fn pause(&mut self) -> Duration {
        let doubled = self.timing.pause_first.saturating_mul(1 << self.failures.min(10));
        let most = doubled.min(self.timing.pause_max);
        most / 2 + self.jitter.up_to(most / 2)
    }
}

/// Random times.
#[derive(Debug)]
pub(super) struct Jitter(pub u64);

impl Jitter {
    /// From nothing to `most`.
    pub(super) fn up_to(&mut self, most: Duration) -> Duration {
        // splitmix64: any seed will do, and nothing depends on its quality.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let share = ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64;
        most.mul_f64(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan::new(Timing::default(), 7)
    }

    fn failed(busy: bool, wish: Option<u64>) -> Came {
        Came::Failed { busy, wish: wish.map(Duration::from_secs) }
    }

    fn watch(from: &str) -> Ask {
        Ask::Watch { from: from.to_owned() }
    }

    #[test]
    fn a_list_is_followed_by_watches_that_go_on_where_the_last_one_ended() {
        let mut p = plan();
        assert_eq!((p.start(false), p.ask()), (Duration::ZERO, Ask::Begin { cached: true }));
        assert_eq!((p.came(Came::CannotBegin), p.ask()), (Duration::ZERO, Ask::List { cached: true }));
        assert_eq!(p.came(Came::Listed { version: "5".into() }), Duration::ZERO);
        assert_eq!(p.ask(), watch("5"));
        p.reached("7".into());
        assert_eq!(p.came(Came::Ended { after: Duration::from_secs(290), version: "8".into() }), Duration::ZERO);
        assert_eq!(p.ask(), watch("8"));
        let at_once = Came::Ended { after: Duration::ZERO, version: "8".into() };
        assert_eq!(p.came(at_once), Duration::from_secs(1), "a server that ends watches at once is not hammered");
    }

    #[test]
    fn a_broken_watch_goes_on_from_the_last_event_and_lists_nothing() {
        let mut p = plan();
        p.came(Came::Listed { version: "5".into() });
        p.reached("9".into());
        assert!(p.came(Came::Broke) >= Duration::from_millis(500), "all nodes lose their watches at once");
        assert_eq!(p.ask(), watch("9"));
        p.came(failed(false, None));
        assert_eq!(p.ask(), watch("9"));
        for _ in 0..5 {
            p.came(failed(false, None));
        }
        assert_eq!(p.ask(), Ask::Begin { cached: true }, "perhaps it is the version that the server does not like");
    }

    #[test]
    fn gone_lists_anew_and_the_second_time_in_a_row_past_the_cache() {
        let mut p = plan();
        p.came(Came::Listed { version: "5".into() });
        assert_eq!((p.came(Came::Gone), p.ask()), (Duration::ZERO, Ask::Begin { cached: true }));
        p.came(Came::Listed { version: "5".into() });
        assert!(p.came(Came::Gone) >= Duration::from_millis(500), "no hot loop");
        assert_eq!(p.ask(), Ask::Begin { cached: false });
        p.came(Came::CannotBegin);
        assert_eq!(p.ask(), Ask::List { cached: false });
        p.came(Came::Listed { version: "6".into() });
        p.reached("7".into());
        p.came(Came::Gone);
        assert_eq!(p.ask(), Ask::Begin { cached: true }, "an event in between begins the count anew");
    }

    #[test]
    fn a_server_that_could_not_begin_a_watch_is_tried_again_now_and_then() {
        let mut p = plan();
        p.came(Came::CannotBegin);
        for _ in 1..WATCH_TRIES {
            p.came(failed(true, None));
            assert_eq!(p.ask(), Ask::List { cached: true });
        }
        p.came(failed(true, None));
        assert_eq!(p.ask(), Ask::Begin { cached: true });
        p.came(Came::CannotBegin);
        p.came(failed(true, None));
        assert_eq!(p.ask(), Ask::List { cached: true }, "one more request for many failures");
    }

    #[test]
    fn pauses_grow_to_their_bound_and_shrink_after_a_success() {
        let mut p = plan();
        let pauses: Vec<f64> = (0..12).map(|_| p.came(failed(false, None)).as_secs_f64()).collect();
        for (n, pause) in pauses.iter().enumerate() {
            let most = 30f64.min(f64::from(1 << n));
            assert!(*pause >= most / 2.0 && *pause <= most, "{n}: {pause}");
        }
        p.came(Came::Listed { version: "1".into() });
        assert!(p.came(failed(false, None)) <= Duration::from_secs(1));
        (0..100_000).for_each(|_| assert!(p.came(failed(false, None)) <= Duration::from_secs(30)));
    }

    #[test]
    fn a_busy_server_is_asked_again_at_its_wish_and_spread_over_time() {
        let waits: Vec<f64> = (0..200)
            .map(|seed| Plan::new(Timing::default(), seed).came(failed(true, Some(10))).as_secs_f64())
            .collect();
        assert!(waits.iter().all(|w| (10.0..=40.0).contains(w)));
        let early = waits.iter().filter(|w| **w < 25.0).count();
        assert!((60..140).contains(&early), "evenly: {early}");
        assert!(plan().came(failed(true, Some(1_000_000))) <= Duration::from_secs(330));
    }

    #[test]
    fn a_start_with_cached_pods_is_spread_and_one_without_is_not() {
        let waits: Vec<Duration> = (0..100).map(|seed| Plan::new(Timing::default(), seed).start(true)).collect();
        let ms = Duration::from_millis;
        assert!(waits.iter().all(|w| *w <= ms(1000)) && waits.iter().any(|w| *w > ms(700)));
        assert_eq!(plan().start(false), Duration::ZERO);
    }
}
