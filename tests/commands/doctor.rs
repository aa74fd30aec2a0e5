//! `tailrace doctor`: each thing that can be wrong is named with what to do, and nothing is left behind.

use crate::api::{Api, Mode};
use crate::logs::{append, container, cri};
use crate::stage::Stage;
use crate::support::{Place, SOON, Services, now};
use crate::tell::{Told, arg, tell, tell_with};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tailrace::standin::identity::{self, issuer::Issuer};
use tailrace::standin::{self, Clock, Fault, Rule, Standin, Which, opensearch};

/// A directory with one pod's file, the stand-ins, and what the doctor says of them.
struct Bench {
    place: Place,
    services: Services,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(standin::Options::default())
    }
    fn with(options: standin::Options) -> Bench {
        let services = Services::with(options, opensearch::Options::default());
        let place = Place::new();
        append(&container(&place, "shop", "cart").join("0.log"), cri("hello"));
        Bench { place, services }
    }
    fn told(&self, change: impl FnOnce(String) -> String) -> Told {
        let config = self.place.config("", &change(self.services.outputs()));
        tell(&self.place, &["doctor", "-c", arg(&config)])
    }
    /// Groups and streams, objects, uploads, indices: what there is.
    fn holdings(&self) -> String {
        let s3 = self.services.s3.control.s3().unwrap();
        let of = |name: &str| format!("{:?} {:?}", s3.objects(name), s3.uploads(name));
        let groups = self.services.cloudwatch.control.cloudwatch().unwrap().groups();
        format!("{groups:?} {} {:?}", of("logs"), self.services.opensearch.control.opensearch().unwrap().counts())
    }
    /// Today's index, made as the agent would.
    fn make_index(&self) {
        self.services.opensearch.control.opensearch().unwrap().block(&self.index(), false);
    }
    fn index(&self) -> String {
        let time = jiff::Timestamp::from_nanosecond(now().unix_ns.into()).unwrap();
        time.strftime("logs-%Y.%m.%d").to_string()
    }
}

impl Told {
    /// There is a line of this grade about this that says all of this.
    fn says(&self, grade: &str, of: &str, parts: &[&str]) -> &Told {
        let its = |line: &&str| {
            line.starts_with(&format!("{grade:<4}  {of}  ")) || line.starts_with(&format!("{grade:<4}  {of} "))
        };
        let mut lines = self.out.lines().filter(its);
        assert!(
            lines.any(|line| parts.iter().all(|part| line.contains(part))),
            "{grade} {of} {parts:?}: {}",
            self.all()
        );
        self
    }
    fn fails(&self) -> usize {
        self.out.lines().filter(|line| line.starts_with("FAIL")).count()
    }
}

#[test]
fn where_all_is_well_nothing_fails_and_nothing_is_left() {
    let bench = Bench::new();
    let before = bench.holdings();
    let told = bench.told(|outputs| outputs).ended(0);
    told.says("ok", "data_dir", &["is not there yet, and can be made"]).says("ok", "admin", &["is free"]);
    told.says("ok", "input pods", &["1 file can be read"]).says("ok", "inotify", &["watches are needed"]);
    told.says("ok", "output cloudwatch", &["log group /tailrace/test", "logs:PutLogEvents, logs:CreateLogStream"]);
    told.says("ok", "output cloudwatch", &["clocks agree"]);
    told.says("ok", "output archive", &["bucket logs below logs/shop/", "s3:PutObject, s3:AbortMultipartUpload"]);
    told.says("ok", "output search", &[&format!("index {} is not there yet", bench.index())]);
    assert_eq!(bench.holdings(), before);
    assert!(!bench.place.data_dir().exists());
    assert!(!told.out.contains(&standin::Keys::demo().secret), "{}", told.all());
}

