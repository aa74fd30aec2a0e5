//! The story: the agent, the pods, and what happens to both; then the judgement.

use crate::agent;
use crate::judge::{Known, Verdict};
use crate::server::{apply, kubectl, variable};
use crate::stage::Stage;
use crate::support::metrics::Metrics;
use crate::support::{until, until_or};
use crate::truth::written;
use crate::workloads::{self, WORK};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use tailrace::standin::{Fault, Rule};

/// Longest wait for anything that kubelet and the agent should do soon.
const LONG: Duration = Duration::from_secs(180);

fn uid_of(name: &str) -> String {
    kubectl(&["-n", WORK, "get", "pod", name, "-o", "jsonpath={.metadata.uid}"], "")
}

fn names_of(app: &str) -> Vec<String> {
    let names = kubectl(&["-n", WORK, "get", "pods", "-l", &format!("app={app}"), "-o", "name"], "");
    names.lines().map(|name| name.trim_start_matches("pod/").to_owned()).collect()
}

/// The same way that `kubectl debug` goes.
fn add_ephemeral(pod: &str) {
    let mut object: Value = serde_json::from_str(&kubectl(&["-n", WORK, "get", "pod", pod, "-o", "json"], "")).unwrap();
    object["spec"]["ephemeralContainers"] = json!([workloads::ephemeral()]);
    let path = format!("/api/v1/namespaces/{WORK}/pods/{pod}/ephemeralcontainers");
    kubectl(&["replace", "--raw", &path, "-f", "-"], &object.to_string());
}

fn label(selector: &str, colour: &str) {
    kubectl(&["-n", WORK, "label", "pods", "-l", selector, "--overwrite", &format!("colour={colour}")], "");
}

/// All workloads at once.
fn people_the_node(doomed: &str) {
    for name in [WORK, doomed] {
        apply(&workloads::namespace(name));
        // No pod is admitted before a controller made it.
        until("a service account", LONG, || {
            !kubectl(&["-n", name, "get", "serviceaccounts", "-o", "name"], "").is_empty()
        });
    }
    let mut items = vec![
        workloads::web(),
        workloads::long(),
        workloads::starts(),
        workloads::crash(),
        workloads::brief(),
        workloads::tick(),
        workloads::db(),
    ];
    items.extend(workloads::chatty());
    items.extend(workloads::doomed(doomed));
    apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}));
    let manifests = PathBuf::from(variable("KUBE_STATIC_PODS"));
    fs::write(manifests.join("fixed.json"), workloads::fixed().to_string()).unwrap();
}

#[test]
#[ignore = "needs a cluster: scripts/cluster/test node"]
fn every_line_arrives_with_the_metadata_of_the_pod_that_wrote_it_whatever_happens_to_pod_and_agent() {
    let stage = Stage::begin();
    agent::install(&stage.services);
    stage.say("the agent is ready");
    assert_eq!(agent::trouble(), [""; 0], "as it was started");
    people_the_node("doomed");
    until("web to run", LONG, || names_of("web").iter().all(|p| Stage::wrote(&uid_of(p), "side") > 10));
    stage.say("the pods run");
    add_ephemeral(&names_of("web")[0]);
    label("app=web", "blue");
    stage.say("an ephemeral container; other labels");
    a_destination_is_down_while_pods_go(&stage);
    the_agent_dies(&stage);
    // A static pod that changes is another pod: another hash in its directory's name.
    let file = PathBuf::from(variable("KUBE_STATIC_PODS")).join("fixed.json");
    fs::write(file, workloads::fixed().to_string().replace("\"red\"", "\"white\"")).unwrap();
    label("app=db", "blue");
    let most = agent::update("tailrace:0.1.1");
    stage.say(&format!("rolling update: {most} processes at once"));
    assert_eq!(agent::trouble(), [""; 0], "as it was updated");
    assert_eq!(most, 2, "the new one stands by before the old one ends");

    the_node_restarts_its_parts(&stage);

    until_all_written();
    the_agent_is_away(&stage);
    until("late to write all", LONG, || wrote_all("late", "main", workloads::LATE));
    // No more lives of these, as each one would move the goal.
    kubectl(&["-n", WORK, "delete", "pod", "crash", "--now"], "");
    kubectl(&["-n", WORK, "delete", "cronjob", "tick", "--cascade=foreground", "--timeout=60s"], "");
    stage.say("everything is written");
    stage.until_delivered();
    judge(&stage);
}

/// Files of deleted pods, and what kubelet rotates away meanwhile, are held for OpenSearch.
fn a_destination_is_down_while_pods_go(stage: &Stage) {
    let down = Fault::Status { code: 503, error: "unavailable_shards_exception".into(), retry_after: None };
    stage.services.opensearch.control.fault(Rule::always(down));
    kubectl(&["-n", WORK, "delete", "pod", "db-0", "--now"], "");
    kubectl(&["delete", "namespace", "doomed", "--timeout=60s"], "");
    stage.say("OpenSearch is down; db-0 was deleted, and comes again; a namespace is gone");
    let (_, before) = stage.rotated.counts();
    let compressed = || stage.rotated.counts().1 >= before + 6;
    until("kubelet to compress what OpenSearch has not read", LONG, compressed);
    let copies = || fs::read_dir("/var/lib/tailrace/retained").map_or(0, Iterator::count);
    until_or("a copy of a file that kubelet deleted", LONG, || copies() > 0, agent::said);
    stage.services.opensearch.control.clear_faults();
    stage.say(&format!("OpenSearch is back; {} copies were kept for it", copies()));
    stage.until_delivered();
}

