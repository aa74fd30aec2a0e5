//! The command line of catch-up and scaling: what is run.

use crate::agents::Agent;

/// What to run. Numbers that only some profiles look at are `None` until they are given: each profile has its own.
pub struct Plan {
    pub lines: Option<u64>,
    pub files: Option<u64>,
    pub runs: usize,
    pub metadata: usize,
    pub tls: bool,
    /// Empty: those of the profile.
    pub outputs: Vec<String>,
    /// Empty: all tables.
    pub only: Vec<String>,
    pub agents: Vec<Agent>,
}

impl Plan {
    pub fn from_arguments(args: Vec<String>) -> Plan {
        let mut plan = Plan {
            lines: None,
            files: None,
            runs: 3,
            metadata: 900,
            tls: true,
            outputs: Vec::new(),
            only: Vec::new(),
            agents: vec![Agent::tailrace()],
        };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
            match arg.as_str() {
                "--lines" => plan.lines = Some(number(&arg, &value())),
                "--files" => plan.files = Some(number(&arg, &value())),
                "--runs" => plan.runs = number(&arg, &value()) as usize,
                "--metadata" => plan.metadata = number(&arg, &value()) as usize,
                "--plain-http" => plan.tls = false,
                "--output" => plan.outputs.push(value()),
                "--only" => plan.only.push(value()),
                "--tailrace" => plan.agents.push(Agent::build(plan.agents.len() + 1, value())),
                "--other" => plan.agents.push(Agent::other(&value())),
                other => panic!("unknown argument {other}; see --help"),
            }
        }
        plan
    }
}

fn number(name: &str, text: &str) -> u64 {
    text.replace('_', "").parse().unwrap_or_else(|_| panic!("{name} takes a number, not {text}"))
}