#[test]
fn beside_a_running_agent_it_sees_who_that_is_and_changes_nothing() {
    // The default log stream has the node in its name.
    let mut stage = Stage::with("node: n", |outputs| outputs);
    let file = container(&stage.place, "shop", "cart").join("0.log");
    append(&file, cri("one"));
    stage.until_bodies(&["one"]);
    stage.until_settled();
    let told = tell(&stage.place, &["doctor", "-c", arg(&stage.config)]).ended(0);
    told.says("ok", "data_dir", &["an agent is running with it: pid"]).says(
        "ok",
        "admin",
        &["the running agent answers"],
    );
    told.says("ok", "output cloudwatch", &["allowed: logs:PutLogEvents, logs:CreateLogStream"]);
    told.says("ok", "output search", &["allowed: indices:data/write/bulk"]);
    append(&file, cri("two"));
    stage.until_bodies(&["one", "two"]);
    assert!(stage.agent.stop(SOON).success());
}

#[test]
fn wrong_keys_fail_every_output_that_signs() {
    let bench = Bench::new();
    let config = bench.place.config("", &bench.services.outputs());
    let wrong = [("AWS_SECRET_ACCESS_KEY", "not-the-secret")];
    let told = tell_with(&bench.place, &["doctor", "-c", arg(&config)], &wrong).ended(1);
    told.says("FAIL", "output cloudwatch", &["the credentials are not valid"]);
    told.says("FAIL", "output archive", &["SignatureDoesNotMatch", "the credentials are not valid"]);
    assert_eq!(told.fails(), 2, "{}", told.all());
    assert!(!told.all().contains("not-the-secret"), "{}", told.all());
}

#[test]
fn a_right_that_is_missing_is_named_with_its_place() {
    let bench = Bench::new();
    bench.make_index();
    let before = bench.holdings();
    let told = bench.told(|outputs| outputs).ended(0);
    told.says("ok", "output search", &["allowed: indices:data/write/bulk"]);
    let deny = |operation: &str| Rule::always(Fault::Deny).on(operation);
    bench.services.cloudwatch.control.fault(deny("PutLogEvents"));
    bench.services.s3.control.fault(deny("CreateMultipartUpload"));
    bench.services.opensearch.control.fault(deny("_bulk"));
    let told = bench.told(|outputs| outputs).ended(1);
    let arn = "arn:aws:logs:*:*:log-group:/tailrace/test:*";
    told.says("FAIL", "output cloudwatch", &["missing right logs:PutLogEvents", arn, "is not authorized to perform"]);
    told.says("FAIL", "output archive", &["missing right s3:PutObject", "bucket logs below logs/shop/"]);
    told.says("FAIL", "output search", &["missing right indices:data/write/bulk", &bench.index()]);
    assert_eq!((told.fails(), bench.holdings()), (3, before), "{}", told.all());
}

#[test]
fn a_right_that_is_needed_only_later_is_found_too() {
    let bench = Bench::new();
    let before = bench.holdings();
    let deny = |operation: &str| Rule::always(Fault::Deny).on(operation);
    bench.services.cloudwatch.control.fault(deny("CreateLogStream"));
    let listing = bench.services.s3.control.fault(deny("ListMultipartUploads"));
    let told = bench.told(|outputs| outputs).ended(1);
    told.says("warn", "output archive", &["missing right s3:ListBucketMultipartUploads", "cost money"]);
    assert!(bench.services.s3.control.remove_fault(listing));
    bench.services.s3.control.fault(deny("AbortMultipartUpload"));
    let told = bench.told(|outputs| outputs).ended(1);
    told.says("FAIL", "output cloudwatch", &["missing right logs:CreateLogStream"]);
    // Writing was tried with a body that is refused.
    told.says("ok", "output archive", &["allowed: s3:PutObject"]);
    told.says("warn", "output archive", &["missing right s3:AbortMultipartUpload", "cost money"]);
    assert_eq!((told.fails(), bench.holdings()), (1, before), "{}", told.all());
}

#[test]
fn a_place_that_is_not_there_is_named() {
    let told = Bench::new()
        .told(|outputs| {
            let outputs = outputs.replace("bucket: logs", "bucket: no-such-bucket");
            outputs.replace("log_group: /tailrace/test", "log_group: /no/such\n    create: false")
        })
        .ended(1);
    told.says("FAIL", "output cloudwatch", &["log group /no/such does not exist", "`create: true`"]);
    told.says("FAIL", "output archive", &["NoSuchBucket", "correct `bucket`, or create it"]);
    assert_eq!(told.fails(), 2, "{}", told.all());
}

