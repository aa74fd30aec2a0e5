//! moto: lenient about limits (our own stand-in is not), but somebody else's reading of both APIs.

mod agent;
mod probe;

use crate::material::{Line, batches, http, kind, lines, output, pool, signed, unique, variable};
use crate::s3::Bucket;
use serde_json::{Value, json};
use tailrace::config::checked::{CloudWatch, OutputKind};
use tailrace::lane::batch::{Batch, Scope, Verdict};
use tailrace::output::cloudwatch::format::CloudWatchFormat;
use tailrace::output::cloudwatch::service::CloudWatchService;

const SERVER: &str = "TAILRACE_MOTO_URL";

fn pick(kind: &OutputKind) -> Option<&CloudWatch> {
    if let OutputKind::CloudWatch(of) = kind { Some(of) } else { None }
}

/// A log group's name, and an output that writes to it.
struct Group {
    name: String,
    service: CloudWatchService,
    format: CloudWatchFormat,
}

impl Group {
    fn new(more: &str) -> Group {
        let (name, url) = (unique("/tailrace"), variable(SERVER));
        let output = output(&format!(
            "type: cloudwatch_logs\nregion: us-east-1\nprofile: good\nendpoint: {url}\nlog_group: {name}\n\
             log_stream: \"{{kubernetes.pod_name}} {{kubernetes.container_name}}\"\n{more}"
        ));
        let config = kind(&output, pick);
        let service = CloudWatchService::new(http(&output), config);
        Group { name, service, format: CloudWatchFormat::new(config, &"node-1".into(), pool()) }
    }

    fn batches(&mut self, lines: &[Line]) -> Vec<Batch> {
        batches(&mut self.format, "shop", 7, lines)
    }

    /// As a lane would: again and again, while the service says so.
    async fn deliver(&self, batch: &Batch) -> (Verdict, Vec<String>) {
        let mut retries = Vec::new();
        for _ in 0..5 {
            match self.service.attempt(batch).await {
                Verdict::Retry { code, .. } => retries.push(code.to_string()),
                verdict => return (verdict, retries),
            }
        }
        panic!("five retries: {retries:?}")
    }

    /// All messages of the stream, with their milliseconds.
    async fn found(&self, stream: &str) -> Vec<(i64, String)> {
        let (mut found, mut token) = (Vec::new(), None::<String>);
        loop {
            let mut asked = json!({
                "logGroupName": self.name, "logStreamName": stream, "startFromHead": true, "limit": 10_000,
            });
            if let Some(token) = &token {
                asked["nextToken"] = json!(token);
            }
            let reply = ask("GetLogEvents", &asked).await;
            let events = reply["events"].as_array().unwrap_or_else(|| panic!("{reply}"));
            found.extend(
                events.iter().map(|e| (e["timestamp"].as_i64().unwrap(), e["message"].as_str().unwrap().to_owned())),
            );
            let next = reply["nextForwardToken"].as_str().map(str::to_owned);
            if events.is_empty() || next == token {
                return found;
            }
            token = next;
        }
    }
}

async fn ask(action: &str, asked: &Value) -> Value {
    let request = http::Request::builder()
        .method("POST")
        .uri(format!("{}/", variable(SERVER)))
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", format!("Logs_20140328.{action}"))
        .body(asked.to_string().into_bytes())
        .unwrap();
    let reply = signed("logs", request).await;
    assert_eq!(reply.status, 200, "{action}: {}", reply.text());
    reply.json()
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn group_and_stream_are_made_and_every_event_is_there_word_for_word() {
    let mut group = Group::new("retention_days: 30");
    let lines = lines(500);
    let batches = group.batches(&lines);
    assert_eq!(batches.len(), 1);
    let (verdict, retries) = group.deliver(&batches[0]).await;
    assert_eq!((verdict, retries), (Verdict::Delivered { already: 0 }, vec!["created".to_owned()]));
    let found: Vec<(i64, Value)> =
        group.found("web-1 app").await.iter().map(|(ms, text)| (*ms, serde_json::from_str(text).unwrap())).collect();
    let want: Vec<_> = lines.iter().map(|line| (line.unix_ns / 1_000_000, line.document("shop"))).collect();
    assert_eq!(found, want);
    let groups = ask("DescribeLogGroups", &json!({"logGroupNamePrefix": group.name})).await;
    assert_eq!(groups["logGroups"][0]["retentionInDays"], 30, "{groups}");
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn text_is_the_body_alone() {
    let mut group = Group::new("format: text");
    // The service has no empty events, and the first line is empty.
    let lines = &lines(40)[1..];
    let batches = group.batches(lines);
    assert_eq!(group.deliver(&batches[0]).await.0, Verdict::Delivered { already: 0 });
    let found: Vec<String> = group.found("web-1 app").await.into_iter().map(|(_, text)| text).collect();
    let want: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(&line.body).into_owned()).collect();
    assert_eq!(found, want);
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn a_line_that_needs_several_events_is_there_in_pieces() {
    let mut group = Group::new("format: text");
    let mut lines = lines(10);
    lines[9].body = "0123456789 ü".repeat(200_000).into_bytes();
    let batches = group.batches(&lines[9..]);
    assert!(batches[0].bodies.len() > 1, "{} bodies", batches[0].bodies.len());
    assert_eq!(group.deliver(&batches[0]).await.0, Verdict::Delivered { already: 0 });
    let found = group.found("web-1 app").await;
    assert_eq!(found.len() as u32, batches[0].items);
    assert!(found.iter().all(|(_, text)| text.len() <= 1_000_000));
    let whole: String = found.into_iter().map(|(_, text)| text).collect();
    assert_eq!(whole.len(), lines[9].body.len());
    assert!(whole.as_bytes() == lines[9].body);
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn a_missing_group_that_may_not_be_made_is_held() {
    let mut group = Group::new("create: false");
    let batches = group.batches(&lines(20));
    let verdict = group.service.attempt(&batches[0]).await;
    let Verdict::Hold { code, scope, say } = verdict else { panic!("{verdict:?}") };
    assert_eq!((code.as_str(), scope), ("ResourceNotFoundException", Scope::Key));
    assert!(say.contains(&group.name), "{say}");
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn an_object_is_stored_once() {
    let mut bucket = Bucket::new(SERVER, "").await;
    let lines = lines(60);
    let (name, batch) = bucket.object("shop", &lines);
    assert_eq!(bucket.put(&name, &batch).await, Verdict::Delivered { already: 0 });
    assert_eq!(bucket.put(&name, &batch).await, Verdict::Delivered { already: 60 });
    let want: Vec<_> = lines.iter().map(|line| line.document("shop")).collect();
    assert_eq!(bucket.read(&name).await.0, want);
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn parts_become_an_object() {
    let mut bucket = Bucket::new(SERVER, "").await;
    let first = crate::s3::noise(5, 3);
    let last = lines(20);
    let (name, one) = bucket.object("shop", &first);
    let (_, two) = bucket.object("shop", &last);
    let (upload, tags) = bucket.parts(&name, &[&one, &two]).await;
    assert_eq!(bucket.complete(&name, &one, &upload, &tags).await, Verdict::Delivered { already: 0 });
    assert_eq!(bucket.read(&name).await.0.len(), first.len() + 20);
}
