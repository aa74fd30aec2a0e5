//! Our own log lines: on stderr, text on a terminal, else one flat JSON object a line (`time`, `level`, `msg`, fields).
//!
//! Few lines: ours from `info` on, those of dependencies only when they are errors. Each message is limited: five, then one a minute, which says how many were left out
//! (`suppressed`). A message with a field `output` or `input` is limited for each of them, so that one output's noise does not
//! hide another's trouble. The last warnings and errors are kept for the status page.

mod limit;
mod line;

use super::recent::Recent;
use crate::record::Now;
use limit::Limits;
use line::Line;
pub(crate) use line::{is_obeyed, plain};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Begins logging to stderr for the whole process. `recent` gets the warnings and errors. False when somebody else logs
/// already (a second call).
pub fn init<C: Fn() -> Now + Send + Sync + 'static>(clock: C, recent: Arc<Recent>) -> bool {
    let json = !std::io::stderr().is_terminal();
    let layer = Lines { clock, json, recent, limits: Mutex::default(), write: super::stderr::write };
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).is_ok()
}

/// Renders events as lines; `write` takes a whole line at a time.
struct Lines<C, W> {
    clock: C,
    json: bool,
    recent: Arc<Recent>,
    limits: Mutex<Limits>,
    write: W,
}

/// Whether events of this kind are written.
fn wanted(meta: &Metadata<'_>) -> bool {
    let krate = meta.target().split("::").next().unwrap_or("");
    if krate == env!("CARGO_CRATE_NAME") { *meta.level() <= Level::INFO } else { *meta.level() <= Level::ERROR }
}

impl<S: Subscriber, C: Fn() -> Now + 'static, W: Fn(&[u8]) + 'static> Layer<S> for Lines<C, W> {
    fn enabled(&self, meta: &Metadata<'_>, _: Context<'_, S>) -> bool {
        wanted(meta)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let now = (self.clock)();
        let mut line = Line::default();
        event.record(&mut line);
        let mut key = DefaultHasher::new();
        event.metadata().callsite().hash(&mut key);
        line.scope().hash(&mut key);
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        let admitted = limits.admit(key.finish(), now.mono);
        drop(limits);
        let Some(suppressed) = admitted else { return };
        if suppressed > 0 {
            line.add_number("suppressed", suppressed);
        }
        let level = *event.metadata().level();
        if level <= Level::WARN {
            self.recent.push(now.unix_ns, level == Level::ERROR, &line.plain());
        }
        let text = if self.json { line.json(now, level) } else { line.text(now, level) };
        (self.write)(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Runs `events` and gives the lines and what is kept for the status page.
    fn logged(json: bool, events: impl FnOnce()) -> (Vec<String>, Arc<Recent>) {
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let recent: Arc<Recent> = Arc::default();
        let to = lines.clone();
        let write = move |bytes: &[u8]| to.lock().unwrap().push(String::from_utf8(bytes.to_vec()).unwrap());
        let clock = || Now { mono: Duration::from_secs(5), unix_ns: 1_700_000_000_123_456_789 };
        let layer = Lines { clock, json, recent: recent.clone(), limits: Mutex::default(), write };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), events);
        let lines = lines.lock().unwrap().clone();
        (lines, recent)
    }

    #[test]
    fn json_lines_are_flat_and_typed() {
        let (lines, _) = logged(true, || {
            let error = std::io::Error::other("disk \"full\"\nsecond line");
            tracing::warn!(output = "s3", bytes = 7u64, late = true, share = 0.5, at = ?Some(1), %error, "it \\ failed");
        });
        let read: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(
            read,
            serde_json::json!({"time": "2023-11-14T22:13:20.123Z", "level": "warn", "msg": "it \\ failed", "output": "s3",
                "bytes": 7, "late": true, "share": 0.5, "at": "Some(1)", "error": "disk \"full\"\nsecond line"})
        );
        assert!(lines[0].ends_with('\n') && lines[0].matches('\n').count() == 1);
    }

    #[test]
    fn text_lines_hold_no_control_characters() {
        let (lines, _) = logged(false, || tracing::info!(path = "a b\x1b[31m\n", n = 3, "started"));
        assert_eq!(lines[0], "2023-11-14T22:13:20.123Z INFO  started path=\"a b\\u{1b}[31m\\n\" n=3\n");
    }

    #[test]
    fn dependencies_are_heard_only_when_they_fail() {
        let (lines, _) = logged(true, || {
            tracing::debug!("ours, but debug");
            tracing::warn!(target: "hyper::client", "no");
            tracing::error!(target: "rustls", "yes");
        });
        assert!(lines.len() == 1 && lines[0].contains("yes"), "{lines:?}");
    }

    #[test]
    fn a_message_is_limited_for_each_output_and_warnings_are_kept() {
        let (lines, recent) = logged(true, || {
            for output in ["a", "b"] {
                (0..100).for_each(|n| tracing::error!(output, n, "parked"));
            }
            tracing::info!("not for the status page");
        });
        assert_eq!(lines.len(), 11);
        let kept = recent.newest_first();
        assert_eq!((kept.len(), kept[0].error, kept[0].text.as_ref()), (10, true, "parked output=b n=4"));
    }
}
