//! Time buckets of a destination: an hour of an object prefix, a day of an index. Asked for every record.

use crate::config::template::{Template, Unit, bucket_of};

/// How a template divides time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Buckets {
    /// Its finest unit as the shortest pattern that divides alike; empty without time.
    unit: &'static str,
}

impl Buckets {
    /// Those of this template, and of every pattern that comes from it.
    pub fn new(template: &Template) -> Buckets {
        let unit = match template.bucket() {
            None => "",
            Some(Unit::Year) => "%Y",
            Some(Unit::Month) => "%m",
            Some(Unit::Day) => "%d",
            Some(Unit::Hour) => "%H",
            Some(Unit::Minute) => "%M",
            Some(Unit::Second) => "%S",
        };
        Buckets { unit }
    }

    /// The bucket's number.
    pub fn of(self, unix_ns: i64) -> i64 {
        bucket_of(self.unit, unix_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_shortest_pattern_divides_time_as_the_whole_one(
            text in prop::sample::select(vec!["logs/", "%Y/", "a%Y%m-", "%Y.%m.%d", "%d/%H/", "%H%M", "100%%S", "%S"]),
            ns in any::<i64>(),
        ) {
            let template = Template::parse(text).expect("a template");
            let pattern = template.file_part(&crate::origin::Fields::default(), str::to_owned);
            prop_assert_eq!(Buckets::new(&template).of(ns), bucket_of(&pattern, ns));
        }
    }
}
