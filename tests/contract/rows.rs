//! The outputs, a row each: what a case has to know of them, and how their two halves are made.

use crate::rig::{Attempt, Ended, Launch, Setup};
use crate::small::{Parts, Small};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tailrace::body::chunks::Pool;
use tailrace::config::checked::{self, Aws, Compression, Secret};
use tailrace::config::template::Template;
use tailrace::output::aws::AwsAccess;
use tailrace::output::cloudwatch::format::CloudWatchFormat;
use tailrace::output::cloudwatch::service::CloudWatchService;
use tailrace::output::http::Http;
use tailrace::output::opensearch::format::OpenSearchFormat;
use tailrace::output::opensearch::service::OpenSearchService;
use tailrace::output::s3::format::S3Format;
use tailrace::output::s3::service::S3Service;
use tailrace::standin::{Control, Fault, Keys, Rule, Which, cloudwatch, opensearch, s3};

/// What happens to records that the service judges badly one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They are sent again until they are taken.
    Again,
    /// They end in the dead-letter file.
    Buried,
}

/// One output.
#[derive(Clone)]
pub struct Row {
    /// For people.
    pub name: &'static str,
    /// Its stand-in.
    pub which: fn(&Setup) -> Which,
    /// Its service.
    pub connect: fn(&Site) -> Attempt,
    /// Its format, in a lane.
    pub spawn: fn(&Site, Launch) -> JoinHandle<Ended>,
    /// What faults and stand-ins call the place of a key.
    pub place: fn(&str) -> String,
    /// Makes that place.
    pub appear: fn(&Control, &str),
    /// Requests without which nothing is delivered, each at least once for a new key.
    pub requests: &'static [&'static str],
    /// Of these the one that carries records.
    pub carries: &'static str,
    /// The service keeps no second copy of a record.
    pub exactly_once: bool,
    /// A lost answer is found out when the same is sent again.
    pub tells_already: bool,
    /// What is too large is sent in halves (else held: its name and spans are decided).
    pub splits: bool,
    /// Bytes of a line that do not compress: how soon a body is full.
    pub pad: usize,
    /// Status and code of a service that wants to be asked less.
    pub busy: (u16, &'static str),
    /// Faults of single items: status, error, and what becomes of the records.
    pub items: &'static [(u16, &'static str, Fate)],
    /// What else can go wrong with a request, and what the output calls it.
    pub faults: fn() -> Vec<(Rule, &'static str)>,
    /// What is left behind at the service that nobody asked for.
    pub leftovers: fn(&Control) -> usize,
}

/// Where a service is, and who we are to it.
pub struct Site {
    pub url: String,
    pub http: Http,
    pub login: Login,
    pub missing: bool,
}

/// Credentials that a test changes under way.
#[derive(Clone, Debug)]
pub struct Login(Arc<Mutex<Keys>>);

impl Login {
    pub fn new(keys: Keys) -> Login {
        Login(Arc::new(Mutex::new(keys)))
    }
    pub fn set(&self, keys: Keys) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = keys;
    }
    fn get(&self) -> Keys {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ProvideCredentials for Login {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        let Keys { access, secret, token } = self.get();
        Provided::ready(Ok(Credentials::new(access, secret, token, None, "contract")))
    }
}

impl Site {
    fn aws(&self) -> Aws {
        Aws { endpoint: Some(self.url.clone()), ..Aws::default() }
    }
    fn access(&self, service: &str) -> AwsAccess {
        AwsAccess::of_provider(&self.aws(), service, "us-east-1", self.login.clone())
    }
}

fn template(text: &str) -> Template {
    Template::parse(text).unwrap()
}

fn pool() -> Arc<Pool> {
    Pool::new(8 << 20)
}

fn status(code: u16, error: &str) -> Fault {
    Fault::Status { code, error: error.into(), retry_after: None }
}

/// A rule for the next request of this kind.
fn once(fault: Fault, operation: &str) -> Rule {
    Rule::times(1, fault).on(operation)
}

