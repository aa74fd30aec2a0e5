//! `select`: predicates over a record's fields, e.g. `kubernetes.namespace_name != "kube-system" and stream == "stderr"`.
//!
//! Most fields are fixed for a file's life, so most predicates are decided once per file ([`Predicate::lift`]): a lane
//! never opens a file that it does not want, and looks at records only where `stream` or `log` remain. A missing
//! field is empty text. But what an unknown pod would have said (labels, annotations and other facts that only the
//! pod gives) is never held against its file: such a comparison counts as whatever keeps it.

mod parse;

pub use parse::{KNOWN, Problem};

use crate::origin::Fields;
use crate::record::Record;
use regex::bytes::Regex;

/// A checked predicate. Cheap to clone but for its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicate {
    expr: Expr,
    text: std::sync::Arc<str>,
}

/// What is left of a predicate for one file.
#[derive(Clone, Debug)]
pub enum Lifted {
    /// All records of the file.
    Keep,
    /// None: the file need not be opened.
    Skip,
    /// Depends on the record: what is left of the predicate, without fields fixed per file.
    PerRecord(Predicate),
}

#[derive(Clone, Debug, PartialEq)]
enum Expr {
    Leaf(Leaf),
    Not(Box<Expr>),
    /// At least two, in the order written.
    All(Vec<Expr>),
    /// At least two, in the order written.
    Any(Vec<Expr>),
}

/// One comparison.
#[derive(Clone, Debug, PartialEq)]
struct Leaf {
    field: Field,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    /// `stdout` or `stderr`.
    Stream,
    /// The body.
    Log,
    /// Fixed per file.
    Fixed(String),
}

#[derive(Clone, Debug)]
enum Test {
    Is(String),
    IsNot(String),
    /// Found anywhere in the value, unless anchored.
    Matches(Regex),
    In(Vec<String>),
}

impl PartialEq for Test {
    fn eq(&self, other: &Test) -> bool {
        match (self, other) {
            (Test::Is(a), Test::Is(b)) | (Test::IsNot(a), Test::IsNot(b)) => a == b,
            (Test::Matches(a), Test::Matches(b)) => a.as_str() == b.as_str(),
            (Test::In(a), Test::In(b)) => a == b,
            (Test::Is(_) | Test::IsNot(_) | Test::Matches(_) | Test::In(_), _) => false,
        }
    }
}

impl Predicate {
    /// Reads the text of a predicate.
    pub fn parse(text: &str) -> Result<Predicate, Problem> {
        parse::predicate(text).map(|expr| Predicate { expr, text: text.into() })
    }

    /// As it was written (also of what is left of it for one file).
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Names of all fields it looks at, in the order written, each once.
    pub fn fields(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.expr.leaves(&mut |leaf| {
            let name = leaf.field.name();
            if !names.contains(&name) {
                names.push(name);
            }
        });
        names
    }

    /// Decides what the fields fixed for a file decide.
    pub fn lift(&self, fields: &Fields) -> Lifted {
        match self.expr.lift(fields, true) {
            Partly::Known(true) => Lifted::Keep,
            Partly::Known(false) => Lifted::Skip,
            Partly::Left(expr) => Lifted::PerRecord(Predicate { expr, text: self.text.clone() }),
        }
    }

    /// Whether a record of a file with these fields is kept. Agrees with [`Predicate::lift`].
    pub fn keeps(&self, fields: &Fields, record: &Record<'_>) -> bool {
        self.expr.eval(fields, record, true)
    }
}

/// A value, or what is left to find it.
enum Partly {
    Known(bool),
    Left(Expr),
}

impl Expr {
    fn leaves<'e>(&'e self, see: &mut dyn FnMut(&'e Leaf)) {
        match self {
            Expr::Leaf(leaf) => see(leaf),
            Expr::Not(inner) => inner.leaves(see),
            Expr::All(parts) | Expr::Any(parts) => parts.iter().for_each(|p| p.leaves(see)),
        }
    }

