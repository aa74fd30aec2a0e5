//! What the doctor tries leaves no group, no stream and no event.

use super::*;
use crate::s3::assert_probing_leaves_nothing;
use tailrace::lane::batch::Target;
use tailrace::output::probe::Came;

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn trying_to_write_leaves_no_group_no_stream_and_no_event() {
    let mut group = Group::new("");
    let target = Target { place: group.name.as_str().into(), stream: "web-1 app".into() };
    let streams = json!({"logGroupName": group.name});
    let tried = |probe: tailrace::output::probe::Probe| -> Vec<(&'static str, bool)> {
        probe.tried.into_iter().map(|t| (t.right, t.came == Came::Allowed)).collect()
    };
    let absent = group.service.probe(&target).await;
    assert!(absent.heard.is_some());
    let want = [("logs:PutLogEvents", true), ("logs:CreateLogStream", true), ("logs:CreateLogGroup", false)];
    assert_eq!(tried(absent), want);
    let groups = ask("DescribeLogGroups", &json!({"logGroupNamePrefix": group.name})).await;
    assert_eq!(groups["logGroups"].as_array().unwrap().len(), 0, "{groups}");
    let batch = group.batches(&lines(3)).remove(0);
    assert_eq!(group.deliver(&batch).await.0, Verdict::Delivered { already: 0 });
    let there = group.service.probe(&target).await;
    assert_eq!(tried(there), want[..2]);
    assert_eq!(group.found("web-1 app").await.len(), 3);
    let streams = ask("DescribeLogStreams", &streams).await;
    assert_eq!(streams["logStreams"].as_array().unwrap().len(), 1, "{streams}");
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn trying_to_write_to_a_bucket_leaves_nothing() {
    assert_probing_leaves_nothing(&Bucket::new(SERVER, "").await).await;
}
