//! What is known of the pod that we run in, as a sidecar: read once for each agent, when it starts. What cannot be read
//! is said and left out: lines are delivered without.

use crate::config::checked::{Input, InputKind};
use crate::metadata::downward::{self, Own, Pairs};
use std::io::Read;
use std::path::Path;

/// Annotations of an object are 256 KiB at most; escaped they grow.
const MOST_BYTES: u64 = 2 << 20;

/// The fields of this input's files: none, unless its configuration says that they are our pod's.
pub fn fields(input: &Input, node: &str) -> Pairs {
    let InputKind::File { pod: Some(pod), .. } = &input.kind else { return Pairs::new() };
    let text = |wanted: bool, name: &str| if wanted { file(&pod.dir.join(name)) } else { String::new() };
    let own = Own {
        name: &pod.name,
        namespace: &pod.namespace,
        uid: &pod.uid,
        container: pod.container.as_deref().unwrap_or(""),
        node,
        annotations: &pod.annotations,
    };
    let annotations = text(!pod.annotations.is_empty(), "annotations");
    downward::fields(&own, &text(pod.labels, "labels"), &annotations)
}

fn file(path: &Path) -> String {
    let mut text = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut text));
    if let Err(error) = read {
        tracing::warn!(path = %path.display(), %error, "not known of our pod: mount a downwardAPI volume there, or leave labels and annotations out");
    }
    String::from_utf8_lossy(&text).into_owned()
}
