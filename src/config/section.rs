//! Reading a tree of nodes: typed values by key, and every mistake into the report.
//!
//! A mapping that is read remembers which keys were asked for; `finish` reports all others. So nothing in a file can
//! be ignored in silence, and the list of known keys cannot drift from the code that reads them.

use super::problem::{Report, Wrong, nearest, shown};
use super::yaml::{Key, Node, Value, join};
use std::cell::RefCell;

/// One value on its way into the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Place<'t> {
    pub node: &'t Node,
    pub path: String,
    /// Line and column of its key, for what is missing below it.
    key: (usize, usize),
    report: &'t Report,
}

/// A mapping that is being read.
#[derive(Debug)]
pub(crate) struct Section<'t> {
    place: Place<'t>,
    pairs: &'t [(Key, Node)],
    asked: RefCell<Vec<&'static str>>,
    /// Known, but never right here: not to be suggested.
    refused: RefCell<Vec<&'static str>>,
}

impl<'t> Place<'t> {
    pub fn root(node: &'t Node, report: &'t Report) -> Place<'t> {
        Place { node, path: String::new(), key: (1, 1), report }
    }

    /// Reports a mistake in this value.
    pub fn wrong(&self, wrong: Wrong) {
        self.report.push(self.node.line, self.node.column, &self.path, wrong);
    }

    /// Reports a mistake in this value's key.
    pub fn wrong_key(&self, wrong: Wrong) {
        let (line, column) = self.key;
        self.report.push(line, column, &self.path, wrong);
    }

    /// The value, if it is one piece of text that is not empty.
    pub fn text(&self) -> Option<&'t str> {
        match &self.node.value {
            Value::Scalar(text) if text.is_empty() => self.empty(),
            Value::Scalar(text) => return Some(text),
            Value::Null => self.empty(),
            Value::List(_) => self.wrong(Wrong::new("is a list", "write one value")),
            Value::Map(_) => self.wrong(Wrong::new("has keys below it", "write one value")),
            Value::Refused => {}
        }
        None
    }

    /// The value as `read` makes it of the text.
    pub fn parse<T>(&self, read: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<T> {
        read(self.text()?).map_err(|wrong| self.wrong(wrong)).ok()
    }

    /// The items of a list.
    pub fn list(&self) -> Vec<Place<'t>> {
        let items = match &self.node.value {
            Value::List(items) => items.as_slice(),
            Value::Scalar(text) => {
                self.wrong(Wrong::new("must be a list", format!("write `[{text}]`")));
                return Vec::new();
            }
            Value::Map(_) => {
                self.wrong(Wrong::new("must be a list", "write each item in a line of its own that begins with `- `"));
                return Vec::new();
            }
            Value::Null => {
                self.empty();
                return Vec::new();
            }
            Value::Refused => return Vec::new(),
        };
        let place = |(index, node): (usize, &'t Node)| Place {
            node,
            path: format!("{}[{index}]", self.path),
            key: (node.line, node.column),
            report: self.report,
        };
        items.iter().enumerate().map(place).collect()
    }

    /// Reports a list without items.
    pub fn not_empty(&self) {
        if matches!(&self.node.value, Value::List(items) if items.is_empty()) {
            self.wrong(Wrong::new("is an empty list", "write at least one item"));
        }
    }

    /// Each item of a list as `read` makes it.
    pub fn items<T>(&self, read: impl Fn(&str) -> Result<T, Wrong>) -> Vec<T> {
        self.list().iter().filter_map(|item| item.parse(&read)).collect()
    }

    /// The mapping; `example` says what one looks like.
    pub fn section(&self, example: &str) -> Option<Section<'t>> {
        let pairs = match &self.node.value {
            Value::Map(pairs) => pairs,
            Value::Null => {
                self.empty();
                return None;
            }
            Value::Scalar(_) | Value::List(_) => {
                self.wrong(Wrong::new("must have keys below it", format!("write {example}")));
                return None;
            }
            Value::Refused => return None,
        };
        Some(Section { place: self.clone(), pairs, asked: RefCell::default(), refused: RefCell::default() })
    }

    fn empty(&self) {
        self.wrong(Wrong::new("has no value", "write one, or remove the key"));
    }
}

