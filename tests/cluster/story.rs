//! The story: the agent, the pods, and what happens to both; then the judgement.

use crate::agent;
use crate::history::Watch;
use crate::judge::{Known, Verdict};
use crate::server::{apply, kubectl, variable};
use crate::support::metrics::Metrics;
use crate::support::{Services, until, until_or};
use crate::truth::{TRUTH, written};
use crate::workloads::{self, WORK};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tailrace::standin::{self, Fault, Rule, opensearch};

/// Longest wait for anything that kubelet and the agent should do soon.
const LONG: Duration = Duration::from_secs(180);

/// Everything that a test of this kind holds.
struct Stage {
    began: Instant,
    services: Services,
    history: Watch,
    rotated: Rotated,
}

/// Files that kubelet rotated, by path, noted while they are there.
struct Rotated {
    seen: Arc<Mutex<BTreeSet<PathBuf>>>,
    stop: Arc<AtomicBool>,
}

impl Rotated {
    fn watch() -> Rotated {
        let rotated = Rotated { seen: Arc::default(), stop: Arc::default() };
        let (seen, stop) = (Arc::clone(&rotated.seen), Arc::clone(&rotated.stop));
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                seen.lock().unwrap().extend(rotated_now());
                std::thread::sleep(Duration::from_millis(500));
            }
        });
        rotated
    }

    /// Rotated, and compressed.
    fn counts(&self) -> (usize, usize) {
        let seen = self.seen.lock().unwrap();
        let gz = |path: &&PathBuf| path.extension().is_some_and(|e| e == "gz");
        (seen.iter().filter(|p| !gz(p)).count(), seen.iter().filter(gz).count())
    }
}

impl Drop for Rotated {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// `/var/log/pods/POD/CONTAINER/N.log.TIME[.gz]`
fn rotated_now() -> Vec<PathBuf> {
    let children = |path: PathBuf| fs::read_dir(path).into_iter().flatten().filter_map(Result::ok).map(|e| e.path());
    let files = children("/var/log/pods".into()).flat_map(children).flat_map(children);
    let is_rotated = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.contains(".log.") && !name.ends_with(".tmp")
    };
    files.filter(is_rotated).collect()
}

impl Stage {
    #[expect(clippy::disallowed_methods, reason = "a real cluster has a real clock")]
    fn begin() -> Stage {
        let options = standin::Options { keep_records: 2_000_000, ..standin::Options::default() };
        let services = Services::with(options, opensearch::Options::default());
        let (history, rotated) = (Watch::start(), Rotated::watch());
        fs::create_dir_all(TRUTH).unwrap();
        Stage { began: Instant::now(), services, history, rotated }
    }

    fn say(&self, what: &str) {
        println!("{:>6.1} s  {what}", self.began.elapsed().as_secs_f32());
    }

    /// Lines that a container wrote, over all of its runs and pods.
    fn wrote(uid: &str, container: &str) -> u64 {
        written().iter().filter(|(run, _)| run.uid == uid && run.container == container).map(|(_, n)| n).sum()
    }

    /// Waits until every run that is not still at it has been delivered everywhere.
    fn until_delivered(&self) {
        for (name, standin) in self.services.each() {
            let there = || standin.control.receipts().distinct();
            let all = || written().values().sum::<u64>();
            let say = || format!("{name} has {} of {}; {}", there(), all(), agent::page("/api/lanes"));
            // What is missing is named by the judge.
            let begun = self.began.elapsed();
            while there() < all() && self.began.elapsed() - begun < Duration::from_secs(60) {
                std::thread::sleep(Duration::from_millis(200));
            }
            if there() < all() {
                println!("{}", say());
            }
        }
    }
}

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
    let mut stage = Stage::begin();
    agent::install(&stage.services);
    stage.say("the agent is ready");
    assert_eq!(agent::trouble(), [""; 0], "as it was started");
    people_the_node("doomed");
    until("web to run", LONG, || names_of("web").iter().all(|p| Stage::wrote(&uid_of(p), "side") > 10));
    stage.say("the pods run");
    things_happen(&stage);
    let most = agent::update("tailrace:0.1.1");
    stage.say(&format!("rolling update: {most} processes at once"));
    assert_eq!(agent::trouble(), [""; 0], "as it was updated");
    assert_eq!(most, 2, "the new one stands by before the old one ends");

    until_all_written(&stage);
    // No more lives of it, as each one would move the goal.
    kubectl(&["-n", WORK, "delete", "pod", "crash", "--now"], "");
    stage.say("everything is written");
    stage.until_delivered();
    stage.say("everything is delivered");
    judge(&mut stage);
}

/// What goes on on a node, and what may happen to the agent.
fn things_happen(stage: &Stage) {
    add_ephemeral(&names_of("web")[0]);
    label("app=web", "blue");
    stage.say("an ephemeral container, other labels");
    stage.services.opensearch.control.fault(Rule::always(Fault::Status {
        code: 503,
        error: "unavailable_shards_exception".into(),
        retry_after: None,
    }));
    kubectl(&["-n", WORK, "delete", "pod", "db-0", "--now"], "");
    stage.say("OpenSearch is down; db-0 was deleted, and comes again");
    agent::kill();
    stage.say("the agent was killed, and is there again");
    kubectl(&["delete", "namespace", "doomed", "--timeout=60s"], "");
    stage.say("a namespace is gone");
    stage.services.opensearch.control.clear_faults();
    label("app=chatty-1", "green");
    agent::delete_pod();
    stage.say("OpenSearch is back; the agent's pod was deleted, and is there again");
    // A static pod that changes is another pod: another hash in its directory's name.
    let file = PathBuf::from(variable("KUBE_STATIC_PODS")).join("fixed.json");
    fs::write(file, workloads::fixed().to_string().replace("\"red\"", "\"white\"")).unwrap();
    label("app=db", "blue");
}

/// Waits until every pod that is still there has written what it has to.
fn until_all_written(stage: &Stage) {
    let goals = [("web", "main", 1800), ("web", "side", 600), ("db", "main", 4000), ("fixed", "main", 500)];
    let chatty = ["chatty-1", "chatty-2"].map(|name| (name, "main", 16_000));
    for (app, container, lines) in goals.into_iter().chain(chatty) {
        let done = || names_of(app).iter().all(|pod| wrote_all(pod, container, lines));
        until_or(app, LONG, done, || format!("{:?} {}", written(), stage.began.elapsed().as_secs()));
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

fn judge(stage: &mut Stage) {
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
    println!("of its newest life: {:?} bytes resident", metrics.sum("process_resident_memory_bytes", &[]));
    assert!(rotated > 10 && compressed > 5, "{rotated} rotated, {compressed} compressed");
    for verdict in &verdicts {
        assert!(verdict.is_good(verdict.output != "cloudwatch"), "{verdict}\n{}", agent::said());
    }
}
