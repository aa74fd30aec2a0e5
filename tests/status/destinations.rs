//! A destination that cannot be used: within seconds the log, `/api/lanes`, the page and `/metrics` say why and what to
//! do, nothing counts as delivered, and it goes on by itself once it can.

use crate::rig::{Rig, lane, page, until_metric};
use crate::servers;
use crate::support::{Agent, Services, get, now, until_or};
use std::time::Duration;
use tailrace::standin::{Standin, opensearch};

/// From the start of the agent until a person can read what is wrong.
const SECONDS: Duration = Duration::from_secs(10);

/// Three outputs at these addresses.
struct Case {
    rig: Rig,
    services: Services,
    env: Vec<(&'static str, &'static str)>,
    bucket: &'static str,
}

impl Case {
    fn new() -> Case {
        Case { rig: Rig::new(), services: Services::start(), env: Vec::new(), bucket: "logs" }
    }
    fn start(&self, url: impl Fn(&Standin) -> String) -> Agent {
        let [cloudwatch, s3, opensearch] = self.services.each().map(|(_, at)| url(at));
        let bucket = self.bucket;
        let outputs = format!(
            "  cloudwatch:\n    type: cloudwatch_logs\n    inputs: [all]\n    region: us-east-1\n    endpoint: {cloudwatch}\n    \
             log_group: /test/group\n    log_stream: stream\n    max_age: 200ms\n  archive:\n    type: s3\n    inputs: [all]\n    \
             region: us-east-1\n    endpoint: {s3}\n    bucket: {bucket}\n    key: \"logs/%Y/\"\n    max_age: 200ms\n  \
             search:\n    type: opensearch\n    inputs: [all]\n    url: {opensearch}\n    index: logs\n    max_age: 200ms\n"
        );
        self.rig.write("a.log", "one\n");
        self.rig.start("  all:\n    type: file\n    include: [\"LOGS/*.log\"]\n", &outputs, &self.env)
    }
}

/// Waits until this output waits with this code, and finds these words wherever a person may look.
fn told(agent: &Agent, output: &str, code: &str, words: &[&str]) {
    let begin = now().mono;
    let reason = || {
        let lane = lane(agent, output)?;
        let whole = &lane["parked"];
        let one = if whole.is_null() { &lane["parked_keys"][0] } else { whole };
        Some((one["code"].as_str()?.to_owned(), one["say"].as_str()?.to_owned()))
    };
    let there = || reason().is_some_and(|(got, _)| got == code);
    until_or(&format!("{output}: {code}"), SECONDS, there, || format!("{:?}\n{}", reason(), agent.log()));
    assert!(now().mono - begin < SECONDS);
    let say = reason().unwrap().1;
    // The log's line is written when the report comes, the page shows the same report.
    let (log, page) = (agent.log(), page(agent));
    let line = log
        .lines()
        .find(|l| l.contains(&format!("\"output\":\"{output}\"")) && l.contains(&format!("\"code\":\"{code}\"")));
    let line = line.unwrap_or_else(|| panic!("{output}: no line of {code} in the log: {log}"));
    for word in words {
        assert!(say.contains(word), "{output}: {word} in {say}");
        assert!(line.contains(&word.replace('"', "\\\"")), "{output}: {word} in {line}");
        assert!(page.contains(word), "{output}: {word} on {page}");
    }
    assert!(line.contains("\"to\":\"") && !say.contains('\n'), "{line} {say}");
    let retries = agent.metrics().sum("tailrace_output_retries_total", &[("output", output), ("code", code)]);
    assert!(retries >= Some(1.0), "{output}: {retries:?}");
    let metrics = agent.metrics();
    assert_eq!(metrics.sum("tailrace_output_delivered_records_total", &[("output", output)]), Some(0.0));
    assert!(metrics.sum("tailrace_output_lag_bytes", &[("output", output)]) > Some(0.0), "{output}");
}

const ALL: [&str; 3] = ["cloudwatch", "archive", "search"];

#[test]
fn nobody_listens() {
    let case = Case::new();
    let agent = case.start(|_| format!("http://{}", servers::nobody()));
    ALL.iter().for_each(|o| told(&agent, o, "connect_refused", &["nothing listens", "is it running"]));
    assert!(page(&agent).contains("3 of 3 outputs wait after a failure"));
    assert_eq!(get(case.rig.place.admin, "/readyz").map(|(status, _)| status), Some(200));
}

#[test]
fn a_name_that_nobody_knows() {
    let case = Case::new();
    // A label of 64 characters is no name, so that no resolver is asked.
    let url = format!("http://{}.invalid:9200", "x".repeat(64));
    let agent = case.start(|_| url.clone());
    ALL.iter().for_each(|o| told(&agent, o, "dns", &["cannot be looked up", "`url`", "`endpoint`"]));
}

#[test]
fn https_to_a_port_that_speaks_http() {
    let case = Case::new();
    let agent = case.start(|at| at.url.replace("http:", "https:"));
    ALL.iter().for_each(|o| told(&agent, o, "tls", &["does not speak TLS", "use http://"]));
}

#[test]
fn http_to_a_port_that_speaks_https() {
    let case = Case::new();
    let agent = case.start(|at| format!("http://{}", servers::over_tls(&at.control, "127.0.0.1")));
    ALL.iter().for_each(|o| told(&agent, o, "not_http", &["does not speak HTTP", "https://"]));
}

