//! The configuration's file while the agent runs: says when there is another text in it, and not what it means.
//!
//! It is read every second, by a thread of its own (a disk may hang, and senders share the main thread): that sees an
//! editor's rename, a write in place and a ConfigMap's `..data` alike. A text counts once two looks found the same; a
//! SIGHUP makes whatever is there count.

use crate::cli::file;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The text, or why it cannot be read.
pub type Content = Result<String, String>;

/// What the thread is asked, and what it says.
pub struct ConfigFile {
    /// A pipe (`-c <(...)`) was read once and for all.
    is_file: bool,
    look: SyncSender<()>,
    changes: UnboundedReceiver<Content>,
}

impl ConfigFile {
    /// Watches `path`, whose text was `first`.
    pub fn watch(path: PathBuf, first: String) -> std::io::Result<ConfigFile> {
        let (look, asked) = sync_channel(1);
        // At most one text a second, and only another one.
        let (sender, changes) = unbounded_channel();
        let first = Ok(first);
        let seen = Seen { counted: first.clone(), last: first };
        let builder = std::thread::Builder::new().name("config".into()).stack_size(256 << 10);
        let is_file = std::fs::metadata(&path).is_ok_and(|found| found.is_file());
        if is_file {
            builder.spawn(move || look_on(&path, seen, &asked, &sender))?;
        }
        Ok(ConfigFile { is_file, look, changes })
    }

    /// What is there now counts. False: there is nothing to look at.
    pub fn look_now(&self) -> bool {
        if self.is_file {
            // Full: it is just about to look.
            self.look.try_send(()).ok();
        } else {
            tracing::warn!("SIGHUP: the configuration did not come from a file, so there is nothing to look at");
        }
        self.is_file
    }

    /// The next text that counts.
    pub async fn changed(&mut self) -> Content {
        match self.changes.recv().await {
            Some(content) => content,
            // The thread is gone: nothing will change any more.
            None => std::future::pending().await,
        }
    }
}

fn look_on(path: &Path, mut seen: Seen, asked: &Receiver<()>, changes: &UnboundedSender<Content>) {
    loop {
        let asked = match asked.recv_timeout(LOOK_EVERY) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if let Some(content) = seen.look(read(path), asked)
            && changes.send(content).is_err()
        {
            return;
        }
    }
}

/// Only regular files: opening a FIFO waits for who writes it, and nothing would ever be seen again.
fn read(path: &Path) -> Content {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(format!("{}: not a regular file any more; put it back\n", path.display())),
        Ok(_) | Err(_) => file::read(path),
    }
}

/// Which looks count.
struct Seen {
    counted: Content,
    last: Content,
}

impl Seen {
    fn look(&mut self, now: Content, asked: bool) -> Option<Content> {
        let whole = self.last == now;
        self.last = now.clone();
        let counts = asked || (whole && now != self.counted);
        counts.then(|| {
            self.counted = now.clone();
            now
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Content {
        Ok(text.to_owned())
    }

    #[test]
    fn a_text_counts_when_two_looks_found_it_and_once() {
        let mut seen = Seen { counted: text("a"), last: text("a") };
        let mut look = |now: &str| seen.look(text(now), false).map(Result::unwrap);
        for (now, counts) in [
            ("a", None),
            // Half of it, then all of it.
            ("", None),
            ("b", None),
            ("b", Some("b")),
            ("b", None),
            // There and back.
            ("c", None),
            ("b", None),
            ("b", None),
            ("a", None),
            ("a", Some("a")),
        ] {
            assert_eq!(look(now).as_deref(), counts, "{now}");
        }
    }

    #[test]
    fn a_fifo_in_place_of_the_file_is_told_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.yaml");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
        assert!(read(&path).unwrap_err().contains("not a regular file"));
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "a: 1").unwrap();
        assert_eq!(read(&path), text("a: 1"));
    }

    #[test]
    fn a_file_that_is_away_for_a_moment_is_no_change_and_one_that_stays_away_is() {
        let mut seen = Seen { counted: text("a"), last: text("a") };
        let gone = || Err("no such file".to_owned());
        assert_eq!(seen.look(gone(), false), None);
        assert_eq!(seen.look(text("a"), false), None);
        assert_eq!(seen.look(text("a"), false), None);
        assert_eq!(seen.look(gone(), false), None);
        assert_eq!(seen.look(gone(), false), Some(gone()));
        assert_eq!(seen.look(gone(), false), None);
    }

    #[test]
    fn who_asks_gets_what_is_there_also_when_it_is_not_new() {
        let mut seen = Seen { counted: text("a"), last: text("a") };
        assert_eq!(seen.look(text("a"), true), Some(text("a")));
        assert_eq!(seen.look(text("b"), true), Some(text("b")));
        assert_eq!(seen.look(text("b"), false), None);
    }
}
