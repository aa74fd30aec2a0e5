//! Which files a configuration needs, beside those that any process needs: names the places, and grants nothing.
//!
//! A grant is for what stands at a path now, and all below it. What is removed and made anew is another directory, so where
//! that is not too much the directory above is granted. What is not there yet counts as the nearest directory above it.

use crate::catalog::glob::Glob;
use crate::config::checked::{Auth, Aws, Config, InputKind, MetadataSource, OutputKind};
use crate::metadata::watch;
use crate::output::aws::credentials::told;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The environment.
pub(super) type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// What may be done below a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    Read,
    /// And read.
    Write,
}

/// A place that the configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub path: PathBuf,
    pub right: Right,
    /// It may be removed and made anew: log directories are.
    comes_and_goes: bool,
}

/// A path that stays open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Granted {
    pub path: PathBuf,
    pub right: Right,
    /// Because of the configuration, not because any process needs it.
    pub configured: bool,
}

/// Read by the C library, the TLS stack and ourselves, as far as they are there. What is executed is mapped, not run, so
/// reading is enough for libraries too.
const SYSTEM: &[&str] = &[
    "/usr",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/nsswitch.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ca-certificates",
    "/etc/certs",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/ca-trust",
    "/var/lib/ca-certificates",
    // Of other processes Landlock leaves what anybody may see: it refuses what a debugger would see.
    "/proc",
    "/sys/fs/cgroup",
    "/sys/devices/system/cpu",
    // Whether this is an EC2 instance.
    "/sys/devices/virtual/dmi/id",
    "/sys/class/dmi/id",
    "/dev/null",
    "/dev/random",
    "/dev/urandom",
    // Tokens that the cluster gives a pod, in the container's own file system.
    "/var/run/secrets",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
];

/// All that the process keeps. Directories of our own are made if they are not there.
pub(super) fn granted(config: &Config, file: &Path, env: Env<'_>) -> Vec<Granted> {
    let mut all = Vec::new();
    for place in configured(config) {
        if place.right == Right::Write {
            // One that cannot be made is waited for: then what is above it stays open.
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&place.path).ok();
        }
        all.push(Granted { path: place.stands_at(), right: place.right, configured: true });
    }
    let system =
        SYSTEM.iter().map(PathBuf::from).chain(resolver()).chain(around(file)).chain(of_environment(config, env));
    let there = system.filter_map(|path| std::fs::canonicalize(path).ok());
    all.extend(there.map(|path| Granted { path, right: Right::Read, configured: false }));
    all
}

/// What the configuration itself names. Keys at the top and of inputs are named one by one: whoever adds one decides here.
pub(super) fn configured(config: &Config) -> Vec<Place> {
    let Config {
        data_dir,
        inputs,
        outputs,
        sandbox,
        memory_limit: _,
        shutdown_timeout: _,
        admin: _,
        node: _,
        retain: _,
        spot_notice: _,
        // Only looked for, which is nobody's to refuse.
        exit_when: _,
    } = config;
    let read = |path: PathBuf, comes_and_goes| Place { path, right: Right::Read, comes_and_goes };
    let write = |path: &Path| Place { path: path.into(), right: Right::Write, comes_and_goes: false };
    let mut places = vec![write(data_dir)];
    for input in inputs {
        match &input.kind {
            InputKind::Kubernetes { path, docker_roots, metadata, include_self: _, rules: _ } => {
                places.push(read(path.clone(), true));
                places.extend(docker_roots.iter().map(|root| read(root.clone(), false)));
                // Read at each connection to kubelet.
                let ca_file = metadata.kubelet.ca_file.iter();
                places.extend(ca_file.filter_map(|file| around(&file.path)).map(|path| read(path, false)));
            }
            InputKind::File { include, pod } => {
                places.extend(include.iter().map(|glob| read(fixed(glob), true)));
                // May be mounted or not.
                places.extend(pod.iter().filter(|pod| pod.dir.exists()).map(|pod| read(pod.dir.clone(), false)));
            }
        }
    }
    for output in outputs {
        places.push(write(&output.dead_letter_dir));
        places.extend(output.ca_file.iter().filter_map(|file| around(&file.path)).map(|path| read(path, false)));
    }
    places.extend(sandbox.read.iter().map(|path| read(path.clone(), false)));
    places.dedup();
    places
}

impl Place {
    /// What is granted for it.
    fn stands_at(&self) -> PathBuf {
        let path = nearest(&self.path);
        match path.parent() {
            Some(above) if self.comes_and_goes && is_small(above) => above.to_owned(),
            Some(_) | None => path,
        }
    }

    pub fn is_in(&self, granted: &[Granted]) -> bool {
        let path = nearest(&self.path);
        let enough = |g: &Granted| g.right == Right::Write || self.right == Right::Read;
        granted.iter().any(|g| enough(g) && path.starts_with(&g.path))
    }
}

/// The real path of what is there of it.
fn nearest(path: &Path) -> PathBuf {
    path.ancestors().find_map(|part| std::fs::canonicalize(part).ok()).unwrap_or_else(|| PathBuf::from("/"))
}

