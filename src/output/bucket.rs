//! Time buckets of a destination: an hour of an object prefix, a day of an index. Asked for every record.

use crate::config::template::{Template, Unit, bucket_in};

/// How a template divides time; by default not at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Buckets {
    finest: Option<Unit>,
}

impl Buckets {
    /// Those of this template, and of every pattern that comes from it.
    pub fn new(template: &Template) -> Buckets {
        Buckets { finest: template.bucket() }
    }

    /// The bucket's number.
    pub fn of(self, unix_ns: i64) -> i64 {
        bucket_in(self.finest, unix_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::template::bucket_of;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_templates_finest_unit_divides_time_as_its_pattern_does(
            text in prop::sample::select(vec!["logs/", "%Y/", "a%Y%m-", "%Y.%m.%d", "%d/%H/", "%H%M", "100%%S", "%S"]),
            ns in any::<i64>(),
        ) {
            let template = Template::parse(text).expect("a template");
            let pattern = template.file_part(&crate::origin::Fields::default(), str::to_owned);
            prop_assert_eq!(Buckets::new(&template).of(ns), bucket_of(&pattern, ns));
        }
    }
}