pub fn cloudwatch_logs() -> Row {
    fn config(site: &Site) -> checked::CloudWatch {
        checked::CloudWatch {
            aws: site.aws(),
            log_group: template("/contract/{kubernetes.namespace_name}"),
            log_stream: Some(template("{kubernetes.pod_name}")),
            create: !site.missing,
            retention_days: Some(1),
            kms_key_id: None,
            log_class: None,
            text: false,
            dead_letter_out_of_window: false,
        }
    }
    Row {
        name: "cloudwatch_logs",
        which: |_| Which::CloudWatch(cloudwatch::Options::default()),
        connect: |site| {
            let service = CloudWatchService::with(site.http.clone(), &config(site), site.access("logs"));
            let service = Arc::new(service);
            Arc::new(move |batch| {
                let service = service.clone();
                Box::pin(async move { service.attempt(&batch).await })
            })
        },
        spawn: |site, launch| {
            let pool = pool();
            launch.run(Small(CloudWatchFormat::new(&config(site), &"node-1".into(), pool.clone())), pool)
        },
        place: |key| format!("/contract/{key}"),
        appear: |control, place| control.cloudwatch().unwrap().add_stream(place, "web"),
        requests: &["PutLogEvents"],
        carries: "PutLogEvents",
        exactly_once: false,
        tells_already: false,
        splits: true,
        pad: 64,
        busy: (400, "ThrottlingException"),
        items: &[],
        faults: || {
            let put = |fault| once(fault, "PutLogEvents");
            vec![
                (put(status(500, "InternalFailure")), "retry InternalFailure"),
                (put(status(503, "ServiceUnavailableException")), "retry ServiceUnavailableException"),
                (put(status(502, "")), "retry http_502"),
                (put(status(400, "ExpiredTokenException")), "hold-lane ExpiredTokenException"),
                (put(status(400, "InvalidSignatureException")), "hold-lane InvalidSignatureException"),
                (put(status(400, "SomethingNewException")), "hold-key SomethingNewException"),
                (put(status(400, "LimitExceededException")), "hold-key LimitExceededException"),
                (put(Fault::Deny), "hold-key AccessDeniedException"),
                (once(Fault::Deny, "CreateLogStream"), "hold-key AccessDeniedException"),
                (once(status(400, "LimitExceededException"), "CreateLogGroup"), "hold-key LimitExceededException"),
                (put(Fault::TooLarge { limit: 5 }), "split RequestEntityTooLargeException"),
                (put(Fault::ResetBeforeBody), "unknown reset"),
            ]
        },
        leftovers: |_| 0,
    }
}

/// Objects that are sent at once.
pub fn s3_put() -> Row {
    Row { name: "s3_put", requests: &["PutObject"], carries: "PutObject", pad: 64, ..s3(S3Kind::Put) }
}

/// Objects that grow part by part.
pub fn s3_multipart() -> Row {
    Row {
        name: "s3_multipart",
        requests: &["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"],
        carries: "UploadPart",
        pad: 3_200,
        ..s3(S3Kind::Parts)
    }
}

#[derive(Clone, Copy)]
enum S3Kind {
    Put,
    Parts,
}

fn s3_config(site: &Site) -> checked::S3 {
    checked::S3 {
        aws: site.aws(),
        bucket: "contract".into(),
        key: template("contract/{kubernetes.namespace_name}/"),
        compression: Compression::Zstd,
        object_size: 64 << 20,
        storage_class: None,
        sse: None,
        kms_key_id: None,
        sign_payload: false,
    }
}

fn s3(kind: S3Kind) -> Row {
    Row {
        name: "s3",
        which: |setup| {
            let buckets = if setup.missing { Vec::new() } else { vec!["contract".into()] };
            Which::S3(s3::Options { buckets, part_min: 1, ..s3::Options::default() })
        },
        connect: |site| {
            let service = S3Service::with(&s3_config(site), site.http.clone(), site.access("s3")).unwrap();
            let service = Arc::new(service);
            Arc::new(move |batch| {
                let service = service.clone();
                Box::pin(async move { service.attempt(&batch).await })
            })
        },
        spawn: match kind {
            S3Kind::Put => |site, launch| {
                let pool = pool();
                launch.run(Small(S3Format::new(&s3_config(site), "node-1".into(), pool.clone())), pool)
            },
            S3Kind::Parts => |site, launch| {
                let pool = pool();
                launch.run(Parts(S3Format::new(&s3_config(site), "node-1".into(), pool.clone())), pool)
            },
        },
        place: |key| format!("contract/{key}/"),
        appear: |control, _| control.s3().unwrap().add_bucket("contract"),
        requests: &[],
        carries: "",
        exactly_once: true,
        tells_already: true,
        splits: false,
        pad: 0,
        busy: (503, "SlowDown"),
        items: &[],
        faults: match kind {
            S3Kind::Put => || faults_of("PutObject"),
            S3Kind::Parts => || {
                let mut all = faults_of("UploadPart");
                all.truncate(4);
                let complete = |fault| once(fault, "CompleteMultipartUpload");
                all.extend([
                    (once(status(503, "SlowDown"), "CreateMultipartUpload"), "retry SlowDown"),
                    (once(Fault::Deny, "CreateMultipartUpload"), "hold-key AccessDenied"),
                    (complete(Fault::ErrorInOk { error: "InternalError".into() }), "retry InternalError"),
                    (complete(status(409, "ConditionalRequestConflict")), "no upload"),
                    (complete(status(404, "NoSuchUpload")), "no upload"),
                    (complete(status(400, "InvalidPart")), "no upload"),
                    (complete(Fault::Deny), "hold-key AccessDenied"),
                ]);
                all
            },
        },
        leftovers: |control| control.s3().unwrap().uploads("contract").len(),
    }
}

