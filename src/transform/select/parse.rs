//! The text of a predicate: `FIELD == TEXT`, `!=`, `=~ REGEX`, `in [TEXT, ...]`, joined by `and`, `or`, `not` and
//! parentheses; `not` binds closest, then `and`. Texts stand in single or double quotes; a backslash keeps the
//! quote after it and stands for itself otherwise, so that a regex is written as it is.

use super::{Expr, Field, Leaf, Test};
use regex::bytes::RegexBuilder;

/// Field names that can exist; those that end in a dot take any name after it.
pub const KNOWN: [&str; 22] = [
    "kubernetes.namespace_name",
    "kubernetes.pod_name",
    "kubernetes.pod_id",
    "kubernetes.host",
    "kubernetes.container_name",
    "kubernetes.container_image",
    "kubernetes.docker_id",
    "kubernetes.deployment_name",
    "kubernetes.labels.",
    "kubernetes.annotations.",
    "kubernetes.namespace_labels.",
    "kubernetes.node_labels.",
    "kubernetes.pod_ip",
    "kubernetes.container_hash",
    "kubernetes.owner_kind",
    "kubernetes.owner_name",
    "kubernetes.restart_count",
    "path",
    "input",
    "host",
    "stream",
    "log",
];

/// Bytes of a predicate's text.
const MAX_TEXT: usize = 16 * 1024;
/// Parentheses and `not`s inside each other.
const MAX_DEPTH: usize = 32;
/// Bytes of a compiled regex, and of what it may cache while matching.
const MAX_REGEX: usize = 1 << 20;

/// What is wrong with a predicate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} (at character {at})")]
pub struct Problem {
    /// Byte offset in the text.
    pub at: usize,
    /// For people.
    pub what: String,
}

