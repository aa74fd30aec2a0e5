//! Text to a tree of nodes that know their line and column. YAML's oddities are refused, not guessed at:
//! anchors, aliases, tags, directives, several documents, keys that are no plain text, keys given twice.
//!
//! Everything is bounded: the text by the caller, the depth by the parser's limits. No value is interpreted
//! here: `yes`, `5` and `1e3` are text, and the reader of a key says what it must be.

use super::problem::{Report, Wrong, shown};
use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag, options};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Deepest nesting of blocks, and of brackets; our own configuration needs six.
const MOST_NESTING: usize = 32;

/// One value, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    Scalar(String),
    List(Vec<Node>),
    /// In the order of the file, each key once.
    Map(Vec<(Key, Node)>),
    /// Was refused; the problem is in the report already.
    Refused,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub text: String,
    pub line: usize,
    pub column: usize,
}

/// The one document of `text`. `None` when it cannot be read as YAML at all; lesser problems leave `Refused` nodes.
pub(crate) fn parse(text: &str, report: &Report) -> Option<Node> {
    let options = options! {
        disallow_directives: true,
        emit_unresolved_aliases: true,
        emit_comments: false,
        flow_nesting_limit: MOST_NESTING,
        block_nesting_limit: MOST_NESTING,
    };
    let mut tree = Tree { events: Parser::new_from_str_with_options(text, options), report };
    match tree.document() {
        Ok(node) => node,
        Err(error) => {
            let at = error.marker();
            report.push(at.line().max(1), at.col().saturating_add(1), "", explain(&error));
            None
        }
    }
}

/// The one document of a file that is not a configuration of ours; the first thing that is wrong with it as a sentence.
#[cfg(feature = "metadata-api")]
pub(crate) fn of_others(text: &str) -> Result<Node, String> {
    let report = Report::default();
    let node = parse(text, &report);
    match (report.into_problems("").and_then(|problems| problems.list.into_iter().next()), node) {
        (None, Some(node)) => Ok(node),
        (Some(problem), _) => Err(format!("line {}: {}", problem.line, problem.what)),
        (None, None) => Err("nothing in it".to_owned()),
    }
}

#[cfg(feature = "metadata-api")]
impl Node {
    /// What stands behind this key; `None` also where it is empty, or where there are no keys.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let Value::Map(pairs) = &self.value else { return None };
        let (_, node) = pairs.iter().find(|(known, _)| known.text == key)?;
        (node.value != Value::Null).then_some(node)
    }

    /// A scalar's text.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            Value::Null | Value::List(_) | Value::Map(_) | Value::Refused => None,
        }
    }

    /// A scalar's text behind this key.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_text()
    }

    /// The entries of the list behind this key.
    pub fn list(&self, key: &str) -> &[Node] {
        match self.get(key).map(|node| &node.value) {
            Some(Value::List(entries)) => entries,
            Some(Value::Null | Value::Scalar(_) | Value::Map(_) | Value::Refused) | None => &[],
        }
    }
}

struct Tree<'t> {
    events: Parser<'t, StrInput<'t>>,
    report: &'t Report,
}

