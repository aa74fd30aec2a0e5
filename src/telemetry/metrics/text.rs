//! The Prometheus text exposition format 0.0.4: families with HELP and TYPE, samples with escaped labels.

use std::fmt::Write;

/// What a family counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Quantiles, `_sum` and `_count`.
    Summary,
}

/// A growing exposition. All samples of a family must follow its heading.
#[derive(Debug, Default)]
pub struct Text {
    out: String,
    name: String,
}

/// Labels of one sample; names are ours and valid.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

impl Text {
    /// Begins a family; the samples that follow are its.
    pub fn family(&mut self, kind: Kind, name: &str, help: &str) -> &mut Self {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Summary => "summary",
        };
        self.name = format!("tailrace_{name}");
        self.line(format_args!(
            "# HELP {} {}\n# TYPE {} {kind}\n",
            self.name.clone(),
            escape_help(help),
            self.name.clone()
        ));
        self
    }

    /// A whole number.
    pub fn int(&mut self, labels: Labels<'_>, value: u64) {
        self.sample("", labels, format_args!("{value}"));
    }

    /// Any number.
    pub fn float(&mut self, labels: Labels<'_>, value: f64) {
        self.float_of("", labels, value);
    }

    /// A number of one of the family's series with a suffix: `_sum`.
    pub fn float_of(&mut self, suffix: &str, labels: Labels<'_>, value: f64) {
        if value.is_infinite() {
            let sign = if value > 0.0 { "+Inf" } else { "-Inf" };
            self.sample(suffix, labels, format_args!("{sign}"));
        } else {
            self.sample(suffix, labels, format_args!("{value}"));
        }
    }

    /// A whole number of one of the family's series with a suffix: `_count`.
    pub fn int_of(&mut self, suffix: &str, labels: Labels<'_>, value: u64) {
        self.sample(suffix, labels, format_args!("{value}"));
    }

    /// The text.
    pub fn finish(self) -> String {
        self.out
    }

    fn sample(&mut self, suffix: &str, labels: Labels<'_>, value: std::fmt::Arguments<'_>) {
        self.out.push_str(&self.name);
        self.out.push_str(suffix);
        for (n, (name, text)) in labels.iter().enumerate() {
            self.out.push(if n == 0 { '{' } else { ',' });
            self.out.push_str(name);
            self.out.push_str("=\"");
            escape_label(text, &mut self.out);
            self.out.push('"');
        }
        if !labels.is_empty() {
            self.out.push('}');
        }
        self.line(format_args!(" {value}\n"));
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        self.out.write_fmt(text).unwrap_or_default();
    }
}

fn escape_label(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

fn escape_help(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}
