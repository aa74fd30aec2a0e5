//! `type: opensearch`.

use super::input::Named;
use super::target::{Rules, template};
use super::{aws, names, values};
use crate::config::checked::{Auth, OpenSearch, Secret};
use crate::config::print::HIDDEN;
use crate::config::problem::Wrong;
use crate::config::section::Section;
use crate::config::units::choice;

const AWS_KEYS: [&str; 5] = ["region", "role_arn", "external_id", "session_name", "profile"];

/// `None` when address or index is missing or wrong.
pub(super) fn read(section: &Section<'_>, inputs: &[&Named]) -> Option<OpenSearch> {
    let url = section.required("url", "https://HOST:9200");
    let url = url.and_then(|place| place.parse(|text| values::url(text, true)));
    let rules = Rules { what: "an index", prefix: true, time: true, literal: &names::index };
    let index = section.required("index", "\"logs-%Y.%m.%d\"");
    let index = index.and_then(|place| template(&place, &rules, inputs));
    let ids = section.value("document_id", |text| choice(text, &[("derived", true), ("none", false)]));
    let auth = auth(section);
    Some(OpenSearch { url: url?, index: index?, auth: auth?, derived_id: ids.unwrap_or(true) })
}

/// Which keys of `auth` there are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    None,
    Basic,
    Aws,
}

fn auth(section: &Section<'_>) -> Option<Auth> {
    let Some(place) = section.get("auth") else {
        refuse_aws(section);
        return Some(Auth::None);
    };
    let keys = place.section("`auth: {type: basic, username: NAME, password: \"${PASSWORD}\"}`")?;
    let types = [("none", Type::None), ("basic", Type::Basic), ("aws", Type::Aws)];
    let kind = keys.required("type", "basic").and_then(|place| place.parse(|text| choice(text, &types)));
    for key in AWS_KEYS {
        keys.refuse(key, || Wrong::new("is not a key here", format!("write `{key}` beside `auth`, not below it")));
    }
    let auth = match kind {
        Some(Type::None) => Some(Auth::None),
        Some(Type::Basic) => basic(&keys),
        Some(Type::Aws) => {
            let service = keys.value("service", |text| choice(text, &[("es", "es"), ("aoss", "aoss")]));
            Some(Auth::Aws { service: service.unwrap_or("es").to_string(), aws: aws::aws(section, false) })
        }
        None => {
            for key in ["username", "password", "service"] {
                keys.get(key);
            }
            for key in AWS_KEYS {
                section.get(key);
            }
            None
        }
    };
    keys.finish(|key| match key {
        "username" | "password" => Some("remove it: it belongs to `type: basic`".to_string()),
        "service" => Some("remove it: it belongs to `type: aws`".to_string()),
        _ => None,
    });
    if matches!(kind, Some(Type::None | Type::Basic)) {
        refuse_aws(section);
    }
    auth
}

fn basic(keys: &Section<'_>) -> Option<Auth> {
    let username = keys.required("username", "NAME").and_then(|place| {
        place.parse(|text| {
            if text.contains(':') {
                return Err(Wrong::new("holds a colon, which basic authentication cannot send", "write another name"));
            }
            values::one_line(text)
        })
    });
    let password = keys.required("password", "\"${PASSWORD}\"").and_then(|place| place.parse(password));
    Some(Auth::Basic { username: username?, password: Secret(password?) })
}

fn password(text: &str) -> Result<String, Wrong> {
    if text == HIDDEN {
        let what = "is what `print-config` writes in place of a password";
        return Err(Wrong::new(what, "write the password itself, or better `\"${PASSWORD}\"`"));
    }
    values::one_line(text)
}

fn refuse_aws(section: &Section<'_>) {
    for key in AWS_KEYS {
        section.refuse(key, || Wrong::new("is used only with `auth: {type: aws}`", "write that, or remove the key"));
    }
}
