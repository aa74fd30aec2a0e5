//! The real disk: links do not lead out, FIFOs do not hang, the fallback is as strict as `openat2`.

use super::*;
use std::os::unix::fs::symlink;
use std::sync::atomic::Ordering;

fn base(root: &Path, follow: Follow) -> Base {
    Base { root: root.to_path_buf(), follow }
}

/// With `openat2`, and with the fallback.
fn disks() -> [OsDisk; 2] {
    let fallback = OsDisk::default();
    fallback.stepwise.store(true, Ordering::Relaxed);
    [OsDisk::default(), fallback]
}

fn errno(result: io::Result<impl Sized>) -> Option<Errno> {
    let e = result.err().expect("refused");
    e.raw_os_error().map(Errno::from_raw_os_error)
}

#[test]
fn a_file_is_opened_read_and_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("pod/app")).unwrap();
    std::fs::write(dir.path().join("pod/app/0.log"), "hello").unwrap();
    for disk in disks() {
        let base = base(dir.path(), Follow::Never);
        let content = disk.open(&base, Path::new("pod/app/0.log")).unwrap();
        let mut bytes = [0; 10];
        assert_eq!(content.read_at(1, &mut bytes).unwrap(), 4);
        assert_eq!(&bytes[..4], b"ello");
        let stat = content.stat().unwrap();
        assert_eq!((stat.size, stat.links), (5, 1));
        assert_eq!(disk.peek(&base, Path::new("pod/app/0.log")).unwrap(), stat);
        let listed = disk.list(&base, Path::new("pod/app")).unwrap();
        assert_eq!(listed, [Listed { name: "0.log".into(), kind: Kind::File, inode: stat.inode }]);
        assert_eq!(disk.list(&base, Path::new("")).unwrap().len(), 1);
        content.advise_done(0, 5);
    }
}

#[test]
fn links_below_the_root_lead_nowhere_but_the_root_itself_may_be_one() {
    let dir = tempfile::tempdir().unwrap();
    let (real, root) = (dir.path().join("real"), dir.path().join("root"));
    std::fs::create_dir_all(real.join("pod")).unwrap();
    std::fs::write(dir.path().join("secret"), "secret").unwrap();
    std::fs::write(real.join("pod/0.log"), "x").unwrap();
    symlink(&real, &root).unwrap();
    symlink(dir.path().join("secret"), real.join("pod/1.log")).unwrap();
    symlink(dir.path(), real.join("out")).unwrap();
    symlink("pod", real.join("inner")).unwrap();
    for disk in disks() {
        let base = base(&root, Follow::Never);
        assert!(disk.open(&base, Path::new("pod/0.log")).is_ok());
        assert_eq!(errno(disk.open(&base, Path::new("pod/1.log"))), Some(Errno::LOOP));
        assert_eq!(errno(disk.peek(&base, Path::new("pod/1.log"))), Some(Errno::LOOP));
        assert_eq!(errno(disk.open(&base, Path::new("out/secret"))), Some(Errno::LOOP));
        assert_eq!(errno(disk.open(&base, Path::new("inner/0.log"))), Some(Errno::LOOP));
        assert_eq!(errno(disk.list(&base, Path::new("out"))), Some(Errno::LOOP));
        assert_eq!(errno(disk.open(&base, Path::new("../secret"))), Some(Errno::XDEV));
        assert_eq!(errno(disk.open(&base, &dir.path().join("secret"))), Some(Errno::XDEV));
    }
}

#[test]
fn docker_links_lead_into_the_listed_roots_and_one_step_only() {
    let dir = tempfile::tempdir().unwrap();
    let (pods, docker) = (dir.path().join("pods"), dir.path().join("docker"));
    std::fs::create_dir_all(pods.join("app")).unwrap();
    std::fs::create_dir_all(docker.join("abc")).unwrap();
    std::fs::write(docker.join("abc/abc-json.log"), "{}").unwrap();
    std::fs::write(dir.path().join("secret"), "secret").unwrap();
    symlink(docker.join("abc/abc-json.log"), pods.join("app/0.log")).unwrap();
    symlink(dir.path().join("secret"), pods.join("app/1.log")).unwrap();
    symlink(docker.join("abc/../../secret"), pods.join("app/2.log")).unwrap();
    symlink(dir.path().join("secret"), docker.join("abc/link")).unwrap();
    symlink(docker.join("abc/link"), pods.join("app/3.log")).unwrap();
    std::fs::write(pods.join("app/4.log"), "plain").unwrap();
    for disk in disks() {
        let base = base(&pods, Follow::Into(vec![docker.clone()]));
        assert!(disk.open(&base, Path::new("app/0.log")).is_ok());
        assert!(disk.peek(&base, Path::new("app/0.log")).is_ok());
        assert!(disk.open(&base, Path::new("app/4.log")).is_ok());
        assert_eq!(errno(disk.open(&base, Path::new("app/1.log"))), Some(Errno::XDEV));
        assert_eq!(errno(disk.open(&base, Path::new("app/2.log"))), Some(Errno::XDEV));
        assert_eq!(errno(disk.open(&base, Path::new("app/3.log"))), Some(Errno::LOOP));
    }
}

