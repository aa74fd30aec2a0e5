//! How long it takes from a new pod's first line until its file is open, and until the line has arrived: measured and
//! said. What fails is a pod that only the look of each minute finds.

use crate::api::{Api, Mode};
use crate::rig::{Pod, Rig};
use crate::support::{SOON, now};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

const PODS: u32 = 20;

/// Whether this process has the file open.
fn is_open(pid: u32, file: &Path) -> bool {
    let handles = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    handles.flatten().any(|handle| std::fs::read_link(handle.path()).is_ok_and(|to| to == file))
}

fn since(begin: Duration, what: &str, mut done: impl FnMut() -> bool) -> Duration {
    while !done() {
        assert!(now().mono - begin < SOON, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
    now().mono - begin
}

fn line(what: &str, mut times: Vec<Duration>) -> String {
    times.sort();
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
    format!("{what}: median {:.1} ms, longest {:.1} ms\n", ms(median), ms(most))
}

#[test]
fn a_new_pod_is_found_by_its_events_measured() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Fine));
    let agent = rig.start(api.addr, ", wait: 60s");
    Rig::until_state(&agent, "watching");
    agent.until_ready();
    let search = &rig.services.opensearch;
    let (mut opened, mut delivered) = (Vec::new(), Vec::new());
    for n in 0..PODS {
        let pod = Pod::new(n, &["app=web"]);
        // kubelet's status reaches the API server before the container says anything, or soon after.
        api.put(&pod.json());
        let begin = now().mono;
        rig.say(&pod, &format!("pod {n}"));
        let file = rig.file(&pod, &pod.uid).canonicalize().unwrap();
        opened.push(since(begin, "an open handle", || is_open(agent.pid(), &file)));
        delivered
            .push(since(begin, "the line in OpenSearch", || !Rig::arrived(search, &format!("pod {n}")).is_empty()));
    }
    for (_, at) in rig.services.each() {
        since(now().mono, "every pod everywhere", || at.control.receipts().totals().records >= u64::from(PODS));
    }
    let said = format!(
        "\nnew pods, inotify, {PODS} one after the other:\n  {}  {}",
        line("from the first line to an open handle", opened),
        line("from the first line to OpenSearch, max_age 200 ms", delivered)
    );
    std::io::stderr().write_all(said.as_bytes()).unwrap();
}
