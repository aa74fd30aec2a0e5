//! What KUBECONFIG says: the files that it lists, as if they were one, of which the first to name a thing counts; of that
//! the cluster and the user of the current context. What a kubeconfig may ask for and we do not do is refused.

use super::{Access, Certificate, Login, Trust, bearer, certificates, exec, read, read_text, secret};
use crate::config::yaml::{self, Node};
use base64::Engine;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What would make others of us, or another way to the server, than we would take.
const NOT_DONE: [&str; 6] = ["auth-provider", "as", "as-uid", "as-groups", "as-user-extra", "proxy-url"];

/// One file: paths in it are as seen from its directory.
pub(super) struct File {
    root: Node,
    directory: PathBuf,
}

/// A named entry of a list, and whence.
#[derive(Clone, Copy)]
pub(super) struct Entry<'f> {
    pub node: &'f Node,
    pub directory: &'f Path,
}

/// The files that count in this environment, as kubectl has it.
pub fn kubeconfigs(env: &dyn Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    match (env("KUBECONFIG"), env("HOME")) {
        (Some(list), _) => std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect(),
        (None, Some(home)) => vec![PathBuf::from(home).join(".kube/config")],
        (None, None) => Vec::new(),
    }
}

pub(super) fn load() -> Result<Access, String> {
    let files = kubeconfigs(&|name| std::env::var_os(name));
    let files = files.iter().map(|path| File::of(path, &read_text(path)?)).collect::<Result<Vec<_>, String>>()?;
    access(&files)
}

impl File {
    pub(super) fn of(path: &Path, text: &str) -> Result<File, String> {
        let root = yaml::of_others(text).map_err(|why| format!("{}: {why}", path.display()))?;
        Ok(File { root, directory: path.parent().unwrap_or(Path::new("")).to_owned() })
    }
}

/// What the current context says.
pub(super) fn access(files: &[File]) -> Result<Access, String> {
    let current = files.iter().find_map(|file| file.root.text("current-context"));
    let current = current.filter(|name| !name.is_empty()).ok_or("no `current-context`")?;
    let context = named(files, "contexts", current, "context").ok_or(format!("no context {current:?}"))?;
    let cluster = context.node.text("cluster").unwrap_or_default();
    let cluster = named(files, "clusters", cluster, "cluster").ok_or(format!("no cluster {cluster:?}"))?;
    let url = cluster.node.text("server").ok_or("a cluster without `server`")?;
    let mut access = Access::to(url.parse().map_err(|e| format!("`server: {url}`: {e}"))?);
    cluster.refuse()?;
    access.trust = match cluster.bytes("certificate-authority")? {
        _ if cluster.node.text("insecure-skip-tls-verify") == Some("true") => Trust::Anybody,
        Some(pem) => Trust::These(certificates(&pem)?),
        None => Trust::System,
    };
    access.server_name = cluster.node.text("tls-server-name").filter(|name| !name.is_empty()).map(str::to_owned);
    // As kubectl has it, nobody is a user too.
    if let Some(user) = context.node.text("user").and_then(|user| named(files, "users", user, "user")) {
        log_in(&mut access, user, cluster)?;
    }
    Ok(access)
}

fn log_in(access: &mut Access, user: Entry<'_>, cluster: Entry<'_>) -> Result<(), String> {
    user.refuse()?;
    if let (Some(chain), Some(key)) = (user.bytes("client-certificate")?, user.bytes("client-key")?) {
        access.certificate = Some(Certificate::of(&chain, &key)?);
    }
    let text = |key| user.node.text(key).filter(|text| !text.is_empty());
    if let (Some(name), Some(password)) = (text("username"), text("password")) {
        let both = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
        access.login = Login::Header(secret(format!("Basic {both}"))?);
    } else if let Some(token) = text("token") {
        access.login = Login::Header(bearer(token)?);
    } else if let Some(file) = text("tokenFile") {
        access.login = Login::of_file(user.directory.join(file))?;
    } else if let Some(program) = user.node.get("exec") {
        exec::run(access, program, cluster)?;
    }
    Ok(())
}

impl<'f> Entry<'f> {
    fn refuse(self) -> Result<(), String> {
        match NOT_DONE.iter().find(|key| self.node.get(key).is_some()) {
            Some(key) => Err(format!("`{key}` in a kubeconfig is not supported")),
            None => Ok(()),
        }
    }

    /// What stands behind `KEY-data` in base 64, else in the file behind `KEY`.
    pub(super) fn bytes(self, key: &str) -> Result<Option<Vec<u8>>, String> {
        let text = |key: &str| self.node.text(key).filter(|text| !text.is_empty());
        let data = format!("{key}-data");
        if let Some(coded) = text(&data) {
            let coded: String = coded.split_ascii_whitespace().collect();
            let decoded = base64::engine::general_purpose::STANDARD.decode(coded);
            return Ok(Some(decoded.map_err(|e| format!("`{data}`: {e}"))?));
        }
        text(key).map(|file| read(&self.directory.join(file))).transpose()
    }
}

fn named<'f>(files: &'f [File], list: &str, name: &str, what: &str) -> Option<Entry<'f>> {
    files.iter().find_map(|file| {
        let entry = file.root.list(list).iter().find(|entry| entry.text("name") == Some(name))?;
        Some(Entry { node: entry.get(what)?, directory: &file.directory })
    })
}
