//! A catalog over a simulated disk: every rule by the sentence that promises it.

mod dockers;
mod doubting;
mod files_world;
mod finding;
mod growing;
mod handles;
mod holes;
mod joining;
mod keeping;
mod offering;
mod proving;
mod restarting;
mod retaining;
pub(super) mod rig;
mod rotating;
mod ruling;
mod world;
