//! What the real binary says of itself: its log, `/metrics`, `/api/lanes` and the page, when things go well or not.

mod destinations;
mod inputs;
mod rig;
#[path = "../support/mod.rs"]
mod support;