/// Nothing is deleted in the seconds without an agent: what nobody could read then is lost, as the README says.
fn the_agent_dies(stage: &Stage) {
    agent::kill();
    stage.say("the agent was killed, and is there again");
    stage.until_delivered();
    label("app=chatty-1", "green");
    agent::delete_pod();
    stage.say("the agent's pod was deleted by force, and another one is there");
    stage.until_delivered();
}

/// Not containerd: what it has read and not written yet goes with it, and the test could not tell whose loss that was.
fn the_node_restarts_its_parts(stage: &Stage) {
    let restart = |part: &str| {
        let done = Command::new("scripts/cluster/cluster").args(["_restart", part, "3"]).status().unwrap();
        assert!(done.success(), "{part}");
    };
    restart("kube-apiserver");
    let answers = || {
        let mut ready = Command::new(variable("KUBECTL"));
        ready.args(["get", "--raw", "/readyz"]).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    };
    until("kube-apiserver to be back", LONG, answers);
    agent::until_following();
    restart("kubelet");
    label("app=chatty-2", "white");
    stage.say("kubelet and the API server were killed, and are there again; other labels");
    stage.until_delivered();
}

/// A pod's label changes while there is no agent, and what it writes waits for the next one, some of it rotated.
fn the_agent_is_away(stage: &Stage) {
    apply(&workloads::late());
    until("late to write", LONG, || Stage::wrote(&uid_of("late"), "main") > 50);
    stage.until_delivered();
    agent::take_away();
    let (before, _) = stage.rotated.counts();
    label("app=late", "green");
    let knows = || kubectl(&["-n", WORK, "logs", "late", "--tail=1"], "").contains("colour=green");
    until("late to know its new label", LONG, knows);
    until("kubelet to rotate what nobody has read", LONG, || stage.rotated.counts().0 > before);
    agent::bring_back();
    stage.say("the agent was killed, and away while a label changed and kubelet rotated");
}

/// Waits until every pod that is still there has written what it has to.
fn until_all_written() {
    let goals = [("web", "main", 1800), ("web", "side", 600), ("db", "main", 4000), ("fixed", "main", 500)];
    let chatty = ["chatty-1", "chatty-2"].map(|name| (name, "main", 16_000));
    for (app, container, lines) in goals.into_iter().chain(chatty) {
        let done = || names_of(app).iter().all(|pod| wrote_all(pod, container, lines));
        until_or(app, LONG, done, || format!("{:?}", written()));
    }
    kubectl(&["-n", WORK, "wait", "--for=condition=complete", "job/brief", "--timeout=60s"], "");
    let over =
        |pod: &str| kubectl(&["-n", WORK, "get", "pod", pod, "-o", "jsonpath={.status.phase}"], "") == "Succeeded";
    until("long and starts to end", LONG, || over("long") && over("starts"));
}

fn wrote_all(pod: &str, container: &str, lines: u64) -> bool {
    let object: Value = serde_json::from_str(&kubectl(&["-n", WORK, "get", "pod", pod, "-o", "json"], "")).unwrap();
    let hash = &object["metadata"]["annotations"]["kubernetes.io/config.hash"];
    let uid = hash.as_str().or(object["metadata"]["uid"].as_str()).unwrap();
    Stage::wrote(uid, container) >= lines
}

fn judge(stage: &Stage) {
    let (written, pods) = (written(), stage.history.pods());
    let known = Known { written: &written, pods: &pods };
    let each = stage.services.each();
    let verdicts = each.map(|(name, at)| Verdict::of(name, &at.control.receipts().kept(), &known));
    let lines: u64 = written.values().sum();
    let containers: BTreeSet<_> = written.keys().map(|run| (&run.uid, &run.container)).collect();
    let uids: BTreeSet<_> = written.keys().map(|run| &run.uid).collect();
    let (rotated, compressed) = stage.rotated.counts();
    println!(
        "written: {lines} lines by {} pods, {} containers, {} runs; {rotated} files rotated, {compressed} seen compressed",
        uids.len(),
        containers.len(),
        written.len()
    );
    for verdict in &verdicts {
        println!("{verdict}");
    }
    let metrics = Metrics::parse(&agent::page("/metrics"));
    let resident =
        metrics.sum("tailrace_process_resident_memory_peak_bytes", &[]).unwrap_or_default() / f64::from(1 << 20);
    println!("agent: {resident:.1} MiB resident at most in its newest life");
    let (asked, wrong) = agent::requests();
    assert!(pods.values().any(|pod| pod.0.iter().any(|p| p["metadata"]["labels"]["app"] == "tick")), "no CronJob ran");
    println!("agent: {asked} requests to the API server");
    assert_eq!(wrong, [""; 0], "lists and watches of this node's pods alone");
    assert!(rotated > 10 && compressed > 5, "{rotated} rotated, {compressed} compressed");
    for verdict in &verdicts {
        assert!(verdict.is_good(verdict.output != "cloudwatch"), "{verdict}\n{}", agent::said());
    }
}
