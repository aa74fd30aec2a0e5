//! Lines to records: block -> [`lines`] -> [`mod@line`] (by the file's grammar: [`cri`], [`docker`], plain) -> [`join`].
//!
//! Pure, and total: any bytes are a line, any line is a record or a part of one. A line that its grammar does not
//! know is a whole body without stamp or channel; nothing is ever dropped here.

pub mod cri;
pub mod docker;
pub mod join;
pub mod json;
pub mod letter;
pub mod line;
pub mod lines;
pub mod stamp;
