//! What is to be said of an input's files: how many can be read, which cannot and why, what is at a path where none is.

use super::files::Found;
use super::line::{Line, count};
use crate::config::checked::{Input, InputKind};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// The lines of one input.
pub fn lines(input: &Input, found: &Found, who: &Who) -> Vec<Line> {
    let of = format!("input {}", input.name);
    let mut lines = own_pod(&of, input);
    if let Some((path, errno)) = found.refused.first_key_value() {
        let (refused, all) = (found.refused.len(), found.refused.len() + found.opened.len());
        let (error, advice) = (io::Error::from(*errno), advice(*errno, who));
        lines.push(Line::fail(
            &of,
            format!("{refused} of {all} cannot be read, first {}: {error}: {advice}", path.display()),
        ));
    }
    if let Some(say) =
        left_out(&found.irregular, "no regular file (a FIFO, a socket, a device): nothing is read from it")
    {
        lines.push(Line::warn(&of, say));
    }
    let links = "a link, which is not followed below a directory that pods may write into: with Docker set `docker_roots: \
                 [/var/lib/docker/containers]`";
    let links = left_out(&found.links, links);
    if found.opened.is_empty() && found.refused.is_empty() {
        // Links alone: that is Docker, and nothing at all is read.
        lines.push(links.map_or_else(|| nothing(&of, input, found), |say| Line::fail(&of, say)));
        return lines;
    }
    lines.extend(links.map(|say| Line::warn(&of, say)));
    if !found.opened.is_empty() {
        let more = if found.cut_short { " at least; there was no time to look at all" } else { "" };
        lines.push(Line::ok(&of, format!("{} can be read{more}", count(found.opened.len(), "file"))));
    }
    lines
}

/// A sidecar's: what the downward API should have put there.
fn own_pod(of: &str, input: &Input) -> Vec<Line> {
    let InputKind::File { pod: Some(pod), .. } = &input.kind else { return Vec::new() };
    let wanted = [(pod.labels, "labels"), (!pod.annotations.is_empty(), "annotations")];
    let files = wanted.into_iter().filter(|(wanted, _)| *wanted).map(|(_, name)| pod.dir.join(name));
    let wrong = files.filter_map(|path| Some((std::fs::File::open(&path).err()?, path)));
    let say = |(error, path): (io::Error, PathBuf)| {
        format!(
            "{}: {error}: mount a downwardAPI volume there, or do not ask for labels and annotations",
            path.display()
        )
    };
    wrong.map(|wrong| Line::warn(of, say(wrong))).collect()
}

fn left_out(paths: &BTreeSet<PathBuf>, what: &str) -> Option<String> {
    let first = paths.first()?.display();
    Some(match paths.len() {
        1 => format!("{first} is {what}"),
        more => format!("{first} and {} are left out, each {what}", count(more - 1, "other")),
    })
}

/// Nothing there: what is at the path?
fn nothing(of: &str, input: &Input, found: &Found) -> Line {
    match &input.kind {
        InputKind::Kubernetes { path, .. } if found.no_root => {
            let say =
                format!("{} does not exist: mount the node's (hostPath, read-only), or correct `path`", path.display());
            Line::fail(of, say)
        }
        InputKind::Kubernetes { path, .. } => {
            let say = "no NAMESPACE_POD_UID/CONTAINER/N.log yet: is it the node's own directory?";
            Line::warn(of, format!("{} has {say}", path.display()))
        }
        InputKind::File { include, pod: _ } => {
            let first = include.first().map(String::as_str).unwrap_or_default();
            Line::warn(of, format!("no file yet for {}: {}", include.join(", "), at_path(Path::new(first))))
        }
    }
}

/// The longest part of a pattern that exists, and what it is.
fn at_path(pattern: &Path) -> String {
    let there = pattern.ancestors().find(|path| path.symlink_metadata().is_ok()).unwrap_or(Path::new("/"));
    let what = match there.metadata() {
        Ok(meta) if meta.is_dir() => match std::fs::read_dir(there).map(|entries| entries.take(10_000).count()) {
            Ok(0) => "is an empty directory".to_owned(),
            Ok(1) => "is a directory whose one entry does not fit".to_owned(),
            Ok(entries) => format!("is a directory of {entries} entries, none of which fits"),
            Err(error) => format!("cannot be listed: {error}"),
        },
        Ok(meta) if meta.is_file() => "is a file".to_owned(),
        Ok(_) => "is neither a file nor a directory".to_owned(),
        Err(error) => format!("is a link that leads nowhere: {error}"),
    };
    format!("{} {what}", there.display())
}

/// Who we are, as far as opening files goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Who {
    /// Effective user.
    pub uid: u32,
    /// CAP_DAC_READ_SEARCH or CAP_DAC_OVERRIDE.
    pub reads_all: bool,
    /// SELinux is enforcing.
    pub selinux: bool,
}

impl Who {
    /// This process.
    pub fn now() -> Who {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let held = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let held = held.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
        let selinux = std::fs::read_to_string("/sys/fs/selinux/enforce").is_ok_and(|text| text.trim() == "1");
        Who { uid: rustix::process::geteuid().as_raw(), reads_all: held & 0b110 != 0, selinux }
    }
}

