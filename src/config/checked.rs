//! The configuration after every check: types that cannot be wrong. Made only by `config::load`.

use crate::config::template::Template;
use crate::metadata::rules::Rules;
use crate::transform::select::Predicate;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A whole configuration file.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// State lives here.
    pub data_dir: PathBuf,
    /// Bytes for lanes, catalog and metadata together; divided at start.
    pub memory_limit: u64,
    /// From SIGTERM to exit.
    pub shutdown_timeout: Duration,
    /// Address of the admin HTTP server; `None` when `admin: {listen: "none"}`.
    pub admin: Option<SocketAddr>,
    /// This node's name: key `node`, else NODE_NAME, else the host's name.
    pub node: Arc<str>,
    /// Caps on what is kept of deleted files.
    pub retain: Retain,
    /// Whether instance metadata is asked if EC2 takes this spot instance back.
    pub spot_notice: SpotNotice,
    /// For an agent whose files go when it does, as a sidecar's.
    pub exit_when: Option<ExitWhen>,
    /// What the process gives up at its start.
    pub sandbox: Sandbox,
    /// In the order of the file.
    pub inputs: Vec<Input>,
    /// In the order of the file.
    pub outputs: Vec<Output>,
}

/// Whether instance metadata is asked for a spot interruption notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpotNotice {
    /// Where this machine's firmware says that it is an EC2 instance.
    Auto,
    /// Wherever this runs.
    On,
    /// Never.
    Off,
}

/// When an agent ends by itself. However it ends, the end of its files is the end: what is unfinished goes out too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExitWhen {
    /// This is there.
    pub file: Option<PathBuf>,
    /// No file grew for so long, and some byte was seen.
    pub idle: Option<Duration>,
}

/// What the process gives up at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// Files that it does not need; default true.
    pub landlock: bool,
    /// System calls that it does not need; default true.
    pub seccomp: bool,
    /// Further paths that stay readable: where links of `file` inputs lead; default none.
    pub read: Vec<PathBuf>,
}

/// Caps on held handles of deleted files.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retain {
    /// Default 512 MiB.
    pub max_bytes: u64,
    /// Per cent of the file system that must stay free; default 20.
    pub min_free_percent: u8,
}

/// One input.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Its name in the file.
    pub name: Arc<str>,
    /// Where files already there begin at a lane's first start.
    pub start: Start,
    /// Glob patterns of absolute paths that are left out.
    pub exclude: Vec<String>,
    /// A longer line is split; default 1 MiB.
    pub max_record: usize,
    /// The rest.
    pub kind: InputKind,
}

/// Where files begin that were there before a lane's first start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At offset 0.
    Beginning,
    /// At their end.
    End,
}

/// What kind of input.
#[derive(Clone, Debug, PartialEq)]
pub enum InputKind {
    /// Pod logs below `path`.
    Kubernetes {
        /// Default /var/log/pods.
        path: PathBuf,
        /// Docker mode: a link out of `path` may be followed once into one of these.
        docker_roots: Vec<PathBuf>,
        /// Where pod facts come from.
        metadata: Metadata,
        /// Our own pod is read too (default false; known by POD_UID).
        include_self: bool,
        /// Whose logs are read, and what pods may say.
        rules: Rules,
    },
    /// Plain lines of files named by glob patterns of absolute paths.
    File {
        /// At least one.
        include: Vec<String>,
        /// `metadata: {source: downward}`: whose they are.
        pod: Option<OwnPod>,
    },
}

/// Pod metadata settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Metadata {
    /// Where from.
    pub source: MetadataSource,
    /// How long a file waits for its pod; default 10 s.
    pub wait: Duration,
    /// Labels go into documents; default true.
    pub labels: bool,
    /// Annotations that go into documents, by exact name; default none.
    pub annotations: Vec<String>,
    /// Further facts that go into documents: some of [`crate::origin::ON_REQUEST`]; default none.
    pub fields: Vec<&'static str>,
    /// The namespace's labels go into documents; default false.
    pub namespace_labels: bool,
    /// The node's labels go into documents; default false.
    pub node_labels: bool,
    /// With `Kubelet`: where it is.
    pub kubelet: Kubelet,
}

/// How kubelet is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Kubelet {
    /// Default https://127.0.0.1:10250.
    pub url: String,
    /// Who signed its certificate; default: the cluster's authority, as the service account has it.
    pub ca_file: Option<CaFile>,
    /// Its certificate is checked; default true.
    pub verify: bool,
}

/// The pod that we run in, as a sidecar, and whose files these are: what the downward API tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPod {
    /// Key `pod_name`, else POD_NAME.
    pub name: String,
    /// Key `namespace_name`, else POD_NAMESPACE.
    pub namespace: String,
    /// Key `pod_id`, else POD_UID.
    pub uid: String,
    /// The container that writes them.
    pub container: Option<String>,
    /// Where a `downwardAPI` volume is; default /etc/podinfo. Read when the agent starts.
    pub dir: PathBuf,
    /// Its file `labels` goes into documents; default true.
    pub labels: bool,
    /// Annotations of its file `annotations` that go into documents, by exact name; default none.
    pub annotations: Vec<String>,
}

/// Where pod facts come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataSource {
    /// List and watch this node's pods.
    Api,
    /// Ask this node's kubelet.
    Kubelet,
    /// Directory names alone.
    Path,
}

