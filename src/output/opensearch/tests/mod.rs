//! Tests of the pure half; those of the service stand beside it.

mod format;
mod verdict;
