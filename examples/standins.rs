//! The three stand-ins by themselves, for trying a configuration by hand: prints their addresses, and what they took
//! each time a line comes on standard input. `count` as an argument: count only (for measurements).

#![allow(clippy::print_stdout, reason = "it answers to a person")]

use std::io::BufRead;
use tailrace::standin::{self, Options, Which, cloudwatch, opensearch, s3};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count_only = std::env::args().any(|a| a == "count");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let options = |port| Options { port, count_only, ..Options::default() };
    let which = [
        ("cloudwatch", Which::CloudWatch(cloudwatch::Options::default()), 9900),
        ("s3", Which::S3(s3::Options::default()), 9901),
        ("opensearch", Which::OpenSearch(opensearch::Options::default()), 9902),
    ];
    let mut running = Vec::new();
    for (name, which, port) in which {
        let standin = standin::start(runtime.handle(), which, options(port))?;
        println!("{name}: {}", standin.url);
        running.push((name, standin));
    }
    for _ in std::io::stdin().lock().lines() {
        for (name, standin) in &running {
            println!("{name}: {:?}", standin.control.receipts().totals());
        }
    }
    Ok(())
}
