//! On a plain machine, with the real binary: what the service manager is told, spot notices, the package.
#![cfg(all(feature = "agent", feature = "standin"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(clippy::print_stdout, reason = "says what was skipped")]

mod deb;
mod file_limit;
mod metadata;
mod service_manager;
mod spot;
#[path = "../support/mod.rs"]
mod support;
mod unit;

use support::{Agent, Place, SOON, Services, until_or};

/// Everything a test needs; the agent is started by the test.
pub struct Stage {
    pub services: Services,
    pub place: Place,
    pub config: std::path::PathBuf,
}

impl Stage {
    /// All three outputs.
    pub fn new(top: &str, change: impl FnOnce(String) -> String) -> Stage {
        let (services, place) = (Services::start(), Place::new());
        let config = place.config(top, &change(services.outputs()));
        Stage { services, place, config }
    }
    /// `tailrace run` with these variables.
    pub fn run(&self, env: &[(&str, &str)]) -> Agent {
        let args = ["run", "-c", self.config.to_str().unwrap()];
        Agent::start_with(self.place.path(), &args, self.place.admin, env)
    }
    /// One line of the pod `shop/cart`.
    pub fn say(&self, text: &str) {
        use std::io::Write;
        let dir = self.place.pods().join("shop_cart_0a1b2c3d-0000-4000-8000-000000000000/main");
        std::fs::create_dir_all(&dir).unwrap();
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("0.log")).unwrap();
        let stamp = jiff::Timestamp::from_nanosecond(i128::from(support::now().unix_ns)).unwrap();
        writeln!(file, "{stamp:.9} stdout F {text}").unwrap();
    }
    /// Waits until so many records arrived in each output.
    pub fn until_records(&self, records: u64, agent: &Agent) {
        for (name, standin) in self.services.each() {
            let there = || standin.control.receipts().totals().records >= records;
            until_or(&format!("{records} records in {name}"), SOON, there, || agent.log());
        }
    }
}

/// This machine has not what it takes.
pub fn skip(why: &str) {
    println!("skipped: {why}");
}
