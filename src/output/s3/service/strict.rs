//! Format and service together against the strict stand-in, where S3 is like no other output; what all have in common is
//! in `tests/contract`.

use super::*;
use crate::body::chunks::Pool;
use crate::config::checked::{Aws, S3};
use crate::config::template::Template;
use crate::lane::batch::Ticket;
use crate::lane::format::Format;
use crate::output::fixtures::{NOON, now, origin, record};
use crate::output::s3::format::S3Format;
use crate::standin::{self, Fault, Keys, Rule, Standin, Which, s3};
use aws_credential_types::Credentials;

struct Setup {
    at: Standin,
    service: S3Service,
    format: S3Format,
    config: S3,
}

fn setup(change: impl FnOnce(&mut S3)) -> Setup {
    let options = s3::Options { part_min: 100, ..s3::Options::default() };
    let runtime = tokio::runtime::Handle::current();
    let at = standin::start(&runtime, Which::S3(options), standin::Options::default()).expect("a free port");
    let mut config = S3 {
        aws: Aws { endpoint: Some(at.url.clone()), ..Aws::default() },
        bucket: "logs".into(),
        key: Template::parse("a b/{kubernetes.namespace_name}/%Y/").expect("a template"),
        compression: Compression::Zstd,
        object_size: 64 << 20,
        storage_class: Some("STANDARD_IA".into()),
        sse: None,
        kms_key_id: None,
        sign_payload: false,
    };
    change(&mut config);
    let service = service(&config, "us-east-1", &Keys::demo());
    let format = S3Format::new(&config, "node-1".into(), Pool::new(8 << 20));
    Setup { at, service, format, config }
}

fn service(config: &S3, region: &str, keys: &Keys) -> S3Service {
    let mut service = S3Service::new(config, Http::new(None).expect("a client")).expect("a service");
    let credentials = Credentials::new(&keys.access, &keys.secret, keys.token.clone(), None, "test");
    service.aws = AwsAccess::of_provider(&config.aws, "s3", region, credentials);
    service
}

impl Setup {
    fn name(&self, random: u64) -> Arc<str> {
        let target = self.format.target(&self.format.key(&origin("shop")), NOON);
        self.format.object_name(&target, NOON, random).into()
    }
    /// A body of so many lines that each have an id.
    fn body(&mut self, from: u64, lines: u64) -> Vec<Sealed> {
        for id in from..from + lines {
            self.format.encode(now(), &origin("shop"), &record(id * 100, NOON, format!("tr={id:016x}").as_bytes()));
        }
        self.format.finish().bodies
    }
    fn batch(&self, job: Job, bodies: Vec<Sealed>) -> Batch {
        let target = self.format.target(&self.format.key(&origin("shop")), NOON);
        Batch { ticket: Ticket(1), target, job, bodies, items: 10 }
    }
    async fn put(&mut self, random: u64) -> Verdict {
        let body = self.body(random * 10, 10);
        let batch = self.batch(Job::Put { name: self.name(random) }, body);
        self.service.attempt(&batch).await
    }
    async fn part(&mut self, name: &Arc<str>, upload: Option<Arc<str>>, number: u16) -> Verdict {
        let body = self.body(u64::from(number) * 10, 10);
        let batch = self.batch(Job::Part { name: name.clone(), upload, number }, body);
        self.service.attempt(&batch).await
    }
    fn records(&self) -> u64 {
        self.at.control.receipts().totals().records
    }
    fn uploads(&self) -> usize {
        self.at.control.s3().expect("S3").uploads("logs").len()
    }
}

#[tokio::test]
async fn objects_arrive_once_with_what_was_asked_for() {
    for compression in [Compression::Zstd, Compression::Gzip] {
        let mut it = setup(|config| config.compression = compression);
        assert_eq!(it.put(1).await, Verdict::Delivered { already: 0 });
        assert_eq!(it.put(1).await, Verdict::Delivered { already: 10 }, "a replay finds it there");
        let objects = it.at.control.s3().expect("S3").objects("logs");
        let object = objects.get(&*it.name(1)).expect("the object under its name");
        assert_eq!(object.headers.get("content-type").map(String::as_str), Some("application/x-ndjson"));
        assert_eq!(object.headers.get("x-amz-storage-class").map(String::as_str), Some("STANDARD_IA"));
        assert_eq!(object.checksum.as_ref().map(|c| c.0), Some("x-amz-checksum-crc32c"));
        let totals = it.at.control.receipts().totals();
        assert_eq!((totals.records, totals.objects, totals.already, totals.unreadable), (10, 1, 1, 0));
    }
}