#[test]
fn an_authority_that_is_not_trusted() {
    let case = Case::new();
    let agent = case.start(|at| format!("https://{}", servers::over_tls(&at.control, "127.0.0.1")));
    ALL.iter().for_each(|o| told(&agent, o, "tls", &["not trusted", "`ca_file`"]));
}

#[test]
fn no_credentials_at_all() {
    let mut case = Case::new();
    case.env = vec![("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];
    let agent = case.start(|at| at.url.clone());
    for output in ["cloudwatch", "archive"] {
        told(&agent, output, "credentials", &["no AWS credentials", "Pod Identity", "AWS_ACCESS_KEY_ID"]);
    }
    until_metric(&agent, "tailrace_output_delivered_records_total", &[("output", "search")], 1.0);
}

#[test]
fn a_wrong_secret() {
    let mut case = Case::new();
    case.env = vec![("AWS_SECRET_ACCESS_KEY", "wrong")];
    let agent = case.start(|at| at.url.clone());
    told(&agent, "cloudwatch", "InvalidSignatureException", &["the credentials are not valid"]);
    told(&agent, "archive", "SignatureDoesNotMatch", &["the credentials are not valid"]);
    until_metric(&agent, "tailrace_output_delivered_records_total", &[("output", "search")], 1.0);
}

#[test]
fn a_wrong_password() {
    let auth = opensearch::Auth::Basic { user: "demo".into(), password: "right".into() };
    let own = opensearch::Options { auth, ..opensearch::Options::default() };
    let (rig, services) = (Rig::new(), Services::with(tailrace::standin::Options::default(), own));
    rig.write("a.log", "one\n");
    let outputs = format!(
        "  search:\n    type: opensearch\n    inputs: [all]\n    url: {}\n    index: logs\n    max_age: 200ms\n    \
         auth: {{type: basic, username: demo, password: wrong-one}}\n",
        services.opensearch.url
    );
    let agent = rig.start("  all:\n    type: file\n    include: [\"LOGS/*.log\"]\n", &outputs, &[]);
    told(&agent, "search", "http_401", &["user name, password or credentials are not valid", "`auth`"]);
    for text in [agent.log(), page(&agent), agent.get("/api/lanes").unwrap().1] {
        assert!(!text.contains("wrong-one"), "a password is never shown: {text}");
    }
}

#[test]
fn an_unknown_bucket() {
    let mut case = Case::new();
    case.bucket = "no-such-bucket";
    let agent = case.start(|at| at.url.clone());
    told(&agent, "archive", "NoSuchBucket", &["correct `bucket`, or create it"]);
    for output in ["cloudwatch", "search"] {
        until_metric(&agent, "tailrace_output_delivered_records_total", &[("output", output)], 1.0);
    }
    assert!(page(&agent).contains("1 of 3 outputs wait"));
}

#[test]
fn a_web_server_that_answers_with_pages() {
    let case = Case::new();
    let at = servers::says(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 42\r\nconnection: close\r\n\r\n\
          <html><body>Welcome to nginx!</body></html>",
    );
    let agent = case.start(|_| format!("http://{at}"));
    told(&agent, "cloudwatch", "not_cloudwatch", &["this is not CloudWatch Logs", "`endpoint`", "Welcome to nginx!"]);
    told(&agent, "archive", "not_s3", &["this is not S3", "`endpoint`", "Welcome to nginx!"]);
    told(&agent, "search", "not_opensearch", &["is not OpenSearch", "`url`", "Welcome to nginx!"]);
}

#[test]
fn a_web_server_that_knows_no_such_page() {
    let case = Case::new();
    let at = servers::says(
        b"HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\ncontent-length: 35\r\nconnection: close\r\n\r\n\
          <html><h1>404 Not Found</h1></html>",
    );
    let agent = case.start(|_| format!("http://{at}"));
    told(&agent, "cloudwatch", "http_404", &["this is not CloudWatch Logs", "`endpoint`"]);
    told(&agent, "archive", "http_404", &["no S3 at this address", "`bucket` or `endpoint`"]);
    told(&agent, "search", "http_404", &["nothing at this address", "correct `url`"]);
}

#[test]
fn what_was_told_is_taken_back_once_it_delivers() {
    let case = Case::new();
    let gate = servers::nobody();
    let agent =
        case.start(|at| if at.url == case.services.opensearch.url { format!("http://{gate}") } else { at.url.clone() });
    told(&agent, "search", "connect_refused", &["nothing listens"]);
    servers::forward(gate, case.services.opensearch.addr);
    until_metric(&agent, "tailrace_output_delivered_records_total", &[("output", "search")], 1.0);
    let well = || page(&agent).contains("All outputs deliver.");
    until_or("a page without trouble", Duration::from_secs(2), well, || page(&agent));
    assert!(lane(&agent, "search").unwrap()["parked"].is_null());
    assert!(agent.log().contains("the output delivers again"));
}

#[test]
fn numbers_are_those_of_now_also_when_nothing_follows() {
    let case = Case::new();
    let agent = case.start(|at| at.url.clone());
    for (name, at) in case.services.each() {
        let arrived = || at.control.receipts().totals().records == 1;
        until_or(&format!("a line in {name}"), Duration::from_secs(30), arrived, || agent.log());
        // A lane that has nothing more to do sleeps, but not on its numbers.
        let counted =
            || agent.metrics().sum("tailrace_output_delivered_records_total", &[("output", name)]) == Some(1.0);
        until_or(&format!("{name} in /metrics"), Duration::from_secs(3), counted, || agent.log());
    }
}
