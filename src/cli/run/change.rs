//! From one configuration to another: what must be built anew for it. Pure.
//!
//! The lane of an output is built anew when anything that it was built from differs, and no other. What finds files
//! (inputs, the node's name) is one part: when that differs everything is built anew, inside this process, as a start
//! does it. What cannot change while a process runs is refused, and then nothing changes.

use crate::config::checked::{Config, Input, Output, Start};
use std::net::SocketAddr;
use std::sync::Arc;

/// What must be built anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// At most some lanes.
    Outputs,
    /// All of it.
    Everything,
}

/// What the lane of an output is built from, beside the node's name.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    output: Output,
    /// Of each input that it reads.
    inputs: Vec<(Arc<str>, Start, usize)>,
}

impl Made {
    /// Of this output of this configuration.
    pub fn of(output: &Output, config: &Config) -> Made {
        let read = config.inputs.iter().filter(|input| output.inputs.contains(&input.name));
        let inputs = read.map(|input| (input.name.clone(), input.start, input.max_record)).collect();
        Made { output: output.clone(), inputs }
    }
}

/// How to get from `old` to `new`, or why that needs another process. `memory_limit`, `retain`, `shutdown_timeout` and
/// `exit_when` build nothing anew: whoever goes by them asks for what is in effect.
pub fn between(old: &Config, new: &Config) -> Result<Change, String> {
    // Named one by one: whoever adds a key at the top decides here what its change means.
    let Config {
        data_dir,
        admin,
        node,
        inputs: _,
        outputs: _,
        memory_limit: _,
        retain: _,
        shutdown_timeout: _,
        exit_when: _,
        spot_notice,
    } = new;
    if old.data_dir != *data_dir {
        let (old, new) = (old.data_dir.display(), data_dir.display());
        return Err(format!(
            "data_dir: cannot change while this process runs, which holds {old}; restart it for {new}"
        ));
    }
    if old.admin != *admin {
        let show = |at: Option<SocketAddr>| at.map_or_else(|| "none".to_owned(), |at| at.to_string());
        let (old, new) = (show(old.admin), show(*admin));
        return Err(format!(
            "admin.listen: cannot change while this process runs, which answers on {old}; restart it for {new}"
        ));
    }
    if old.spot_notice != *spot_notice {
        return Err("spot_notice: cannot change while this process runs; restart it".to_owned());
    }
    let same = old.node == *node && found(old).eq(found(new));
    Ok(if same { Change::Outputs } else { Change::Everything })
}

/// What the catalog and the pod watch are told of inputs; `start` and `max_record` concern lanes alone.
fn found(config: &Config) -> impl Iterator<Item = Input> + '_ {
    config.inputs.iter().map(|input| Input { start: Start::Beginning, max_record: 0, ..input.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
data_dir: /d
node: n
memory_limit: 100MiB
inputs:
  pods: {type: kubernetes, metadata: {source: path}}
  f: {type: file, include: [/f]}
outputs:
  a: {type: s3, inputs: [pods, f], bucket: abc, key: k}
  b: {type: opensearch, inputs: [f], url: 'http://h', index: i, auth: {type: basic, username: u, password: p}}
  c: {type: cloudwatch_logs, inputs: [pods], log_group: g, transforms: [{select: {keep: 'log =~ \"x+\"'}}]}
";

    fn config(text: &str) -> Config {
        crate::config::load(text, "f", &|_| None).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// What changes when `from` becomes `to`: everything or not, and whose lanes are not as they were.
    fn change(from: &str, to: &str) -> (Change, Vec<String>) {
        assert_eq!(TEXT.matches(from).count(), 1, "{from}");
        let (old, new) = (config(TEXT), config(&TEXT.replace(from, to)));
        let made = |config: &Config| -> Vec<Made> { config.outputs.iter().map(|o| Made::of(o, config)).collect() };
        let before = made(&old);
        let other = made(&new).into_iter().filter(|made| !before.contains(made));
        (between(&old, &new).unwrap(), other.map(|made| made.output.name.to_string()).collect())
    }

    #[test]
    fn only_lanes_that_were_built_from_something_else_are_built_anew() {
        let lanes = |from: &str, to: &str, want: &[&str]| {
            let (what, lanes) = change(from, to);
            assert_eq!(
                (what, lanes),
                (Change::Outputs, want.iter().map(ToString::to_string).collect()),
                "{from} -> {to}"
            );
        };
        lanes("node: n", "node: n # a comment", &[]);
        lanes("memory_limit: 100MiB", "memory_limit: 101MiB", &[]);
        lanes("memory_limit", "shutdown_timeout: 11s\nretain: {max_bytes: 1GiB}\nmemory_limit", &[]);
        lanes("bucket: abc", "bucket: abd", &["a"]);
        lanes("password: p", "password: q", &["b"]);
        lanes("x+", "x*", &["c"]);
        lanes("  b: {", "  z: {", &["z"]);
        lanes("include: [/f]", "include: [/f], max_record: 2KiB", &["a", "b"]);
        lanes("source: path}", "source: path}, start: end", &["a", "c"]);
    }

    #[test]
    fn whatever_finds_files_means_everything() {
        for (from, to) in [
            ("node: n", "node: m"),
            ("include: [/f]", "include: [/g]"),
            ("include: [/f]", "include: [/f], exclude: [/f/x]"),
            ("source: path}", "source: api}"),
            ("  f: {", "  g: {type: file, include: [/g]}\n  f: {"),
        ] {
            assert_eq!(change(from, to).0, Change::Everything, "{to}");
        }
    }

    #[test]
    fn what_needs_another_process_is_refused_with_a_sentence() {
        let refused = |from: &str, to: &str| between(&config(TEXT), &config(&TEXT.replace(from, to))).unwrap_err();
        let said = refused("data_dir: /d", "data_dir: /e");
        assert!(said.contains("data_dir") && said.contains("/d") && said.contains("restart it for /e"), "{said}");
        let said = refused("node: n", "node: n\nadmin: {listen: none}");
        assert!(said.contains("admin.listen") && said.contains("restart it for none"), "{said}");
        let said = refused("node: n", "node: n\nspot_notice: off");
        assert!(said.contains("spot_notice") && said.contains("restart it"), "{said}");
    }
}
