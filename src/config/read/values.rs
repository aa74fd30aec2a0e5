//! Values that several keys share: paths, names, addresses.

use crate::config::problem::{Wrong, shown};
use std::path::PathBuf;

/// An absolute path without `..`.
pub(super) fn absolute(text: &str) -> Result<PathBuf, Wrong> {
    glob(text).map(PathBuf::from)
}

/// A glob pattern of absolute paths.
pub(super) fn glob(text: &str) -> Result<String, Wrong> {
    if !text.starts_with('/') {
        return Err(Wrong::new(
            format!("{} is not an absolute path", shown(text)),
            "write it from the root, beginning with `/`",
        ));
    }
    if text.split('/').any(|part| part == "..") {
        return Err(Wrong::new(format!("{} holds `..`", shown(text)), "write the path without it"));
    }
    one_line(text)?;
    Ok(text.to_string())
}

/// Refuses control characters: line breaks that came with a secret file, and worse.
pub(super) fn one_line(text: &str) -> Result<String, Wrong> {
    if text.ends_with(['\n', '\r']) {
        return Err(Wrong::new("ends in a line break, perhaps from the file that it came from", "write it without"));
    }
    if text.contains(char::is_control) {
        return Err(Wrong::new("holds a control character", "write it without"));
    }
    Ok(text.to_string())
}

/// The name of an input or output, or an id: it becomes a label of metrics and part of file names.
pub(super) fn name(text: &str) -> Result<String, Wrong> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !starts || text.len() > 64 || !text.chars().all(fine) {
        return Err(Wrong::new(
            format!("{} cannot be a name", shown(text)),
            "write 1 to 64 letters, digits, `_`, `-` or `.`, beginning with a letter or digit",
        ));
    }
    Ok(text.to_string())
}

/// A Kubernetes node's or a host's name: it becomes part of object names.
pub(super) fn node_name(text: &str) -> Result<String, Wrong> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if text.is_empty() || text.len() > 253 || !text.chars().all(fine) {
        return Err(Wrong::new(
            format!("{} cannot be the name of a node", shown(text)),
            "write 1 to 253 letters, digits, `-`, `_` or `.`",
        ));
    }
    Ok(text.to_string())
}

/// What the kernel calls this host.
pub(super) fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_string())
}

/// `http://` or `https://`, a host, perhaps a port and, where `path` says so, a path. Without a slash at the end.
pub(super) fn url(text: &str, path: bool) -> Result<String, Wrong> {
    let instead =
        if path { "write `https://HOST:PORT` or `https://HOST:PORT/PATH`" } else { "write `https://HOST:PORT`" };
    let wrong = |what: &str| Err(Wrong::new(what, instead));
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return wrong("must begin with `http://` or `https://`");
    };
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    // Checked first, and never shown: what stands before the @ is a secret.
    if authority.contains('@') {
        return wrong("holds a user name or password");
    }
    if tail.contains(['?', '#']) {
        return wrong("holds a query or a fragment");
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || !c.is_ascii()) {
        return wrong("holds a space, a control character, or one that is not ASCII");
    }
    let tail = tail.trim_end_matches('/');
    if !path && !tail.is_empty() {
        return wrong("holds a path");
    }
    let (host, port) = match authority.strip_prefix('[').and_then(|v6| v6.split_once(']')) {
        Some((host, "")) if host.parse::<std::net::Ipv6Addr>().is_ok() => (host, None),
        Some((host, after)) if host.parse::<std::net::Ipv6Addr>().is_ok() && after.starts_with(':') => {
            (host, after.strip_prefix(':'))
        }
        Some(_) => return wrong("holds no IPv6 address in its brackets"),
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let v6 = authority.starts_with('[');
    if host.is_empty() || !v6 && !host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')) {
        return wrong("holds no host name or address");
    }
    if port.is_some_and(|port| !port.bytes().all(|b| b.is_ascii_digit()) || !matches!(port.parse::<u16>(), Ok(1..))) {
        return wrong("holds a port that is not a number from 1 to 65535");
    }
    let end = text.len() - (rest.len() - authority.len()) + tail.len();
    Ok(text.get(..end).unwrap_or(text).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_http_without_secrets() {
        for (text, want) in [
            ("https://search.example.com:9200", Ok("https://search.example.com:9200")),
            ("http://127.0.0.1:9900/", Ok("http://127.0.0.1:9900")),
            ("http://[::1]:9900", Ok("http://[::1]:9900")),
            ("http://[::1]", Ok("http://[::1]")),
            ("https://h/a/b//", Ok("https://h/a/b")),
            ("search:9200", Err("must begin with `http://` or `https://`")),
            ("https://me:secret@h", Err("holds a user name or password")),
            ("https://h?x=1", Err("holds a query or a fragment")),
            ("https://h/a b", Err("holds a space, a control character, or one that is not ASCII")),
            ("https://", Err("holds no host name or address")),
            ("https://:9200", Err("holds no host name or address")),
            ("https://h:0", Err("holds a port that is not a number from 1 to 65535")),
            ("https://h:+1", Err("holds a port that is not a number from 1 to 65535")),
            ("https://h:", Err("holds a port that is not a number from 1 to 65535")),
            ("http://[::1]x", Err("holds no IPv6 address in its brackets")),
            ("http://[a]:1", Err("holds no IPv6 address in its brackets")),
        ] {
            let got = url(text, true);
            assert_eq!(got.as_deref().map_err(|wrong| wrong.what.as_str()), want, "{text}");
        }
        assert_eq!(url("https://h/a", false).unwrap_err().what, "holds a path");
        assert!(!format!("{:?}", url("https://me:secret@h", true)).contains("secret"));
    }

    #[test]
    fn paths_are_absolute() {
        assert!(absolute("/var/lib").is_ok());
        for text in ["var", "/a/../b", "/a\nb", "/a\n", ""] {
            assert!(absolute(text).is_err(), "{text:?}");
        }
    }
}
