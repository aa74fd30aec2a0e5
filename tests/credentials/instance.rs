//! Instance metadata, version 2: as it should be, and behind a hop limit of 1.

use crate::rig::Rig;
use crate::support::{SOON, now};
use tailrace::standin::{Fault, Rule};

#[test]
fn an_instances_role_is_fetched_anew_and_no_request_fails() {
    let mut rig = Rig::new();
    let url = rig.identity.url.clone();
    let env = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str()), ("AWS_EC2_METADATA_DISABLED", "")];
    let agent = rig.agent(&env, "");
    rig.flows(&agent, "ImdsCredentials");
    assert!(agent.log().contains("instance metadata (IMDSv2)"), "{}", agent.log());
}

#[test]
fn behind_a_hop_limit_of_one_the_agent_says_so_and_goes_on_when_it_is_lifted() {
    let rig = Rig::new();
    let url = rig.identity.url.clone();
    let hangs = rig.identity.control.fault(Rule::always(Fault::Hang { done: false }).on("ImdsToken"));
    let env = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str()), ("AWS_EC2_METADATA_DISABLED", "")];
    let agent = rig.agent(&env, "");
    let mut writer = rig.writer();
    crate::support::write(&mut writer, 200);
    let begun = now().mono;
    rig.until_said(&agent, "HttpPutResponseHopLimit");
    assert!(now().mono - begun < SOON);
    assert!(rig.identity.control.remove_fault(hangs));
    rig.services.until_all_arrived(&writer, SOON, &agent);
    rig.assert_once(&writer);
}
