//! Container ids without an API server: from the links that kubelet makes for each container.

use super::disk::{Base, Follow, Kind};
use super::docker;
use super::entry::Who;
use super::stock::Stock;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Kubelet makes the link a moment after the container writes its first line; so long a file waits for it where there is
/// such a directory and nobody else would tell.
pub(super) const LINK_WAIT: Duration = Duration::from_secs(1);

/// What `/var/log/containers` showed, read at most once a tick.
#[derive(Debug, Default)]
pub(super) struct Links {
    at: Option<Duration>,
    /// By what is before the id: names and ids.
    names: HashMap<Box<str>, Vec<Box<str>>>,
}

impl Stock {
    /// The id of this run of a container; without one, whether it is worth a moment's wait.
    pub(super) fn linked_id(&mut self, chain: u64, restart: u32) -> Result<Box<str>, bool> {
        let Some((input, dir, stem)) = self.container(chain, restart) else { return Err(false) };
        let base = self.base(input);
        if let Follow::Into(_) = base.follow
            && let Ok(target) = self.disk.read_link(&base, &dir.join(format!("{restart}.log")))
            && let Some(id) = docker::id_in_target(&target)
        {
            return Ok(id.into());
        }
        let Some(root) = base.root.parent().map(|parent| parent.join("containers")) else { return Err(false) };
        let links = Base { root, follow: Follow::Never };
        self.read_links(&links);
        let ids = self.links.names.get(stem.as_str()).map(Vec::as_slice).unwrap_or_default();
        // A pod of the same name may have gone a moment ago, and so may an earlier run.
        let leads = |id: &&str| {
            let target = self.disk.read_link(&links, Path::new(&format!("{stem}-{id}.log")));
            target.is_ok_and(|target| docker::leads_to(&target, &dir, restart))
        };
        ids.iter().map(|id| &**id).find(leads).map(Into::into).ok_or(!self.links.names.is_empty())
    }

    /// Its input, its directory, and what its link's name begins with.
    fn container(&self, chain: u64, restart: u32) -> Option<(usize, Arc<Path>, String)> {
        let group = self.groups.get(&chain)?;
        let Who::Pod(pod, container) = &group.who else { return None };
        let files = group.entries.iter().filter_map(|key| self.entries.get(key));
        let dir = files.filter(|e| e.restart == restart).find_map(|e| self.dirs.get(&e.dir))?;
        Some((group.input, dir.path.clone(), format!("{}_{}_{container}", pod.pod(), pod.namespace())))
    }

    fn read_links(&mut self, links: &Base) {
        if self.links.at == Some(self.now.mono) {
            return;
        }
        self.links = Links { at: Some(self.now.mono), names: HashMap::new() };
        for link in self.disk.list(links, Path::new("")).unwrap_or_default() {
            if let (Kind::Link, Some((stem, id))) = (link.kind, docker::id_in_name(&link.name)) {
                self.links.names.entry(stem.into()).or_default().push(id.into());
            }
        }
    }
}
