//! What goes over the wire for each job, and what answers mean in their context.

use super::*;
use crate::config::checked::{Aws, S3};
use crate::config::template::Template;
use crate::lane::batch::{Target, Ticket};
use crate::output::aws::AwsAccess;
use crate::output::scripted::{Reply, Scripted};
use aws_credential_types::Credentials;

const NAME: &str = "logs/shop/20261122T101500Z-node-1-0000000000000001.json.zst";

fn service(endpoint: &str, change: impl FnOnce(&mut S3)) -> S3Service {
    let aws = Aws { endpoint: Some(endpoint.into()), region: Some("eu-west-1".into()), ..Aws::default() };
    let mut config = S3 {
        aws,
        bucket: "my-logs".into(),
        key: Template::parse("logs/").expect("a template"),
        compression: Compression::Zstd,
        object_size: 64 << 20,
        storage_class: None,
        sse: None,
        kms_key_id: None,
        sign_payload: false,
    };
    change(&mut config);
    let mut service = S3Service::new(&config, Http::new(None).expect("a client")).expect("a service");
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    service.aws = AwsAccess::of_provider(&config.aws, "s3", "eu-west-1", credentials);
    service
}

fn batch(job: Job, body: Option<&'static [&'static [u8]]>) -> Batch {
    let sealed = |chunks: &'static [&'static [u8]]| {
        let chunks: Vec<Bytes> = chunks.iter().map(|chunk| Bytes::from_static(chunk)).collect();
        Sealed { len: chunks.iter().map(Bytes::len).sum(), plain: 0, chunks }
    };
    Batch {
        ticket: Ticket(1),
        target: Target { place: "logs/shop/".into(), stream: "".into() },
        job,
        bodies: body.map(sealed).into_iter().collect(),
        items: 5,
    }
}

fn put() -> Batch {
    batch(Job::Put { name: NAME.into() }, Some(&[b"1234", b"56789"]))
}

fn part(upload: Option<&str>) -> Batch {
    batch(Job::Part { name: NAME.into(), upload: upload.map(Arc::from), number: 3 }, Some(&[b"123456789"]))
}

fn complete() -> Batch {
    let part = PartTag { number: 3, etag: "\"e3\"".into(), crc32c: "4waSgw==".into() };
    batch(Job::Complete { name: NAME.into(), upload: "up+1".into(), parts: vec![part] }, None)
}

fn error(code: &str) -> String {
    format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>so it is</Message></Error>")
}

const CREATED: &str = "<InitiateMultipartUploadResult><UploadId>up+1</UploadId></InitiateMultipartUploadResult>";

#[tokio::test]
async fn an_object_is_put_once_with_its_checksum() {
    let server =
        Scripted::start(vec![Reply::new(200, "").with("etag", "\"e1\""), Reply::new(412, error("PreconditionFailed"))])
            .await;
    let service = service(&server.url, |config| {
        config.storage_class = Some("STANDARD_IA".into());
        config.sse = Some("aws:kms".into());
        config.kms_key_id = Some("alias/logs".into());
    });
    assert_eq!(service.attempt(&put()).await, Verdict::Delivered { already: 0 });
    assert_eq!(service.attempt(&put()).await, Verdict::Delivered { already: 5 });
    let asked = &server.asked()[0];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("PUT", format!("/my-logs/{NAME}").as_str()));
    assert_eq!(&asked.body[..], b"123456789");
    for (name, want) in [
        ("if-none-match", "*"),
        ("content-length", "9"),
        ("content-type", "application/x-ndjson"),
        ("content-encoding", "zstd"),
        // The check value of CRC-32C: e3069283 for "123456789".
        ("x-amz-checksum-crc32c", "4waSgw=="),
        // SHA-256 of the body: plain http carries no other protection.
        ("x-amz-content-sha256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", "alias/logs"),
    ] {
        assert_eq!(asked.header(name), want, "{name}");
    }
    let signed = asked.header("authorization");
    assert!(signed.contains("/eu-west-1/s3/aws4_request") && signed.contains("if-none-match"), "{signed}");
}

