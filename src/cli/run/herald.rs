//! What a person should hear of a lane: what was parked and why, what came back, what was refused or lost.
//!
//! It compares one report with the one before; the log itself limits how often each message appears.

use crate::telemetry::report::LaneReport;
use std::collections::BTreeSet;

/// Of one lane.
#[derive(Default)]
pub struct Herald {
    parked: BTreeSet<String>,
    lane_parked: bool,
    rejected: u64,
    lost: u64,
}

impl Herald {
    /// Says what is new.
    pub fn tell(&mut self, report: &LaneReport) {
        let output = &report.output;
        match (&report.lane_parked, self.lane_parked) {
            (Some((code, say)), false) => {
                tracing::warn!(%output, %code, "the destination cannot be used; it is tried again: {say}");
            }
            (None, true) => tracing::info!(%output, "the destination works again"),
            (Some(_), true) | (None, false) => {}
        }
        self.lane_parked = report.lane_parked.is_some();
        let now: BTreeSet<String> = report.parked.iter().map(|p| p.key.clone()).collect();
        for p in report.parked.iter().filter(|p| !self.parked.contains(&p.key)) {
            tracing::warn!(%output, key = %p.key, code = %p.code, "parked, others go on; it is tried again: {}", p.say);
        }
        for key in self.parked.difference(&now) {
            tracing::info!(%output, %key, "delivered again");
        }
        self.parked = now;
        let rejected: u64 = report.rejected.values().sum();
        if rejected > self.rejected {
            let codes: Vec<String> = report.rejected.iter().map(|(code, n)| format!("{code}: {n}")).collect();
            let new = rejected - self.rejected;
            tracing::warn!(%output, new, "records refused by the service, kept in the dead-letter file ({})", codes.join(", "));
        }
        self.rejected = rejected;
        let lost: u64 = report.lost.values().sum();
        if lost > self.lost {
            let who: Vec<&str> = report.lost.keys().take(5).map(String::as_str).collect();
            tracing::error!(%output, bytes = lost - self.lost, who = %who.join(", "), "lost: the file went before it was read");
        }
        self.lost = lost;
    }
}
