//! Credentials that end before their time, while an object is being uploaded in parts.

use crate::rig::Rig;
use crate::support::{SOON, now, until_or};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tailrace::standin::s3::Part;

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
fn parts_of_one_upload_are_signed_with_the_keys_of_now() {
    let rig = Rig::new();
    rig.issuer.set_life(Duration::from_secs(3_600));
    let env = rig.pod_identity(&rig.identity.url);
    let mut agent = rig.agent_with(&env, "", "max_age: 10m");
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
    let s3 = rig.services.s3.control.s3().unwrap();
    // 8 KiB a line of which half is left when packed: 14 MiB are two parts. Nothing ends the object before we do.
    write(1_800);
    until_or("a part", SOON, || parts() >= 1, || agent.log());
    let open: Vec<String> = s3.uploads("logs").into_keys().collect();
    rig.issuer.end_all();
    write(1_800);
    let signers = |parts: &BTreeMap<u16, Part>| parts.values().map(|part| part.by.clone()).collect::<BTreeSet<_>>();
    let both = || s3.uploads("logs").values().any(|upload| signers(&upload.parts).len() == 2);
    until_or("parts of two signers in one upload", SOON, both, || agent.log());
    let now: Vec<String> = s3.uploads("logs").into_keys().collect();
    assert_eq!((now.len(), now), (1, open), "it is the upload from before");
    assert!(agent.stop(SOON).success(), "{}", agent.log());
    assert_eq!(rig.services.s3.control.receipts().distinct(), 3_600);
    let objects = s3.objects("logs");
    let object = objects.values().max_by_key(|object| object.parts).unwrap();
    assert!(object.parts >= 2 && object.signers.len() == 2, "{} {:?}", object.parts, object.signers);
    assert!(rig.services.s3.control.unauthorized() > 0);
    let twice = rig.services.s3.control.receipts().with(|ids| ids.values().filter(|n| **n > 1).count());
    assert_eq!(twice, 0);
}
