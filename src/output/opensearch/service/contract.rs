//! Format and service together against the strict stand-in: what it took in, and what each of its faults is called.

use super::*;
use crate::body::chunks::Pool;
use crate::config::checked::{OpenSearch, Secret};
use crate::config::template::Template;
use crate::lane::batch::{ItemVerdict, Ticket};
use crate::lane::format::{Encoded, Format};
use crate::output::fixtures::{NOON, now, origin, record};
use crate::output::opensearch::format::OpenSearchFormat;
use crate::standin::{self, Fault, Keys, Rule, Standin, Which, opensearch};
use aws_credential_types::Credentials;

struct Setup {
    at: Standin,
    service: OpenSearchService,
    format: OpenSearchFormat,
}

fn setup(own: opensearch::Options, auth: checked::Auth, derived_id: bool) -> Setup {
    let runtime = tokio::runtime::Handle::current();
    let at = standin::start(&runtime, Which::OpenSearch(own), standin::Options::default()).expect("a free port");
    let index = Template::parse("logs-{kubernetes.namespace_name}-%Y.%m.%d").expect("a template");
    let config = OpenSearch { url: at.url.clone(), index, auth, derived_id };
    let mut service = OpenSearchService::new(&config, Http::new(None).expect("a client")).expect("a service");
    service.answer_within = Duration::from_secs(20);
    let format = OpenSearchFormat::new(&config, Pool::new(8 << 20));
    Setup { at, service, format }
}

fn plain() -> Setup {
    setup(opensearch::Options::default(), checked::Auth::None, true)
}

impl Setup {
    /// Sends records with these ids in their text; `processed` is merged into each.
    async fn send(&mut self, ids: std::ops::Range<u64>, processed: &[Option<&str>]) -> Verdict {
        let origin = origin("shop");
        for id in ids {
            let text = format!("tr={id:016x}");
            let mut it = record(id * 100, NOON, text.as_bytes());
            it.processed = processed.get(id as usize % processed.len().max(1)).copied().flatten().map(str::as_bytes);
            assert_eq!(self.format.encode(now(), &origin, &it), Encoded::Taken { items: 1 });
        }
        let target = self.format.target(&self.format.key(&origin), NOON);
        let finished = self.format.finish();
        let items = finished.items;
        self.service.attempt(&Batch { ticket: Ticket(1), target, job: Job::Send, bodies: finished.bodies, items }).await
    }
    fn distinct(&self) -> (u64, u64) {
        let receipts = self.at.control.receipts();
        (receipts.totals().records, receipts.distinct())
    }
}

#[tokio::test]
async fn documents_arrive_once_in_the_index_of_their_day() {
    let mut it = plain();
    assert_eq!(it.send(0..500, &[]).await, Verdict::Delivered { already: 0 });
    assert_eq!(it.send(0..500, &[]).await, Verdict::Delivered { already: 500 });
    assert_eq!(it.send(400..600, &[]).await, Verdict::Delivered { already: 100 });
    assert_eq!(it.distinct(), (600, 600));
    let counts = it.at.control.opensearch().expect("OpenSearch").counts();
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [("logs-shop-2026.11.22".to_owned(), 600)]);
}

#[tokio::test]
async fn a_document_that_does_not_fit_the_mapping_is_rejected_alone() {
    let mut it = plain();
    let Verdict::Items(items) = it.send(0..4, &[Some("{\"n\":1}"), None, Some("{\"n\":{\"deep\":2}}"), None]).await
    else {
        panic!("not by item")
    };
    assert!(matches!(&items[..], [(2, ItemVerdict::Reject { .. })]), "{items:?}");
    assert_eq!(it.distinct(), (3, 3));
}

#[tokio::test]
async fn some_items_are_busy_and_the_others_are_there() {
    let mut it = plain();
    let error = "rejected_execution_exception".to_owned();
    it.at.control.fault(Rule::times(1, Fault::PartialItems { fraction: 0.5, status: 429, error, field: None }));
    let Verdict::Items(items) = it.send(0..100, &[]).await else { panic!("not by item") };
    assert!(items.iter().all(|(_, item)| matches!(item, ItemVerdict::Retry(_))), "{items:?}");
    assert_eq!(it.distinct().0, 100 - items.len() as u64);
    // The whole batch again: what was there is told, nothing comes twice.
    assert_eq!(it.send(0..100, &[]).await, Verdict::Delivered { already: 100 - items.len() as u32 });
    assert_eq!(it.distinct(), (100, 100));
}

fn status(code: u16, error: &str) -> Fault {
    Fault::Status { code, error: error.into(), retry_after: None }
}

