//! A named profile that takes its keys from another one and assumes a role with them.

use crate::rig::{Rig, fixed};

#[test]
fn a_profile_with_a_source_profile_is_used_whatever_is_in_the_environment() {
    let mut rig = Rig::new();
    let (sts, keys) = (rig.identity.url.clone(), fixed());
    let dir = rig.place.path().join(".aws");
    std::fs::create_dir(&dir).unwrap();
    let config = "[profile logs]\nrole_arn = arn:aws:iam::123456789012:role/logs\nsource_profile = base\n";
    std::fs::write(dir.join("config"), config).unwrap();
    let base = format!("[base]\naws_access_key_id = {}\naws_secret_access_key = {}\n", keys.access, keys.secret);
    std::fs::write(dir.join("credentials"), base).unwrap();
    let env = [
        ("AWS_ACCESS_KEY_ID", "AKIDSOMEBODY"),
        ("AWS_SECRET_ACCESS_KEY", "else"),
        ("AWS_ENDPOINT_URL_STS", sts.as_str()),
    ];
    let agent = rig.agent(&env, "    profile: logs\n");
    rig.flows(&agent, "AssumeRole");
    assert!(agent.log().contains("only that profile counts"), "{}", agent.log());
}
