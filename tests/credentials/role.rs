//! `role_arn` with `external_id` and `session_name`: STS asks for all three, and for a good signature.

use crate::rig::{Rig, fixed};
use crate::support::{SOON, until_or};
use tailrace::standin::{Clock, Standin, identity};

const ROLE: &str = "arn:aws:iam::123456789012:role/logs";

fn rig(external_id: &str) -> Rig {
    Rig::with(Clock::default(), |own| identity::Options {
        role_arn: Some(ROLE.into()),
        external_id: Some(external_id.into()),
        session_name: Some("node-7".into()),
        ..own
    })
}

const KEYS: &str =
    "    role_arn: arn:aws:iam::123456789012:role/logs\n    external_id: the-id\n    session_name: node-7\n";

/// Fixed keys, and where STS is.
fn around(rig: &Rig) -> [(&'static str, String); 3] {
    let keys = fixed();
    [
        ("AWS_ACCESS_KEY_ID", keys.access),
        ("AWS_SECRET_ACCESS_KEY", keys.secret),
        ("AWS_ENDPOINT_URL_STS", rig.identity.url.clone()),
    ]
}

#[test]
fn a_role_is_assumed_again_and_again_and_no_request_fails() {
    let mut rig = rig("the-id");
    let agent = rig.agent(&around(&rig), KEYS);
    rig.flows(&agent, "AssumeRole");
}

#[test]
fn a_role_that_trusts_another_id_parks_the_outputs_and_is_named() {
    let rig = rig("another-id");
    let agent = rig.agent(&around(&rig), KEYS);
    crate::support::write(&mut rig.writer(), 50);
    rig.until_said(&agent, "sts:AssumeRole on arn:aws:iam::123456789012:role/logs");
    assert_eq!(rig.issuer.issued(), 0);
}

#[test]
fn each_output_has_a_role_of_its_own() {
    let rig = rig("the-id");
    let (sts, keys) = (rig.identity.url.clone(), fixed());
    let env = [
        ("AWS_ACCESS_KEY_ID", keys.access.as_str()),
        ("AWS_SECRET_ACCESS_KEY", &keys.secret),
        ("AWS_ENDPOINT_URL_STS", &sts),
    ];
    let (another, id) = (KEYS.replace("role/logs", "role/another"), KEYS.replace("the-id", "no-id"));
    let agent = rig.agent_each(&env, [KEYS, &another, &id], "max_age: 500ms");
    crate::support::write(&mut rig.writer(), 50);
    // STS hands out for one of the three, which is not disturbed by the others.
    rig.until_said(&agent, "sts:AssumeRole on arn:aws:iam::123456789012:role/another");
    rig.until_said(&agent, "sts:AssumeRole on arn:aws:iam::123456789012:role/logs");
    let arrived = |service: &Standin| service.control.receipts().distinct();
    let cloudwatch = &rig.services.cloudwatch;
    until_or("all in CloudWatch", SOON, || arrived(cloudwatch) == 50, || agent.log());
    assert_eq!((arrived(&rig.services.s3), arrived(&rig.services.opensearch)), (0, 0));
}
