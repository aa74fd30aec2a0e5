//! Format and service together against the strict stand-in, where OpenSearch is like no other output; what all have in
//! common is in `tests/contract`.

use super::*;
use crate::body::chunks::Pool;
use crate::config::checked::OpenSearch;
use crate::config::template::Template;
use crate::lane::batch::{ItemVerdict, Ticket};
use crate::lane::format::{Encoded, Format};
use crate::output::fixtures::{NOON, now, origin, record};
use crate::output::opensearch::format::OpenSearchFormat;
use crate::standin::{self, Keys, Standin, Which, opensearch};
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
    let service = OpenSearchService::new(&config, Http::new(None).expect("a client")).expect("a service");
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
async fn a_blocked_index_is_held() {
    let mut it = plain();
    assert_eq!(it.send(0..1, &[]).await, Verdict::Delivered { already: 0 });
    it.at.control.opensearch().expect("OpenSearch").block("logs-shop-2026.11.22", true);
    assert!(
        matches!(it.send(1..3, &[]).await, Verdict::Hold { code, .. } if code.as_str() == "cluster_block_exception")
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
async fn domains_and_collections_take_what_is_signed_for_them() {
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