#[tokio::test]
async fn a_first_part_creates_its_upload_once() {
    let replies = vec![
        Reply::new(200, CREATED),
        Reply::new(503, error("SlowDown")).with("retry-after", "7"),
        Reply::new(200, "").with("etag", "\"e3\""),
        Reply::new(200, "").with("etag", "\"e4\""),
    ];
    let server = Scripted::start(replies).await;
    let service = service(&server.url, |config| config.storage_class = Some("GLACIER_IR".into()));
    let slow = Verdict::Retry {
        after: Some(Duration::from_secs(7)),
        code: Code::new("SlowDown"),
        scope: Scope::Key,
        say: "so it is".to_owned(),
    };
    assert_eq!(service.attempt(&part(None)).await, slow);
    let staged = |etag: &str| Verdict::Staged {
        upload: "up+1".into(),
        tag: PartTag { number: 3, etag: etag.into(), crc32c: "4waSgw==".into() },
    };
    assert_eq!(service.attempt(&part(None)).await, staged("\"e3\""));
    assert_eq!(service.attempt(&part(Some("up+1"))).await, staged("\"e4\""));
    let asked = server.asked();
    let lines: Vec<String> = asked.iter().map(|a| format!("{} {}", a.method, a.path)).collect();
    let upload = format!("PUT /my-logs/{NAME}?partNumber=3&uploadId=up%2B1");
    assert_eq!(lines, [format!("POST /my-logs/{NAME}?uploads="), upload.clone(), upload.clone(), upload]);
    assert_eq!(asked[0].header("x-amz-checksum-algorithm"), "CRC32C");
    assert_eq!(asked[0].header("x-amz-storage-class"), "GLACIER_IR");
    assert_eq!(asked[0].header("content-encoding"), "zstd");
    assert_eq!(asked[1].header("x-amz-checksum-crc32c"), "4waSgw==");
    assert_eq!(asked[1].header("x-amz-storage-class"), "", "an upload's options are said once");
}

#[tokio::test]
async fn an_upload_that_vanished_is_told_or_created_anew() {
    let gone = || Reply::new(404, error("NoSuchUpload"));
    let server = Scripted::start(vec![gone(), Reply::new(200, CREATED), gone(), Reply::new(200, CREATED)]).await;
    let service = service(&server.url, |_| {});
    assert_eq!(service.attempt(&part(Some("old"))).await, Verdict::NoUpload);
    assert!(matches!(service.attempt(&part(None)).await, Verdict::Retry { .. }));
    assert!(matches!(service.attempt(&part(None)).await, Verdict::Hold { .. }));
    assert!(server.asked()[3].path.ends_with("?uploads="), "what is gone is not remembered");
}

#[tokio::test]
async fn a_200_that_s3_would_not_give_delivers_nothing() {
    let page = || Reply::new(200, "<html>Please log in</html>");
    let slow = Reply::new(200, error("SlowDown"));
    let replies = vec![page(), Reply::new(200, "<odd/>"), Reply::new(200, ""), Reply::new(200, ""), slow];
    let server = Scripted::start(replies).await;
    let service = service(&server.url, |_| {});
    let at_login = service.attempt(&put()).await;
    assert!(
        matches!(&at_login, Verdict::Hold { code, scope: Scope::Lane, say }
            if code.as_str() == "not_s3" && say.contains("`endpoint`") && say.ends_with("200 with: <html>Please log in</html>")),
        "{at_login:?}"
    );
    for batch in [part(None), part(Some("up"))] {
        let verdict = service.attempt(&batch).await;
        assert!(matches!(&verdict, Verdict::Hold { code, .. } if code.as_str() == "not_s3"), "{verdict:?}");
    }
    // The object may have been made.
    assert_eq!(
        service.attempt(&complete()).await,
        unknown("unreadable_answer", "the answer cannot be read: it may have been cut off")
    );
    assert!(matches!(service.attempt(&put()).await, Verdict::Retry { .. }), "an error in a 200 is that error");
}

#[tokio::test]
async fn an_upload_is_completed_only_where_no_object_is() {
    let done = "<CompleteMultipartUploadResult><ETag>\"x-1\"</ETag></CompleteMultipartUploadResult>";
    let server = Scripted::start(vec![Reply::new(200, done)]).await;
    assert_eq!(service(&server.url, |_| {}).attempt(&complete()).await, Verdict::Delivered { already: 0 });
    let asked = &server.asked()[0];
    assert_eq!(format!("{} {}", asked.method, asked.path), format!("POST /my-logs/{NAME}?uploadId=up%2B1"));
    assert_eq!(asked.header("if-none-match"), "*");
    let body = String::from_utf8_lossy(&asked.body);
    assert!(body.contains("<ETag>&quot;e3&quot;</ETag><ChecksumCRC32C>4waSgw==</ChecksumCRC32C>"), "{body}");
}

#[tokio::test]
async fn a_needless_or_impossible_complete_leaves_no_upload_behind() {
    for (status, code, want) in [
        (412, "PreconditionFailed", Verdict::Delivered { already: 5 }),
        (409, "ConditionalRequestConflict", Verdict::NoUpload),
        (400, "InvalidPart", Verdict::NoUpload),
    ] {
        let server = Scripted::start(vec![Reply::new(status, error(code)), Reply::new(500, "")]).await;
        assert_eq!(service(&server.url, |_| {}).attempt(&complete()).await, want);
        let asked = server.asked();
        assert_eq!(format!("{} {}", asked[1].method, asked[1].path), format!("DELETE /my-logs/{NAME}?uploadId=up%2B1"));
    }
}

