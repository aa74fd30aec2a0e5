//! The reckoning at the end of every case: what was written, what the service has, what the lane says of it.

use crate::record::{Attempt, Record, name};
use crate::rig::Rig;
use std::collections::BTreeMap;
use tailrace::lane::batch::{Code, ItemVerdict, Job, Verdict};
use tailrace::store::saved::Sums;
use tailrace::telemetry::report::LaneReport;

/// Records and bytes that met a fate.
pub fn fates(sums: &Sums) -> (u64, u64) {
    let all = [sums.delivered, sums.dead_lettered].into_iter().chain(sums.dropped);
    let (records, bytes) = all.fold((0, 0), |sum, next| (sum.0 + next.0, sum.1 + next.1));
    (records, bytes + sums.lost_bytes)
}

/// Waits until everything has met its fate, ends the lane, and looks at every number. Gives back its last report.
pub fn reckon(mut rig: Rig) -> LaneReport {
    rig.settled();
    rig.until("nothing to be out any more", || {
        let report = rig.report();
        report.in_flight.0 == 0 && report.lag_bytes == 0
    });
    let ended = rig.drain();
    assert!(ended.left.is_empty(), "{:?}", ended.left);
    rig.wait_for(async {
        while ended.pool.used() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    });
    let report = rig.report();
    arrivals(&rig, &report);
    notes(&rig);
    let ours: Vec<Attempt> = rig.shared.record.all().into_iter().filter(|a| a.life == rig.life).collect();
    counters(&ours, &report, rig.row.exactly_once);
    wishes(&rig.shared.record);
    report
}

