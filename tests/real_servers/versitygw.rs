//! versitygw: strict on signatures, checksums and conditions.

mod agent;
mod probe;

use crate::material::lines;
use crate::s3::{Bucket, noise};
use std::sync::Arc;
use tailrace::lane::batch::{Job, PartTag, Scope, Verdict};

const SERVER: &str = "TAILRACE_S3_URL";
const DONE: Verdict = Verdict::Delivered { already: 0 };

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn an_object_is_read_back_word_for_word() {
    for (more, encoding, suffix) in
        [("compression: zstd", "zstd", ".json.zst"), ("compression: gzip", "gzip", ".json.gz")]
    {
        let mut bucket = Bucket::new(SERVER, more).await;
        let lines = lines(500);
        let (name, batch) = bucket.object("shop", &lines);
        assert!(name.ends_with(suffix), "{name}");
        assert_eq!(bucket.put(&name, &batch).await, DONE);
        let (read, reply) = bucket.read(&name).await;
        assert_eq!(read, lines.iter().map(|line| line.document("shop")).collect::<Vec<_>>());
        assert_eq!(
            (reply.header("content-encoding"), reply.header("content-type")),
            (encoding, "application/x-ndjson")
        );
    }
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn an_object_sent_again_is_there_already_and_stays_as_it_was() {
    let mut bucket = Bucket::new(SERVER, "").await;
    let all = lines(40);
    let (name, first) = bucket.object("shop", &all);
    assert_eq!(bucket.put(&name, &first).await, DONE);
    // Other bytes under the same name: what a replay after a crash may send.
    let (_, second) = bucket.object("shop", &all[..30]);
    assert_eq!(bucket.put(&name, &second).await, Verdict::Delivered { already: 30 });
    assert_eq!(bucket.read(&name).await.0.len(), 40);
    assert_eq!(bucket.names().await, [&*name]);
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn names_that_are_hard_to_sign_are_the_names_of_the_objects() {
    let mut bucket = Bucket::new(SERVER, "storage_class: STANDARD").await;
    let mut put = Vec::new();
    for namespace in ["a+b", "with space", "ü漢字", "a=b&c", "q?x", "(1)!*'", "%41"] {
        let lines = lines(10);
        let (name, batch) = bucket.object(namespace, &lines);
        assert_eq!(bucket.put(&name, &batch).await, DONE, "{name}");
        assert_eq!(bucket.read(&name).await.0[9], lines[9].document(namespace), "{name}");
        put.push(name.to_string());
    }
    let mut names = bucket.names().await;
    put.sort();
    names.sort();
    assert_eq!(names, put);
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn parts_become_one_object_once() {
    for more in ["compression: zstd", "compression: gzip"] {
        let mut bucket = Bucket::new(SERVER, more).await;
        let (first, second) = (noise(5, 1), noise(5, 2));
        let last = lines(20);
        let (name, one) = bucket.object("shop", &first);
        let (_, two) = bucket.object("shop", &second);
        let (_, three) = bucket.object("shop", &last);
        assert!(one.bodies[0].len >= 5 << 20, "{}", one.bodies[0].len);
        let (upload, tags) = bucket.parts(&name, &[&one, &two, &three]).await;
        assert_eq!(bucket.names().await, [] as [String; 0], "not an object yet");
        assert_eq!(bucket.complete(&name, &one, &upload, &tags).await, DONE);
        let want: Vec<_> = [first, second, last].concat().iter().map(|line| line.document("shop")).collect();
        assert!(bucket.read(&name).await.0 == want, "{more}: the object's lines differ");

        // The answer was lost, and the job is done again: nothing changes, and the lane learns that it is there.
        let again = bucket.complete(&name, &one, &upload, &tags).await;
        assert!(matches!(again, Verdict::NoUpload | Verdict::Delivered { .. }), "{again:?}");
        assert_eq!(bucket.put(&name, &three).await, Verdict::Delivered { already: three.items });
        assert_eq!((bucket.names().await.len(), bucket.open_uploads().await), (1, 0));
    }
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn an_upload_whose_object_is_there_is_not_made_one() {
    let mut bucket = Bucket::new(SERVER, "").await;
    let lines = lines(20);
    let (name, small) = bucket.object("shop", &lines);
    let (upload, tags) = bucket.parts(&name, &[&small]).await;
    assert_eq!(bucket.put(&name, &small).await, DONE);
    assert_eq!(bucket.complete(&name, &small, &upload, &tags).await, Verdict::Delivered { already: 20 });
    assert_eq!((bucket.names().await.len(), bucket.open_uploads().await), (1, 0), "its parts are gone too");
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn uploads_are_abandoned_by_id_and_by_name() {
    let mut bucket = Bucket::new(SERVER, "").await;
    let (name, batch) = bucket.object("shop", &lines(20));
    let (upload, tags) = bucket.parts(&name, &[&batch]).await;
    let abandon = |upload| Job::Abandon { name: Arc::clone(&name), upload };
    assert_eq!(bucket.open_uploads().await, 1);
    assert_eq!(bucket.attempt(&batch, abandon(Some(Arc::clone(&upload)))).await, DONE);
    assert_eq!(bucket.open_uploads().await, 0);
    assert_eq!(bucket.complete(&name, &batch, &upload, &tags).await, Verdict::NoUpload);

    let longer: Arc<str> = format!("{name}.other").into();
    for _ in 0..2 {
        bucket.parts(&name, &[&batch]).await;
    }
    bucket.parts(&longer, &[&batch]).await;
    assert_eq!(bucket.open_uploads().await, 3);
    assert_eq!(bucket.attempt(&batch, abandon(None)).await, DONE);
    assert_eq!(bucket.open_uploads().await, 1, "only those of exactly this name");
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn parts_that_the_service_does_not_know_are_told() {
    let mut bucket = Bucket::new(SERVER, "").await;
    let (name, batch) = bucket.object("shop", &lines(20));
    let (upload, tags) = bucket.parts(&name, &[&batch]).await;
    let wrong = PartTag { etag: "\"00000000000000000000000000000000\"".into(), ..tags[0].clone() };
    assert_eq!(bucket.complete(&name, &batch, &upload, &[wrong]).await, Verdict::NoUpload);
    let unheard: Arc<str> = "0123456789abcdef".into();
    let part = Job::Part { name: Arc::clone(&name), upload: Some(unheard), number: 1 };
    assert_eq!(bucket.attempt(&batch, part).await, Verdict::NoUpload);
}

/// Nothing goes anywhere until somebody changes something.
async fn held(mut bucket: Bucket, scope: Scope, code: &str, words: &str) {
    let (name, batch) = bucket.object("shop", &lines(20));
    let verdict = bucket.put(&name, &batch).await;
    let Verdict::Hold { code: is, scope: at, say } = verdict else { panic!("{verdict:?}") };
    assert_eq!((is.as_str(), at), (code, scope), "{say}");
    assert!(say.contains(words), "{say}");
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn a_missing_bucket_is_held() {
    held(Bucket::absent(SERVER, "profile: good"), Scope::Lane, "NoSuchBucket", "bucket").await;
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn wrong_credentials_are_held() {
    held(Bucket::absent(SERVER, "profile: wrong"), Scope::Lane, "SignatureDoesNotMatch", "credentials").await;
    held(Bucket::absent(SERVER, "profile: unknown"), Scope::Lane, "XAdminUserNotFound", "").await;
    held(Bucket::absent(SERVER, "profile: session"), Scope::Lane, "InvalidToken", "credentials").await;
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn a_wrong_region_is_held_and_the_right_one_is_named() {
    let elsewhere = Bucket::absent(SERVER, "profile: good\nregion: eu-west-1");
    held(elsewhere, Scope::Lane, "AuthorizationHeaderMalformed", "us-east-1").await;
}
