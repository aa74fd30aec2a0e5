//! Label selectors as `kubectl -l` takes them (`app=web, tier!=cache, env in (prod, test), !debug`), and namespaces with
//! `*` and `?`. Texts of the operator: whatever is wrong with one is said with its place in it.

/// All requirements must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    text: Box<str>,
    all: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: Box<str>,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Missing,
    In(Vec<Box<str>>),
    /// Also where the label is missing.
    NotIn(Vec<Box<str>>),
}

/// What is wrong with a selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} (at character {at})")]
pub struct Problem {
    /// From 1.
    pub at: usize,
    /// For people.
    pub what: String,
    /// What to write instead.
    pub instead: String,
}

/// Bytes of a selector's text.
const MAX_TEXT: usize = 16 * 1024;

impl Labels {
    /// Reads the text of a selector.
    pub fn parse(text: &str) -> Result<Labels, Problem> {
        let mut parser = Parser { text, at: 0 };
        if text.len() > MAX_TEXT {
            return Err(parser.problem(format!("a selector has at most {MAX_TEXT} bytes"), "write a shorter one"));
        }
        let mut all = vec![parser.requirement()?];
        while parser.take(",") {
            all.push(parser.requirement()?);
        }
        if !parser.rest().is_empty() {
            let what = format!("`{}` is not understood here", first_word(parser.rest()));
            return Err(parser.problem(what, "write `,` between two requirements"));
        }
        Ok(Labels { text: text.into(), all })
    }
    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// Whether a pod with these labels is meant.
    pub fn match_pod(&self, labels: &[(Box<str>, Box<str>)]) -> bool {
        self.all.iter().all(|requirement| {
            let value = labels.iter().find(|(key, _)| *key == requirement.key).map(|(_, value)| value);
            match &requirement.test {
                Test::Exists => value.is_some(),
                Test::Missing => value.is_none(),
                Test::In(values) => value.is_some_and(|value| values.contains(value)),
                Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            }
        })
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Parser<'t> {
    fn requirement(&mut self) -> Result<Requirement, Problem> {
        if self.take("!") {
            return Ok(Requirement { key: self.key()?, test: Test::Missing });
        }
        let key = self.key()?;
        let test = if self.take("!=") {
            Test::NotIn(vec![self.value()?])
        } else if self.take("==") || self.take("=") {
            Test::In(vec![self.value()?])
        } else if self.word("notin") {
            Test::NotIn(self.values()?)
        } else if self.word("in") {
            Test::In(self.values()?)
        } else if matches!(self.rest().chars().next(), None | Some(',')) {
            Test::Exists
        } else {
            let what = format!("`{}` is no operator", first_word(self.rest()));
            return Err(
                self.problem(what, "write one of `=`, `!=`, `in (a, b)`, `notin (a, b)`, or nothing after the label")
            );
        };
        Ok(Requirement { key, test })
    }

    fn key(&mut self) -> Result<Box<str>, Problem> {
        self.skip();
        let from = self.at;
        let word = self.run(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
        let name = word.rsplit_once('/').map_or(word, |(_, name)| name);
        let prefix = word.rsplit_once('/').map(|(prefix, _)| prefix);
        let fine_prefix = |p: &str| !p.is_empty() && p.len() <= 253 && !p.contains('/') && edges(p);
        if name.is_empty() || name.len() > 63 || !edges(name) || !prefix.is_none_or(fine_prefix) {
            let found = if word.is_empty() { first_word(self.rest()) } else { word };
            let what = match found {
                "" => "a label's name is missing".to_owned(),
                found => format!("`{found}` is not the name of a label"),
            };
            self.at = from;
            return Err(self.problem(what, "write a name such as `app` or `app.kubernetes.io/name`"));
        }
        Ok(word.into())
    }

    fn value(&mut self) -> Result<Box<str>, Problem> {
        self.skip();
        let from = self.at;
        let word = self.run(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        let next = self.text[self.at..].chars().next();
        let stopped = next.is_none_or(|c| matches!(c, ',' | ')') || c.is_ascii_whitespace());
        if word.len() > 63 || !(word.is_empty() || edges(word)) || !stopped {
            let what = format!("`{}` is not the value of a label", first_word(&self.text[from..]));
            self.at = from;
            return Err(self.problem(what, "write up to 63 letters, digits, `-`, `_` and `.`, without quotes"));
        }
        Ok(word.into())
    }

    fn values(&mut self) -> Result<Vec<Box<str>>, Problem> {
        if !self.take("(") {
            return Err(self.problem("a list is missing".to_owned(), "write `(a, b)`"));
        }
        let mut values = vec![self.value()?];
        while self.take(",") {
            values.push(self.value()?);
        }
        if !self.take(")") {
            return Err(self.problem("the list is not closed".to_owned(), "write `)`"));
        }
        Ok(values)
    }

    fn skip(&mut self) {
        self.run(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
    }
    fn run(&mut self, fits: impl Fn(char) -> bool) -> &'t str {
        let rest = &self.text[self.at..];
        let word = &rest[..rest.find(|c| !fits(c)).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }
    fn rest(&mut self) -> &'t str {
        self.skip();
        &self.text[self.at..]
    }
    fn take(&mut self, sign: &str) -> bool {
        let there = self.rest().starts_with(sign);
        self.at += if there { sign.len() } else { 0 };
        there
    }
    fn word(&mut self, word: &str) -> bool {
        let fits =
            self.rest().strip_prefix(word).is_some_and(|rest| rest.trim_start().starts_with('(') || rest.is_empty());
        fits && self.take(word)
    }
    fn problem(&mut self, what: String, instead: &str) -> Problem {
        self.skip();
        Problem { at: self.text[..self.at].chars().count() + 1, what, instead: instead.to_owned() }
    }
}

fn first_word(text: &str) -> &str {
    text.split([' ', ',', '\t']).find(|word| !word.is_empty()).unwrap_or_default()
}

/// Begins and ends with a letter or digit.
fn edges(word: &str) -> bool {
    let fine = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    fine(word.as_bytes().first()) && fine(word.as_bytes().last())
}

/// A namespace, in which `*` stands for any text and `?` for one character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Box<str>);

impl Glob {
    /// Reads the text of a pattern; `None`: no namespace can be called so.
    pub fn parse(text: &str) -> Option<Glob> {
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '*' | '?');
        (!text.is_empty() && text.len() <= 253 && text.chars().all(fine)).then(|| Glob(text.into()))
    }
    /// As it was written.
    pub fn text(&self) -> &str {
        &self.0
    }
    /// Whether the namespace is meant.
    pub fn matches(&self, namespace: &str) -> bool {
        let (pattern, text) = (self.0.as_bytes(), namespace.as_bytes());
        let (mut p, mut t) = (0, 0);
        // The last `*`, and what it stood for when we came by.
        let mut star: Option<(usize, usize)> = None;
        while t < text.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(c) if *c == b'?' || text.get(t) == Some(c) => (p, t) = (p + 1, t + 1),
                Some(_) | None => match &mut star {
                    Some((at, taken)) => {
                        *taken += 1;
                        (p, t) = (*at + 1, *taken);
                    }
                    None => return false,
                },
            }
        }
        pattern.get(p..).is_some_and(|rest| rest.iter().all(|c| *c == b'*'))
    }
}

#[cfg(test)]
mod tests;