/// One output.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Its name in the file.
    pub name: Arc<str>,
    /// Names its lane in the store; default: the name.
    pub id: Arc<str>,
    /// Names of inputs, at least one, all of which exist.
    pub inputs: Vec<Arc<str>>,
    /// Oldest unsent byte; default 5 s (S3: 5 min).
    pub max_age: Duration,
    /// Keep a record when all of these are true.
    pub select: Vec<Predicate>,
    /// `merge_json` under `log_processed`.
    pub merge_json: bool,
    /// Dead-letter directory (default `data_dir/dead-letter`).
    pub dead_letter_dir: PathBuf,
    /// Its cap; default 256 MiB.
    pub dead_letter_max: u64,
    /// State of a lane that left the configuration is kept this long; default 24 h.
    pub forget_after: Duration,
    /// A lane that is behind and settled nothing for so long is unhealthy; default 5 min.
    pub stall_after: Duration,
    /// Order and share while more than 60 s behind.
    pub catch_up: CatchUp,
    /// Most requests in flight (the N of AIMD).
    pub concurrency: usize,
    /// PEM file of additional roots.
    pub ca_file: Option<CaFile>,
    /// The destination.
    pub kind: OutputKind,
}

/// A file of certificates, as it was when the configuration was read.
#[derive(Clone, Debug, PartialEq)]
pub struct CaFile {
    /// Where.
    pub path: PathBuf,
    /// SHA-256 of its content: another content is another configuration.
    pub sha256: [u8; 32],
}

/// How a lane catches up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CatchUp {
    /// Which files first.
    pub order: CatchUpOrder,
    /// Per cent of wall time.
    pub share_percent: u8,
}

/// Which files first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatchUpOrder {
    /// Deficit round robin.
    Fair,
    /// Oldest unread byte first.
    Oldest,
    /// Newest file first.
    Newest,
}

/// Credentials and place of an AWS output.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Aws {
    /// Else environment, profile, instance metadata.
    pub region: Option<String>,
    /// `http://` or `https://`, host and port; else the service's own.
    pub endpoint: Option<String>,
    /// Assumed with the chain's credentials.
    pub role_arn: Option<String>,
    /// For `role_arn`.
    pub external_id: Option<String>,
    /// For `role_arn`; else `tailrace`.
    pub session_name: Option<String>,
    /// Named profile.
    pub profile: Option<String>,
}

/// The destination of an output.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputKind {
    /// CloudWatch Logs.
    CloudWatch(CloudWatch),
    /// S3.
    S3(S3),
    /// OpenSearch.
    OpenSearch(OpenSearch),
}

impl OutputKind {
    /// Its `type` in the file.
    pub fn name(&self) -> &'static str {
        match self {
            OutputKind::CloudWatch(_) => "cloudwatch_logs",
            OutputKind::S3(_) => "s3",
            OutputKind::OpenSearch(_) => "opensearch",
        }
    }
}

/// CloudWatch Logs.
#[derive(Clone, Debug, PartialEq)]
pub struct CloudWatch {
    /// Credentials and place.
    pub aws: Aws,
    /// No time parts.
    pub log_group: Template,
    /// `None`: one per container, in AWS's naming.
    pub log_stream: Option<Template>,
    /// Create missing groups and streams.
    pub create: bool,
    /// Set on groups that we made; one of the values the service takes.
    pub retention_days: Option<u32>,
    /// Key for groups that we make.
    pub kms_key_id: Option<String>,
    /// Class of groups that we make.
    pub log_class: Option<LogClass>,
    /// The document, or the body alone.
    pub text: bool,
    /// Events out of the service's window go to the dead-letter file instead of being dropped.
    pub dead_letter_out_of_window: bool,
}

/// CloudWatch log class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogClass {
    /// STANDARD
    Standard,
    /// INFREQUENT_ACCESS
    InfrequentAccess,
}

/// S3.
#[derive(Clone, Debug, PartialEq)]
pub struct S3 {
    /// Credentials and place.
    pub aws: Aws,
    /// Bucket name.
    pub bucket: String,
    /// Object name prefix, with time parts.
    pub key: Template,
    /// zstd or gzip.
    pub compression: Compression,
    /// Compressed bytes at which an object is closed.
    pub object_size: u64,
    /// e.g. STANDARD_IA.
    pub storage_class: Option<String>,
    /// AES256 or aws:kms.
    pub sse: Option<String>,
    /// For `sse: aws:kms`.
    pub kms_key_id: Option<String>,
    /// Sign bodies also over https.
    pub sign_payload: bool,
}

/// S3 object compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// `.json.zst`
    Zstd,
    /// `.json.gz`
    Gzip,
}

/// OpenSearch.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenSearch {
    /// `http://` or `https://`, host, port, perhaps a path; no credentials in it.
    pub url: String,
    /// Index name, with time parts.
    pub index: Template,
    /// How to authenticate.
    pub auth: Auth,
    /// `_id` from the record; false for collections that refuse ids.
    pub derived_id: bool,
}

/// OpenSearch authentication.
#[derive(Clone, Debug, PartialEq)]
pub enum Auth {
    /// None.
    None,
    /// HTTP basic.
    Basic { username: String, password: Secret },
    /// SigV4, service `es` or `aoss`.
    Aws { service: String, aws: Aws },
}

/// Text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}
