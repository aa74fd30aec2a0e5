//! Format and service together against the strict stand-in: every limit of CloudWatch. What all outputs have in common
//! is in `tests/contract`.

use super::CloudWatchService;
use crate::body::chunks::Pool;
use crate::config::checked;
use crate::config::template::Template;
use crate::lane::batch::{Batch, Job, Target, Ticket, Verdict};
use crate::lane::format::{Encoded, Format};
use crate::output::aws::AwsAccess;
use crate::output::cloudwatch::format::CloudWatchFormat;
use crate::output::fixtures::{origin, record};
use crate::output::http::Http;
use crate::record::Now;
use crate::standin::{self, Clock, Keys, Standin, Which, cloudwatch};
use aws_credential_types::Credentials;
use std::time::Duration;

const HOUR: i64 = 3_600_000_000_000;

struct Rig {
    standin: Standin,
    output: checked::CloudWatch,
    service: CloudWatchService,
}

impl Rig {
    /// An empty account.
    fn new(change: impl FnOnce(&mut checked::CloudWatch)) -> Rig {
        let options = standin::Options { keep_records: 20_000, ..standin::Options::default() };
        let which = Which::CloudWatch(cloudwatch::Options::default());
        let standin = standin::start(&tokio::runtime::Handle::current(), which, options).unwrap();
        let mut output = checked::CloudWatch {
            aws: checked::Aws { endpoint: Some(standin.url.clone()), ..checked::Aws::default() },
            log_group: Template::parse("/app/{kubernetes.namespace_name}").unwrap(),
            log_stream: None,
            create: true,
            retention_days: Some(7),
            kms_key_id: None,
            log_class: Some(checked::LogClass::Standard),
            text: false,
            dead_letter_out_of_window: false,
        };
        change(&mut output);
        let service = Rig::service(&output, Keys::demo());
        Rig { standin, output, service }
    }

    fn service(output: &checked::CloudWatch, keys: Keys) -> CloudWatchService {
        let credentials = Credentials::new(keys.access, keys.secret, keys.token, None, "test");
        let access = AwsAccess::of_provider(&output.aws, "logs", "us-east-1", credentials);
        CloudWatchService::with(Http::new(None).unwrap(), output, access)
    }

    /// One batch of these bodies, each so long ago.
    fn batch(&self, records: &[(i64, &[u8])]) -> Batch {
        let mut format = CloudWatchFormat::new(&self.output, &"node-1".into(), Pool::new(16 << 20));
        let (origin, now) = (origin("shop"), Clock::default().unix_ns());
        for (ago, body) in records {
            let taken = format.encode(Now { mono: Duration::ZERO, unix_ns: now }, &origin, &record(0, now - ago, body));
            assert!(matches!(taken, Encoded::Taken { .. }), "{taken:?}");
        }
        let key = format.key(&origin);
        let done = format.finish();
        let target = Target { place: key.place, stream: key.stream };
        Batch { ticket: Ticket(1), target, job: Job::Send, bodies: done.bodies, items: done.items }
    }

    /// Makes group and stream, so that the next batch is simply taken.
    async fn ready(self) -> Rig {
        assert!(matches!(self.service.attempt(&self.batch(&[(0, b"first")])).await, Verdict::Retry { .. }));
        self
    }

    async fn sent(&self, records: &[(i64, &[u8])]) -> Verdict {
        self.service.attempt(&self.batch(records)).await
    }

    fn messages(&self) -> Vec<String> {
        let kept = self.standin.control.receipts().kept();
        kept.into_iter().map(|record| String::from_utf8(record.text).unwrap()).collect()
    }
}

const DELIVERED: Verdict = Verdict::Delivered { already: 0 };

#[tokio::test]
async fn an_empty_account_takes_the_batch_the_second_time() {
    let rig = Rig::new(|_| {}).ready().await;
    let groups = rig.standin.control.cloudwatch().unwrap().groups();
    let group = &groups["/app/shop"];
    assert_eq!((group.retention, group.class.as_deref()), (Some(7), Some("STANDARD")));
    assert_eq!(rig.sent(&[(0, b"b"), (HOUR, b"a"), (0, b"c")]).await, DELIVERED);
    let logs: Vec<_> =
        rig.messages().iter().map(|m| serde_json::from_str::<serde_json::Value>(m).unwrap()["log"].clone()).collect();
    assert_eq!(logs, ["a", "b", "c"]);
}

#[tokio::test]
async fn what_the_format_makes_is_within_every_limit_of_the_service() {
    for text in [false, true] {
        let rig = Rig::new(|output| output.text = text).ready().await;
        let small: Vec<(i64, &[u8])> = (0..9_000).map(|n| (n * 9_000_000_000, &b"\"x\\\xff"[..])).collect();
        let small = if text { &small[..] } else { &small[..5_000] };
        assert_eq!(rig.sent(small).await, DELIVERED);
        let large = "\"\u{1}\u{20ac}".repeat(600_000);
        let batch = rig.batch(&[(0, large.as_bytes())]);
        assert!(batch.bodies.len() > 2, "{}", batch.bodies.len());
        assert_eq!(rig.service.attempt(&batch).await, DELIVERED);
        assert_eq!(rig.messages().len() as u32, small.len() as u32 + batch.items);
    }
}

#[tokio::test]
async fn a_group_that_somebody_deletes_is_made_again() {
    let rig = Rig::new(|_| {}).ready().await;
    assert_eq!(rig.sent(&[(0, b"x")]).await, DELIVERED);
    assert!(rig.standin.control.cloudwatch().unwrap().remove_group("/app/shop"));
    // A moment after making it, it is believed to be there.
    rig.service.memory().made.clear();
    assert!(matches!(rig.sent(&[(0, b"x")]).await, Verdict::Retry { .. }));
    assert_eq!(rig.sent(&[(0, b"x")]).await, DELIVERED);
}
