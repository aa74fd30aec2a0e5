//! What happens to a record between decoder and output. One file a transform; a lane applies them in this order:
//! [`select`] drops what its predicates do not keep, [`merge_json`] finds the object in a body.

pub mod merge_json;
pub mod select;
