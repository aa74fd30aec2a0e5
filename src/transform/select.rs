//! `select`: predicates over a record's fields.

/// A checked predicate.
#[derive(Clone, Debug)]
pub struct Predicate {}
