//! How far it is: one line rewritten on a terminal, else a line every few seconds.

use super::services::Services;
use super::table::grouped;
use crate::cli::draw;
use std::io::IsTerminal;
use std::time::Duration;

const ON_TERMINAL: Duration = Duration::from_millis(200);
const ELSEWHERE: Duration = Duration::from_secs(5);

/// Says how far it is, now and then.
#[derive(Debug)]
pub struct Progress {
    terminal: bool,
    next: Duration,
    open: bool,
}

impl Progress {
    /// Begins.
    pub fn new() -> Progress {
        Progress { terminal: std::io::stdout().is_terminal(), next: Duration::ZERO, open: false }
    }
    /// `since` the start; `written` by the demo's own writer, if there is one.
    pub fn tick(&mut self, since: Duration, what: &str, written: Option<u64>, services: &Services) {
        if since < self.next {
            return;
        }
        self.next = since + if self.terminal { ON_TERMINAL } else { ELSEWHERE };
        let mut line = format!("{:>3} s  {what:<8}", since.as_secs());
        if let Some(written) = written {
            line.push_str(&format!("  written {}", grouped(written)));
        }
        for (name, standin) in services.each() {
            let receipts = standin.control.receipts();
            let arrived = if written.is_some() { receipts.distinct() } else { receipts.totals().records };
            line.push_str(&format!("  {name} {}", grouped(arrived)));
        }
        if self.terminal {
            // To the line's beginning, and nothing behind its end.
            draw(&format!("\r{line}\x1b[K"));
            self.open = true;
        } else {
            draw(&format!("{line}\n"));
        }
    }
    /// What is said next begins on a line of its own.
    pub fn end(&mut self) {
        if std::mem::take(&mut self.open) {
            draw("\n");
        }
    }
}