impl<'t> Tree<'t> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the parser's enum, which may grow")]
    fn document(&mut self) -> Result<Option<Node>, ScanError> {
        let mut root = None;
        while let Some(next) = self.events.next_event() {
            let (event, span) = next?;
            match event {
                Event::StreamStart | Event::DocumentEnd | Event::StreamEnd => {}
                Event::DocumentStart(..) if root.is_some() => {
                    let wrong = Wrong::new(
                        "a second document begins here",
                        "write the whole configuration in one document, without `---` between its parts",
                    );
                    self.push(&span, "", wrong);
                    return Ok(None);
                }
                Event::DocumentStart(..) => {}
                other => root = Some(self.node(other, span, "")?),
            }
        }
        if root.is_none() {
            self.report.push(1, 1, "", Wrong::new("the file is empty", "write `inputs:` and `outputs:`"));
        }
        Ok(root)
    }

    fn push(&self, span: &Span, path: &str, wrong: Wrong) {
        let (line, column) = place(span);
        self.report.push(line, column, path, wrong);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the parser's enum, which may grow")]
    fn node(&mut self, event: Event<'t>, span: Span, path: &str) -> Result<Node, ScanError> {
        let (line, column) = place(&span);
        let anchor = event.anchor_id().is_some_and(|id| id != 0);
        let refused = if event.is_alias() || matches!(event, Event::UnresolvedAlias(_)) {
            Some(Wrong::new("refers to an anchor with `*`", "write the value out: aliases are not read"))
        } else if anchor {
            Some(Wrong::new(
                "has an anchor (`&`)",
                "write the value without it, once in each place: anchors are not read",
            ))
        } else {
            event.tag().map(refuse_tag)
        };
        let is_refused = refused.is_some();
        if let Some(wrong) = refused {
            self.report.push(line, column, path, wrong);
        }
        let value = match event {
            Event::MappingStart(..) => self.map(path)?,
            Event::SequenceStart(..) => self.list(path)?,
            Event::Scalar(text, style, _, _) => scalar(text, style),
            _ => Value::Refused,
        };
        Ok(Node { line, column, value: if is_refused { Value::Refused } else { value } })
    }

    fn list(&mut self, path: &str) -> Result<Value, ScanError> {
        let mut items = Vec::new();
        while let Some(next) = self.events.next_event() {
            let (event, span) = next?;
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            let path = format!("{path}[{}]", items.len());
            items.push(self.node(event, span, &path)?);
        }
        Ok(Value::List(items))
    }

    fn map(&mut self, path: &str) -> Result<Value, ScanError> {
        let mut pairs: Vec<(Key, Node)> = Vec::new();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        while let Some(next) = self.events.next_event() {
            let (event, span) = next?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let (line, column) = place(&span);
            let key = self.node(event, span, path)?;
            let text = match key.value {
                Value::Scalar(text) => Some(text),
                Value::Null => Some(String::new()),
                Value::List(_) | Value::Map(_) => {
                    self.report.push(line, column, path, Wrong::new("a key must be a name", "write `name: value`"));
                    None
                }
                Value::Refused => None,
            };
            let text_path = join(path, text.as_deref().unwrap_or("?"));
            let Some(next) = self.events.next_event() else { break };
            let (event, span) = next?;
            let value = self.node(event, span, &text_path)?;
            let Some(text) = text else { continue };
            if let Some(first) = seen.get(&text) {
                let wrong = Wrong::new(format!("is given twice, first in line {first}"), "remove one of the two");
                self.report.push(line, column, &text_path, wrong);
                continue;
            }
            seen.insert(text.clone(), line);
            pairs.push((Key { text, line, column }, value));
        }
        Ok(Value::Map(pairs))
    }
}

/// `path.key`, or the key alone at the top.
pub(crate) fn join(path: &str, key: &str) -> String {
    let key: String = key.chars().take(60).flat_map(char::escape_debug).collect();
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

fn place(span: &Span) -> (usize, usize) {
    (span.start.line().max(1), span.start.col().saturating_add(1))
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle) -> Value {
    if style == ScalarStyle::Plain && matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL") {
        Value::Null
    } else {
        Value::Scalar(text.into_owned())
    }
}

fn refuse_tag(tag: &Tag) -> Wrong {
    Wrong::new(format!("has the tag {}", shown(&tag.original())), "write the value without it: tags are not read")
}

/// The parser's words, and for the usual mistakes what to do.
#[expect(clippy::wildcard_enum_match_arm, reason = "the parser's enum, which may grow")]
fn explain(error: &ScanError) -> Wrong {
    match error.kind() {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar => Wrong::new("a tab where YAML wants spaces", "write spaces"),
        ErrorKind::DirectiveDisallowed => {
            Wrong::new("a line that begins with `%` is a YAML directive", "remove it, or put the value in quotes")
        }
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => Wrong::new(
            "not YAML: a second `: ` in one line, or a line that is indented too far",
            "write a value that holds `: ` in quotes, and keys of one level in one column",
        ),
        ErrorKind::UnclosedQuotedScalar => Wrong::new("not YAML: a quote is never closed", "write the closing quote"),
        ErrorKind::UnexpectedCharacter { character } => Wrong::new(
            format!("not YAML: a value cannot begin with {}", shown(&character.to_string())),
            "write it in quotes",
        ),
        ErrorKind::RecursionLimitExceeded => {
            Wrong::new(format!("nested deeper than {MOST_NESTING} levels"), "write it with fewer levels")
        }
        _ => Wrong::new(format!("not YAML: {}", error.info()), "write it as in the examples in config/"),
    }
}

#[cfg(test)]
mod tests;
