//! Against a real S3 service, when there is one: `TAILRACE_TEST_S3=http://127.0.0.1:9000 AWS_ACCESS_KEY_ID=..
//! AWS_SECRET_ACCESS_KEY=.. cargo test --lib s3::service::real -- --ignored`. A bucket `tailrace-real` comes into being.

use super::*;
use crate::body::chunks::Pool;
use crate::config::checked::{Aws, S3};
use crate::config::template::Template;
use crate::lane::batch::{Target, Ticket};
use crate::lane::format::Format;
use crate::output::fixtures::{NOON, now, origin, record};
use crate::output::s3::format::S3Format;

fn config() -> S3 {
    let url = std::env::var("TAILRACE_TEST_S3").expect("TAILRACE_TEST_S3=http://host:port");
    S3 {
        aws: Aws { endpoint: Some(url), region: Some("us-east-1".into()), ..Aws::default() },
        bucket: "tailrace-real".into(),
        key: Template::parse("a b+c=d&e'(f)!*:@,;$\u{e9}/%Y/").expect("a template"),
        compression: Compression::Zstd,
        object_size: 64 << 20,
        storage_class: None,
        sse: None,
        kms_key_id: None,
        sign_payload: false,
    }
}

fn service(config: &S3) -> S3Service {
    let ca = std::env::var_os("TAILRACE_TEST_CA").map(std::path::PathBuf::from);
    S3Service::new(config, Http::new(ca.as_deref()).expect("a client")).expect("a service")
}

fn batch(job: Job, body: Option<Sealed>) -> Batch {
    let target = Target { place: "".into(), stream: "".into() };
    Batch { ticket: Ticket(1), target, job, bodies: body.into_iter().collect(), items: 1 }
}

/// A body of at least so many sent bytes, of text that does not compress well.
fn body(format: &mut S3Format, sent: usize) -> Sealed {
    let mut seed = 1_u64;
    let mut noise = |_| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b'0' + (seed >> 58) as u8
    };
    loop {
        let text: Vec<u8> = (0..1 << 16).map(&mut noise).collect();
        format.encode(now(), &origin("shop"), &record(0, NOON, &text));
        if format.sent_len() >= sent {
            return format.finish().bodies.remove(0);
        }
    }
}

/// A name of this run.
fn name(format: &S3Format, what: u64) -> Arc<str> {
    let target = format.target(&format.key(&origin("shop")), NOON);
    format.object_name(&target, NOON, u64::from(std::process::id()) << 8 | what).into()
}

#[tokio::test]
#[ignore = "needs a real S3 service: TAILRACE_TEST_S3, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"]
async fn a_real_service_takes_objects_once() {
    let config = config();
    let service = service(&config);
    let made = service.send(Method::PUT, "", "", Headers::new(), Vec::new()).await.expect("an answer");
    assert!(matches!(made.status, 200 | 409), "the bucket: {}", made.status);
    let mut format = S3Format::new(&config, "node-1".into(), Pool::new(64 << 20));
    let done = Verdict::Delivered { already: 0 };
    let there = Verdict::Delivered { already: 1 };

    let put = batch(Job::Put { name: name(&format, 1) }, Some(body(&mut format, 0)));
    assert_eq!(service.attempt(&put).await, done);
    assert_eq!(service.attempt(&put).await, there);

    let whole = name(&format, 2);
    let (mut upload, mut parts) = (None, Vec::new());
    for (number, size) in [(1, 5 << 20), (3, 5 << 20), (4, 0)] {
        let job = Job::Part { name: whole.clone(), upload: upload.clone(), number };
        let verdict = service.attempt(&batch(job, Some(body(&mut format, size)))).await;
        let Verdict::Staged { upload: id, tag } = verdict else { panic!("part {number}: {verdict:?}") };
        (upload, _) = (Some(id), parts.push(tag));
    }
    let complete =
        |name: &Arc<str>, upload: Arc<str>, parts| batch(Job::Complete { name: name.clone(), upload, parts }, None);
    let first = complete(&whole, upload.expect("an upload"), parts);
    assert_eq!(service.attempt(&first).await, done);
    let again = service.attempt(&first).await;
    assert!(matches!(again, Verdict::Delivered { .. } | Verdict::NoUpload), "{again:?}");

    let job = Job::Part { name: whole.clone(), upload: None, number: 1 };
    let Verdict::Staged { upload, tag } = service.attempt(&batch(job, Some(body(&mut format, 0)))).await else {
        panic!()
    };
    assert_eq!(service.attempt(&complete(&whole, upload, vec![tag])).await, there, "never over another object");

    let stray = name(&format, 3);
    let job = Job::Part { name: stray.clone(), upload: None, number: 1 };
    let Verdict::Staged { upload, tag } = service.attempt(&batch(job, Some(body(&mut format, 0)))).await else {
        panic!()
    };
    assert_eq!(service.attempt(&batch(Job::Abandon { name: stray.clone(), upload: None }, None)).await, done);
    assert_eq!(service.attempt(&complete(&stray, upload.clone(), vec![tag])).await, Verdict::NoUpload);
    assert_eq!(service.attempt(&batch(Job::Abandon { name: stray, upload: Some(upload) }, None)).await, done);
}

#[tokio::test]
#[ignore = "needs a real S3 service: TAILRACE_TEST_S3, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"]
async fn a_real_service_is_held_for_wrong_settings() {
    let mut no_bucket = config();
    no_bucket.bucket = "tailrace-nobodys".into();
    let mut other_region = config();
    other_region.aws.region = Some("eu-west-1".into());
    let wrong = aws_credential_types::Credentials::new("AKIAIOSFODNN7EXAMPLE", "wrong", None, None, "test");
    let mut stranger = service(&config());
    stranger.aws = AwsAccess::of_provider(&config().aws, "s3", "us-east-1", wrong);
    for (what, service) in
        [("bucket", service(&no_bucket)), ("region", service(&other_region)), ("credentials", stranger)]
    {
        let mut format = S3Format::new(&config(), "node-1".into(), Pool::new(64 << 20));
        let put = batch(Job::Put { name: name(&format, 9) }, Some(body(&mut format, 0)));
        let verdict = service.attempt(&put).await;
        let told = matches!(&verdict, Verdict::Hold { scope: Scope::Lane, say, .. } if say.contains(what));
        assert!(told, "{what}: {verdict:?}");
    }
}
