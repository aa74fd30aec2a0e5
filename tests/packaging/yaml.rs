//! Manifests as JSON: the documents of a YAML stream, plain scalars read as Kubernetes reads them.

use granit_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Value};

/// All documents that hold something.
pub fn documents(text: &str) -> Vec<Value> {
    let mut events = Parser::new_from_str(text);
    let mut found = Vec::new();
    while let Some(event) = next(&mut events) {
        if matches!(event, Event::MappingStart(..) | Event::SequenceStart(..) | Event::Scalar(..)) {
            found.push(node(event, &mut events));
        }
    }
    found.retain(|document| !document.is_null());
    found
}

fn next<'t>(events: &mut Parser<'t, StrInput<'t>>) -> Option<Event<'t>> {
    loop {
        let (event, _) = events.next_event()?.unwrap_or_else(|error| panic!("not YAML: {error}"));
        if !matches!(event, Event::Comment(..)) {
            return Some(event);
        }
    }
}

fn node<'t>(event: Event<'t>, events: &mut Parser<'t, StrInput<'t>>) -> Value {
    match event {
        Event::Scalar(text, ScalarStyle::Plain, _, _) => plain(&text),
        Event::Scalar(text, ..) => Value::String(text.into_owned()),
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                match next(events).unwrap() {
                    Event::SequenceEnd => return Value::Array(items),
                    event => items.push(node(event, events)),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut map = Map::new();
            loop {
                let key = match next(events).unwrap() {
                    Event::MappingEnd => return Value::Object(map),
                    Event::Scalar(text, ..) => text.into_owned(),
                    event => panic!("a key: {event:?}"),
                };
                let event = next(events).unwrap();
                let value = node(event, events);
                assert!(map.insert(key.clone(), value).is_none(), "`{key}` is given twice");
            }
        }
        event => panic!("not expected: {event:?}"),
    }
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(number), _) => number.into(),
            (_, Ok(number)) if text.starts_with(|c: char| c.is_ascii_digit()) => number.into(),
            (_, _) => text.into(),
        },
    }
}
