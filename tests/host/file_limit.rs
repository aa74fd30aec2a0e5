//! A limit on file sizes (`LimitFSIZE=`) is a disk that is full, not death.

use crate::Stage;
use crate::support::{Agent, SOON, until_or};

#[test]
fn an_agent_that_may_not_write_large_files_delivers_on() {
    let stage = Stage::new("", |outputs| outputs);
    let args = ["run", "-c", stage.config.to_str().unwrap()];
    // Nothing may be written past its 512th byte: neither the store nor its own log.
    let mut agent = Agent::start_after(stage.place.path(), &args, stage.place.admin, "ulimit -f 1");
    agent.until_ready();
    for line in 0..200 {
        stage.say(&format!("line {line}"));
    }
    stage.until_records(200, &agent);
    let shown = || agent.metrics().sum("tailrace_data_dir_unwritable", &[]).is_some_and(|parts| parts > 0.0);
    until_or("it to be shown", SOON, shown, || agent.get("/metrics").unwrap().1);
    assert!(agent.stop(SOON).success());
}
