//! Docker mode, and links that name containers. Pure: names in, names out.
//!
//! Under Docker `N.log` of a container's directory is a link to `ID/ID-json.log` below one of the listed roots, and Docker
//! rotates behind it: `ID-json.log.1`, `.2`, perhaps `.gz`, have no links. A disk shows these as if they lay beside the link:
//! `N.log.1`. Whatever the runtime, `/var/log/containers` has a link for the newest run of each container, whose name
//! ends in the container's id.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// What rotation adds: `.1`, `.12.gz`.
fn is_suffix(text: &[u8]) -> bool {
    let number = text.strip_suffix(b".gz").unwrap_or(text).strip_prefix(b".").unwrap_or_default();
    (1..=5).contains(&number.len()) && number.iter().all(u8::is_ascii_digit)
}

/// `0.log.2.gz` as `0.log` and `.2.gz`: a file that is not there, but may be behind the link.
pub fn behind(name: &OsStr) -> Option<(&OsStr, &OsStr)> {
    let bytes = name.as_bytes();
    let at = bytes.windows(5).position(|w| w == b".log.")? + 4;
    let (link, suffix) = bytes.split_at_checked(at)?;
    is_suffix(suffix).then(|| (OsStr::from_bytes(link), OsStr::from_bytes(suffix)))
}

/// The name that a rotated file behind a link is shown under; `None` for any other file beside the link's target.
pub fn shown(link: &OsStr, target: &OsStr, file: &OsStr) -> Option<OsString> {
    let suffix = file.as_bytes().strip_prefix(target.as_bytes()).filter(|suffix| is_suffix(suffix))?;
    Some(OsString::from_vec([link.as_bytes(), suffix].concat()))
}

/// Whether a name may be such a link's.
pub fn is_link(name: &OsStr) -> bool {
    name.as_bytes().ends_with(b".log")
}

/// The container's id in `.../ID/ID-json.log`.
pub fn id_in_target(target: &Path) -> Option<&str> {
    target.file_name()?.to_str()?.strip_suffix("-json.log").filter(|id| is_id(id))
}

/// `POD_NAMESPACE_CONTAINER-ID.log` as what is before the id, and the id.
pub fn id_in_name(name: &OsStr) -> Option<(&str, &str)> {
    name.to_str()?.strip_suffix(".log")?.rsplit_once('-').filter(|(_, id)| is_id(id))
}

/// Whether a link of `/var/log/containers` leads to this file of a container's directory (`NAMESPACE_POD_UID/CONTAINER`).
pub fn leads_to(target: &Path, dir: &Path, restart: u32) -> bool {
    target.parent().is_some_and(|parent| parent.ends_with(dir))
        && target.file_name().is_some_and(|name| name.as_bytes() == format!("{restart}.log").as_bytes())
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn rotated_files_are_shown_beside_the_link_and_found_behind_it() {
        let target = format!("{ID}-json.log");
        let show = |file: &str| shown(OsStr::new("3.log"), OsStr::new(&target), OsStr::new(file));
        for suffix in [".1", ".12", ".2.gz"] {
            let name = show(&format!("{target}{suffix}")).unwrap();
            assert_eq!(name, OsString::from(format!("3.log{suffix}")));
            assert_eq!(behind(&name).unwrap(), (OsStr::new("3.log"), OsStr::new(suffix)));
        }
        for file in ["config.v2.json", &target, "x-json.log.1", &format!("{target}.tmp"), &format!("{target}.1.tmp")] {
            assert_eq!(show(file), None, "{file}");
        }
        for name in ["0.log", "0.log.", "0.log.gz", "0.log.20261122-101500", "0.log.1/../x", "0.log.123456"] {
            assert_eq!(behind(OsStr::new(name)), None, "{name}");
        }
    }

    #[test]
    fn ids_are_read_from_targets_and_link_names() {
        let target = format!("/var/lib/docker/containers/{ID}/{ID}-json.log");
        assert_eq!(id_in_target(Path::new(&target)), Some(ID));
        assert_eq!(id_in_target(Path::new("/x/0.log")), None);
        let name = format!("web-5d4-abc_shop_main-app-{ID}.log");
        assert_eq!(id_in_name(OsStr::new(&name)), Some(("web-5d4-abc_shop_main-app", ID)));
        for wrong in ["a_b_c.log", "a_b_c-0123.log", &format!("a_b_c-{ID}"), &format!("a_b_c-{ID}.log.1")] {
            assert_eq!(id_in_name(OsStr::new(wrong)), None, "{wrong}");
        }
        let (dir, log) = (Path::new("shop_web_uid/main"), Path::new("/var/log/pods/shop_web_uid/main/2.log"));
        assert!(leads_to(log, dir, 2) && !leads_to(log, dir, 1) && !leads_to(log, Path::new("shop_web_other/main"), 2));
    }
}
