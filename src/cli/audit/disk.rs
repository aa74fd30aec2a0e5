//! What is on the disk now: the files that the inputs name, found and recognised as the agent would at its start.
//! Reads only; nothing is saved, held or watched.

use crate::catalog::os::OsDisk;
use crate::catalog::pods::NodePods;
use crate::catalog::spec::{InputSpec, Setup, SpecKind};
use crate::catalog::view::FileView;
use crate::catalog::{Catalog, identity};
use crate::cli::clock::Clock;
use crate::config::checked::Config;
use crate::metadata::pods::Pods;
use crate::record::FileId;
use crate::store::saved::{KnownFile, State, marks};
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks while compressed files are measured.
const STEP: Duration = Duration::from_millis(5);

/// Every file that an input names, by id.
pub fn scan(config: &Config, state: &State) -> BTreeMap<FileId, FileView> {
    let own_pod = std::env::var("POD_UID").ok();
    let mut inputs: Vec<InputSpec> =
        config.inputs.iter().map(|i| InputSpec::of(i, own_pod.as_deref(), Vec::new())).collect();
    for input in &mut inputs {
        // What a pod is called matters here, not what else is known of it.
        if let SpecKind::Kubernetes { wait, .. } = &mut input.kind {
            *wait = None;
        }
    }
    let mut next = 0u128;
    let setup = Setup {
        inputs,
        host: config.node.clone(),
        lanes: config.outputs.len(),
        once: true,
        max_handles: crate::catalog::os::handle_budget(),
        retain_dir: config.data_dir.join("retained"),
        retain_max: u64::MAX,
        min_free_percent: 0,
        known: state.files.clone(),
        marks: marks(&state.lanes),
        random: Box::new(move || {
            // New files are nobody's yet: that their ids differ is enough.
            next += 1;
            u128::MAX - next
        }),
    };
    let pods = NodePods::new(Arc::new(Pods::new()), HashMap::new());
    let mut catalog = Catalog::new(setup, Arc::new(OsDisk::default()), pods);
    let clock = Clock::start();
    let mut found = BTreeMap::new();
    loop {
        let turn = catalog.tick(clock.now(), &[]);
        found.extend(turn.changed.into_iter().map(|view| (view.file.id, view)));
        if turn.must_sync {
            catalog.synced();
            continue;
        }
        if turn.first_scan_done {
            return found;
        }
        std::thread::sleep(STEP);
    }
}

/// Whether the file stands where it stood, from its first bytes: then that it was not recognised means that its bytes
/// are not those that positions speak of.
pub fn stands(known: &KnownFile) -> bool {
    let bytes = || -> std::io::Result<Vec<u8>> {
        let file = std::fs::File::open(&*known.path)?;
        let mut bytes = Vec::new();
        if file.metadata()?.ino() == known.inode {
            file.take(identity::HEAD_MAX as u64).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    };
    bytes().is_ok_and(|bytes| identity::begins_with(&bytes, known.head))
}