#[tokio::test]
async fn a_200_that_holds_an_error_is_that_error() {
    let server = Scripted::start(vec![Reply::new(200, format!("   \n{}", error("InternalError")))]).await;
    let verdict = service(&server.url, |_| {}).attempt(&complete()).await;
    assert_eq!(
        verdict,
        Verdict::Retry { after: None, code: Code::new("InternalError"), scope: Scope::Key, say: "so it is".to_owned() }
    );
    assert_eq!(server.asked().len(), 1, "the upload stays");
}

#[tokio::test]
async fn uploads_of_exactly_this_name_are_abandoned() {
    let list = format!(
        "<ListMultipartUploadsResult><Upload><Key>{NAME}</Key><UploadId>a</UploadId></Upload>\
         <Upload><Key>{NAME}.other</Key><UploadId>b</UploadId></Upload>\
         <Upload><Key>{NAME}</Key><UploadId>c</UploadId></Upload></ListMultipartUploadsResult>"
    );
    let replies = vec![Reply::new(200, list), Reply::new(204, ""), Reply::new(404, error("NoSuchUpload"))];
    let server = Scripted::start(replies).await;
    let job = Job::Abandon { name: NAME.into(), upload: None };
    assert_eq!(service(&server.url, |_| {}).attempt(&batch(job, None)).await, Verdict::Delivered { already: 0 });
    let paths: Vec<String> = server.asked().into_iter().map(|a| a.path).collect();
    let encoded = NAME.replace('/', "%2F");
    assert_eq!(
        paths,
        [
            format!("/my-logs/?max-uploads=1000&prefix={encoded}&uploads="),
            format!("/my-logs/{NAME}?uploadId=a"),
            format!("/my-logs/{NAME}?uploadId=c"),
        ]
    );
}

#[tokio::test]
async fn a_missing_right_to_abandon_stops_nothing() {
    for replies in [vec![Reply::new(403, error("AccessDenied"))], vec![Reply::new(403, "")]] {
        let server = Scripted::start(replies).await;
        let job = Job::Abandon { name: NAME.into(), upload: None };
        assert_eq!(service(&server.url, |_| {}).attempt(&batch(job, None)).await, Verdict::Delivered { already: 0 });
    }
    let server = Scripted::start(vec![Reply::new(503, error("SlowDown"))]).await;
    let job = Job::Abandon { name: NAME.into(), upload: Some("up".into()) };
    assert!(matches!(service(&server.url, |_| {}).attempt(&batch(job, None)).await, Verdict::Retry { .. }));
}

#[tokio::test]
async fn the_right_region_is_named() {
    let redirect = Reply::new(301, error("PermanentRedirect")).with("x-amz-bucket-region", "ap-south-1");
    let server = Scripted::start(vec![redirect]).await;
    let Verdict::Hold { say, scope, .. } = service(&server.url, |_| {}).attempt(&put()).await else {
        panic!("not held")
    };
    assert!(say.contains("set `region: ap-south-1`"), "{say}");
    assert_eq!(scope, Scope::Lane);
}

#[tokio::test]
async fn a_server_that_is_not_there_was_never_asked() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address");
    let verdict = service(&format!("http://{port}"), |_| {}).attempt(&put()).await;
    assert!(matches!(verdict, Verdict::Retry { scope: Scope::Lane, .. }), "{verdict:?}");
}

#[test]
fn only_a_checked_body_over_tls_goes_unsigned() {
    let plain = service("http://127.0.0.1:1", |_| {});
    let signing = service("http://127.0.0.1:1", |config| config.sign_payload = true);
    let checked = vec![checksum("4waSgw==").expect("a header")];
    let hashed = |payload: Payload| matches!(payload, Payload::Hash(_));
    assert_eq!(plain.payload("https://s3/", &checked, &[]), Payload::Unsigned);
    assert!(hashed(plain.payload("http://s3/", &checked, &[])));
    assert!(hashed(plain.payload("https://s3/", &Headers::new(), &[])));
    assert!(hashed(signing.payload("https://s3/", &checked, &[])));
}

#[tokio::test]
async fn jobs_of_other_outputs_are_held() {
    let service = service("http://127.0.0.1:1", |_| {});
    assert!(matches!(service.attempt(&batch(Job::Send, Some(&[b"x"]))).await, Verdict::Hold { .. }));
    assert!(matches!(service.attempt(&batch(Job::Put { name: NAME.into() }, None)).await, Verdict::Hold { .. }));
}

#[test]
fn an_option_that_is_no_header_is_refused() {
    let mut config = S3 {
        aws: Aws::default(),
        bucket: "my-logs".into(),
        key: Template::parse("logs/").expect("a template"),
        compression: Compression::Gzip,
        object_size: 1,
        storage_class: Some("A\nB".into()),
        sse: None,
        kms_key_id: None,
        sign_payload: false,
    };
    let http = || Http::new(None).expect("a client");
    assert!(S3Service::new(&config, http()).expect_err("refused").contains("x-amz-storage-class"));
    config.storage_class = None;
    assert!(S3Service::new(&config, http()).is_ok());
}
