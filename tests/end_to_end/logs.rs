//! Hand-made log files, laid out like /var/log/pods.

use crate::support::{Place, now};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The directory of the container `main` of this pod, made.
pub fn container(place: &Place, namespace: &str, pod: &str) -> PathBuf {
    // A uid that belongs to the name, so that two pods of a test differ.
    let uid = format!("{:08x}-0000-4000-8000-000000000000", crc32c::crc32c(format!("{namespace}/{pod}").as_bytes()));
    let dir = place.pods().join(format!("{namespace}_{pod}_{uid}")).join("main");
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// The stamp of a line written now.
pub fn stamp() -> String {
    stamp_at(now().unix_ns)
}

/// The stamp of a line written then.
pub fn stamp_at(unix_ns: i64) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(unix_ns)).unwrap();
    format!("{time:.9}")
}

/// A whole line as containerd writes it.
pub fn cri(body: impl AsRef<[u8]>) -> Vec<u8> {
    cri_with("stdout F", body)
}

/// A line with this stream and tag.
pub fn cri_with(stream_and_tag: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let mut line = format!("{} {stream_and_tag} ", stamp()).into_bytes();
    line.extend_from_slice(body.as_ref());
    line.push(b'\n');
    line
}

/// So many whole lines of 1 KiB with the ids from 0 on, of which next to nothing compresses.
pub fn noise(lines: u64) -> Vec<u8> {
    let mut noise = 1u64;
    let mut text = Vec::new();
    for id in 0..lines {
        let mut body = format!("tr={id:016x} ");
        for _ in 0..60 {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            body.push_str(&format!("{noise:016x}"));
        }
        text.extend(cri(body));
    }
    text
}

/// Appends to a file, which is made where it is missing.
pub fn append(path: &Path, bytes: impl AsRef<[u8]>) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(bytes.as_ref()).unwrap();
}

/// Packs a file as kubelet does, and removes the plain one.
pub fn pack(path: &Path) -> PathBuf {
    let packed = PathBuf::from(format!("{}.gz", path.display()));
    std::fs::write(&packed, crate::support::client::gzip(&std::fs::read(path).unwrap())).unwrap();
    std::fs::remove_file(path).unwrap();
    packed
}
