//! Samples of the Prometheus text format, as far as a test asks for them.

/// One scrape.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Vec<Sample>);

#[derive(Clone, Debug)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Metrics {
    /// Every sample; a line that is none fails the test.
    pub fn parse(text: &str) -> Metrics {
        let lines = text.lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
        Metrics(lines.map(|l| sample(l).unwrap_or_else(|| panic!("not a sample: {l}"))).collect())
    }
    /// The sum over all samples of this name that have these labels; `None` when there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |s: &Sample, (n, v): &(&str, &str)| s.labels.iter().any(|(name, value)| name == n && value == v);
        let fit = self.0.iter().filter(|s| s.name == name && labels.iter().all(|l| has(s, l)));
        fit.map(|s| s.value).reduce(|a, b| a + b)
    }
    /// The values of this name with these labels, by another label's value.
    pub fn by(&self, name: &str, labels: &[(&str, &str)], by: &str) -> Vec<(String, f64)> {
        let value = |s: &Sample, name: &str| s.labels.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        let fit = |s: &&Sample| s.name == name && labels.iter().all(|(n, v)| value(s, n).as_deref() == Some(*v));
        self.0.iter().filter(fit).filter_map(|s| Some((value(s, by)?, s.value))).collect()
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn sample(line: &str) -> Option<Sample> {
    let name_end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(name_end);
    let (labels, value) = match rest.strip_prefix('{') {
        None => (Vec::new(), rest),
        Some(inner) => labels(inner)?,
    };
    let value = value.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// The labels, and what follows the closing brace.
fn labels(mut text: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut found = Vec::new();
    loop {
        text = text.trim_start_matches(',');
        if let Some(rest) = text.strip_prefix('}') {
            return Some((found, rest));
        }
        let (name, rest) = text.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = rest.char_indices();
        loop {
            match chars.next()? {
                (at, '"') => {
                    text = rest.get(at + 1..)?;
                    break;
                }
                (_, '\\') => value.push(match chars.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, other) => value.push(other),
            }
        }
        found.push((name.to_owned(), value));
    }
}

#[test]
fn a_sample_is_found_by_name_and_labels() {
    let text = "# HELP a_total x\n# TYPE a_total counter\na_total{output=\"s3\",code=\"a\\\"},b\"} 2\n\
                a_total{output=\"s3\",code=\"c\"} 3.5\na_total{output=\"x\"} 1\nb 7e3 1700000000\n";
    let metrics = Metrics::parse(text);
    assert_eq!(metrics.sum("a_total", &[("output", "s3")]), Some(5.5));
    assert_eq!(metrics.sum("a_total", &[("code", "a\"},b")]), Some(2.0));
    assert_eq!(
        (metrics.sum("b", &[]), metrics.sum("b", &[("x", "y")]), metrics.sum("c", &[])),
        (Some(7000.0), None, None)
    );
}
