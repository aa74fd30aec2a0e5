//! Credentials that end before their time, while an object is being uploaded in parts.

use crate::rig::Rig;
use crate::support::{SOON, now, until_or};
use std::time::Duration;

#[test]
fn credentials_that_are_taken_away_in_an_upload_are_replaced_at_once_and_nothing_is_lost_or_twice() {
    let rig = Rig::new();
    rig.issuer.set_life(Duration::from_secs(3_600));
    let env = rig.pod_identity(&rig.identity.url);
    let agent = rig.agent(&env, "");
    let mut writer = rig.writer();
    let begun = now().mono;
    let mut ended = begun;
    while now().mono - begun < Duration::from_secs(4) {
        writer.step(now()).unwrap();
        if now().mono - ended > Duration::from_millis(900) {
            rig.issuer.end_all();
            ended = now().mono;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    writer.finish(now()).unwrap();
    rig.services.until_all_arrived(&writer, SOON, &agent);
    rig.assert_once(&writer);
    for (name, service) in rig.services.each() {
        assert!(service.control.unauthorized() > 0, "{name} was never told");
    }
}

#[test]
fn parts_of_one_object_are_signed_with_the_keys_of_now() {
    let rig = Rig::new();
    rig.issuer.set_life(Duration::from_secs(3_600));
    let env = rig.pod_identity(&rig.identity.url);
    let agent = rig.agent_with(&env, "", "max_age: 12s");
    let dir = rig.place.pods().join("shop_cart_00000001-0000-4000-8000-000000000000/main");
    std::fs::create_dir_all(&dir).unwrap();
    let parts = || rig.services.s3.control.requests_of("UploadPart", "200");
    let (mut noise, mut id) = (1_u64, 0);
    let mut write = |lines: u64| {
        let mut text = String::new();
        for _ in 0..lines {
            let mut body = format!("tr={id:016x} ");
            for _ in 0..512 {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                body.push_str(&format!("{noise:016x}"));
            }
            id += 1;
            let stamp = jiff::Timestamp::from_nanosecond(i128::from(now().unix_ns)).unwrap();
            text.push_str(&format!("{stamp:.9} stdout F {body}\n"));
        }
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("0.log")).unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    };
    // 8 KiB a line of which half is left when packed: 14 MiB are two parts.
    write(1_800);
    until_or("a part", SOON, || parts() >= 1, || agent.log());
    rig.issuer.end_all();
    write(1_800);
    let arrived = || rig.services.s3.control.receipts().distinct() == 3_600;
    until_or("all lines in the archive", SOON, arrived, || agent.log());
    let seen = rig.services.s3.control.recent();
    let mut callers: Vec<_> = seen.into_iter().filter(|s| s.outcome == "200").filter_map(|s| s.caller).collect();
    callers.dedup();
    assert!(callers.len() >= 2, "{callers:?}");
    assert!(parts() >= 2 && rig.services.s3.control.unauthorized() > 0);
    let twice = rig.services.s3.control.receipts().with(|ids| ids.values().filter(|n| **n > 1).count());
    assert_eq!(twice, 0);
}
