//! What a running process is told from outside: signals, `POST /drain`, another configuration, a spot notice.

use super::config_file::{ConfigFile, Content};
use super::notify::ServiceManager;
use super::spot::Notice;
use crate::cli::clock::Clock;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc};

/// Where words from outside arrive.
pub struct Outside {
    term: Signal,
    int: Signal,
    drain: Arc<Notify>,
    /// SIGHUP, and the file; `None` with `--once`, which a SIGHUP ends.
    config: Option<(Signal, ConfigFile)>,
    spot: mpsc::Receiver<Notice>,
    manager: Arc<ServiceManager>,
    clock: Clock,
}

/// What a limit on file sizes (`LimitFSIZE=`, `ulimit -f`) sends to who would write past it: death, unless it is caught.
/// Then the write fails, and that is what we live with.
const FILE_TOO_LARGE: i32 = rustix::process::Signal::XFSZ.as_raw();

/// One of them.
pub enum Word {
    /// SIGTERM or SIGINT, which mean the same.
    Signal,
    /// `POST /drain`. No signal: kubelet sends its SIGTERM right behind a hook that asked.
    Drain,
    /// The configuration is another one.
    Config(Content),
    /// EC2 takes this machine back.
    Spot(Notice),
}

impl Outside {
    /// Catches signals from here on; needs the runtime.
    pub fn new(
        drain: Arc<Notify>,
        config: Option<ConfigFile>,
        spot: mpsc::Receiver<Notice>,
        (manager, clock): (Arc<ServiceManager>, Clock),
    ) -> std::io::Result<Outside> {
        // Once caught it stays so.
        drop(signal(SignalKind::from_raw(FILE_TOO_LARGE))?);
        let config = match config {
            Some(config) => Some((signal(SignalKind::hangup())?, config)),
            None => None,
        };
        let (term, int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Outside { term, int, drain, config, spot, manager, clock })
    }

    /// The next word. Nothing is lost when it is not waited for to the end.
    pub async fn next(&mut self) -> Word {
        let (manager, clock) = (&self.manager, self.clock);
        let config = async {
            let Some((hangup, config)) = &mut self.config else { return std::future::pending().await };
            loop {
                tokio::select! {
                    content = config.changed() => return content,
                    _ = hangup.recv() => {
                        if config.look_now() {
                            manager.reloading(clock);
                        }
                    }
                }
            }
        };
        let spot = &mut self.spot;
        let spot = async {
            match spot.recv().await {
                Some(notice) => notice,
                // It came, or there is none to come.
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.term.recv() => Word::Signal,
            _ = self.int.recv() => Word::Signal,
            () = self.drain.notified() => Word::Drain,
            content = config => Word::Config(content),
            notice = spot => Word::Spot(notice),
        }
    }
}
