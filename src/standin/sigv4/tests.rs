//! Against AWS's own published vectors (`vectors.json`: the test suite that comes with AWS's SDKs, Apache-2.0): each is
//! accepted, and each that was changed anywhere is refused.

use super::*;
use crate::standin::identity::issuer::Issuer;
use crate::standin::{Clock, Options};
use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

#[derive(Deserialize)]
struct Vector {
    name: String,
    normalize: bool,
    token: Option<String>,
    access: String,
    secret: String,
    service: String,
    region: String,
    time: jiff::Timestamp,
    request: String,
    canonical: String,
}

impl Vector {
    fn all() -> Vec<Vector> {
        serde_json::from_str(include_str!("vectors.json")).unwrap()
    }
    fn keys(&self) -> Keys {
        Keys { access: self.access.clone(), secret: self.secret.clone(), token: self.token.clone() }
    }
    /// The request as a server has it: folded headers are one line.
    fn request(&self) -> (Head, Vec<u8>) {
        let (head, body) = self.request.split_once("\n\n").unwrap_or((&self.request, ""));
        let head = head.replace("\n ", " ");
        let mut lines = head.lines();
        let line = lines.next().unwrap();
        let (method, target) = line.split_once(' ').unwrap();
        let target = target.strip_suffix(" HTTP/1.1").unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let empty = http::Request::builder().method(method).body(()).unwrap().into_parts().0;
        let mut head = Head { path: path.to_owned(), ..Head::new(&empty) };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            head.query.push((super::super::request::decode(name), super::super::request::decode(value)));
        }
        for header in lines {
            let (name, value) = header.split_once(':').unwrap();
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            head.headers.append(name.parse::<HeaderName>().unwrap(), value);
        }
        (head, body.as_bytes().to_vec())
    }
    fn verify(&self, head: &Head, body: &[u8]) -> Result<(), Refusal> {
        let keys = self.keys();
        let (region, service, now) = (self.region.as_str(), self.service.as_str(), self.time.as_second());
        verify(head, body, &Expect { keys: &keys, region, service, payload: Payload::Hashed, now })
    }
    fn signed(&self, head: &Head) -> Vec<String> {
        let auth = parse(head.header("authorization").unwrap()).unwrap();
        auth.signed.into_iter().map(str::to_owned).collect()
    }
}

#[test]
fn every_published_vector_is_accepted() {
    let mut accepted = 0;
    for vector in Vector::all().iter().filter(|vector| vector.normalize) {
        let (head, body) = vector.request();
        if vector.name == "post-sts-header-after" {
            // The suite adds the token after signing; services that take part here want it signed.
            assert_eq!(vector.verify(&head, &body), Err(Refusal::Unsigned("x-amz-security-token".into())));
            continue;
        }
        assert_eq!(vector.verify(&head, &body), Ok(()), "{}: {}", vector.name, vector.request);
        accepted += 1;
    }
    assert_eq!(accepted, 30);
}

#[test]
fn what_is_made_of_a_request_is_what_the_vectors_say() {
    for vector in Vector::all() {
        let (head, body) = vector.request();
        let signed = vector.signed(&head);
        let signed: Vec<&str> = signed.iter().map(String::as_str).collect();
        let hash = hex(&Sha256::digest(&body));
        // S3 alone leaves dots and slashes where they are.
        let payload = if vector.normalize { Payload::Hashed } else { Payload::S3 };
        assert_eq!(canonical(&head, &signed, &hash, payload), vector.canonical, "{}", vector.name);
    }
}