#[tokio::test]
async fn parts_become_one_object_and_a_replay_no_other() {
    let mut it = setup(|_| {});
    let name = it.name(2);
    let mut upload = None;
    let mut parts = Vec::new();
    // A gap between numbers: a part that was given back.
    for number in [1, 3, 4] {
        let Verdict::Staged { upload: id, tag } = it.part(&name, upload.clone(), number).await else {
            panic!("staged")
        };
        assert!(upload.is_none_or(|known| known == id));
        upload = Some(id);
        parts.push(tag);
    }
    let upload = upload.expect("an upload");
    let job = Job::Complete { name: name.clone(), upload: upload.clone(), parts: parts.clone() };
    let complete = it.batch(job, Vec::new());
    assert_eq!(it.service.attempt(&complete).await, Verdict::Delivered { already: 0 });
    assert_eq!(it.records(), 30);
    assert_eq!(it.at.control.s3().expect("S3").objects("logs").get(&*name).map(|o| o.parts), Some(3));
    // The answer to Complete was lost: it is run again, and so are the spans under another upload.
    let again = it.service.attempt(&complete).await;
    assert!(matches!(again, Verdict::Delivered { .. } | Verdict::NoUpload), "{again:?}");
    let Verdict::Staged { upload, tag } = it.part(&name, None, 1).await else { panic!("staged") };
    let job = Job::Complete { name: name.clone(), upload, parts: vec![tag] };
    assert_eq!(it.service.attempt(&it.batch(job, Vec::new())).await, Verdict::Delivered { already: 10 });
    assert_eq!((it.records(), it.uploads()), (30, 0), "no second copy, no stray upload");
}

#[tokio::test]
async fn strays_are_found_by_name_and_by_id() {
    let mut it = setup(|_| {});
    let (name, other) = (it.name(3), it.name(4));
    let Verdict::Staged { upload, tag } = it.part(&name, None, 1).await else { panic!("staged") };
    let Verdict::Staged { upload: kept, .. } = it.part(&other, None, 1).await else { panic!("staged") };
    let done = Verdict::Delivered { already: 0 };
    let by_name = it.batch(Job::Abandon { name: name.clone(), upload: None }, Vec::new());
    assert_eq!(it.service.attempt(&by_name).await, done);
    assert_eq!(it.at.control.s3().expect("S3").uploads("logs").into_keys().collect::<Vec<_>>(), [kept.to_string()]);
    let job = Job::Complete { name: name.clone(), upload: upload.clone(), parts: vec![tag] };
    assert_eq!(it.service.attempt(&it.batch(job, Vec::new())).await, Verdict::NoUpload);
    assert_eq!(it.part(&name, Some(upload.clone()), 2).await, Verdict::NoUpload);
    let by_id = |name: &Arc<str>, id: &Arc<str>| Job::Abandon { name: name.clone(), upload: Some(id.clone()) };
    assert_eq!(it.service.attempt(&it.batch(by_id(&name, &upload), Vec::new())).await, done, "gone already");
    assert_eq!(it.service.attempt(&it.batch(by_id(&other, &kept), Vec::new())).await, done);
    assert_eq!(it.uploads(), 0);
}

#[tokio::test]
async fn trouble_between_create_and_part_makes_no_second_upload() {
    let mut it = setup(|_| {});
    let name = it.name(5);
    it.at.control.fault(
        Rule::times(1, Fault::Status { code: 503, error: "SlowDown".into(), retry_after: None }).on("UploadPart"),
    );
    assert!(matches!(it.part(&name, None, 1).await, Verdict::Retry { .. }));
    assert!(matches!(it.part(&name, None, 1).await, Verdict::Staged { .. }));
    assert_eq!(it.uploads(), 1);
}

#[tokio::test]
async fn wrong_settings_are_held_with_what_to_do() {
    let mut it = setup(|_| {});
    it.service = service(&it.config, "eu-west-1", &Keys::demo());
    let Verdict::Hold { say, scope: Scope::Lane, .. } = it.put(1).await else { panic!("not held") };
    assert!(say.contains("us-east-1"), "{say}");

    let mut it = setup(|config| config.storage_class = Some("CHEAP".into()));
    let Verdict::Hold { say, .. } = it.put(1).await else { panic!("not held") };
    assert!(say.contains("`storage_class`"), "{say}");
    assert_eq!(it.records(), 0);
}
