//! Files are known by what is in them, not by name or inode: packed, renamed, removed and made again, each line arrives once.

use crate::logs::{append, container, cri, pack};
use crate::stage::{Stage, documents};
use crate::support::{Place, SOON, Services, until_or};
use std::os::unix::fs::MetadataExt;
use tailrace::standin::{Fault, Rule};

#[test]
fn packed_and_plain_siblings_are_read_oldest_first() {
    let place = Place::new();
    let services = Services::start();
    let dir = container(&place, "shop", "cart");
    let bodies: Vec<String> = (0..50).map(|n| format!("line {n:02}")).collect();
    let files =
        ["0.log.20261120-101010", "0.log.20261121-101010", "0.log.20261122-101010", "1.log.20261122-111111", "1.log"];
    for (name, lines) in files.iter().zip(bodies.chunks(10)) {
        append(&dir.join(name), lines.iter().flat_map(cri).collect::<Vec<u8>>());
    }
    pack(&dir.join(files[0]));
    pack(&dir.join(files[1]));
    let config = place.config("", &services.outputs());
    let agent = place.run(&config, &[]);
    let stage = Stage { agent, services, place, config };
    stage.until_bodies(&bodies.iter().map(String::as_str).collect::<Vec<_>>());
    for (name, standin) in stage.services.each() {
        let order: Vec<String> = documents(standin).iter().map(|d| d["log"].as_str().unwrap().to_owned()).collect();
        assert_eq!(order, bodies, "{name}: of one container in the order of writing");
    }
}

#[test]
fn a_file_packed_while_nobody_looks_goes_on_where_it_stood() {
    let mut stage = Stage::new();
    let dir = container(&stage.place, "shop", "cart");
    append(&dir.join("0.log"), [cri("one"), cri("two")].concat());
    stage.until_bodies(&["one", "two"]);
    stage.until_settled();
    assert!(stage.agent.stop(SOON).success());
    // More was written, and both rotations happened.
    append(&dir.join("0.log"), cri("three"));
    std::fs::rename(dir.join("0.log"), dir.join("0.log.20261122-101010")).unwrap();
    pack(&dir.join("0.log.20261122-101010"));
    append(&dir.join("0.log"), cri("four"));
    stage.start_again();
    stage.until_bodies(&["one", "two", "three", "four"]);
    append(&dir.join("0.log"), cri("five"));
    stage.until_bodies(&["one", "two", "three", "four", "five"]);
}

#[test]
fn plain_and_packed_side_by_side_and_a_tmp_are_one_file() {
    let stage = Stage::new();
    let dir = container(&stage.place, "shop", "cart");
    let (live, rotated) = (dir.join("0.log"), dir.join("0.log.20261122-101010"));
    append(&live, [cri("one"), cri("two")].concat());
    std::fs::rename(&live, &rotated).unwrap();
    append(&live, cri("three"));
    let packed = crate::support::client::gzip(&std::fs::read(&rotated).unwrap());
    std::fs::write(dir.join("0.log.20261122-101010.tmp"), &packed[..packed.len() / 2]).unwrap();
    std::fs::write(dir.join("0.log.20261122-101010.tmp"), &packed).unwrap();
    std::fs::rename(dir.join("0.log.20261122-101010.tmp"), dir.join("0.log.20261122-101010.gz")).unwrap();
    stage.until_bodies(&["one", "two", "three"]);
    std::fs::remove_file(&rotated).unwrap();
    append(&live, cri("four"));
    stage.until_bodies(&["one", "two", "three", "four"]);
    stage.until_settled();
}

#[test]
fn a_new_file_with_the_inode_of_the_last_one_is_a_new_file() {
    let mut stage = Stage::new();
    let file = container(&stage.place, "shop", "cart").join("0.log");
    let (mut want, mut inodes) = (Vec::new(), Vec::new());
    for round in 0..12 {
        // The same length each time: only what is in it differs.
        want.push(format!("round {round:02}"));
        append(&file, cri(want.last().unwrap()));
        inodes.push(std::fs::metadata(&file).unwrap().ino());
        stage.until_bodies(&want.iter().map(String::as_str).collect::<Vec<_>>());
        if round % 3 == 2 {
            // While it runs it may hold the deleted file; while it does not, the inode is free.
            stage.until_settled();
            assert!(stage.agent.stop(SOON).success());
            std::fs::remove_file(&file).unwrap();
            want.push(format!("fresh {round:02}"));
            append(&file, cri(want.last().unwrap()));
            inodes.push(std::fs::metadata(&file).unwrap().ino());
            stage.start_again();
            stage.until_bodies(&want.iter().map(String::as_str).collect::<Vec<_>>());
        }
        std::fs::remove_file(&file).unwrap();
    }
    let again = inodes.windows(2).filter(|w| w[0] == w[1]).count();
    println!("the inode was that of the file before {again} times of {}", inodes.len() - 1);
}

#[test]
fn a_file_deleted_before_an_output_had_it_is_held_until_it_has() {
    let stage = Stage::with("retain: {min_free: 1%}", |outputs| outputs);
    stage.services.s3.control.fault(Rule::always(Fault::Status {
        code: 503,
        error: "SlowDown".into(),
        retry_after: None,
    }));
    let dir = container(&stage.place, "shop", "cart");
    append(&dir.join("0.log"), [cri("one"), cri("two")].concat());
    crate::stage::until_bodies("search", &stage.services.opensearch, &["one", "two"], &stage.agent);
    std::fs::remove_dir_all(dir.parent().unwrap()).unwrap();
    let held = || stage.agent.metrics().sum("tailrace_held_files", &[]);
    until_or("the file to be held", SOON, || held() == Some(1.0), || format!("{:?} {}", held(), stage.agent.log()));
    stage.services.s3.control.clear_faults();
    stage.until_bodies(&["one", "two"]);
    stage.until_settled();
}
