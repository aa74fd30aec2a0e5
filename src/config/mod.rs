//! What the user typed, to checked configuration: every problem at once, with line and column.

pub mod checked;
pub mod template;