/// Not `/`, nor directly below it: /etc, /var, /home hold what is nobody's business.
fn is_small(path: &Path) -> bool {
    path.components().count() > 2
}

/// What stands before the first wildcard.
fn fixed(glob: &str) -> PathBuf {
    let glob = Glob::new(glob);
    let (names, _) = glob.fixed();
    let names = names.into_iter().map(|name| OsString::from_vec(name.to_vec()));
    Path::new("/").join(names.collect::<PathBuf>())
}

/// A file that others replace: its directory, unless that is too much. A pipe is read once and needs nothing.
fn around(file: &Path) -> Option<PathBuf> {
    let file = std::fs::canonicalize(file).ok().filter(|file| file.is_file())?;
    let above = file.parent().filter(|above| is_small(above)).map(Path::to_owned);
    Some(above.unwrap_or(file))
}

/// Where name servers are written. In a container it is mounted, elsewhere it often is a link, and stays. A plain file of
/// /etc is replaced by the DHCP client: then all of /etc stays readable, because a name that cannot be resolved a week
/// later is the larger trouble.
fn resolver() -> Option<PathBuf> {
    let file = Path::new("/etc/resolv.conf");
    let (itself, etc) = (std::fs::symlink_metadata(file).ok()?, std::fs::metadata("/etc").ok()?);
    if itself.is_symlink() {
        return around(file);
    }
    Some(if itself.dev() == etc.dev() { PathBuf::from("/etc") } else { file.to_owned() })
}

/// What the environment names for credentials, certificates and the API server.
fn of_environment(config: &Config, env: Env<'_>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut named = |names: &[&str]| {
        found.extend(names.iter().filter_map(|name| env(name)).map(PathBuf::from).filter_map(|path| around(&path)));
    };
    named(&["SSL_CERT_FILE"]);
    if config.outputs.iter().any(|output| is_aws(&output.kind).is_some()) {
        named(&[told::WEB_IDENTITY[0], told::CONTAINER_TOKEN_FILE]);
        for file in told::shared_files(env) {
            found.extend(around(&file));
            found.extend(paths_in(&file, &told::FILE_KEYS).iter().filter_map(|path| around(path)));
        }
    }
    found.extend(env("SSL_CERT_DIR").map(PathBuf::from));
    for file in kubeconfigs(config, env) {
        found.extend(around(&file));
        let keys = ["certificate-authority", "client-certificate", "client-key", "tokenFile"];
        found.extend(paths_in(&file, &keys).iter().filter_map(|path| around(path)));
    }
    found
}

fn is_aws(kind: &OutputKind) -> Option<&Aws> {
    match kind {
        OutputKind::CloudWatch(own) => Some(&own.aws),
        OutputKind::S3(own) => Some(&own.aws),
        OutputKind::OpenSearch(own) => match &own.auth {
            Auth::Aws { aws, .. } => Some(aws),
            Auth::None | Auth::Basic { .. } => None,
        },
    }
}

/// Kubelet is asked with the API server's credentials.
fn asks_api_server(config: &Config) -> bool {
    config.inputs.iter().any(
        |input| matches!(&input.kind, InputKind::Kubernetes { metadata, .. } if metadata.source != MetadataSource::Path),
    )
}

fn kubeconfigs(config: &Config, env: Env<'_>) -> Vec<PathBuf> {
    if asks_api_server(config) { watch::kubeconfigs(env) } else { Vec::new() }
}

/// What must run another program to work, which no sandbox of ours would let it.
pub(super) fn program(config: &Config, env: Env<'_>) -> Option<String> {
    let runs = |text: &str| text.lines().any(|line| line.trim_start_matches(['-', ' ', '{']).starts_with("exec:"));
    let file =
        kubeconfigs(config, env).into_iter().find(|file| runs(&text(file)) || text(file).contains("\"exec\":"))?;
    Some(format!("the API server's credentials in {}", file.display()))
}

/// Absolute paths that stand behind these keys; `key = path`, `key: path`, or JSON.
fn paths_in(file: &Path, keys: &[&str]) -> Vec<PathBuf> {
    let text = text(file);
    let quotes = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '{' | '}' | '[' | '-');
    let path = |part: &str| {
        let (key, value) = part.split_once([':', '='])?;
        let value = value.split_once(" #").map_or(value, |(value, _)| value);
        let value = value.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '}' | ']'));
        (keys.contains(&key.trim_matches(quotes)) && value.starts_with('/')).then(|| PathBuf::from(value))
    };
    text.split(['\n', ',', '{']).filter_map(path).collect()
}

/// A small text file; empty when it cannot be read.
fn text(file: &Path) -> String {
    let small = std::fs::metadata(file).is_ok_and(|found| found.is_file() && found.len() <= 1 << 20);
    if small { std::fs::read_to_string(file).unwrap_or_default() } else { String::new() }
}

#[cfg(test)]
mod tests;
