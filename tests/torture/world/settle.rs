//! The end of a world: nothing fails any more, and everything has to arrive.

use super::{OUTPUTS, World, had};
use crate::support::now;
use crate::weather::come_back;
use std::collections::HashSet;
use std::time::Duration;
use tailrace::record::Now;
use tailrace::standin::Standin;

impl World {
    /// No more faults, no more lines: everything has to arrive, and the agent ends well.
    pub(super) fn settle(&mut self) {
        self.tell("no more faults");
        for service in &mut self.services {
            service.control.clear_faults();
            come_back(service);
        }
        let pid = self.pid();
        self.disk.mend(pid);
        // Files of lines that were never ended go now, while the agent holds them: it must be one that no fault binds any
        // more, as a request that hangs binds the last one for half a minute.
        self.kill();
        self.disk.mend(None);
        self.writer.finish(now()).unwrap();
        // Nothing is written any more: what is missing only gets less.
        let mut missing: Vec<u64> = self.writer.ledger().ids().collect();
        let limit = self.at() + self.pace.settle;
        // The first life ends early, as what is due late comes with its end; the next one has all the time there is.
        let mut patience = self.at() + Duration::from_secs(12);
        loop {
            if self.agent.is_none() {
                self.start();
            }
            self.wait_for_all(&mut missing, patience.min(limit));
            patience = limit;
            let mut agent = self.agent.take().unwrap();
            self.books.look(&agent.metrics());
            let lanes = agent.get("/api/lanes").map(|(_, page)| page).unwrap_or_default();
            std::fs::write(self.place.path().join("lanes.json"), lanes).unwrap();
            self.books.life_ended();
            let ended = agent.stop(Duration::from_secs(60));
            self.tell(&format!("the agent was told to end: {ended}"));
            self.books.read_dead_letters(&self.place.data_dir());
            if self.all_there(&mut missing) && ended.success() {
                return;
            }
            if self.at() >= limit {
                let said = agent.log();
                let said = said.get(said.len().saturating_sub(2_000)..).unwrap_or_default();
                let (missing, after) = (missing.len(), self.pace.settle);
                self.books
                    .wrong
                    .push(format!("{missing} lines are missing {after:?} after the last fault: {ended}\n{said}"));
                return;
            }
        }
    }
    fn wait_for_all(&mut self, missing: &mut Vec<u64>, until: Duration) {
        while self.at() < until && !self.all_there(missing) {
            if self.has_seen() {
                self.delete();
            }
            self.look();
            if !self.books.wrong.is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(300));
        }
    }
    /// All that kubelet would delete within the next minute goes now. A line that was never ended is whole only when its
    /// file goes: nobody waits for it.
    fn delete(&mut self) {
        let ledger = self.writer.ledger();
        let unfinished: HashSet<u64> = ledger.ids().filter(|id| ledger.unfinished(*id)).collect();
        let (services, books, case) = (&self.services, &self.books, &self.case);
        let had = |id: &u64| unfinished.contains(id) || had(services, books, case, *id);
        let may_go = |ids: &[u64]| case.tight || ids.iter().all(had);
        let time = now();
        let later = Now { mono: time.mono + Duration::from_secs(60), ..time };
        self.writer.clean_up_keeping(later, &may_go).unwrap();
    }
    /// Whether each line arrived everywhere or is counted under a reason.
    fn all_there(&self, missing: &mut Vec<u64>) -> bool {
        missing.retain(|id| !had(&self.services, &self.books, &self.case, *id));
        missing.is_empty() || (self.case.tight && self.uncounted() == 0)
    }
    /// Lines that did not arrive somewhere, and are not counted.
    fn uncounted(&self) -> u64 {
        let uncounted = |(output, service): (&&str, &Standin)| {
            self.books.missing(&self.case, output, self.writer.ledger(), service.control.receipts())
        };
        OUTPUTS.iter().zip(&self.services).map(uncounted).sum()
    }
}
