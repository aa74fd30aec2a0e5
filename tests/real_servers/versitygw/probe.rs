//! What the doctor tries leaves no object and no upload.

use super::*;
use crate::s3::{assert_probing_leaves_nothing, probed};
use tailrace::output::probe::Came;

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn trying_to_write_leaves_no_object_and_no_upload() {
    assert_probing_leaves_nothing(&Bucket::new(SERVER, "").await).await;
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn wrong_keys_and_a_bucket_that_is_not_there_are_told_apart() {
    for (more, want) in [
        ("profile: good", "NoSuchBucket"),
        ("profile: wrong", "SignatureDoesNotMatch"),
        ("profile: unknown", "XAdminUserNotFound"),
    ] {
        let came = probed(&Bucket::absent(SERVER, more)).await;
        assert!(matches!(&came[..], [(_, Came::Refused(code, _))] if code.as_str() == want), "{want}: {came:?}");
    }
}
