//! The far side of the demo: the three stand-ins on free ports, and the configuration that points at them.

use super::room::Room;
use crate::standin::{self, Keys, Options, Standin, Which, cloudwatch, opensearch, s3};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use tokio::runtime::Handle;

/// Names of the outputs, in the order of [`Services::each`].
pub const OUTPUTS: [&str; 3] = ["cloudwatch", "archive", "search"];

/// The stand-ins; they end when this is dropped.
#[derive(Debug)]
pub struct Services {
    all: [Standin; 3],
}

impl Services {
    /// Starts all three.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start(runtime: &Handle) -> io::Result<Services> {
        let start = |which| standin::start(runtime, which, Options { keep_records: 0, ..Options::default() });
        let s3 = s3::Options { keep_bytes: 16 << 20, ..s3::Options::default() };
        Ok(Services {
            all: [
                start(Which::CloudWatch(cloudwatch::Options::default()))?,
                start(Which::S3(s3))?,
                start(Which::OpenSearch(opensearch::Options::default()))?,
            ],
        })
    }
    /// By output name.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, &Standin)> {
        OUTPUTS.into_iter().zip(&self.all)
    }
    /// What the agent is run with; `logs` stands for `/var/log/pods`.
    pub fn config(&self, room: &Room, logs: &Path, admin: SocketAddr) -> String {
        let [cloudwatch, s3, opensearch] = self.all.each_ref().map(|standin| standin.url.as_str());
        let (data, logs) = (yaml(&room.data_dir()), yaml(logs));
        format!(
            r#"data_dir: {data}
shutdown_timeout: 15s
admin: {{listen: "{admin}"}}
retain: {{min_free: 1%}}

inputs:
  pods:
    type: kubernetes
    path: {logs}
    metadata: {{source: path}}

outputs:
  cloudwatch:
    type: cloudwatch_logs
    inputs: [pods]
    region: us-east-1
    endpoint: {cloudwatch}
    log_group: /tailrace/demo
    max_age: 1s
  archive:
    type: s3
    inputs: [pods]
    region: us-east-1
    endpoint: {s3}
    bucket: logs
    key: "demo/{{kubernetes.namespace_name}}/%Y/%m/%d/%H/"
    max_age: 3s
  search:
    type: opensearch
    inputs: [pods]
    url: {opensearch}
    index: "demo-%Y.%m.%d"
    max_age: 1s
    transforms:
      - merge_json: {{}}
"#
        )
    }
}

/// What the stand-ins let in.
pub fn keys() -> Keys {
    Keys::demo()
}

/// A path as a quoted YAML scalar that no variable of the environment can change.
fn yaml(path: &Path) -> String {
    let mut text = String::from("\"");
    for c in path.to_string_lossy().replace("${", "$${").chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if c.is_control() => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn the_configuration_is_right_whatever_the_directory_is_called() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let services = Services::start(runtime.handle()).unwrap();
        let room = Room::new(false).unwrap();
        for logs in ["/var/log/pods", "/a b/\"c\"/\\d/${HOME}/\u{e9}#: [x]"] {
            let text = services.config(&room, Path::new(logs), SocketAddr::from(([127, 0, 0, 1], 9780)));
            let config = config::load(&text, "demo.yaml", &|_| Some("n".into())).unwrap();
            assert_eq!(config.outputs.iter().map(|o| &*o.name).collect::<Vec<_>>(), OUTPUTS);
            let config::checked::InputKind::Kubernetes { path, .. } = &config.inputs[0].kind else {
                panic!("another kind of input")
            };
            assert_eq!(path, Path::new(logs));
        }
    }
}