/// What to do about an error of the disk. Pure.
fn advice(errno: Errno, who: &Who) -> String {
    match errno {
        Errno::ACCESS | Errno::PERM if who.reads_all && who.selinux => {
            "SELinux is enforcing: run the pod with seLinuxOptions {type: spc_t}, or allow its type to read logs"
                .to_owned()
        }
        Errno::ACCESS | Errno::PERM if who.reads_all => {
            "capabilities allow it, so a security module or the file system forbids it: see the kernel's log".to_owned()
        }
        Errno::ACCESS | Errno::PERM if who.uid == 0 => {
            "this is root without CAP_DAC_READ_SEARCH: add the capability DAC_READ_SEARCH".to_owned()
        }
        Errno::ACCESS | Errno::PERM => format!(
            "this is user {}: run as root or with CAP_DAC_READ_SEARCH, or put the user into the files' group",
            who.uid
        ),
        Errno::LOOP | Errno::XDEV => {
            "a link out of the directory, which a pod may have made: with Docker name its directory in `docker_roots`"
                .to_owned()
        }
        Errno::MFILE | Errno::NFILE => "too few file descriptors: raise LimitNOFILE (ulimit -n)".to_owned(),
        Errno::IO | Errno::STALE => "the disk does not give it: see the kernel's log".to_owned(),
        _ => "the agent goes on without it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::Grade::{self, Fail, Ok, Warn};
    use super::*;

    fn input(kind: &str) -> Input {
        let text = format!(
            "inputs: {{i: {kind}}}\noutputs: {{o: {{type: opensearch, inputs: [i], url: 'http://h', index: x}}}}\n"
        );
        let config = crate::config::load(&text, "f", &|name| (name == "NODE_NAME").then(|| "n".to_string())).unwrap();
        config.inputs.into_iter().next().unwrap()
    }

    fn said(found: &Found, who: Who) -> Vec<(Grade, String)> {
        let input = input("{type: kubernetes, path: /p, metadata: {source: path}}");
        lines(&input, found, &who).into_iter().map(|line| (line.grade, line.say)).collect()
    }

    fn paths(names: &[&str]) -> BTreeSet<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn a_file_that_cannot_be_read_fails_and_says_who_would_be_allowed() {
        let user = Who { uid: 1000, ..Who::default() };
        let root = Who { reads_all: true, ..Who::default() };
        for (errno, who, part) in [
            (Errno::ACCESS, user, "user 1000"),
            (Errno::ACCESS, Who::default(), "root without CAP_DAC_READ_SEARCH"),
            (Errno::ACCESS, Who { selinux: true, ..root }, "spc_t"),
            (Errno::ACCESS, root, "security module"),
            (Errno::LOOP, root, "docker_roots"),
            (Errno::MFILE, root, "LimitNOFILE"),
            (Errno::IO, root, "kernel's log"),
        ] {
            let found =
                Found { opened: paths(&["/p/a"]), refused: [("/p/b".into(), errno)].into(), ..Found::default() };
            let said = said(&found, who);
            assert!(said[0].0 == Fail && said[0].1.contains(part), "{said:?}");
            assert!(said[0].1.starts_with("1 of 2 cannot be read, first /p/b: "), "{said:?}");
            assert_eq!(said[1], (Ok, "1 file can be read".to_owned()));
        }
    }

    #[test]
    fn links_alone_are_docker_and_beside_files_they_are_a_warning() {
        let links = paths(&["/p/x/0.log", "/p/y/0.log"]);
        let alone = said(&Found { links: links.clone(), ..Found::default() }, Who::default());
        assert!(alone.len() == 1 && alone[0].0 == Fail && alone[0].1.contains("docker_roots"), "{alone:?}");
        let beside = said(&Found { links, opened: paths(&["/p/a"]), ..Found::default() }, Who::default());
        assert_eq!(beside.iter().map(|(grade, _)| *grade).collect::<Vec<_>>(), [Warn, Ok]);
        assert!(beside[0].1.contains("/p/x/0.log and 1 other"), "{beside:?}");
    }

    #[test]
    fn where_nothing_is_the_path_is_described() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| at_path(&dir.path().join(name));
        assert!(at("*.log").ends_with("is an empty directory"), "{}", at("*.log"));
        std::fs::write(dir.path().join("one"), "").unwrap();
        assert!(at("*.log").ends_with("whose one entry does not fit"), "{}", at("*.log"));
        assert!(at("one/x.log").ends_with("is a file"), "{}", at("one/x.log"));
        std::os::unix::fs::symlink("/no/such", dir.path().join("two")).unwrap();
        assert!(at("two/x.log").contains("leads nowhere"), "{}", at("two/x.log"));
        let none = said(&Found { no_root: true, ..Found::default() }, Who::default());
        assert!(none[0].0 == Fail && none[0].1.contains("/p does not exist"), "{none:?}");
        assert_eq!(said(&Found::default(), Who::default())[0].0, Warn);
        let fifo = said(&Found { irregular: paths(&["/p/f"]), ..Found::default() }, Who::default());
        assert!(fifo[0].0 == Warn && fifo[0].1.starts_with("/p/f is no regular file"), "{fifo:?}");
    }
}
