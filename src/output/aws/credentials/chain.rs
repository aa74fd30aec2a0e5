//! aws-config's chain as it is built here: each source in a process of its own, because they are told by environment.

use super::AwsAccess;
use crate::config::checked;
use crate::lane::batch::Verdict;
use crate::output::scripted::{Reply, Scripted};
use std::path::Path;
use std::process::Command;

const STS_NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// What the child found: key id and region, or what it says instead.
async fn found(dir: &Path, environment: &[(&str, &str)]) -> String {
    let out = dir.join("found");
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "output::aws::credentials::chain::child", "--ignored"]).env_clear();
    child.env("HOME", dir).env("TEST_OUT", &out).envs(environment.iter().copied());
    let ended = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    std::fs::read_to_string(out).unwrap()
}

#[test]
#[ignore = "the other half of the tests below: runs in a process of its own"]
fn child() {
    let Ok(out) = std::env::var("TEST_OUT") else { return };
    let aws = checked::Aws {
        role_arn: std::env::var("TEST_ROLE").ok(),
        external_id: Some("the-external-id".into()),
        session_name: std::env::var("TEST_SESSION").ok(),
        profile: std::env::var("TEST_PROFILE").ok(),
        ..checked::Aws::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let access = AwsAccess::new(&aws, "logs");
    let found = match runtime.block_on(access.keys(super::wall())) {
        Ok(keys) => {
            let (key, token) = (keys.credentials.access_key_id(), keys.credentials.session_token().unwrap_or("-"));
            format!("{key} {token} {}; {}: {}", keys.region, keys.found.source, keys.found.why)
        }
        Err(Verdict::Hold { code, say, .. }) => format!("{code}: {say}"),
        Err(other) => format!("{other:?}"),
    };
    std::fs::write(out, found).unwrap();
}

fn sts(action: &str) -> String {
    format!(
        "<{action}Response xmlns=\"{STS_NAMESPACE}\"><{action}Result><Credentials><AccessKeyId>ASIAROLE</AccessKeyId>\
         <SecretAccessKey>s</SecretAccessKey><SessionToken>from-sts</SessionToken>\
         <Expiration>2100-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>AROA:x\
         </AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/r/x</Arn></AssumedRoleUser></{action}Result>\
         <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{action}Response>"
    )
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKIDENV"), ("AWS_SECRET_ACCESS_KEY", "s")];
const NO_IMDS: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "true");
const REGION: (&str, &str) = ("AWS_REGION", "eu-west-1");

#[tokio::test]
async fn the_environment_tells_keys_and_region() {
    let dir = tempfile::tempdir().unwrap();
    let said = found(dir.path(), &[KEYS[0], KEYS[1], REGION]).await;
    assert!(said.starts_with("AKIDENV - eu-west-1; environment variables: AWS_ACCESS_KEY_ID"), "{said}");
}

#[tokio::test]
async fn a_profile_tells_keys_and_region() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join(".aws")).unwrap();
    std::fs::write(dir.path().join(".aws/config"), "[profile other]\nregion = ap-south-1\n").unwrap();
    let keys = "[other]\naws_access_key_id = AKIDFILE\naws_secret_access_key = s\n";
    std::fs::write(dir.path().join(".aws/credentials"), keys).unwrap();
    // What is written in the configuration wins over what happens to be in the environment.
    let said = found(dir.path(), &[("TEST_PROFILE", "other"), KEYS[0], KEYS[1], NO_IMDS]).await;
    assert!(said.starts_with("AKIDFILE - ap-south-1; profile: `profile: other` is configured"), "{said}");
    let said = found(dir.path(), &[("AWS_PROFILE", "other"), NO_IMDS]).await;
    assert!(said.starts_with("AKIDFILE - ap-south-1; profile: profile other has credentials"), "{said}");
    let said = found(dir.path(), &[("AWS_PROFILE", "other"), KEYS[0], KEYS[1], NO_IMDS]).await;
    assert!(said.starts_with("AKIDENV - ap-south-1; environment"), "{said}");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let said = found(dir.path(), &[KEYS[0], KEYS[1], NO_IMDS]).await;
    assert!(said.starts_with("region: ") && said.contains("AWS_REGION"), "{said}");
    let said = found(dir.path(), &[REGION, NO_IMDS]).await;
    assert!(said.starts_with("credentials: ") && said.contains("AWS_ACCESS_KEY_ID"), "{said}");
    let said = found(dir.path(), &[REGION, NO_IMDS, ("TEST_PROFILE", "nobody")]).await;
    assert!(said.starts_with("credentials: ") && said.contains("profile nobody"), "{said}");
}