#[test]
fn what_docker_rotated_behind_a_link_is_shown_and_opened_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let (pods, docker) = (dir.path().join("pods"), dir.path().join("docker"));
    std::fs::create_dir_all(pods.join("app")).unwrap();
    std::fs::create_dir_all(docker.join("abc")).unwrap();
    for name in ["abc-json.log", "abc-json.log.1", "abc-json.log.2.gz", "config.v2.json", "abc-json.log.x"] {
        std::fs::write(docker.join("abc").join(name), name).unwrap();
    }
    symlink(dir.path().join("secret"), docker.join("abc/abc-json.log.3")).unwrap();
    symlink(docker.join("abc/abc-json.log"), pods.join("app/0.log")).unwrap();
    std::fs::write(dir.path().join("secret"), "secret").unwrap();
    std::fs::write(dir.path().join("secret.1"), "secret").unwrap();
    symlink(dir.path().join("secret"), pods.join("app/1.log")).unwrap();
    for disk in disks() {
        let base = base(&pods, Follow::Into(vec![docker.clone()]));
        let mut names: Vec<_> = disk.list(&base, Path::new("app")).unwrap().into_iter().map(|l| l.name).collect();
        names.sort();
        assert_eq!(names, ["0.log", "0.log.1", "0.log.2.gz", "1.log"]);
        let first = disk.open(&base, Path::new("app/0.log.1")).unwrap();
        let mut text = [0; 14];
        assert_eq!((first.read_at(0, &mut text).unwrap(), &text), (14, b"abc-json.log.1"));
        assert_eq!(disk.peek(&base, Path::new("app/0.log.2.gz")).unwrap().size, 17);
        assert_eq!(errno(disk.open(&base, Path::new("app/0.log.3"))), Some(Errno::LOOP));
        assert_eq!(errno(disk.open(&base, Path::new("app/0.log.4"))), Some(Errno::NOENT));
        assert!(disk.open(&base, Path::new("app/1.log.1")).is_err());
        assert_eq!(disk.read_link(&base, Path::new("app/0.log")).unwrap(), docker.join("abc/abc-json.log"));
    }
}

#[test]
fn what_is_no_regular_file_is_refused_without_hanging() {
    let dir = tempfile::tempdir().unwrap();
    fs::mkfifoat(CWD, dir.path().join("fifo"), Mode::RUSR).unwrap();
    std::fs::create_dir(dir.path().join("0.log")).unwrap();
    std::fs::write(dir.path().join("file"), "x").unwrap();
    symlink(dir.path().join("file"), dir.path().join("link")).unwrap();
    for disk in disks() {
        for follow in [Follow::Never, Follow::Any] {
            let base = base(dir.path(), follow);
            for name in ["fifo", "0.log"] {
                let e = disk.open(&base, Path::new(name)).err().unwrap();
                assert_eq!(e.kind(), io::ErrorKind::InvalidInput, "{name}");
            }
            let e = disk.open(&base, Path::new("nothing")).err().unwrap();
            assert_eq!(e.kind(), io::ErrorKind::NotFound);
        }
        assert!(disk.open(&base(dir.path(), Follow::Any), Path::new("link")).is_ok());
        let mut kinds: Vec<_> = disk
            .list(&base(dir.path(), Follow::Never), Path::new(""))
            .unwrap()
            .into_iter()
            .map(|l| (l.name, l.kind))
            .collect();
        kinds.sort_by(|a, b| a.0.cmp(&b.0));
        let want = [("0.log", Kind::Dir), ("fifo", Kind::Other), ("file", Kind::File), ("link", Kind::Link)];
        assert_eq!(kinds, want.map(|(name, kind)| (name.into(), kind)));
    }
}

#[test]
fn a_held_handle_survives_deletion() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a"), "x").unwrap();
    let content = OsDisk::default().open(&base(dir.path(), Follow::Never), Path::new("a")).unwrap();
    std::fs::remove_file(dir.path().join("a")).unwrap();
    assert_eq!(content.stat().unwrap().links, 0);
    assert_eq!(content.read_at(0, &mut [0; 4]).unwrap(), 1);
}

#[test]
fn figures_of_this_machine_are_plausible() {
    assert!(OsDisk::default().free_percent(Path::new("/")).unwrap() <= 100);
    assert!(handle_budget() >= 16);
    assert_ne!(random_id().unwrap(), random_id().unwrap());
}

#[test]
fn a_file_that_is_cut_while_its_pages_are_called_cold_hurts_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    let text: Vec<u8> = (0..3u32 << 20).map(|n| (n % 251) as u8).collect();
    std::fs::write(&path, &text).unwrap();
    let content = OsDisk::default().open(&base(dir.path(), Follow::Never), Path::new("a")).unwrap();
    // Whatever range: what it says stays the same.
    for (from, to) in [
        (0, 0),
        (5, 4),
        (1, 4095),
        (0, 4096),
        (4095, 1 << 20),
        (7, 3 << 20),
        (1 << 20, 1 << 40),
        (u64::MAX - 1, u64::MAX),
    ] {
        content.advise_cold(from, to);
    }
    let mut there = vec![0; text.len()];
    assert_eq!(content.read_at(0, &mut there).unwrap(), text.len());
    assert!(there == text);
    let cut = std::fs::File::options().write(true).open(&path).unwrap();
    let done = std::sync::Arc::new(AtomicBool::new(false));
    let until = done.clone();
    let cutter = std::thread::spawn(move || {
        while !until.load(Ordering::Relaxed) {
            [0, 1, 4096, 70_000, 3 << 20].iter().for_each(|len| cut.set_len(*len).unwrap());
        }
    });
    for n in 0..2_000u64 {
        content.advise_cold(n * 997 % (3 << 20), 3 << 20);
    }
    done.store(true, Ordering::Relaxed);
    cutter.join().unwrap();
}
