//! The pods for the next start: only a cache. The one before stays, and the next try is half a minute later.

use crate::{ERRNOS, at, cases, fails};
use tailrace::metadata::cache::{Cache, NAME};
use tailrace::metadata::pod::Pod;
use tailrace::metadata::pods::Pods;
use tailrace::store::memory::{MemoryStorage, Write};

fn loaded(disk: &MemoryStorage) -> usize {
    let pods = Pods::new();
    Cache::new(disk.clone()).load(&pods)
}

fn pod(uid: &str) -> Pod {
    Pod { uid: uid.into(), name: "n".into(), namespace: "s".into(), ..Pod::default() }
}

#[test]
fn the_pod_cache_that_cannot_be_written_is_said_and_tried_again_and_the_one_before_stays() {
    println!("pod cache: written all the same");
    for (write, name, errno) in cases() {
        let (disk, pods) = (MemoryStorage::default(), Pods::new());
        let mut cache = Cache::new(disk.clone());
        pods.put(pod("a"));
        cache.write(at(0), &pods);
        assert_eq!((loaded(&disk), cache.trouble()), (1, None));
        disk.set_faults(fails(write, errno));
        pods.put(pod("b"));
        cache.write(at(1_000), &pods);
        let good = matches!(write, Write::Truncate | Write::Sync | Write::SyncDir | Write::Remove);
        let why = (!good).then(|| std::io::Error::from_raw_os_error(errno).to_string());
        assert_eq!((loaded(&disk), cache.trouble()), (1 + usize::from(good), why), "{write:?} {name}");
        assert!(!cache.is_due(at(30_000), &pods), "a disk that fails is left alone for a while");
        assert_eq!(cache.is_due(at(31_000), &pods), !good, "{write:?} {name}");
        disk.set_faults(Default::default());
        cache.write(at(31_000), &pods);
        assert_eq!((loaded(&disk), cache.trouble()), (2, None), "{write:?} {name}");
        assert!(disk.names().iter().any(|n| n == NAME));
        if name == ERRNOS[0].0 {
            println!("  {write:?}: {good}");
        }
    }
}
