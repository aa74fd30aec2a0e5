//! IRSA: a projected token, exchanged at STS; the token turns all the while.

use crate::rig::Rig;

#[test]
fn a_web_identity_is_exchanged_anew_with_the_token_of_now_and_no_request_fails() {
    let mut rig = Rig::new();
    let (token, sts) = (rig.token.display().to_string(), rig.identity.url.clone());
    let agent = rig.agent(
        &[
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()),
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/pod"),
            ("AWS_ENDPOINT_URL_STS", sts.as_str()),
        ],
        "",
    );
    rig.flows(&agent, "AssumeRoleWithWebIdentity");
    assert!(agent.log().contains("web identity token (IRSA)"), "{}", agent.log());
}