#[tokio::test]
async fn each_fault_is_called_by_its_name_and_the_next_attempt_delivers() {
    let cases = [
        (status(429, "circuit_breaking_exception"), "retry circuit_breaking_exception"),
        (status(429, "rejected_execution_exception"), "retry rejected_execution_exception"),
        (status(503, "unavailable_shards_exception"), "retry unavailable_shards_exception"),
        (status(500, "null_pointer_exception"), "retry null_pointer_exception"),
        (status(403, "cluster_block_exception"), "hold cluster_block_exception"),
        (status(400, "something_new_exception"), "hold something_new_exception"),
        (status(413, "content_too_long"), "split"),
        (Fault::TooLarge { limit: 10 }, "split"),
        (Fault::Deny, "hold security_exception"),
        (Fault::ResetBeforeBody, "unknown reset"),
        (Fault::ResetAfterBody { done: false }, "unknown reset"),
        (Fault::Hang { done: false }, "unknown timeout"),
    ];
    for (fault, want) in cases {
        let mut it = plain();
        if matches!(fault, Fault::Hang { .. }) {
            it.service.answer_within = Duration::from_millis(200);
        }
        it.at.control.fault(Rule::times(1, fault));
        let got = match it.send(0..20, &[]).await {
            Verdict::Retry { code, .. } => format!("retry {code}"),
            Verdict::Hold { code, .. } => format!("hold {code}"),
            Verdict::Unknown { code, .. } => format!("unknown {code}"),
            Verdict::Split { .. } => "split".into(),
            other @ (Verdict::Delivered { .. }
            | Verdict::Items(_)
            | Verdict::Staged { .. }
            | Verdict::Reject { .. }
            | Verdict::NoUpload) => format!("{other:?}"),
        };
        assert_eq!(got, want);
        assert_eq!(it.distinct(), (0, 0), "{want}");
        it.service.answer_within = Duration::from_secs(20);
        assert_eq!(it.send(0..20, &[]).await, Verdict::Delivered { already: 0 }, "{want}");
    }
}

#[tokio::test]
async fn a_lost_answer_makes_no_duplicates() {
    for fault in [Fault::LoseAnswer, Fault::ResetAfterBody { done: true }] {
        let mut it = plain();
        it.at.control.fault(Rule::times(1, fault));
        assert!(matches!(it.send(0..20, &[]).await, Verdict::Unknown { .. }));
        assert_eq!(it.send(0..20, &[]).await, Verdict::Delivered { already: 20 });
        assert_eq!(it.distinct(), (20, 20));
    }
}

#[tokio::test]
async fn a_blocked_or_missing_index_is_held() {
    let mut it = plain();
    assert_eq!(it.send(0..1, &[]).await, Verdict::Delivered { already: 0 });
    it.at.control.opensearch().expect("OpenSearch").block("logs-shop-2026.11.22", true);
    assert!(
        matches!(it.send(1..3, &[]).await, Verdict::Hold { code, .. } if code.as_str() == "cluster_block_exception")
    );
    let own = opensearch::Options { auto_create: false, ..opensearch::Options::default() };
    let mut it = setup(own, checked::Auth::None, true);
    assert!(
        matches!(it.send(0..3, &[]).await, Verdict::Hold { code, .. } if code.as_str() == "index_not_found_exception")
    );
}

#[tokio::test]
async fn a_collection_that_refuses_ids_says_what_to_set() {
    let own = opensearch::Options { refuse_ids: true, ..opensearch::Options::default() };
    let mut it = setup(own.clone(), checked::Auth::None, true);
    let Verdict::Hold { say, .. } = it.send(0..3, &[]).await else { panic!("not held") };
    assert!(say.contains("document_id: none"), "{say}");
    let mut it = setup(own, checked::Auth::None, false);
    assert_eq!(it.send(0..3, &[]).await, Verdict::Delivered { already: 0 });
}

#[tokio::test]
async fn only_those_who_may_get_in() {
    let auth = opensearch::Auth::Basic { user: "agent".into(), password: "right".into() };
    let own = opensearch::Options { auth, ..opensearch::Options::default() };
    let basic = |password: &str| checked::Auth::Basic { username: "agent".into(), password: Secret(password.into()) };
    assert_eq!(setup(own.clone(), basic("right"), true).send(0..3, &[]).await, Verdict::Delivered { already: 0 });
    for auth in [basic("wrong"), checked::Auth::None] {
        assert!(matches!(
            setup(own.clone(), auth, true).send(0..3, &[]).await,
            Verdict::Hold { scope: Scope::Lane, .. }
        ));
    }
    for name in ["es", "aoss"] {
        let own = opensearch::Options {
            auth: opensearch::Auth::Aws { service: name.into() },
            ..opensearch::Options::default()
        };
        let aws = Aws::default();
        let mut it = setup(own, checked::Auth::Aws { service: name.into(), aws: aws.clone() }, true);
        for (keys, fits) in [(Keys::demo(), true), (Keys { secret: "wrong".into(), ..Keys::demo() }, false)] {
            let credentials = Credentials::new(&keys.access, &keys.secret, None, None, "test");
            it.service.auth = Auth::Aws(Box::new(AwsAccess::of_provider(&aws, name, "us-east-1", credentials)));
            let verdict = it.send(0..3, &[]).await;
            let held = matches!(verdict, Verdict::Hold { scope: Scope::Lane, .. });
            assert_eq!((verdict == Verdict::Delivered { already: 0 }, held), (fits, !fits), "{name}: {verdict:?}");
        }
    }
}