pub(super) fn predicate(text: &str) -> Result<Expr, Problem> {
    if text.len() > MAX_TEXT {
        return Err(Problem { at: MAX_TEXT, what: format!("a predicate has at most {MAX_TEXT} bytes") });
    }
    let mut parser = Parser { text, at: 0, token_at: 0 };
    let expr = parser.any(MAX_DEPTH)?;
    match parser.next()? {
        Token::End => Ok(expr),
        Token::Word(_) | Token::Text(_) | Token::Sign(_) => parser.fail("expected `and`, `or` or the end"),
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token<'a> {
    Word(&'a str),
    Text(String),
    /// One of `== != =~ ( ) [ ] ,`
    Sign(&'static str),
    End,
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// Where the last token began.
    token_at: usize,
}

impl<'a> Parser<'a> {
    fn any(&mut self, depth: usize) -> Result<Expr, Problem> {
        let mut parts = vec![self.all(depth)?];
        while self.take(&Token::Word("or"))? {
            parts.push(self.all(depth)?);
        }
        Ok(super::one_or(parts, Expr::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Expr, Problem> {
        let mut parts = vec![self.unary(depth)?];
        while self.take(&Token::Word("and"))? {
            parts.push(self.unary(depth)?);
        }
        Ok(super::one_or(parts, Expr::All))
    }

    fn unary(&mut self, depth: usize) -> Result<Expr, Problem> {
        let token = self.next()?;
        let Some(inner) = depth.checked_sub(1) else {
            return self.fail(&format!("more than {MAX_DEPTH} parentheses and `not`s inside each other"));
        };
        match token {
            Token::Word("not") => Ok(Expr::Not(Box::new(self.unary(inner)?))),
            Token::Sign("(") => {
                let expr = self.any(inner)?;
                if self.next()? == Token::Sign(")") { Ok(expr) } else { self.fail("expected `)`, `and` or `or`") }
            }
            Token::Word(name) => self.comparison(name),
            Token::Text(_) | Token::Sign(_) | Token::End => self.fail("expected a field, `not` or `(`"),
        }
    }

    fn comparison(&mut self, name: &str) -> Result<Expr, Problem> {
        let field = field(name).map_err(|what| Problem { at: self.token_at, what })?;
        let test = match self.next()? {
            Token::Sign("==") => Test::Is(self.quoted()?),
            Token::Sign("!=") => Test::IsNot(self.quoted()?),
            Token::Sign("=~") => self.regex()?,
            Token::Word("in") => Test::In(self.list()?),
            Token::Word(_) | Token::Text(_) | Token::Sign(_) | Token::End => {
                return self.fail("expected `==`, `!=`, `=~` or `in`");
            }
        };
        Ok(Expr::Leaf(Leaf { field, test }))
    }

    fn quoted(&mut self) -> Result<String, Problem> {
        match self.next()? {
            Token::Text(text) => Ok(text),
            Token::Word(_) | Token::Sign(_) | Token::End => self.fail("expected text in quotes"),
        }
    }

    fn regex(&mut self) -> Result<Test, Problem> {
        let text = self.quoted()?;
        let regex = RegexBuilder::new(&text).size_limit(MAX_REGEX).dfa_size_limit(MAX_REGEX).nest_limit(100).build();
        match regex {
            Ok(regex) => Ok(Test::Matches(regex)),
            Err(regex::Error::CompiledTooBig(_)) => self.fail("the regular expression is too large"),
            // The last line of the message says it; those before draw the place.
            Err(e) => {
                let message = e.to_string();
                let last = message.lines().last().unwrap_or_default();
                self.fail(&format!("bad regular expression: {}", last.strip_prefix("error: ").unwrap_or(last)))
            }
        }
    }

    fn list(&mut self) -> Result<Vec<String>, Problem> {
        if self.next()? != Token::Sign("[") {
            return self.fail("expected `[`");
        }
        let mut texts = Vec::new();
        loop {
            texts.push(self.quoted()?);
            match self.next()? {
                Token::Sign("]") => return Ok(texts),
                Token::Sign(",") => {}
                Token::Word(_) | Token::Text(_) | Token::Sign(_) | Token::End => {
                    return self.fail("expected `,` or `]`");
                }
            }
        }
    }

    /// Passes over the token if it is the next one.
    fn take(&mut self, token: &Token<'_>) -> Result<bool, Problem> {
        let before = (self.at, self.token_at);
        let there = self.next()? == *token;
        if !there {
            (self.at, self.token_at) = before;
        }
        Ok(there)
    }

    fn next(&mut self) -> Result<Token<'a>, Problem> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let token = rest.trim_start();
        self.at += rest.len() - token.len();
        self.token_at = self.at;
        let Some(first) = token.chars().next() else { return Ok(Token::End) };
        if matches!(first, '"' | '\'') {
            return self.text_token(first);
        }
        for sign in ["==", "!=", "=~", "(", ")", "[", "]", ","] {
            if token.starts_with(sign) {
                self.at += sign.len();
                return Ok(Token::Sign(sign));
            }
        }
        // Names of labels and annotations hold dots, dashes and slashes.
        let end = token.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/')));
        let word = token.split_at(end.unwrap_or(token.len())).0;
        self.at += word.len();
        if word.is_empty() { self.fail(&format!("unexpected `{first}`")) } else { Ok(Token::Word(word)) }
    }

    fn text_token(&mut self, quote: char) -> Result<Token<'a>, Problem> {
        let mut text = String::new();
        let mut chars = self.text.get(self.at + 1..).unwrap_or_default().char_indices().peekable();
        while let Some((i, c)) = chars.next() {
            match c {
                '\\' if chars.next_if(|(_, next)| *next == quote).is_some() => text.push(quote),
                c if c == quote => {
                    self.at += 1 + i + 1;
                    return Ok(Token::Text(text));
                }
                c => text.push(c),
            }
        }
        self.fail("the text has no closing quote")
    }

    /// A problem with the last token.
    fn fail<T>(&self, what: &str) -> Result<T, Problem> {
        Err(Problem { at: self.token_at, what: what.to_owned() })
    }
}

/// The field of a name, or what to say of it.
fn field(name: &str) -> Result<Field, String> {
    let known =
        KNOWN.iter().any(|k| if k.ends_with('.') { name.len() > k.len() && name.starts_with(k) } else { name == *k });
    match name {
        "stream" => Ok(Field::Stream),
        "log" => Ok(Field::Log),
        _ if known => Ok(Field::Fixed(name.to_owned())),
        _ => Err(format!("no field `{name}`; did you mean `{}`?", nearest(name))),
    }
}

/// The known name with the fewest letters changed; `kubernetes.` may have been left out.
fn nearest(name: &str) -> String {
    let distance = |known: &str| {
        let short = known.strip_prefix("kubernetes.").unwrap_or(known);
        edits(name, known).min(edits(name, short))
    };
    for labels in KNOWN.iter().filter(|known| known.ends_with('.')) {
        let short = labels.strip_prefix("kubernetes.").unwrap_or(labels);
        if let Some(rest) = name.strip_prefix(short) {
            return format!("{labels}{rest}");
        }
    }
    let best = KNOWN.iter().min_by_key(|known| distance(known)).copied().unwrap_or_default();
    if best.ends_with('.') { format!("{best}NAME") } else { best.to_owned() }
}

/// Levenshtein's distance in bytes.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let best = (diagonal + usize::from(x != y)).min(*cell + 1).min(left + 1);
            diagonal = *cell;
            *cell = best;
            left = best;
        }
    }
    row.last().copied().unwrap_or_default()
}
