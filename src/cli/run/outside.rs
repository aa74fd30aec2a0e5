//! What a running process is told from outside: signals, `POST /drain`, another configuration.

use super::config_file::{ConfigFile, Content};
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

/// Where words from outside arrive.
pub struct Outside {
    term: Signal,
    int: Signal,
    drain: Arc<Notify>,
    /// SIGHUP, and the file; `None` with `--once`, which a SIGHUP ends.
    config: Option<(Signal, ConfigFile)>,
}

/// One of them.
pub enum Word {
    /// SIGTERM or SIGINT, which mean the same.
    Signal,
    /// `POST /drain`. No signal: kubelet sends its SIGTERM right behind a hook that asked.
    Drain,
    /// The configuration is another one.
    Config(Content),
}

impl Outside {
    /// Catches signals from here on; needs the runtime.
    pub fn new(drain: Arc<Notify>, config: Option<ConfigFile>) -> std::io::Result<Outside> {
        let config = match config {
            Some(config) => Some((signal(SignalKind::hangup())?, config)),
            None => None,
        };
        let (term, int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Outside { term, int, drain, config })
    }

    /// The next word. Nothing is lost when it is not waited for to the end.
    pub async fn next(&mut self) -> Word {
        let config = async {
            let Some((hangup, config)) = &mut self.config else { return std::future::pending().await };
            loop {
                tokio::select! {
                    content = config.changed() => return content,
                    _ = hangup.recv() => config.look_now(),
                }
            }
        };
        tokio::select! {
            _ = self.term.recv() => Word::Signal,
            _ = self.int.recv() => Word::Signal,
            () = self.drain.notified() => Word::Drain,
            content = config => Word::Config(content),
        }
    }
}
