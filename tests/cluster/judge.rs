//! Every document of one output against what its line and the API server say.

use crate::history::Versions;
use crate::server::variable;
use crate::truth::{Line, Run, line};
use crate::workloads::{note, owner};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use tailrace::standin::receipts::Kept;

/// What there is to compare with.
pub struct Known<'a> {
    pub written: &'a BTreeMap<Run, u64>,
    pub pods: &'a BTreeMap<String, Versions>,
}

/// What was found, of one output.
#[derive(Debug, Default)]
pub struct Verdict {
    pub output: &'static str,
    pub lines: u64,
    pub lost: u64,
    pub twice: u64,
    /// Lines whose text is not what was written.
    pub damaged: u64,
    /// Documents without something: the status no longer tells the container id of a run before the last, nor its image.
    pub without: BTreeMap<&'static str, u64>,
    /// Documents by what is wrong with them, and the first of each.
    pub wrong: BTreeMap<&'static str, (u64, String)>,
    /// Runs with lines that are missing, and how many.
    pub missing: BTreeMap<Run, u64>,
}

impl Verdict {
    pub fn of(output: &'static str, kept: &[Kept], known: &Known<'_>) -> Verdict {
        let mut verdict = Verdict { output, ..Verdict::default() };
        let mut seen: BTreeMap<Run, BTreeMap<u64, u32>> = BTreeMap::new();
        for record in kept {
            let Ok(document) = serde_json::from_slice::<Value>(&record.text) else {
                verdict.note("no JSON", String::from_utf8_lossy(&record.text).into());
                continue;
            };
            // Nor do the agents' own logs come, of this pod and of those before it.
            let Some(line) = document["log"].as_str().and_then(line) else {
                verdict.note("nobody wrote this", document.to_string());
                continue;
            };
            verdict.compare(&document, &line, known);
            *seen.entry(line.run).or_default().entry(line.number).or_default() += 1;
        }
        verdict.count(&seen, known);
        verdict
    }

    fn note(&mut self, what: &'static str, document: String) {
        let short = document.chars().take(1_200).collect();
        self.wrong.entry(what).or_insert((0, short)).0 += 1;
    }

    fn compare(&mut self, document: &Value, line: &Line<'_>, known: &Known<'_>) {
        if !line.whole {
            self.damaged += 1;
        }
        let empty = Map::new();
        let is = document["kubernetes"].as_object().unwrap_or(&empty);
        let Some(pod) = known.pods.get(&line.run.uid) else {
            self.note("a pod that the API server never had", document.to_string());
            return;
        };
        let text = |name: &str| is.get(name).and_then(Value::as_str).unwrap_or_default();
        let (run, dots) = (&line.run, self.output == "search");
        let image = pod.image(&run.container).unwrap_or_default();
        let labels = is.get("labels").unwrap_or(&Value::Null);
        let checks = [
            ("stream", document["stream"] == line.stream),
            ("pod_name", text("pod_name") == line.pod),
            ("namespace_name", text("namespace_name") == line.namespace),
            ("pod_id", pod.uids().any(|uid| uid == text("pod_id"))),
            ("host", text("host") == variable("KUBE_NODE")),
            ("container_name", text("container_name") == run.container),
            ("container_image", text("container_image").trim_start_matches("docker.io/") == image),
            ("labels", pod.had_labels(labels, dots)),
            ("annotations", is.get("annotations") == Some(&note(dots))),
            ("owner", (text("owner_kind"), text("owner_name")) == owner(labels["app"].as_str().unwrap_or_default())),
            ("restart_count", is.get("restart_count") == Some(&run.life.into())),
            // The pod sees the change after the API server did; a line before it may have waited until after it.
            ("colour", line.colour == "none" || line.colour == "red" || labels["colour"] == line.colour),
        ];
        for (what, _) in checks.iter().filter(|(_, right)| !right) {
            self.note(what, document.to_string());
        }
        let optional = [
            ("docker_id", pod.container_id(&run.container, run.life) == Some(text("docker_id"))),
            ("container_hash", pod.had_image_id(&run.container, text("container_hash"))),
            ("pod_ip", pod.had_address(text("pod_ip"))),
        ];
        for (what, right) in optional {
            match text(what) {
                "" => *self.without.entry(what).or_default() += 1,
                _ if right => {}
                _ => self.note(what, document.to_string()),
            }
        }
    }

    fn count(&mut self, seen: &BTreeMap<Run, BTreeMap<u64, u32>>, known: &Known<'_>) {
        for (run, numbers) in seen {
            let written = known.written.get(run).copied().unwrap_or_default();
            self.lines += numbers.len() as u64;
            self.twice += numbers.values().map(|n| u64::from(n - 1)).sum::<u64>();
            // One line may have been written and not counted, when the container was killed in between.
            if numbers.keys().any(|number| *number > written + 1) {
                self.note("more lines than were written", format!("{run:?}"));
            }
        }
        for (run, written) in known.written {
            let there = seen.get(run).map_or(0, |numbers| numbers.range(1..=*written).count() as u64);
            if there < *written {
                self.lost += written - there;
                self.missing.insert(run.clone(), written - there);
            }
        }
    }

    /// Everything is right; a duplicate is a fault only where the output promises none.
    pub fn is_good(&self, no_duplicates: bool) -> bool {
        self.lost == 0 && self.damaged == 0 && self.wrong.is_empty() && (self.twice == 0 || !no_duplicates)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mismatches: u64 = self.wrong.values().map(|(n, _)| n).sum();
        write!(f, "{:<10} {:>6} lines, lost {}, twice {}, ", self.output, self.lines, self.lost, self.twice)?;
        write!(f, "damaged {}, mismatches {mismatches}, without {:?}", self.damaged, self.without)?;
        for (what, (count, first)) in &self.wrong {
            write!(f, "\n    {what}: {count}, first: {first}")?;
        }
        for (run, lost) in self.missing.iter().take(20) {
            write!(f, "\n    lost {lost} of {run:?}")?;
        }
        Ok(())
    }
}
