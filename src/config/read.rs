//! A tree of nodes to a checked configuration: the keys at the top, and the rules between inputs and outputs.
//!
//! Every function reads on after a mistake, with a default in its place: the report decides in the end whether
//! there is a configuration.

mod aws;
mod ca_file;
mod cloudwatch;
mod exit_when;
mod input;
mod metadata;
mod names;
mod opensearch;
mod output;
mod own_pod;
mod rules;
mod s3;
mod target;
mod transforms;
mod values;

use super::checked::{Config, Retain, Sandbox, SpotNotice};
use super::expand::Env;
use super::memory;
use super::problem::{Report, Wrong};
use super::section::{Place, Section};
use super::units::{MIB, boolean, choice, duration, percent, show_duration, show_size, size, within};
use super::yaml::Node;
use output::Outputs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Default of `memory_limit`.
const MEMORY: u64 = 40 * MIB;

/// The configuration in `root`; worthless when anything is in the report afterwards.
pub(crate) fn config(root: &Node, env: Env<'_>, report: &Report) -> Option<Config> {
    let top = Place::root(root, report).section("`inputs:` and `outputs:`, each with names below it")?;
    let data_dir = top.value("data_dir", values::absolute).unwrap_or_else(|| PathBuf::from("/var/lib/tailrace"));
    let shutdown_timeout = top
        .value("shutdown_timeout", |text| {
            within(duration(text)?, Duration::from_secs(10), Duration::from_secs(3600), show_duration)
        })
        .unwrap_or(Duration::from_secs(25));
    let memory_limit = top.get("memory_limit");
    let admin = admin(&top);
    let node = node(&top, env);
    let retain = retain(&top);
    let spots = [("auto", SpotNotice::Auto), ("on", SpotNotice::On), ("off", SpotNotice::Off)];
    let spot_notice = top.value("spot_notice", |text| choice(text, &spots)).unwrap_or(SpotNotice::Auto);
    let exit_when = exit_when::read(&top);
    let sandbox = sandbox(&top);
    top.refuse("threads", || Wrong::new("not there yet: each output has one thread of its own", "remove the key"));
    let inputs = input::all(&top, env);
    let outputs = output::all(&top, &inputs, &data_dir);
    let limit = memory_limit.as_ref().and_then(|place| place.parse(size));
    if memory_limit.is_none() || limit.is_some() {
        enough_memory(&top, memory_limit.as_ref(), limit.unwrap_or(MEMORY), &outputs);
    }
    top.done();
    Some(Config {
        data_dir,
        memory_limit: limit.unwrap_or(MEMORY),
        shutdown_timeout,
        admin,
        node,
        retain,
        spot_notice,
        exit_when,
        sandbox,
        inputs: inputs.into_iter().filter_map(|named| named.input).collect(),
        outputs: outputs.list,
    })
}

fn admin(top: &Section<'_>) -> Option<SocketAddr> {
    let default = Some(SocketAddr::from(([127, 0, 0, 1], 9780)));
    let Some(section) = top.get("admin").and_then(|place| place.section("`admin: {listen: \"127.0.0.1:9780\"}`"))
    else {
        return default;
    };
    let listen = section.value("listen", |text| match text {
        "none" => Ok(None),
        _ => text.parse().map(Some).map_err(|_| {
            Wrong::new(
                format!("{} is not an address and a port", super::problem::shown(text)),
                "write an IP address and a port, such as `\"127.0.0.1:9780\"`, or `none`",
            )
        }),
    });
    section.done();
    listen.unwrap_or(default)
}

fn node(top: &Section<'_>, env: Env<'_>) -> Arc<str> {
    if let Some(place) = top.get("node") {
        return place.parse(values::node_name).unwrap_or_default().into();
    }
    let found = env("NODE_NAME").filter(|name| !name.is_empty()).or_else(values::host_name);
    match found.as_deref().map(values::node_name) {
        Some(Ok(name)) => name.into(),
        Some(Err(_)) | None => {
            let instead = "write `node: NAME`, or set the variable NODE_NAME";
            top.missing("node", Wrong::new("this node has no usable name of its own", instead));
            "".into()
        }
    }
}

fn retain(top: &Section<'_>) -> Retain {
    let mut retain = Retain { max_bytes: 512 * MIB, min_free_percent: 20 };
    if let Some(section) =
        top.get("retain").and_then(|place| place.section("`retain: {max_bytes: 512MiB, min_free: 20%}`"))
    {
        retain.max_bytes = section.value("max_bytes", size).unwrap_or(retain.max_bytes);
        let free = section.value("min_free", |text| within(percent(text)?, 0, 95, |n| format!("{n}%")));
        retain.min_free_percent = free.unwrap_or(retain.min_free_percent);
        section.done();
    }
    retain
}

fn sandbox(top: &Section<'_>) -> Sandbox {
    let mut sandbox = Sandbox { landlock: true, seccomp: true, read: Vec::new() };
    let example = "`sandbox: {landlock: false, seccomp: false}`";
    if let Some(section) = top.get("sandbox").and_then(|place| place.section(example)) {
        sandbox.landlock = section.value("landlock", boolean).unwrap_or(true);
        sandbox.seccomp = section.value("seccomp", boolean).unwrap_or(true);
        sandbox.read = section.get("read").map(|place| place.items(values::absolute)).unwrap_or_default();
        section.done();
    }
    sandbox
}

/// Every lane must be able to hold one batch.
fn enough_memory(top: &Section<'_>, place: Option<&Place<'_>>, limit: u64, outputs: &Outputs) {
    let needed = memory::FIXED.saturating_add(outputs.memory);
    if limit >= needed {
        return;
    }
    let what = format!("{} cannot hold one batch for each output", show_size(&limit));
    let needed = show_size(&needed);
    match place {
        Some(place) => place.wrong(Wrong::new(what, format!("write `{needed}` or more"))),
        None => {
            let wrong = Wrong::new(format!("the default of {what}"), format!("write `memory_limit: {needed}` or more"));
            top.missing("memory_limit", wrong);
        }
    }
}
