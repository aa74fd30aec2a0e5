use super::*;
use crate::body::chunks::Pool;
use crate::lane::batch::{Sealed, Ticket};
use crate::output::scripted::{self, Reply, Scripted};
use aws_credential_types::Credentials;
use serde_json::Value;
use std::io::Read;

/// These answers in order, then twenty times `{}`.
async fn server(answers: &[(u16, &str)]) -> Scripted {
    let body = |code: &str| if code.starts_with('{') { code.to_owned() } else { format!(r#"{{"__type":"{code}"}}"#) };
    let told = answers.iter().map(|(status, code)| Reply::new(*status, body(code)));
    let then = (0..20).map(|_| Reply::new(200, "{}"));
    Scripted::start(told.chain(then).collect()).await
}

fn output() -> checked::CloudWatch {
    checked::CloudWatch {
        aws: checked::Aws::default(),
        log_group: crate::config::template::Template::parse("/app").unwrap(),
        log_stream: None,
        create: true,
        retention_days: Some(30),
        kms_key_id: Some("arn:kms".into()),
        log_class: Some(LogClass::InfrequentAccess),
        text: false,
        dead_letter_out_of_window: false,
    }
}

fn service(server: &Scripted, output: checked::CloudWatch) -> CloudWatchService {
    let aws = checked::Aws { endpoint: Some(server.url.clone()), ..checked::Aws::default() };
    let credentials = Credentials::new("AKID", "secret", None, None, "test");
    let access = AwsAccess::of_provider(&aws, "logs", "eu-west-1", credentials);
    CloudWatchService::with(Http::new(None).unwrap(), &output, access)
}

fn batch(bodies: &[&str]) -> Batch {
    let seal = |text: &&str| {
        let mut body = crate::body::Body::new(crate::body::Codec::Gzip(crate::body::Aim::Speed), Pool::new(1 << 20));
        body.text(text.as_bytes());
        body.finish()
    };
    Batch {
        ticket: Ticket(1),
        target: Target { place: "/app".into(), stream: "s".into() },
        job: Job::Send,
        bodies: bodies.iter().map(seal).collect::<Vec<Sealed>>(),
        items: 3,
    }
}

fn actions(server: &Scripted) -> Vec<String> {
    server
        .asked()
        .iter()
        .map(|asked| asked.header("x-amz-target").trim_start_matches("Logs_20140328.").to_owned())
        .collect()
}

fn json(asked: &scripted::Asked) -> Value {
    serde_json::from_slice(&asked.body).unwrap()
}

fn retry(verdict: &Verdict) -> (&str, Option<Duration>) {
    match verdict {
        Verdict::Retry { after, code, .. } => (code.as_str(), *after),
        other @ (Verdict::Delivered { .. }
        | Verdict::Items(_)
        | Verdict::Staged { .. }
        | Verdict::Hold { .. }
        | Verdict::Reject { .. }
        | Verdict::Split { .. }
        | Verdict::Unknown { .. }
        | Verdict::NoUpload) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_batch_is_signed_and_sent_as_it_is() {
    let server = server(&[]).await;
    let verdict = service(&server, output()).attempt(&batch(&["the body"])).await;
    assert_eq!(verdict, Verdict::Delivered { already: 0 });
    let asked = &server.asked()[0];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/"));
    for (name, value) in [
        ("content-type", "application/x-amz-json-1.1"),
        ("content-encoding", "gzip"),
        ("x-amz-target", "Logs_20140328.PutLogEvents"),
    ] {
        assert_eq!(asked.header(name), value);
    }
    let scope = "/eu-west-1/logs/aws4_request";
    assert!(asked.header("authorization").contains(scope), "{}", asked.header("authorization"));
    assert!(asked.header("authorization").contains("content-encoding;content-type;host;"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&asked.body[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, "the body");
}

#[tokio::test]
async fn several_bodies_go_in_order_and_the_first_refusal_ends_it() {
    let all = server(&[]).await;
    service(&all, output()).attempt(&batch(&["a", "b", "c"])).await;
    assert_eq!(actions(&all).len(), 3);
    let server = server(&[(200, "{}"), (400, "ThrottlingException")]).await;
    let verdict = service(&server, output()).attempt(&batch(&["a", "b", "c"])).await;
    assert_eq!(retry(&verdict), ("ThrottlingException", None));
    assert_eq!(actions(&server).len(), 2);
}

#[tokio::test]
async fn rejected_events_come_back_as_items() {
    let server = server(&[(200, r#"{"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":1}}"#)]).await;
    let verdict = service(&server, output()).attempt(&batch(&["a"])).await;
    assert!(matches!(verdict, Verdict::Items(items) if items.len() == 1));
}

#[tokio::test]
async fn a_missing_stream_is_made_and_the_batch_wanted_again() {
    let server = server(&[(400, "ResourceNotFoundException"), (200, "{}"), (400, "ResourceNotFoundException")]).await;
    let service = service(&server, output());
    assert_eq!(retry(&service.attempt(&batch(&["a"])).await), ("created", Some(Duration::ZERO)));
    // The service does not know it everywhere yet: it is not made again.
    assert_eq!(retry(&service.attempt(&batch(&["a"])).await).0, "created");
    assert_eq!(service.attempt(&batch(&["a"])).await, Verdict::Delivered { already: 0 });
    assert_eq!(actions(&server), ["PutLogEvents", "CreateLogStream", "PutLogEvents", "PutLogEvents"]);
    assert_eq!(json(&server.asked()[1]), json!({"logGroupName": "/app", "logStreamName": "s"}));
}

#[tokio::test]
async fn a_missing_group_is_made_with_its_settings_and_retention() {
    let missing = (400, "ResourceNotFoundException");
    let server = server(&[missing, missing]).await;
    let verdict = service(&server, output()).attempt(&batch(&["a"])).await;
    assert_eq!(retry(&verdict).0, "created");
    let expected = ["PutLogEvents", "CreateLogStream", "CreateLogGroup", "PutRetentionPolicy", "CreateLogStream"];
    assert_eq!(actions(&server), expected);
    let group = json!({"logGroupName": "/app", "kmsKeyId": "arn:kms", "logGroupClass": "INFREQUENT_ACCESS"});
    assert_eq!(json(&server.asked()[2]), group);
    assert_eq!(json(&server.asked()[3]), json!({"logGroupName": "/app", "retentionInDays": 30}));
}

#[tokio::test]
async fn a_group_that_another_made_keeps_its_retention() {
    let missing = (400, "ResourceNotFoundException");
    let server = server(&[missing, missing, (400, "ResourceAlreadyExistsException")]).await;
    service(&server, output()).attempt(&batch(&["a"])).await;
    assert_eq!(actions(&server), ["PutLogEvents", "CreateLogStream", "CreateLogGroup", "CreateLogStream"]);
}

#[tokio::test]
async fn a_retention_that_failed_is_set_after_a_later_delivery() {
    let missing = (400, "ResourceNotFoundException");
    let server = server(&[missing, missing, (200, "{}"), (400, "ThrottlingException")]).await;
    let service = service(&server, output());
    service.attempt(&batch(&["a"])).await;
    let before = actions(&server).len();
    service.attempt(&batch(&["a"])).await;
    assert_eq!(actions(&server)[before..], ["PutLogEvents"], "its time has not come");
    service.memory().retention.values_mut().for_each(|due| *due = Instant::now());
    for _ in 0..2 {
        service.attempt(&batch(&["a"])).await;
    }
    assert_eq!(actions(&server)[before + 1..], ["PutLogEvents", "PutRetentionPolicy", "PutLogEvents"]);
}

#[tokio::test]
async fn nothing_is_made_unasked() {
    let server = server(&[(400, "ResourceNotFoundException")]).await;
    let output = checked::CloudWatch { create: false, ..output() };
    let Verdict::Hold { scope: Scope::Key, say, .. } = service(&server, output).attempt(&batch(&["a"])).await else {
        panic!("a hold of the key")
    };
    assert!(say.contains("/app") && say.contains("`create: true`"), "{say}");
    assert_eq!(actions(&server), ["PutLogEvents"]);
}

#[tokio::test]
async fn what_stands_against_making_is_the_verdict() {
    for (code, holds) in
        [("AccessDeniedException", true), ("LimitExceededException", true), ("ThrottlingException", false)]
    {
        let server = server(&[(400, "ResourceNotFoundException"), (400, code)]).await;
        let verdict = service(&server, output()).attempt(&batch(&["a"])).await;
        let (label, held) =
            if let Verdict::Hold { code, .. } = &verdict { (code.as_str(), true) } else { (retry(&verdict).0, false) };
        assert_eq!((label, held), (code, holds));
    }
}

#[tokio::test]
async fn credentials_that_come_again_as_they_were_are_a_hold() {
    let server = server(&[(400, "ExpiredTokenException")]).await;
    let service = service(&server, output());
    let verdict = service.attempt(&batch(&["a"])).await;
    assert!(matches!(&verdict, Verdict::Hold { scope: Scope::Lane, say, .. } if say.contains("ended")), "{verdict:?}");
    assert_eq!(service.attempt(&batch(&["a"])).await, Verdict::Delivered { already: 0 });
}

#[tokio::test]
async fn no_server_means_never_sent() {
    let gone = server(&[]).await;
    let service = service(&gone, output());
    drop(gone);
    let verdict = service.attempt(&batch(&["a"])).await;
    assert!(matches!(&verdict, Verdict::Retry { scope: Scope::Lane, .. }), "{verdict:?}");
}

#[tokio::test]
async fn an_endpoint_that_is_no_url_is_named() {
    let server = server(&[]).await;
    let mut service = service(&server, output());
    let aws = checked::Aws { endpoint: Some("no url".into()), ..checked::Aws::default() };
    service.access = AwsAccess::of_provider(&aws, "logs", "eu-west-1", Credentials::new("a", "b", None, None, "test"));
    assert!(matches!(service.attempt(&batch(&["a"])).await, Verdict::Hold { say, .. } if say.contains("no url")));
}

#[test]
fn jitter_stays_within_its_bounds() {
    for _ in 0..100 {
        let wait = jitter(1..5);
        assert!((Duration::from_secs(1)..Duration::from_secs(5)).contains(&wait));
    }
}