/// Nothing lost, nothing changed, nothing twice but where it is said to be possible.
fn arrivals(rig: &Rig, report: &LaneReport) {
    let receipts = rig.control().receipts();
    let (written, buried, excused) = (rig.written(), rig.buried(), rig.excused());
    let arrived = receipts.with(|ids| ids.clone());
    let elsewhere = |id: &&u64| buried.contains(id) || excused.contains(id);
    let lost: Vec<_> = written.iter().filter(|id| !elsewhere(id) && !arrived.contains_key(*id)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert!(arrived.keys().all(|id| written.contains(id)), "lines that nobody wrote");
    let totals = receipts.totals();
    assert_eq!((totals.damaged, totals.unreadable, totals.without_id, totals.replaced), (0, 0, 0, 0));
    let twice: u64 = arrived.values().map(|n| u64::from(*n) - 1).sum();
    let possible = report.sums.possible_duplicates;
    let allowed = if rig.row.exactly_once { 0 } else { possible };
    assert!(twice <= allowed, "{twice} came twice, {possible} are said to be possible");
    assert_eq!(fates(&report.sums).1, rig.written_bytes());
    assert_eq!(report.sums.lost_bytes, 0);
    assert_eq!(report.sums.dead_lettered.0, buried.len() as u64);
    assert_eq!(report.sums.dropped.iter().map(|d| d.0).sum::<u64>(), excused.len() as u64);
    // How many records an object of an earlier life had is not known any more, only their bytes.
    let records = fates(&report.sums).0;
    assert!(records == written.len() as u64 || (rig.life > 1 && records < written.len() as u64), "{records} records");
}

/// The store knows that all is done, and of nothing that is still to do.
fn notes(rig: &Rig) {
    for (file, (size, position)) in rig.positions() {
        assert_eq!(position.map_or(0, |p| p.low), size, "{file}");
    }
    let saved = rig.saved();
    let open = (saved.attempts.len(), saved.uploads.len(), saved.intents.len());
    assert_eq!(open, (0, 0, 0), "{saved:?}");
    assert_eq!((rig.row.leftovers)(rig.control()), 0, "uploads that nobody will ever complete");
}

/// Each counter against what the attempts really were.
fn counters(attempts: &[Attempt], report: &LaneReport, exactly_once: bool) {
    let (mut retries, mut rejected) = (BTreeMap::new(), BTreeMap::new());
    let (mut already, mut unknown) = (0, 0);
    for attempt in attempts {
        let Some((_, verdict)) = &attempt.answer else { panic!("no answer to {attempt:?}") };
        let mut again = |code: &str| *retries.entry(code.to_owned()).or_insert(0) += 1;
        match verdict {
            Verdict::Delivered { already: n } => already += u64::from(*n),
            Verdict::Staged { .. } => {}
            Verdict::NoUpload => again("no_upload"),
            Verdict::Retry { code, .. } | Verdict::Hold { code, .. } => again(code.as_str()),
            Verdict::Unknown { code, .. } => {
                again(code.as_str());
                unknown += u64::from(attempt.items);
            }
            Verdict::Split { code } | Verdict::Reject { code, .. }
                if attempt.items == 1 && attempt.job == Job::Send =>
            {
                *rejected.entry(code.to_string()).or_insert(0) += 1;
            }
            Verdict::Split { code } | Verdict::Reject { code, .. } => again(code.as_str()),
            Verdict::Items(items) => {
                for (_, item) in items {
                    match item {
                        ItemVerdict::Already => already += 1,
                        ItemVerdict::Retry(code) | ItemVerdict::Hold(code) => again(code.as_str()),
                        ItemVerdict::Reject { code, .. } => *rejected.entry(code.to_string()).or_insert(0) += 1,
                        ItemVerdict::Dropped(_) => {}
                    }
                }
            }
        }
    }
    let told = |counts: &BTreeMap<tailrace::lane::batch::Code, u64>| {
        counts.iter().map(|(code, n)| (code.to_string(), *n)).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(told(&report.retries), retries, "retries");
    assert_eq!(told(&report.rejected), rejected, "rejected");
    assert_eq!(report.already, already, "already");
    if exactly_once {
        assert_eq!(report.sums.possible_duplicates, 0);
    } else if attempts.first().is_none_or(|a| a.life == 1) {
        assert_eq!(report.sums.possible_duplicates, unknown, "possible duplicates");
    }
    assert_eq!(report.requests, attempts.len() as u64, "requests");
    assert_eq!(report.bytes_sent, attempts.iter().map(|a| a.bytes).sum::<u64>(), "bytes sent");
    assert_eq!((report.in_flight.0, report.lag_bytes, report.files_behind), (0, 0, 0));
    assert!(report.parked.is_empty() && report.lane_parked.is_none() && !report.stalled, "{report:#?}");
}

/// Nothing goes where the service wished for quiet before that is over.
fn wishes(record: &Record) {
    let attempts = record.all();
    for asked in &attempts {
        let Some((heard, verdict)) = &asked.answer else { continue };
        let Verdict::Retry { after: Some(wish), code, .. } = verdict else { continue };
        let by_then = |a: &Attempt| match &a.answer {
            Some((at, verdict)) if a.life == asked.life && at <= heard => of(verdict, code),
            Some(_) | None => 0,
        };
        // What was sent before the lane had read the answer is not to blame.
        let Some(knew) = record.knew(asked.life, code, attempts.iter().map(by_then).sum()) else { continue };
        let early = attempts.iter().find(|a| {
            let same = a.place == asked.place && a.life == asked.life;
            same && a.began > knew && a.began < *heard + *wish
        });
        if let Some(early) = early {
            let sooner = early.began - *heard;
            panic!("{} at {}: {wish:?} were wished for, {sooner:?} kept", name(verdict), asked.place);
        }
    }
}

/// How many retries of this code a verdict counts as.
fn of(verdict: &Verdict, wanted: &Code) -> u64 {
    match verdict {
        Verdict::Retry { code, .. } | Verdict::Hold { code, .. } | Verdict::Unknown { code, .. } => {
            u64::from(code == wanted)
        }
        Verdict::Items(items) => {
            let again = |item: &ItemVerdict| match item {
                ItemVerdict::Retry(code) | ItemVerdict::Hold(code) => code == wanted,
                ItemVerdict::Already | ItemVerdict::Reject { .. } | ItemVerdict::Dropped(_) => false,
            };
            items.iter().filter(|(_, item)| again(item)).count() as u64
        }
        Verdict::Delivered { .. }
        | Verdict::Staged { .. }
        | Verdict::Reject { .. }
        | Verdict::Split { .. }
        | Verdict::NoUpload => 0,
    }
}
