//! Labels in templates and in `select`.

use crate::api::{Api, Mode};
use crate::rig::{Pod, Rig};
use crate::support::{SOON, until};

#[test]
fn templates_and_select_go_by_labels() {
    let (mut rig, api) = (Rig::new(), Api::start(Mode::Fine));
    let outputs = rig.services.outputs();
    let keyed = outputs.replace("{kubernetes.namespace_name}", "{kubernetes.labels.app.kubernetes.io/name}");
    assert_ne!(keyed, outputs);
    let select = "    transforms:\n      - select: {keep: 'kubernetes.labels.tier == \"front\" and not (kubernetes.labels.app == \"noisy\")'}\n";
    rig.outputs = Some(keyed + select);
    let pods = [
        Pod::new(1, &["app.kubernetes.io/name=cart", "tier=front"]),
        Pod::new(2, &["app.kubernetes.io/name=ledger", "tier=back"]),
        Pod::new(3, &["app.kubernetes.io/name=cart", "tier=front", "app=noisy"]),
        Pod::new(4, &[]),
    ];
    pods.iter().for_each(|pod| api.put(&pod.json()));
    let agent = rig.start(api.addr, ", wait: 60s");
    for pod in &pods {
        rig.say(pod, &pod.name);
    }
    let archive = &rig.services.s3;
    for (pod, prefix) in pods.iter().zip(["logs/cart/", "logs/ledger/", "logs/cart/", "logs/"]) {
        until("the archive", SOON, || !Rig::arrived(archive, &pod.name).is_empty());
        let place = Rig::arrived(archive, &pod.name).remove(0).0;
        assert!(place.starts_with(prefix), "{place}");
    }
    let search = &rig.services.opensearch;
    until("the chosen one", SOON, || !Rig::arrived(search, "web-1").is_empty());
    // All lines are of one moment; a file that is not wanted is never read.
    rig.say(&pods[0], "last");
    until("the last line", SOON, || !Rig::arrived(search, "last").is_empty());
    for name in ["web-2", "web-3", "web-4"] {
        assert!(Rig::arrived(search, name).is_empty(), "{name}");
    }
    let lines = |output| agent.metrics().sum("tailrace_output_lines_total", &[("output", output)]);
    until("two lines in the search", SOON, || lines("search") == Some(2.0));
    until("five lines in the archive", SOON, || lines("archive") == Some(5.0));
}