#[test]
fn an_index_that_takes_nothing_is_found_though_nothing_is_written() {
    let bench = Bench::new();
    bench.services.opensearch.control.opensearch().unwrap().block(&bench.index(), true);
    let told = bench.told(|outputs| outputs).ended(1);
    told.says("FAIL", "output search", &["cluster_block_exception", "remove the block"]);
}

#[test]
fn who_cannot_be_reached_or_trusted_is_told_apart() {
    let tls = Tls::start();
    let mut bench = Bench::new();
    bench.services.s3.go_away();
    let told = bench
        .told(|outputs| {
            let outputs = outputs.replace(&bench.services.opensearch.url, &tls.url);
            outputs.replace(&bench.services.cloudwatch.url, "http://no-such-host.invalid:1")
        })
        .ended(1);
    told.says("FAIL", "output cloudwatch", &["cannot be reached: dns"]);
    told.says("FAIL", "output archive", &["cannot be reached: connect_refused"]);
    told.says("FAIL", "output search", &["not trusted here", "`ca_file`"]);
    assert_eq!(told.fails(), 3, "{}", told.all());
}

#[test]
fn a_server_that_hangs_does_not_hold_the_others_up() {
    let bench = Bench::new();
    bench.services.s3.control.fault(Rule::always(Fault::Hang { done: false }));
    let told = bench.told(|outputs| outputs).ended(1);
    told.says("FAIL", "output archive", &["timeout", "no answer within"]);
    told.says("ok", "output cloudwatch", &["allowed: "]);
    assert_eq!(told.fails(), 1, "{}", told.all());
}

#[test]
fn a_clock_that_is_off_is_said_for_each_server() {
    let ahead = |seconds: i64| {
        let clock = Clock(Arc::new(move || now().unix_ns + seconds * 1_000_000_000));
        let options = standin::Options { clock, keys: None, ..standin::Options::default() };
        Bench::with(options).told(|outputs| outputs)
    };
    let told = ahead(600).ended(1);
    for output in ["output cloudwatch", "output archive", "output search"] {
        told.says("FAIL", output, &["behind the server's", "chrony"]);
    }
    let told = ahead(-60).ended(0);
    told.says("warn", "output archive", &["s ahead of the server's"]);
}

#[test]
fn files_that_cannot_be_read_are_named_and_what_is_no_file_too() {
    let bench = Bench::new();
    let dir = container(&bench.place, "shop", "cart");
    let fifo = dir.join("1.log");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", dir.join("2.log")).unwrap();
    // Not even root may read it.
    let more = "  secret: {type: file, include: [\"/sys/bus/*/drivers_probe\"]}\n  app: {type: file, include: [/no/such/*.log]}\noutputs:\n";
    let config = bench.place.config("", &bench.services.outputs());
    let text = std::fs::read_to_string(&config)
        .unwrap()
        .replace("outputs:\n", more)
        .replace("inputs: [pods]", "inputs: [pods, secret, app]");
    std::fs::write(&config, text).unwrap();
    let told = tell(&bench.place, &["doctor", "-c", arg(&config)]).ended(1);
    told.says("ok", "input pods", &["1 file can be read"]);
    told.says("warn", "input pods", &[arg(&fifo), "no regular file"]);
    told.says("warn", "input pods", &["2.log is a link, which is not followed"]);
    told.says("FAIL", "input secret", &["cannot be read, first /sys/bus/", "drivers_probe: Permission denied"]);
    told.says("warn", "input app", &["no file yet for /no/such/*.log: / is a directory"]);
}

