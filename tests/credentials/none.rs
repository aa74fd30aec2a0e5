//! Nobody has credentials at the start.

use crate::rig::Rig;
use crate::support::SOON;

#[test]
fn without_credentials_the_agent_says_what_to_do_and_delivers_everything_once_there_are_some() {
    let mut rig = Rig::new();
    let (token, sts) = (rig.token.display().to_string(), rig.identity.url.clone());
    std::fs::remove_file(&rig.token).unwrap();
    let agent = rig.agent(
        &[
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()),
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/pod"),
            ("AWS_ENDPOINT_URL_STS", sts.as_str()),
        ],
        "",
    );
    let mut writer = rig.writer();
    crate::support::write(&mut writer, 200);
    rig.until_said(&agent, "no AWS credentials");
    rig.turn_token();
    rig.services.until_all_arrived(&writer, SOON, &agent);
    rig.assert_once(&writer);
    assert!(rig.services.each().iter().all(|(_, service)| service.control.unauthorized() == 0));
}