    /// `keeping` is the value of this part that helps to keep the record: false below an odd number of `not`s.
    /// A comparison with what nobody knows has that value.
    fn eval(&self, fields: &Fields, record: &Record<'_>, keeping: bool) -> bool {
        match self {
            Expr::Not(inner) => !inner.eval(fields, record, !keeping),
            Expr::All(parts) => parts.iter().all(|p| p.eval(fields, record, keeping)),
            Expr::Any(parts) => parts.iter().any(|p| p.eval(fields, record, keeping)),
            Expr::Leaf(leaf) => match &leaf.field {
                Field::Stream => leaf.test.holds(record.channel.map_or("", |c| c.as_str()).as_bytes()),
                Field::Log => leaf.test.holds(record.body),
                Field::Fixed(name) => leaf.fixed(name, fields, keeping),
            },
        }
    }

    fn lift(&self, fields: &Fields, keeping: bool) -> Partly {
        match self {
            Expr::Not(inner) => match inner.lift(fields, !keeping) {
                Partly::Known(value) => Partly::Known(!value),
                Partly::Left(rest) => Partly::Left(Expr::Not(Box::new(rest))),
            },
            Expr::All(parts) => match lift_all(parts, fields, keeping, false) {
                Ok(rest) => Partly::Left(one_or(rest, Expr::All)),
                Err(value) => Partly::Known(value),
            },
            Expr::Any(parts) => match lift_all(parts, fields, keeping, true) {
                Ok(rest) => Partly::Left(one_or(rest, Expr::Any)),
                Err(value) => Partly::Known(value),
            },
            Expr::Leaf(leaf) => match &leaf.field {
                Field::Stream | Field::Log => Partly::Left(self.clone()),
                Field::Fixed(name) => Partly::Known(leaf.fixed(name, fields, keeping)),
            },
        }
    }
}

/// What is left of several parts, of which one that is `decisive` decides; `Err` with the value when it is known.
fn lift_all(parts: &[Expr], fields: &Fields, keeping: bool, decisive: bool) -> Result<Vec<Expr>, bool> {
    let mut rest = Vec::new();
    for part in parts {
        match part.lift(fields, keeping) {
            Partly::Known(value) if value == decisive => return Err(decisive),
            Partly::Known(_) => {}
            Partly::Left(expr) => rest.push(expr),
        }
    }
    if rest.is_empty() { Err(!decisive) } else { Ok(rest) }
}

fn one_or(mut parts: Vec<Expr>, many: impl FnOnce(Vec<Expr>) -> Expr) -> Expr {
    match parts.pop() {
        Some(one) if parts.is_empty() => one,
        last => {
            parts.extend(last);
            many(parts)
        }
    }
}

impl Leaf {
    fn fixed(&self, name: &str, fields: &Fields, keeping: bool) -> bool {
        let value = fields.get(name);
        if value.is_none() && name.starts_with("kubernetes.") && pod_unknown(fields) {
            return keeping;
        }
        self.test.holds(value.unwrap_or_default().as_bytes())
    }
}

/// A pod's file whose pod nobody has told us of: only what its path says is known. A file of a `file` input has no
/// pod at all, and its missing fields are empty text.
fn pod_unknown(fields: &Fields) -> bool {
    fields.get("kubernetes.namespace_name").is_some() && fields.get("tailrace.pod") != Some("known")
}

impl Field {
    fn name(&self) -> &str {
        match self {
            Field::Stream => "stream",
            Field::Log => "log",
            Field::Fixed(name) => name,
        }
    }
}

impl Test {
    fn holds(&self, value: &[u8]) -> bool {
        match self {
            Test::Is(text) => value == text.as_bytes(),
            Test::IsNot(text) => value != text.as_bytes(),
            Test::Matches(regex) => regex.is_match(value),
            Test::In(texts) => texts.iter().any(|t| t.as_bytes() == value),
        }
    }
}

#[cfg(test)]
mod tests;
