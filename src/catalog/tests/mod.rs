//! A catalog over a simulated disk: every rule by the sentence that promises it.

mod finding;
pub(super) mod rig;
