//! `namespaces`, `pods` and `pods_may` of a `kubernetes` input: whose logs it reads.

use crate::config::problem::{Wrong, shown};
use crate::config::section::{Place, Section};
use crate::config::units::choice;
use crate::metadata::rules::Rules;
use crate::metadata::rules::selector::{Glob, Labels};

/// `asks`: the input learns more of a pod than its path says.
pub(super) fn read(input: &Section<'_>, asks: bool) -> Rules {
    let mut rules = Rules::default();
    if let Some(keys) =
        input.get("namespaces").and_then(|place| place.section("`namespaces: {exclude: [kube-system]}`"))
    {
        for (key, globs) in [("include", &mut rules.include), ("exclude", &mut rules.exclude)] {
            if let Some(place) = keys.get(key) {
                place.not_empty();
                *globs = place.items(namespace);
            }
        }
        keys.done();
    }
    let asking = |place: &Place<'_>| {
        if !asks {
            let what = "needs to know the pod, not only its path";
            place.wrong_key(Wrong::new(what, "write `metadata: {source: api}` for this input"));
        }
    };
    if let Some(place) = input.get("pods") {
        asking(&place);
        if let Some(keys) = place.section("`pods: {labels: 'app=web, tier!=cache'}`") {
            rules.labels = keys.required("labels", "'app=web, tier!=cache'").and_then(|place| place.parse(labels));
            keys.done();
        }
    }
    if let Some(place) = input.get("pods_may") {
        let may = place.items(|text| choice(text, &[("exclude", May::Exclude), ("parser", May::Parse)]));
        if !may.is_empty() {
            asking(&place);
        }
        for may in may {
            match may {
                May::Exclude => rules.may_exclude = true,
                May::Parse => rules.may_parse = true,
            }
        }
    }
    rules
}

#[derive(Clone, Copy)]
enum May {
    Exclude,
    Parse,
}

fn namespace(text: &str) -> Result<Glob, Wrong> {
    Glob::parse(text).ok_or_else(|| {
        let instead = "write small letters, digits and `-`, with `*` for any text and `?` for one character";
        Wrong::new(format!("{} cannot be a namespace", shown(text)), instead)
    })
}

fn labels(text: &str) -> Result<Labels, Wrong> {
    Labels::parse(text).map_err(|problem| {
        let what = format!("is not a label selector: {} (at character {})", problem.what, problem.at);
        Wrong::new(what, problem.instead)
    })
}
