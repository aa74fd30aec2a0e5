//! A real OpenSearch node with its security plugin: TLS from a CA of our own, users, a role that may write `logs-*`.

mod agent;
mod probe;

use crate::material::{batches, http, kind, lines, output, pool, unique, variable};
use crate::opensearch::pick;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;
use std::time::Duration;
use tailrace::config::checked::Output;
use tailrace::lane::batch::{Scope, Verdict};
use tailrace::output::http::Http;
use tailrace::output::opensearch::format::OpenSearchFormat;
use tailrace::output::opensearch::service::OpenSearchService;

struct As<'a> {
    url: String,
    ca: Option<&'a str>,
    password: String,
    index: String,
}

impl As<'_> {
    /// As it should be.
    fn good() -> As<'static> {
        As {
            url: variable("TAILRACE_OPENSEARCH_SECURE_URL"),
            ca: Some("TAILRACE_OPENSEARCH_SECURE_CA"),
            password: variable("TAILRACE_OPENSEARCH_SECURE_PASSWORD"),
            index: unique("logs-secure"),
        }
    }

    fn output(&self) -> Output {
        let user = variable("TAILRACE_OPENSEARCH_SECURE_USER");
        let As { url, ca, password, index } = self;
        let ca = ca.map_or_else(String::new, |name| format!("ca_file: {}", variable(name)));
        output(&format!(
            "type: opensearch\nurl: {url}\nindex: {index}\n{ca}\n\
             auth: {{type: basic, username: {user}, password: \"{password}\"}}"
        ))
    }

    async fn deliver(&self) -> Verdict {
        let output = self.output();
        let config = kind(&output, pick);
        let service = OpenSearchService::new(config, http(&output)).unwrap();
        let batches = batches(&mut OpenSearchFormat::new(config, pool()), "shop", 7, &lines(25));
        service.attempt(&batches[0]).await
    }
}

/// As the administrator, who may read.
async fn ask(method: &str, path: &str) -> Value {
    let pair =
        format!("{}:{}", variable("TAILRACE_OPENSEARCH_SECURE_ADMIN"), variable("TAILRACE_OPENSEARCH_SECURE_PASSWORD"));
    let request = http::Request::builder()
        .method(method)
        .uri(format!("{}{path}", variable("TAILRACE_OPENSEARCH_SECURE_URL")))
        .header("authorization", format!("Basic {}", STANDARD.encode(pair)))
        .body(vec![Bytes::new()])
        .unwrap();
    let client = Http::new(Some(variable("TAILRACE_OPENSEARCH_SECURE_CA").as_ref())).unwrap();
    let answer = client.send(request, Duration::from_secs(30)).await.unwrap();
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    serde_json::from_slice(&answer.body).unwrap()
}

fn held(verdict: &Verdict, scope: Scope, code: &str, words: &str) {
    let Verdict::Hold { code: is, scope: at, say } = verdict else { panic!("{verdict:?}") };
    assert_eq!((is.as_str(), *at), (code, scope), "{say}");
    assert!(say.contains(words), "{say}");
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn with_the_ca_and_the_password_it_is_delivered() {
    let good = As::good();
    assert_eq!(good.deliver().await, Verdict::Delivered { already: 0 });
    ask("POST", &format!("/{}/_refresh", good.index)).await;
    assert_eq!(ask("GET", &format!("/{}/_count", good.index)).await["count"], 25);
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn a_wrong_password_holds_the_lane() {
    let wrong = As { password: "Aa1-not-the-password".into(), ..As::good() };
    held(&wrong.deliver().await, Scope::Lane, "http_401", "auth");
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn a_missing_right_holds_the_key() {
    let elsewhere = As { index: unique("private"), ..As::good() };
    held(&elsewhere.deliver().await, Scope::Key, "security_exception", "right");
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn without_its_ca_the_server_is_not_believed() {
    for ca in [None, Some("TAILRACE_OPENSEARCH_SECURE_OTHER_CA")] {
        let stranger = As { ca, ..As::good() };
        held(&stranger.deliver().await, Scope::Lane, "tls", "ca_file");
    }
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn plain_http_to_a_tls_port_delivers_nothing_and_drops_nothing() {
    let good = As::good();
    let plain = As { url: good.url.replace("https://", "http://"), ca: None, ..good };
    let verdict = plain.deliver().await;
    assert!(matches!(verdict, Verdict::Unknown { .. } | Verdict::Retry { .. } | Verdict::Hold { .. }), "{verdict:?}");
}