#[test]
fn each_change_of_a_signed_request_is_refused() {
    let mut changes = 0;
    for vector in Vector::all().iter().filter(|vector| vector.normalize && vector.name != "post-sts-header-after") {
        let (good, body) = vector.request();
        let mut refused = |what: &str, head: &Head, body: &[u8]| {
            changes += 1;
            assert!(vector.verify(head, body).is_err(), "{}: {what} changed", vector.name);
        };
        refused("body", &good, &[&body[..], b" "].concat());
        let method = if good.method == http::Method::GET { http::Method::PUT } else { http::Method::GET };
        refused("method", &Head { method, ..good.clone() }, &body);
        refused("path", &Head { path: format!("{}x", good.path), ..good.clone() }, &body);
        refused("path", &Head { path: format!("{}%2Fx", good.path), ..good.clone() }, &body);
        let mut more = good.clone();
        more.query.push(("x".into(), String::new()));
        refused("query", &more, &body);
        for at in 0..good.query.len() {
            let (mut value, mut name, mut gone) = (good.clone(), good.clone(), good.clone());
            value.query[at].1.push('+');
            name.query[at].0.push('x');
            gone.query.remove(at);
            refused("a query's value", &value, &body);
            refused("a query's name", &name, &body);
            refused("query", &gone, &body);
        }
        for name in vector.signed(&good) {
            let (mut other, mut gone, mut twice) = (good.clone(), good.clone(), good.clone());
            let name: HeaderName = name.parse().unwrap();
            let changed = [good.headers[&name].as_bytes(), b"x"].concat();
            other.headers.insert(&name, HeaderValue::from_bytes(&changed).unwrap());
            gone.headers.remove(&name);
            twice.headers.append(&name, HeaderValue::from_static("more"));
            refused(name.as_str(), &other, &body);
            refused(name.as_str(), &gone, &body);
            refused(name.as_str(), &twice, &body);
        }
        let mut late = good.clone();
        late.headers.insert("x-amz-extra", HeaderValue::from_static("unsigned"));
        refused("a header of AWS", &late, &body);
        let auth = good.header("authorization").unwrap();
        let last = auth.chars().last().unwrap();
        let other = if last == '0' { '1' } else { '0' };
        for (from, to) in [
            (vector.access.clone(), "AKIDOTHER".to_owned()),
            ("20150830/".into(), "20150831/".into()),
            (format!("/{}/", vector.region), "/eu-west-1/".into()),
            (format!("/{}/", vector.service), "/logs/".into()),
            ("host;".into(), String::new()),
            (auth.to_owned(), format!("{}{other}", &auth[..auth.len() - 1])),
            ("AWS4-HMAC-SHA256".into(), "AWS4-HMAC-SHA1".into()),
        ] {
            let mut head = good.clone();
            head.headers.insert("authorization", HeaderValue::from_str(&auth.replace(&from, &to)).unwrap());
            refused(&from, &head, &body);
        }
    }
    assert!(changes > 500, "{changes}");
}

#[test]
fn a_date_that_is_off_is_refused_and_the_words_say_how_far() {
    let vector = &Vector::all()[0];
    let (head, body) = vector.request();
    let keys = vector.keys();
    for (by, says) in [(299, None), (-299, None), (301, Some("is now earlier")), (-301, Some("is still later"))] {
        let now = vector.time.as_second() + by;
        let expect = Expect { keys: &keys, region: "us-east-1", service: "service", payload: Payload::Hashed, now };
        match (verify(&head, &body, &expect), says) {
            (Ok(()), None) => {}
            (Err(Refusal::Skewed(words)), Some(says)) => assert!(words.contains(says), "{words}"),
            (other, _) => panic!("{by}: {other:?}"),
        }
    }
}

#[test]
fn only_what_was_handed_out_and_has_not_ended_may_call() {
    let vector = &Vector::all()[0];
    let (head, body) = vector.request();
    let issuer = Issuer::new(Duration::from_secs(60));
    let now = vector.time.as_nanosecond() as i64;
    let options = Options {
        keys: Some(vector.keys()),
        issued: Some(issuer.clone()),
        clock: Clock(Arc::new(move || now)),
        ..Options::default()
    };
    let refused = |head: &Head| options.verify(head, &body, "service", Payload::Hashed);
    assert_eq!(refused(&head), Err(Refusal::UnknownKey), "its keys were not handed out");
    let session = issuer.issue("test", now);
    let mut head = head;
    let named = head.header("authorization").unwrap().replace(&vector.access, &session.keys.access);
    head.headers.insert("authorization", HeaderValue::from_str(&named).unwrap());
    assert_eq!(refused(&head), Err(Refusal::Token), "a session's token is missing");
    issuer.end_all();
    assert_eq!(refused(&head), Err(Refusal::Expired));
}