#[test]
fn the_api_server_is_asked_and_the_missing_rule_is_named() {
    let bench = Bench::new();
    let config = bench.place.config("", &bench.services.outputs());
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("{source: path}", "{source: api}")).unwrap();
    let kubeconfig = bench.place.path().join("kubeconfig");
    let env = [("KUBECONFIG", arg(&kubeconfig)), ("NODE_NAME", "n1")];
    let ask = |addr| {
        std::fs::write(&kubeconfig, Api::kubeconfig(addr)).unwrap();
        tell_with(&bench.place, &["doctor", "-c", arg(&config)], &env)
    };
    let api = Api::start(Mode::Fine);
    ask(api.addr).ended(0).says("ok", "API server", &["pods of node n1 may be listed and watched"]);
    let no = r#"{"kind":"Status","code":403,"message":"pods is forbidden: User \"x\" cannot list resource"}"#;
    api.mode(Mode::Status(403, no.to_owned()));
    let told = ask(api.addr).ended(1);
    told.says(
        "FAIL",
        "API server",
        &["list pods", "resources: [\"pods\"], verbs: [\"list\", \"watch\"]", "cannot list resource"],
    );
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    ask(nobody).ended(1).says("FAIL", "API server", &["cannot be reached", "refused"]);
    let none =
        tell_with(&bench.place, &["doctor", "-c", arg(&config)], &[("KUBECONFIG", "/no/such"), ("NODE_NAME", "n1")]);
    none.ended(1).says("FAIL", "API server", &["no API server", "source: path"]);
}

#[test]
fn a_port_and_a_directory_that_are_not_to_be_had_are_named() {
    let bench = Bench::new();
    let _taken = TcpListener::bind(bench.place.admin).unwrap();
    std::fs::write(bench.place.data_dir(), "a file").unwrap();
    let told = bench.told(|outputs| outputs).ended(1);
    told.says("FAIL", "data_dir", &["is not a directory"]);
    told.says("FAIL", "admin", &[&bench.place.admin.to_string(), "another"]);
    let wrong = tell(&bench.place, &["doctor", "-c", "/no/such.yaml"]).ended(64);
    assert!(wrong.err.contains("cannot be read") && wrong.out.is_empty(), "{}", wrong.all());
}

/// The stand-in of STS and instance metadata; the services take only what it hands out.
fn identity(issuer: Issuer, token: &Path, runtime: &tokio::runtime::Runtime) -> Standin {
    let own = identity::Options { web_token: Some(token.to_owned()), ..identity::Options::new(issuer) };
    standin::start(runtime.handle(), Which::Identity(own), standin::Options::default()).unwrap()
}

#[test]
fn the_source_that_won_is_told_with_those_that_did_not_and_the_one_that_hangs_with_its_hop_limit() {
    let issuer = Issuer::new(Duration::from_secs(3_600));
    let bench = Bench::with(standin::Options { issued: Some(issuer.clone()), ..standin::Options::default() });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let token = bench.place.path().join("token");
    std::fs::write(&token, "the-token").unwrap();
    let who = identity(issuer, &token, &runtime);
    let config = bench.place.config("", &bench.services.outputs());
    let common = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", ""), ("AWS_ENDPOINT_URL_STS", who.url.as_str())];
    let role = "arn:aws:iam::123456789012:role/logs";
    let irsa = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", arg(&token)),
        ("AWS_ROLE_ARN", role),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/v1/credentials"),
    ];
    let told = tell_with(&bench.place, &["doctor", "-c", arg(&config)], &[common.as_slice(), &irsa].concat()).ended(0);
    for output in ["output cloudwatch", "output archive"] {
        told.says("ok", output, &["credentials: web identity token (IRSA), key ASIASTANDIN", role, "good for"]);
        told.says(
            "ok",
            output,
            &["also set, not used: AWS_CONTAINER_CREDENTIALS_*_URI=http://127.0.0.1:1/v1/credentials"],
        );
        told.says("ok", output, &["allowed: "]);
    }
    who.control.fault(Rule::always(Fault::Hang { done: false }).on("ImdsToken"));
    let imds = [("AWS_EC2_METADATA_DISABLED", ""), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", who.url.as_str())];
    let told = tell_with(&bench.place, &["doctor", "-c", arg(&config)], &[common.as_slice(), &imds].concat()).ended(1);
    for output in ["output cloudwatch", "output archive"] {
        told.says(
            "FAIL",
            output,
            &["hop limit", "there is: nothing in the environment, no file; instance metadata is not switched off"],
        );
    }
    assert!(!told.all().contains("the-token"), "{}", told.all());
}

/// A server with a certificate that nobody trusts.
struct Tls {
    url: String,
    _runtime: tokio::runtime::Runtime,
}

impl Tls {
    fn start() -> Tls {
        let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // The client goes away.
                drop(acceptor.accept(stream).await);
            }
        });
        Tls { url, _runtime: runtime }
    }
}