#[tokio::test]
async fn a_role_is_assumed_with_the_external_id() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Scripted::start(vec![Reply::new(200, sts("AssumeRole"))]).await);
    let role = ("TEST_ROLE", "arn:aws:iam::1:role/r");
    let said = found(dir.path(), &[KEYS[0], KEYS[1], REGION, role, ("AWS_ENDPOINT_URL_STS", &server.url)]).await;
    assert!(said.starts_with("ASIAROLE from-sts eu-west-1; environment variables: "), "{said}");
    let asked = String::from_utf8(server.asked()[0].body.to_vec()).unwrap();
    assert!(asked.contains("role%2Fr") && asked.contains("ExternalId=the-external-id"), "{asked}");
    assert!(asked.contains("RoleSessionName=tailrace&"), "{asked}");
    assert!(server.asked()[0].header("authorization").contains("AKIDENV"));
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_is_named() {
    let denied =
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized</Message></Error></ErrorResponse>";
    let (dir, server) = (tempfile::tempdir().unwrap(), Scripted::start(vec![Reply::new(403, denied)]).await);
    let role = ("TEST_ROLE", "arn:aws:iam::1:role/r");
    let said = found(dir.path(), &[KEYS[0], KEYS[1], REGION, role, ("AWS_ENDPOINT_URL_STS", &server.url)]).await;
    assert!(said.starts_with("credentials: ") && said.contains("sts:AssumeRole on arn:aws:iam::1:role/r"), "{said}");
    assert!(said.contains("not authorized"), "{said}");
}

#[tokio::test]
async fn a_pods_token_is_a_web_identity() {
    let reply = Reply::new(200, sts("AssumeRoleWithWebIdentity"));
    let (dir, server) = (tempfile::tempdir().unwrap(), Scripted::start(vec![reply]).await);
    let token = dir.path().join("token");
    std::fs::write(&token, "the-token").unwrap();
    let environment = [
        REGION,
        NO_IMDS,
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("AWS_ENDPOINT_URL_STS", &server.url),
    ];
    let said = found(dir.path(), &environment).await;
    assert!(said.starts_with("ASIAROLE from-sts eu-west-1; web identity token (IRSA): AWS_WEB"), "{said}");
}

#[tokio::test]
async fn a_container_asks_its_agent() {
    let body =
        r#"{"AccessKeyId":"ASIAPOD","SecretAccessKey":"s","Token":"from-agent","Expiration":"2100-01-01T00:00:00Z"}"#;
    let (dir, server) = (tempfile::tempdir().unwrap(), Scripted::start(vec![Reply::new(200, body)]).await);
    let token = dir.path().join("token");
    std::fs::write(&token, "pod-identity-token").unwrap();
    let url = format!("{}/v1/credentials", server.url);
    let environment = [
        REGION,
        NO_IMDS,
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.to_str().unwrap()),
    ];
    let said = found(dir.path(), &environment).await;
    assert!(
        said.starts_with("ASIAPOD from-agent eu-west-1; container credentials (EKS Pod Identity, ECS): "),
        "{said}"
    );
    assert_eq!(server.asked()[0].header("authorization"), "pod-identity-token");
}

#[tokio::test]
async fn an_instance_tells_keys_and_region() {
    let dir = tempfile::tempdir().unwrap();
    let token = Reply::new(200, "t").with("x-aws-ec2-metadata-token-ttl-seconds", "21600");
    let keys = r#"{"Code":"Success","Type":"AWS-HMAC","LastUpdated":"2026-01-01T00:00:00Z","AccessKeyId":"ASIANODE",
        "SecretAccessKey":"s","Token":"from-imds","Expiration":"2100-01-01T00:00:00Z"}"#;
    let text = |text: &str| Reply::new(200, text);
    let replies = vec![token.clone(), text("us-west-2"), token, text("node-role"), text(keys)];
    let server = Scripted::start(replies).await;
    let said = found(dir.path(), &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &server.url)]).await;
    let asked: Vec<_> = server.asked().iter().map(|asked| format!("{} {}", asked.method, asked.path)).collect();
    assert!(said.starts_with("ASIANODE from-imds us-west-2; instance metadata (IMDSv2): "), "{said} {asked:?}");
    let last = server.asked().pop().unwrap();
    assert_eq!(last.path, "/latest/meta-data/iam/security-credentials/node-role");
    assert_eq!(last.header("x-aws-ec2-metadata-token"), "t", "IMDSv2 only");
}

/// A server that takes connections and never says a word: the answer to a PUT was dropped after its first hop.
fn silent() -> (std::net::TcpListener, String) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

#[tokio::test]
async fn metadata_that_does_not_answer_is_given_up_soon_and_the_hop_limit_is_named() {
    let (dir, (_listening, url)) = (tempfile::tempdir().unwrap(), silent());
    for region in [Some(REGION), None] {
        let mut environment = vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str())];
        environment.extend(region);
        let said = found(dir.path(), &environment).await;
        assert!(said.contains("hop limit 2"), "{said}");
        assert_eq!(said.contains("HttpPutResponseHopLimit"), region.is_some(), "{said}");
    }
}
