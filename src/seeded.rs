//! Faults that can be switched on in a build made for it, to prove that the simulation finds them: a test of the tests.
//!
//! With the feature `seeded-bugs` one [`Bug`] at a time is chosen for a thread, and the place that it names does the
//! wrong thing. Without the feature, as in every build that is shipped, [`seeded`] is a constant `false`.
//! Which invariant finds which, and in which world: `tests/simulation/seeded.rs`.

/// What is done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A position moves when a batch leaves, not when it was confirmed.
    PositionBeforeAnswer,
    /// A file that has a known inode is taken for the known file.
    InodeTrustedAlone,
    /// After a restart a file with a known first line is the known file, whatever stands below the position.
    MarkNotChecked,
    /// What is written to a file after it was renamed is not seen.
    LateGrowthIgnored,
    /// A `.gz` beside or after its plain file is another file.
    GzReadTwice,
    /// A file is let go when the first lane is through with it, not the last.
    FirstLaneIsAll,
    /// What a lane loses with a file is not counted.
    LossNotCounted,
    /// The parts of a line whose end is not there yet are taken for read.
    JoinForgotten,
    /// Settled spans above the low-water mark are not saved.
    SpansNotSaved,
    /// No answer is taken for a good one.
    LostAnswerIsDelivered,
    /// Items that a service did not take are settled with their batch.
    PartialFailureIgnored,
    /// What is wrong for the destination is taken for a bad record.
    HoldIsReject,
    /// A key that is refused parks its whole lane.
    KeyParksLane,
    /// A record goes to the dead letters when they were asked to take it, not when they have it.
    BuriedBeforeSync,
    /// An attempt that may be repeated is not noted before it leaves.
    AttemptNotNoted,
    /// OpenSearch's "already there" is a bad record.
    ConflictIsReject,
    /// S3's "already there" is a loss.
    ObjectThereIsLoss,
    /// The intent of an object is written after the request that creates it has left.
    IntentAfterSend,
    /// After a crash an object is sent again under another name.
    IntentRenamed,
    /// An answered part is settled before its object is there.
    PartIsDelivered,
    /// The store appends behind the torn end of its log.
    TornTailKept,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::PositionBeforeAnswer,
        Self::InodeTrustedAlone,
        Self::MarkNotChecked,
        Self::LateGrowthIgnored,
        Self::GzReadTwice,
        Self::FirstLaneIsAll,
        Self::LossNotCounted,
        Self::JoinForgotten,
        Self::SpansNotSaved,
        Self::LostAnswerIsDelivered,
        Self::PartialFailureIgnored,
        Self::HoldIsReject,
        Self::KeyParksLane,
        Self::BuriedBeforeSync,
        Self::AttemptNotNoted,
        Self::ConflictIsReject,
        Self::ObjectThereIsLoss,
        Self::IntentAfterSend,
        Self::IntentRenamed,
        Self::PartIsDelivered,
        Self::TornTailKept,
    ];
}

#[cfg(all(feature = "seeded-bugs", not(debug_assertions)))]
compile_error!("the feature `seeded-bugs` is for tests: an agent that is used has none of it");

#[cfg(feature = "seeded-bugs")]
std::thread_local!(static CHOSEN: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) });

/// From now on this thread's agent has this fault, or none.
#[cfg(feature = "seeded-bugs")]
pub fn choose(bug: Option<Bug>) {
    CHOSEN.set(bug);
}

/// Whether this fault is the chosen one.
#[cfg(feature = "seeded-bugs")]
pub fn seeded(bug: Bug) -> bool {
    CHOSEN.get() == Some(bug)
}

/// Without the feature there are none.
#[cfg(not(feature = "seeded-bugs"))]
pub const fn seeded(_: Bug) -> bool {
    false
}
