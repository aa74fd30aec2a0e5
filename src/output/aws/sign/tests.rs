use super::*;
use http::Request;
use std::time::Duration;

/// 2013-05-24T00:00:00Z, of the examples in AWS's documentation of signature version 4 for S3.
const THEN: Duration = Duration::from_secs(1_369_353_600);

fn example() -> Credentials {
    Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "example")
}

fn sign_example(request: &mut Request<()>, credentials: &Credentials, payload: Payload, service: &str) {
    sign(request, payload, credentials, "us-east-1", service, SystemTime::UNIX_EPOCH + THEN).unwrap();
}

#[test]
fn the_example_of_the_documentation_comes_out() {
    let request = Request::get("https://examplebucket.s3.amazonaws.com/test.txt").header("range", "bytes=0-9");
    let mut request = request.body(()).unwrap();
    sign_example(&mut request, &example(), Payload::of(&[]), "s3");
    let header = |name: &str| request.headers()[name].to_str().unwrap();
    assert_eq!(header("x-amz-date"), "20130524T000000Z");
    assert_eq!(header("x-amz-content-sha256"), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let authorization = header("authorization").replace(", ", ",");
    assert_eq!(
        authorization,
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
         SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
         Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    );
}

#[test]
fn a_session_token_is_sent_and_signed() {
    let credentials = Credentials::new("AKID", "secret", Some("the-token".into()), None, "example");
    let mut request = Request::post("https://logs.us-east-1.amazonaws.com/").body(()).unwrap();
    sign_example(&mut request, &credentials, Payload::Unsigned, "logs");
    assert_eq!(request.headers()["x-amz-security-token"], "the-token");
    assert_eq!(request.headers()["x-amz-content-sha256"], "UNSIGNED-PAYLOAD");
    assert!(request.headers()["authorization"].to_str().unwrap().contains("x-amz-security-token"));
}

#[test]
fn a_header_that_is_not_text_is_an_error() {
    let value = http::HeaderValue::from_bytes(b"\xff").unwrap();
    let mut request = Request::get("https://example.test/").header("x-a", value).body(()).unwrap();
    let now = SystemTime::UNIX_EPOCH + THEN;
    let error = sign(&mut request, Payload::Unsigned, &example(), "us-east-1", "s3", now).unwrap_err();
    assert!(error.contains("cannot be signed"), "{error}");
}

#[test]
fn a_body_in_chunks_has_the_hash_of_the_whole() {
    let chunks = [Bytes::from_static(b"a"), Bytes::new(), Bytes::from_static(b"bc")];
    let Payload::Hash(hash) = Payload::of(&chunks) else { panic!("a hash") };
    assert_eq!(hex(&hash), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
