//! Keeps an open body within one time bucket of its destination: an hour of an object prefix, a day of an index.

use crate::config::template::{Template, Unit, bucket_of};

/// The bucket of the open body.
#[derive(Clone, Copy, Debug)]
pub struct OneBucket {
    /// The template's finest unit of time as a pattern; empty without time.
    unit: &'static str,
    bucket: i64,
    /// The second that was asked for last, and is in the bucket: most records need no division.
    second: i64,
}

impl OneBucket {
    /// For bodies whose destination is named by this template.
    pub fn new(template: &Template) -> OneBucket {
        let unit = match template.bucket() {
            None => "",
            Some(Unit::Year) => "%Y",
            Some(Unit::Month) => "%m",
            Some(Unit::Day) => "%d",
            Some(Unit::Hour) => "%H",
            Some(Unit::Minute) => "%M",
            Some(Unit::Second) => "%S",
        };
        OneBucket { unit, bucket: 0, second: 0 }
    }

    /// Whether a record of this time goes with the open body; the first one decides.
    pub fn takes(&mut self, first: bool, unix_ns: i64) -> bool {
        let second = unix_ns.div_euclid(1_000_000_000);
        if !first && (self.unit.is_empty() || second == self.second) {
            return true;
        }
        let bucket = bucket_of(self.unit, unix_ns);
        if first {
            self.bucket = bucket;
        }
        if bucket == self.bucket {
            self.second = second;
        }
        bucket == self.bucket
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_body_takes_exactly_the_records_of_its_first_ones_bucket(
            pattern in prop::sample::select(vec!["logs/", "%Y/", "a%Y%m-", "%Y.%m.%d", "%d/%H/", "%H%M", "%S"]),
            times in prop::collection::vec(-200_000i64..200_000, 1..40),
        ) {
            let template = Template::parse(pattern).expect("a template");
            let mut open = OneBucket::new(&template);
            let first = bucket_of(pattern, times[0] * 777_000_000);
            for (n, time) in times.iter().enumerate() {
                let ns = time * 777_000_000;
                prop_assert_eq!(open.takes(n == 0, ns), bucket_of(pattern, ns) == first, "record {} at {}", n, ns);
            }
        }
    }
}
