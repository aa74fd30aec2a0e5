//! An index's dynamic mapping: the first document that has a field decides its type, later ones may conflict.

use super::Refused;
use super::document::{Kind, Shape};
use hashbrown::HashMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Object,
    Text,
    Long,
    Float,
    Boolean,
    Date,
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Type::Object => "object",
            Type::Text => "text",
            Type::Long => "long",
            Type::Float => "float",
            Type::Boolean => "boolean",
            Type::Date => "date",
        }
    }
    /// What a first value makes of a field.
    fn of(kind: Kind) -> Type {
        match kind {
            Kind::Object => Type::Object,
            Kind::Text { date: true, .. } => Type::Date,
            Kind::Text { .. } => Type::Text,
            Kind::Long => Type::Long,
            Kind::Float => Type::Float,
            Kind::Truth => Type::Boolean,
        }
    }
    /// Whether a later value fits.
    fn takes(self, kind: Kind) -> bool {
        match (self, kind) {
            (Type::Object, Kind::Object) => true,
            (Type::Object, _) | (_, Kind::Object) => false,
            (Type::Text, _) => true,
            (Type::Long | Type::Float, Kind::Long | Kind::Float) => true,
            (Type::Long | Type::Float, Kind::Text { number, .. }) => number,
            (Type::Boolean, Kind::Truth) => true,
            (Type::Boolean, Kind::Text { truth, .. }) => truth,
            (Type::Date, Kind::Text { date, .. }) => date,
            (Type::Date, Kind::Long) => true,
            (Type::Long | Type::Float, Kind::Truth)
            | (Type::Boolean, Kind::Long | Kind::Float)
            | (Type::Date, Kind::Float | Kind::Truth) => false,
        }
    }
    /// Fields that it costs: text comes with `.keyword`.
    fn cost(self) -> usize {
        if self == Type::Text { 2 } else { 1 }
    }
}

/// The mapping of one index.
#[derive(Debug, Default)]
pub struct Mapping {
    fields: HashMap<Box<str>, Type>,
    cost: usize,
}

impl Mapping {
    /// Takes a document in, or says why it cannot be; then nothing has changed.
    pub(super) fn admit(&mut self, shape: &Shape, id: &str, most: usize) -> Result<(), Refused> {
        let mut new: HashMap<&str, Type> = HashMap::new();
        let mut cost = self.cost;
        for (path, kind) in shape {
            let parents = path.match_indices('.').filter_map(|(at, _)| Some((path.get(..at)?, Kind::Object)));
            for (path, kind) in parents.chain([(path.as_str(), *kind)]) {
                let known = self.fields.get(path).or_else(|| new.get(path)).copied();
                match known {
                    Some(known) if known.takes(kind) => {}
                    Some(known) => return Err(conflict(known, kind, path, id)),
                    None => {
                        let first = Type::of(kind);
                        cost += first.cost();
                        new.insert(path, first);
                    }
                }
            }
        }
        if cost > most && !new.is_empty() {
            let reason = format!("Limit of total fields [{most}] has been exceeded");
            return Err(Refused::new(400, "illegal_argument_exception", reason));
        }
        self.fields.extend(new.into_iter().map(|(path, first)| (path.into(), first)));
        self.cost = cost;
        Ok(())
    }
}

fn conflict(known: Type, kind: Kind, path: &str, id: &str) -> Refused {
    if known == Type::Object {
        let name = path.rsplit('.').next().unwrap_or(path);
        let reason =
            format!("object mapping for [{path}] tried to parse field [{name}] as object, but found a concrete value");
        return Refused::new(400, "mapper_parsing_exception", reason);
    }
    let reason = format!("failed to parse field [{path}] of type [{}] in document with id '{id}'.", known.name());
    let refused = Refused::new(400, "mapper_parsing_exception", reason);
    match (known, kind) {
        (Type::Text, _) => refused.because("illegal_state_exception", "Can't get text on a START_OBJECT"),
        (_, Kind::Object) => refused.because("json_parse_exception", "Current token (START_OBJECT) not numeric"),
        (Type::Date, _) => refused.because(
            "illegal_argument_exception",
            "failed to parse date field with format [strict_date_optional_time||epoch_millis]",
        ),
        (_, _) => refused.because("illegal_argument_exception", "For input string"),
    }
}
