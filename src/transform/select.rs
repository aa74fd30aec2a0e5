//! `select`: predicates over a record's fields.

/// A checked predicate.
#[derive(Clone, Debug)]
pub struct Predicate {
    text: String,
}

/// Why a text is no predicate.
#[derive(Clone, Debug)]
pub struct Problem {
    pub at: usize,
    pub what: String,
}

impl Predicate {
    pub fn parse(text: &str) -> Result<Predicate, Problem> {
        if text.contains('=') {
            Ok(Predicate { text: text.to_string() })
        } else {
            Err(Problem { at: 0, what: "an operator is missing".into() })
        }
    }
    pub fn text(&self) -> &str {
        &self.text
    }
}
