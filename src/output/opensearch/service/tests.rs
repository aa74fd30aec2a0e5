//! What goes over the wire, and what comes of answers.

use super::*;
use crate::config::checked::{OpenSearch, Secret};
use crate::config::template::Template;
use crate::lane::batch::{ItemVerdict, Sealed, Target, Ticket};
use crate::output::scripted::{Reply, Scripted};
use aws_credential_types::Credentials;
use bytes::Bytes;

fn service(url: &str, auth: checked::Auth) -> OpenSearchService {
    let config =
        OpenSearch { url: url.into(), index: Template::parse("logs-").expect("a template"), auth, derived_id: true };
    OpenSearchService::new(&config, Http::new(None).expect("a client")).expect("a service")
}

fn batch(index: &str, items: u32) -> Batch {
    let chunks = vec![Bytes::from_static(b"\x1f\x8bnot"), Bytes::from_static(b" gzip")];
    Batch {
        ticket: Ticket(1),
        target: Target { place: index.into(), stream: "".into() },
        job: Job::Send,
        bodies: vec![Sealed { len: 10, plain: 100, chunks }],
        items,
    }
}

const TWO: &str = r#"{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}"#;

#[tokio::test]
async fn a_bulk_goes_to_its_index_and_asks_for_little() {
    let server = Scripted::start(vec![Reply::new(200, TWO)]).await;
    let service = service(&format!("{}/search/", server.url), checked::Auth::None);
    assert_eq!(service.attempt(&batch("logs-a+b-2026.11.22", 2)).await, Verdict::Delivered { already: 0 });
    let asked = &server.asked()[0];
    let wanted = "errors%2Citems.%2A.status%2Citems.%2A.error";
    assert_eq!(asked.path, format!("/search/logs-a%2Bb-2026.11.22/_bulk?filter_path={wanted}"));
    assert_eq!((asked.method.as_str(), &asked.body[..]), ("POST", &b"\x1f\x8bnot gzip"[..]));
    for (name, want) in [
        ("content-type", "application/x-ndjson"),
        ("content-encoding", "gzip"),
        ("content-length", "10"),
        ("authorization", ""),
    ] {
        assert_eq!(asked.header(name), want, "{name}");
    }
}

#[tokio::test]
async fn a_password_goes_out_and_is_not_shown() {
    let server = Scripted::start(vec![Reply::new(401, "Unauthorized")]).await;
    let password = Secret("open sesame".into());
    let service = service(&server.url, checked::Auth::Basic { username: "Aladdin".into(), password });
    assert!(!format!("{service:?}").contains("QWxhZGRpbj"), "{service:?}");
    let Verdict::Hold { scope: Scope::Lane, say, .. } = service.attempt(&batch("logs", 1)).await else {
        panic!("not held")
    };
    assert!(say.contains("`auth`"), "{say}");
    assert_eq!(server.asked()[0].header("authorization"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

#[tokio::test]
async fn a_domain_is_signed_for_with_the_hash_of_the_body() {
    for name in ["es", "aoss"] {
        let server = Scripted::start(vec![Reply::new(200, TWO)]).await;
        let aws = Aws { region: Some("eu-west-1".into()), ..Aws::default() };
        let mut service = service(&server.url, checked::Auth::Aws { service: name.into(), aws: aws.clone() });
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", Some("token".into()), None, "test");
        service.auth = Auth::Aws(Box::new(AwsAccess::of_provider(&aws, name, "eu-west-1", credentials)));
        assert_eq!(service.attempt(&batch("logs", 2)).await, Verdict::Delivered { already: 0 });
        let asked = &server.asked()[0];
        let signed = asked.header("authorization");
        assert!(signed.contains(&format!("/eu-west-1/{name}/aws4_request")), "{signed}");
        assert_eq!(asked.header("x-amz-security-token"), "token");
        assert_eq!(asked.header("x-amz-content-sha256").len(), 64);
    }
}

#[tokio::test]
async fn answers_are_judged_with_what_their_headers_say() {
    let replies = vec![
        Reply::new(429, "slow down").with("retry-after", "3"),
        Reply::new(302, "").with("location", "https://login.example.com/"),
        Reply::new(413, ""),
        Reply::new(200, TWO),
        Reply::new(200, TWO.replace("false", "true").replacen("201", "409", 1)),
    ];
    let server = Scripted::start(replies).await;
    let service = service(&server.url, checked::Auth::None);
    let wait = Some(Duration::from_secs(3));
    assert!(matches!(service.attempt(&batch("logs", 2)).await, Verdict::Retry { after, .. } if after == wait));
    let Verdict::Hold { say, .. } = service.attempt(&batch("logs", 2)).await else { panic!("not held") };
    assert!(say.contains("login.example.com"), "{say}");
    assert!(matches!(service.attempt(&batch("logs", 2)).await, Verdict::Split { .. }));
    assert!(matches!(service.attempt(&batch("logs", 3)).await, Verdict::Unknown { .. }), "two answers for three items");
    let Verdict::Items(items) = service.attempt(&batch("logs", 2)).await else { panic!("not by item") };
    assert!(matches!(&items[..], [(0, ItemVerdict::Hold(_))]), "a 409 without a reason is not our own: {items:?}");
}

#[tokio::test]
async fn an_index_that_would_change_the_url_is_never_sent() {
    let server = Scripted::start(Vec::new()).await;
    let service = service(&server.url, checked::Auth::None);
    for index in ["", "..", "a/../_cluster", "Logs", "_all", "a?b"] {
        let verdict = service.attempt(&batch(index, 1)).await;
        assert!(matches!(verdict, Verdict::Hold { scope: Scope::Key, .. }), "{index}: {verdict:?}");
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn jobs_of_other_outputs_are_held() {
    let service = service("http://127.0.0.1:1", checked::Auth::None);
    let other = Batch { job: Job::Put { name: "x".into() }, ..batch("logs", 1) };
    assert!(matches!(service.attempt(&other).await, Verdict::Hold { .. }));
    let empty = Batch { bodies: Vec::new(), ..batch("logs", 1) };
    assert!(matches!(service.attempt(&empty).await, Verdict::Hold { .. }));
}

#[test]
fn the_region_of_an_amazon_address_is_in_its_name() {
    for (url, want) in [
        ("https://search-logs-abc123.eu-west-1.es.amazonaws.com", Some("eu-west-1")),
        ("https://vpc-logs-abc123.us-east-1.es.amazonaws.com:443/x", Some("us-east-1")),
        ("https://abc123.us-west-2.aoss.amazonaws.com", Some("us-west-2")),
        ("https://search.example.com:9200", None),
        ("http://127.0.0.1:9200", None),
        ("", None),
    ] {
        assert_eq!(region_of(url).as_deref(), want, "{url}");
    }
}
