//! `${NAME}` and `${NAME:-default}` in values, from the environment.
//!
//! Done on the tree, after parsing: whatever a variable holds, it stays one value and cannot add keys.
//! What comes out is not looked at again. `$${` is a literal `${`. Keys are never expanded.

use super::problem::{Report, Wrong, shown};
use super::yaml::{Node, Value, join};

/// Reads one variable of the environment.
pub type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Most bytes that all values with variables may have together after expansion.
const MOST: usize = 1024 * 1024;

/// Expands every value below `node`; one that cannot be expanded becomes `Refused`.
pub(crate) fn tree(node: &mut Node, env: Env<'_>, report: &Report) {
    below(node, "", &mut Expander { env, left: MOST, report });
}

struct Expander<'e> {
    env: Env<'e>,
    /// Bytes that may still come out.
    left: usize,
    report: &'e Report,
}

fn below(node: &mut Node, path: &str, expander: &mut Expander<'_>) {
    match &mut node.value {
        Value::Null | Value::Refused => {}
        Value::Scalar(text) => {
            if !text.contains("${") {
                return;
            }
            match expand(text, expander.env, &mut expander.left) {
                Ok(expanded) => *text = expanded,
                Err(wrongs) => {
                    for wrong in wrongs {
                        expander.report.push(node.line, node.column, path, wrong);
                    }
                    node.value = Value::Refused;
                }
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                below(item, &format!("{path}[{index}]"), expander);
            }
        }
        Value::Map(pairs) => {
            for (key, value) in pairs {
                below(value, &join(path, &key.text), expander);
            }
        }
    }
}

/// What `expand` reads back as `text`.
pub(crate) fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

fn expand(text: &str, env: Env<'_>, left: &mut usize) -> Result<String, Vec<Wrong>> {
    let mut out = String::new();
    let mut wrongs = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, found) = rest.split_at(at);
        let after = found.get(2..).unwrap_or("");
        if let Some(literal) = before.strip_suffix('$') {
            out.push_str(literal);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        let Some((inner, tail)) = after.split_once('}') else {
            wrongs.push(Wrong::new(
                format!("{} has no closing brace", shown(found)),
                "write `${NAME}`, or `$${` for the two characters as they are",
            ));
            rest = "";
            break;
        };
        match variable(inner, env) {
            Ok(value) if value.len() > *left => {
                *left = 0;
                wrongs.push(Wrong::new("variables make this larger than 1MiB", "write shorter values"));
                break;
            }
            Ok(value) => {
                *left -= value.len();
                out.push_str(&value);
            }
            Err(wrong) => wrongs.push(wrong),
        }
        rest = tail;
    }
    out.push_str(rest);
    if wrongs.is_empty() { Ok(out) } else { Err(wrongs) }
}

fn variable(inner: &str, env: Env<'_>) -> Result<String, Wrong> {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(Wrong::new(
            format!("{} names no variable", shown(&format!("${{{inner}}}"))),
            "write `${NAME}` or `${NAME:-default}`, or `$${` for the two characters as they are",
        ));
    }
    if default.is_some_and(|text| text.contains("${")) {
        return Err(Wrong::new(
            format!("the default of `${{{name}}}` holds another variable"),
            "write plain text as the default",
        ));
    }
    match (env(name), default) {
        // As in a shell: `:-` also stands in for an empty value.
        (Some(value), Some(default)) if value.is_empty() => Ok(default.to_string()),
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default.to_string()),
        (None, None) => Err(Wrong::new(
            format!("the environment has no variable `{name}`"),
            format!("set it, or write `${{{name}:-default}}`"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "A" => Some("alpha".into()),
            "EMPTY" => Some(String::new()),
            "TRICK" => Some("${A}: {b: [".into()),
            _ => None,
        }
    }

    #[test]
    fn variables_become_their_values() {
        for (text, want) in [
            ("x${A}y${A}", "xalphayalpha"),
            ("${B:-beta}", "beta"),
            ("${B:-}", ""),
            ("${A:-beta}", "alpha"),
            ("${EMPTY}", ""),
            ("${EMPTY:-e}", "e"),
            ("${TRICK}", "${A}: {b: ["),
            ("$A $ {A} $", "$A $ {A} $"),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("é${A}é", "éalphaé"),
        ] {
            assert_eq!(expand(text, &env, &mut 100).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_expanded_is_named() {
        for (text, want) in [
            ("${B}", vec!["the environment has no variable `B`"]),
            ("${B}${C}", vec!["the environment has no variable `B`", "the environment has no variable `C`"]),
            ("${A", vec!["`${A` has no closing brace"]),
            ("${}", vec!["`${}` names no variable"]),
            ("${A:?no}", vec!["`${A:?no}` names no variable"]),
            ("${1A}", vec!["`${1A}` names no variable"]),
            ("${A:-${B}}", vec!["the default of `${A}` holds another variable"]),
        ] {
            let wrongs = expand(text, &env, &mut 100).unwrap_err();
            assert_eq!(wrongs.iter().map(|w| w.what.as_str()).collect::<Vec<_>>(), want, "{text}");
        }
    }

    #[test]
    fn what_comes_out_is_bounded() {
        let text = "${A}".repeat(21);
        assert_eq!(expand(&text, &env, &mut 105).unwrap().len(), 105);
        assert_eq!(expand(&text, &env, &mut 104).unwrap_err()[0].what, "variables make this larger than 1MiB");
    }

    proptest! {
        #[test]
        fn escaped_text_expands_to_itself(text in "[${}A:a-]{0,12}") {
            prop_assert_eq!(expand(&escape(&text), &|_| None, &mut 100).unwrap(), text);
        }
    }
}