impl<'t> Section<'t> {
    /// The value of a key, if it is there.
    pub fn get(&self, key: &'static str) -> Option<Place<'t>> {
        self.asked.borrow_mut().push(key);
        let (key, node) = self.pairs.iter().find(|(found, _)| found.text == key)?;
        Some(self.below(key, node))
    }

    /// The value of a key that must be there, else a problem that shows `example`.
    pub fn required(&self, key: &'static str, example: &str) -> Option<Place<'t>> {
        let found = self.get(key);
        if found.is_none() {
            self.missing(key, Wrong::new("is missing", format!("write `{key}: {example}`")));
        }
        found
    }

    /// Reports a mistake in a key that is not there.
    pub fn missing(&self, key: &str, wrong: Wrong) {
        let (line, column) = self.place.key;
        self.place.report.push(line, column, &join(&self.place.path, key), wrong);
    }

    /// A value, if the key is there and right.
    pub fn value<T>(&self, key: &'static str, read: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<T> {
        self.get(key)?.parse(read)
    }

    /// A key that will be there one day and is refused until then, with a sentence of its own.
    pub fn not_yet(&self, key: &'static str, what: &str) {
        self.refuse(key, || Wrong::new(format!("not there yet: {what}"), "remove the key"));
    }

    /// A key that is wrong here, whatever its value.
    pub fn refuse(&self, key: &'static str, wrong: impl FnOnce() -> Wrong) {
        self.refused.borrow_mut().push(key);
        if let Some((found, _)) = self.pairs.iter().find(|(found, _)| found.text == key) {
            let path = join(&self.place.path, key);
            self.place.report.push(found.line, found.column, &path, wrong());
        }
    }

    /// Whether it has no key at all.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// All pairs, whatever their keys: for names that the user chooses.
    pub fn named(&self) -> impl Iterator<Item = (&'t str, Place<'t>)> {
        self.pairs.iter().map(|(key, node)| (key.text.as_str(), self.below(key, node)))
    }

    /// Reports every key that nobody asked for. `elsewhere` explains keys that have their place elsewhere.
    pub fn finish(self, elsewhere: impl Fn(&str) -> Option<String>) {
        let mut asked = self.asked.take();
        asked.sort_unstable();
        asked.dedup();
        let refused = self.refused.take();
        for (key, _) in self.pairs {
            if asked.contains(&key.text.as_str()) || refused.contains(&key.text.as_str()) {
                continue;
            }
            let wrong = if self.place.report.is_full() {
                Wrong::new("is not a key", "")
            } else if key.text == "<<" {
                Wrong::new("is a merge key", "write the keys out: anchors are not read")
            } else if let Some(instead) = elsewhere(&key.text) {
                Wrong::new("is not a key here", instead)
            } else {
                let instead = match nearest(&key.text, asked.iter().copied()) {
                    Some(name) => format!("write `{name}`"),
                    None => format!("write one of {}", asked.join(", ")),
                };
                Wrong::new(format!("there is no key {}", shown(&key.text)), instead)
            };
            let path = join(&self.place.path, &key.text);
            self.place.report.push(key.line, key.column, &path, wrong);
        }
    }

    /// `finish` for a section that has no keys at all.
    pub fn done_without_keys(self, name: &str) {
        for (_, place) in self.named() {
            place.wrong_key(Wrong::new(format!("`{name}` has no keys"), "remove it"));
        }
    }

    /// `finish` for a section whose keys stand nowhere else.
    pub fn done(self) {
        self.finish(|_| None);
    }

    fn below(&self, key: &Key, node: &'t Node) -> Place<'t> {
        Place { node, path: join(&self.place.path, &key.text), key: (key.line, key.column), report: self.place.report }
    }
}