fn faults_of(operation: &'static str) -> Vec<(Rule, &'static str)> {
    let it = |fault| once(fault, operation);
    vec![
        (it(status(500, "InternalError")), "retry InternalError"),
        (it(status(400, "SomethingNew")), "hold-key SomethingNew"),
        (it(Fault::Deny), "hold-key AccessDenied"),
        (it(Fault::TooLarge { limit: 5 }), "split EntityTooLarge"),
        (it(status(400, "RequestTimeout")), "retry RequestTimeout"),
        (it(status(409, "ConditionalRequestConflict")), "retry ConditionalRequestConflict"),
        (it(status(400, "ExpiredToken")), "hold-lane ExpiredToken"),
        (it(status(403, "SignatureDoesNotMatch")), "hold-lane SignatureDoesNotMatch"),
        (it(status(400, "InvalidStorageClass")), "hold-lane InvalidStorageClass"),
        (it(status(502, "")), "retry http_502"),
        (it(Fault::ResetBeforeBody), "unknown reset"),
    ]
}

pub fn opensearch() -> Row {
    fn config(site: &Site) -> checked::OpenSearch {
        let password = Secret(site.login.get().secret);
        checked::OpenSearch {
            url: site.url.clone(),
            index: template("contract-{kubernetes.namespace_name}"),
            auth: checked::Auth::Basic { username: "agent".into(), password },
            derived_id: true,
        }
    }
    Row {
        name: "opensearch",
        which: |setup| {
            let auth = opensearch::Auth::Basic { user: "agent".into(), password: Keys::demo().secret };
            Which::OpenSearch(opensearch::Options {
                auth,
                auto_create: !setup.missing,
                ..opensearch::Options::default()
            })
        },
        connect: |site| {
            let (http, url, login, missing) = (site.http.clone(), site.url.clone(), site.login.clone(), site.missing);
            // A password is for a service's life: who corrects it makes another.
            Arc::new(move |batch| {
                let site = Site { url: url.clone(), http: http.clone(), login: login.clone(), missing };
                let service = OpenSearchService::new(&config(&site), site.http.clone()).unwrap();
                Box::pin(async move { service.attempt(&batch).await })
            })
        },
        spawn: |site, launch| {
            let pool = pool();
            launch.run(Small(OpenSearchFormat::new(&config(site), pool.clone())), pool)
        },
        place: |key| format!("contract-{key}"),
        appear: |control, place| control.opensearch().unwrap().block(place, false),
        requests: &["_bulk"],
        carries: "_bulk",
        exactly_once: true,
        tells_already: true,
        splits: true,
        pad: 64,
        busy: (429, "rejected_execution_exception"),
        items: &[
            (429, "rejected_execution_exception", Fate::Again),
            (503, "unavailable_shards_exception", Fate::Again),
            (403, "cluster_block_exception", Fate::Again),
            (400, "something_new_exception", Fate::Again),
            (400, "mapper_parsing_exception", Fate::Buried),
        ],
        faults: || {
            let it = |fault| once(fault, "_bulk");
            vec![
                (it(status(429, "circuit_breaking_exception")), "retry circuit_breaking_exception"),
                (it(status(503, "unavailable_shards_exception")), "retry unavailable_shards_exception"),
                (it(status(500, "null_pointer_exception")), "retry null_pointer_exception"),
                (it(status(502, "")), "retry http_502"),
                (it(status(403, "cluster_block_exception")), "hold-key cluster_block_exception"),
                (it(status(400, "something_new_exception")), "hold-key something_new_exception"),
                (it(status(401, "security_exception")), "hold-lane security_exception"),
                (it(Fault::TooLarge { limit: 10 }), "split http_413"),
                (it(Fault::Deny), "hold-key security_exception"),
                (it(Fault::ResetBeforeBody), "unknown reset"),
            ]
        },
        leftovers: |_| 0,
    }
}
