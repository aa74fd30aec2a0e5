//! This machine's clock is wrong: the services live in another hour.

use crate::rig::{Rig, fixed};
use crate::support::{SOON, now};
use std::sync::Arc;
use std::time::Duration;
use tailrace::standin::Clock;

#[test]
fn a_clock_that_is_an_hour_off_is_corrected_by_the_services_date_and_said() {
    for hours in [-1, 1] {
        let off = hours * 3_600;
        let rig = Rig::with(Clock(Arc::new(move || now().unix_ns + off * 1_000_000_000)), |own| own);
        rig.issuer.set_life(Duration::from_secs(3_600 * 6));
        let env = rig.pod_identity(&rig.identity.url);
        let agent = rig.agent(&env, "");
        let mut writer = rig.writer();
        crate::support::write(&mut writer, 300);
        rig.services.until_all_arrived(&writer, SOON, &agent);
        rig.assert_once(&writer);
        let skew = agent.metrics().sum("tailrace_clock_skew_seconds", &[]).unwrap();
        assert!((skew - off as f64).abs() <= 2.0, "{skew}");
        let log = agent.log();
        let side = if hours > 0 { "60 min behind" } else { "60 min ahead of" };
        assert!(log.contains("clock skew") && (log.contains(side) || log.contains(&side.replace("60", "59"))), "{log}");
    }
}

#[test]
fn a_role_is_assumed_although_the_clock_is_an_hour_off() {
    for hours in [-1, 1] {
        let off = hours * 3_600;
        let rig = Rig::with(Clock(Arc::new(move || now().unix_ns + off * 1_000_000_000)), |own| own);
        rig.issuer.set_life(Duration::from_secs(3_600 * 6));
        let (sts, keys) = (rig.identity.url.clone(), fixed());
        let env = [
            ("AWS_ACCESS_KEY_ID", keys.access.as_str()),
            ("AWS_SECRET_ACCESS_KEY", &keys.secret),
            ("AWS_ENDPOINT_URL_STS", &sts),
        ];
        let agent = rig.agent(&env, "    role_arn: arn:aws:iam::123456789012:role/logs\n");
        let mut writer = rig.writer();
        crate::support::write(&mut writer, 300);
        rig.services.until_all_arrived(&writer, SOON, &agent);
        rig.assert_once(&writer);
        let asked = rig.identity.control.requests();
        let count = |outcome: &str| rig.identity.control.requests_of("AssumeRole", outcome);
        assert!(count("403") >= 1 && count("200") >= 1, "refused for the date, then taken: {asked:?}");
        assert!(agent.log().contains("clock skew"), "{}", agent.log());
    }
}
