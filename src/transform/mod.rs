//! One file a transform.
pub mod select;
