use crate::support::client::{Reply, Signer, gzip, send};
use crate::{NOW, options, start};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tailrace::standin::{Keys, Options, Standin, Which, s3};

const SMALL: u64 = 1_000;

type Headers<'a> = &'a [(&'a str, &'a str)];

fn service() -> Standin {
    start(Which::S3(s3::Options { part_min: SMALL, ..s3::Options::default() }), options())
}

fn crc(body: &[u8]) -> String {
    STANDARD.encode(crc32c::crc32c(body).to_be_bytes())
}

fn request(at: &Standin, verb: &str, path: &str, headers: Headers<'_>, body: &[u8]) -> http::Request<Vec<u8>> {
    let mut builder = http::Request::builder().method(verb).uri(format!("{}{path}", at.url));
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body.to_vec()).unwrap()
}

async fn call(at: &Standin, verb: &str, path: &str, headers: Headers<'_>, body: &[u8]) -> Reply {
    let mut request = request(at, verb, path, headers, body);
    Signer::new("s3", NOW).sign(&mut request);
    send(request).await.unwrap()
}

fn code(reply: &Reply) -> String {
    format!("{} {}", reply.status, reply.element("Code")).trim().to_owned()
}

fn lines(from: u64, n: u64) -> Vec<u8> {
    (from..from + n).flat_map(|id| format!("{{\"log\":\"tr={id:016x}\"}}\n").into_bytes()).collect()
}

fn zstd(plain: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(plain, 1).unwrap()
}

#[tokio::test]
async fn an_object_is_stored_once_and_read_line_by_line() {
    let at = service();
    let body = zstd(&lines(0, 100));
    let sum = crc(&body);
    let headers = [
        ("if-none-match", "*"),
        ("x-amz-checksum-crc32c", sum.as_str()),
        ("content-type", "application/x-ndjson"),
        ("content-encoding", "zstd"),
        ("x-amz-storage-class", "STANDARD_IA"),
    ];
    let path = "/logs/a/2026/11/x%3D1%20%2B.json.zst";
    let reply = call(&at, "PUT", path, &headers, &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("x-amz-checksum-crc32c"), sum);
    assert!(reply.header("etag").starts_with('"'));
    let again = call(&at, "PUT", path, &headers, &body).await;
    assert_eq!(code(&again), "412 PreconditionFailed");

    let receipts = at.control.receipts();
    let totals = receipts.totals();
    assert_eq!((totals.records, totals.objects, totals.already, totals.wire_bytes), (100, 1, 1, body.len() as u64));
    assert_eq!((receipts.distinct(), receipts.count(99), totals.plain_bytes), (100, 1, lines(0, 100).len() as u64));

    let got = call(&at, "GET", path, &[], b"").await;
    assert_eq!((got.body.as_ref(), got.header("content-encoding")), (&body[..], "zstd"));
    let list = call(&at, "GET", "/logs?list-type=2&prefix=a/", &[], b"").await;
    assert_eq!(list.element("Key"), "a/2026/11/x=1 +.json.zst");
    assert_eq!(list.element("StorageClass"), "STANDARD_IA");
}

#[tokio::test]
async fn frames_and_members_one_behind_the_other_are_one_object() {
    let at = service();
    let whole = lines(0, 50);
    let (a, b) = whole.split_at(777);
    for (name, body) in [("z", [zstd(a), zstd(b)].concat()), ("g", [gzip(a), gzip(b)].concat()), ("p", whole.clone())] {
        let before = at.control.receipts().totals();
        assert_eq!(call(&at, "PUT", &format!("/logs/{name}"), &[], &body).await.status, 200);
        let after = at.control.receipts().totals();
        assert_eq!((after.records - before.records, after.unreadable), (50, 0), "{name}");
    }
    assert_eq!(at.control.receipts().count(49), 3);
    for (name, body) in [("torn", gzip(a)[..40].to_vec()), ("text", b"not json\n".to_vec())] {
        let before = at.control.receipts().totals().unreadable;
        assert_eq!(call(&at, "PUT", &format!("/logs/{name}"), &[], &body).await.status, 200);
        assert!(at.control.receipts().totals().unreadable > before, "{name}");
    }
}

#[tokio::test]
async fn what_a_request_says_of_its_body_is_verified() {
    let at = service();
    let body = b"{}\n";
    let good = crc(body);
    let wrong = crc(b"other");
    let md5 = STANDARD.encode([0_u8; 16]);
    let cases: [(&str, Headers<'_>, &str); 13] = [
        ("crc32c", &[("x-amz-checksum-crc32c", &wrong)], "400 BadDigest"),
        ("crc32", &[("x-amz-checksum-crc32", &good)], "400 BadDigest"),
        ("md5", &[("content-md5", &md5)], "400 BadDigest"),
        ("md5 text", &[("content-md5", "x")], "400 InvalidDigest"),
        ("two", &[("x-amz-checksum-crc32c", &good), ("x-amz-checksum-crc32", &good)], "400 InvalidRequest"),
        ("none", &[("x-amz-sdk-checksum-algorithm", "CRC32C")], "400 InvalidRequest"),
        ("class", &[("x-amz-storage-class", "CHEAP")], "400 InvalidStorageClass"),
        ("sse", &[("x-amz-server-side-encryption", "rot13")], "400 InvalidArgument"),
        ("key", &[("x-amz-server-side-encryption-aws-kms-key-id", "k")], "400 InvalidArgument"),
        ("condition", &[("if-none-match", "\"etag\"")], "501 NotImplemented"),
        ("chunked", &[("content-encoding", "aws-chunked")], "501 NotImplemented"),
        ("good", &[("x-amz-checksum-crc32c", &good), ("x-amz-sdk-checksum-algorithm", "CRC32C")], "200"),
        (
            "kms",
            &[("x-amz-server-side-encryption", "aws:kms"), ("x-amz-server-side-encryption-aws-kms-key-id", "k")],
            "200",
        ),
    ];
    for (name, headers, want) in cases {
        let reply = call(&at, "PUT", &format!("/logs/{name}").replace(' ', "-"), headers, body).await;
        assert_eq!(code(&reply), want, "{name}");
    }
    assert_eq!(at.control.receipts().totals().objects, 2);
    assert_eq!(code(&call(&at, "PUT", "/other/x", &[], body).await), "404 NoSuchBucket");
    assert_eq!(
        code(&call(&at, "PUT", &format!("/logs/{}", "k".repeat(1_025)), &[], body).await),
        "400 KeyTooLongError"
    );
    assert_eq!(code(&call(&at, "GET", "/logs/nothing", &[], b"").await), "404 NoSuchKey");
    assert_eq!(code(&call(&at, "DELETE", "/logs/good", &[], b"").await), "501 NotImplemented");
}

async fn create(at: &Standin, key: &str, headers: Headers<'_>) -> String {
    let reply = call(at, "POST", &format!("/logs/{key}?uploads="), headers, b"").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.element("UploadId")
}

fn complete(parts: &[(u16, &str, Option<&str>)]) -> Vec<u8> {
    let part = |(n, etag, sum): &(u16, &str, Option<&str>)| {
        let sum = sum.map(|s| format!("<ChecksumCRC32C>{s}</ChecksumCRC32C>")).unwrap_or_default();
        format!("<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag>{sum}</Part>")
    };
    let parts: String = parts.iter().map(part).collect();
    format!(
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{parts}</CompleteMultipartUpload>"
    )
    .into()
}

#[tokio::test]
async fn parts_become_an_object_only_when_all_is_right() {
    let at = service();
    let id =
        create(&at, "big", &[("x-amz-checksum-algorithm", "CRC32C"), ("x-amz-storage-class", "STANDARD_IA")]).await;
    let bodies = [lines(0, 100), lines(100, 100), lines(200, 1)];
    let mut tags = Vec::new();
    for (i, body) in bodies.iter().enumerate() {
        let sum = crc(body);
        let path = format!("/logs/big?partNumber={}&uploadId={id}", 2 * i + 1);
        let reply = call(&at, "PUT", &path, &[("x-amz-checksum-crc32c", &sum)], body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        tags.push((reply.header("etag").to_owned(), sum));
    }
    let [one, three, five] = [0, 1, 2].map(|i| {
        let (etag, sum): &(String, String) = &tags[i];
        (2 * i as u16 + 1, etag.as_str(), Some(sum.as_str()))
    });
    let path = format!("/logs/big?uploadId={id}");
    let bad = [
        ("order", complete(&[three, one]), "400 InvalidPartOrder"),
        ("twice", complete(&[one, one]), "400 InvalidPartOrder"),
        ("unknown", complete(&[one, (4, one.1, one.2)]), "400 InvalidPart"),
        ("etag", complete(&[(1, three.1, one.2), three]), "400 InvalidPart"),
        ("checksum", complete(&[(1, one.1, three.2), three]), "400 InvalidPart"),
        ("no checksum", complete(&[(1, one.1, None), three]), "400 InvalidRequest"),
        ("small", complete(&[five, (7, one.1, one.2)]), "400 EntityTooSmall"),
        ("none", complete(&[]), "400 MalformedXML"),
        ("xml", b"<Complete".to_vec(), "400 MalformedXML"),
        ("number", complete(&[(0, one.1, one.2)]), "400 MalformedXML"),
    ];
    for (name, body, want) in bad {
        assert_eq!(code(&call(&at, "POST", &path, &[], &body).await), want, "{name}");
    }
    assert_eq!(at.control.receipts().totals().records, 0);
    let uploads = call(&at, "GET", "/logs?uploads=&prefix=bi", &[], b"").await;
    assert_eq!((uploads.element("Key"), uploads.element("UploadId")), ("big".to_owned(), id.clone()));

    let reply = call(&at, "POST", &path, &[("if-none-match", "*")], &complete(&[one, three, five])).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.element("ETag").ends_with("-3\""), "{}", reply.text());
    assert!(reply.element("ChecksumCRC32C").ends_with("-3"));
    let receipts = at.control.receipts();
    assert_eq!((receipts.totals().records, receipts.totals().objects, receipts.count(200)), (201, 1, 1));
    let object = at.control.s3().unwrap().objects("logs")["big"].clone();
    assert_eq!((object.parts, object.body.unwrap().as_ref()), (3, &bodies.concat()[..]));
    assert_eq!(code(&call(&at, "POST", &path, &[], &complete(&[one])).await), "404 NoSuchUpload");
    assert!(at.control.s3().unwrap().uploads("logs").is_empty());
}

#[tokio::test]
async fn part_rules_hold() {
    let at = service();
    let plain = create(&at, "plain", &[]).await;
    let summed = create(&at, "summed", &[("x-amz-checksum-algorithm", "CRC32C")]).await;
    let body = lines(0, 10);
    let sum = crc(&body);
    let sums = [("x-amz-checksum-crc32c", sum.as_str())];
    let cases: [(String, Headers<'_>, &str); 8] = [
        (format!("/logs/plain?partNumber=1&uploadId={plain}"), &[], "200"),
        (format!("/logs/plain?partNumber=2&uploadId={plain}"), &sums, "400 InvalidRequest"),
        (format!("/logs/summed?partNumber=1&uploadId={summed}"), &[], "400 InvalidRequest"),
        (format!("/logs/summed?partNumber=10000&uploadId={summed}"), &sums, "200"),
        (format!("/logs/plain?partNumber=10001&uploadId={plain}"), &[], "400 InvalidArgument"),
        (format!("/logs/plain?partNumber=0&uploadId={plain}"), &[], "400 InvalidArgument"),
        (format!("/logs/other?partNumber=1&uploadId={plain}"), &[], "404 NoSuchUpload"),
        ("/logs/plain?partNumber=1&uploadId=none".to_owned(), &[], "404 NoSuchUpload"),
    ];
    for (path, headers, want) in cases {
        assert_eq!(code(&call(&at, "PUT", &path, headers, &body).await), want, "{path}");
    }
    let second = call(&at, "PUT", &format!("/logs/plain?partNumber=2&uploadId={plain}"), &[], &body).await;
    let etag = second.header("etag");
    let both = complete(&[(1, etag, None), (2, etag, None)]);
    let path = format!("/logs/plain?uploadId={plain}");
    assert_eq!(code(&call(&at, "POST", &path, &[], &both).await), "400 EntityTooSmall");
    assert_eq!(call(&at, "PUT", "/logs/plain", &[], b"{}\n").await.status, 200);
    let last = complete(&[(2, etag, None)]);
    assert_eq!(code(&call(&at, "POST", &path, &[("if-none-match", "*")], &last).await), "412 PreconditionFailed");
    assert_eq!(call(&at, "DELETE", &path, &[], b"").await.status, 204);
    assert_eq!(code(&call(&at, "DELETE", &path, &[], b"").await), "404 NoSuchUpload");
}

#[tokio::test]
async fn lists_are_paged() {
    let at = service();
    for i in 0..5 {
        create(&at, &format!("u{i}"), &[]).await;
        assert_eq!(call(&at, "PUT", &format!("/logs/k{i}"), &[], b"{}\n").await.status, 200);
    }
    let mut token = String::new();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let page = call(&at, "GET", &format!("/logs?list-type=2&max-keys=2{token}"), &[], b"").await;
        seen.extend(page.text().split("<Key>").skip(1).map(|k| k[..2].to_owned()));
        token = format!("&continuation-token={}", page.element("NextContinuationToken"));
    }
    assert_eq!(seen, ["k0", "k1", "k2", "k3", "k4"]);
    let page = call(&at, "GET", "/logs?uploads&max-uploads=3", &[], b"").await;
    let (key, id) = (page.element("NextKeyMarker"), page.element("NextUploadIdMarker"));
    assert_eq!((key.as_str(), page.element("IsTruncated").as_str()), ("u2", "true"));
    let rest = call(&at, "GET", &format!("/logs?uploads&key-marker={key}&upload-id-marker={id}"), &[], b"").await;
    assert_eq!((rest.element("Key").as_str(), rest.text().matches("<Upload>").count()), ("u3", 2));
}

#[tokio::test]
async fn a_signature_that_is_not_right_is_refused_with_the_services_code() {
    let at = service();
    let right = Signer::new("s3", NOW);
    let cases = [
        (
            "secret",
            Signer { keys: Keys { secret: "x".into(), ..Keys::demo() }, ..right.clone() },
            "403 SignatureDoesNotMatch",
        ),
        (
            "key",
            Signer { keys: Keys { access: "x".into(), ..Keys::demo() }, ..right.clone() },
            "403 InvalidAccessKeyId",
        ),
        (
            "token",
            Signer { keys: Keys { token: Some("x".into()), ..Keys::demo() }, ..right.clone() },
            "400 InvalidToken",
        ),
        ("skew", Signer { now: NOW - 901, ..right.clone() }, "403 RequestTimeTooSkewed"),
        ("region", Signer { region: "eu-west-1".into(), ..right.clone() }, "400 AuthorizationHeaderMalformed"),
        ("no payload hash", Signer { payload_header: false, ..right.clone() }, "400 InvalidRequest"),
        ("unsigned payload", Signer { unsigned: true, ..right.clone() }, "200"),
    ];
    for (name, signer, want) in cases {
        let mut signed = request(&at, "PUT", "/logs/a%20b", &[], b"{}\n");
        signer.sign(&mut signed);
        assert_eq!(code(&send(signed).await.unwrap()), want, "{name}");
    }
    let mut tampered = request(&at, "PUT", "/logs/x", &[], b"{}\n");
    right.sign(&mut tampered);
    tampered.body_mut().push(b' ');
    assert_eq!(code(&send(tampered).await.unwrap()), "400 XAmzContentSHA256Mismatch");
    let mut moved = request(&at, "PUT", "/logs/x", &[], b"{}\n");
    right.sign(&mut moved);
    *moved.uri_mut() = format!("{}/logs/y", at.url).parse().unwrap();
    assert_eq!(code(&send(moved).await.unwrap()), "403 SignatureDoesNotMatch");
    assert_eq!(code(&send(request(&at, "PUT", "/logs/x", &[], b"")).await.unwrap()), "403 AccessDenied");
}

#[tokio::test]
async fn old_bodies_are_let_go_and_their_receipts_are_not() {
    let own = s3::Options { keep_bytes: 3_000, ..s3::Options::default() };
    let at = start(Which::S3(own), options());
    for i in 0..10 {
        assert_eq!(call(&at, "PUT", &format!("/logs/{i}"), &[], &lines(i * 50, 50)).await.status, 200);
    }
    let kept = at.control.s3().unwrap().objects("logs").values().filter(|o| o.body.is_some()).count();
    assert_eq!((kept, at.control.receipts().distinct()), (2, 500));
    assert_eq!(code(&call(&at, "GET", "/logs/0", &[], b"").await), "500 InternalError");
}

#[tokio::test]
async fn counting_only_counts_objects_and_bytes() {
    let at = start(Which::S3(s3::Options::default()), Options { count_only: true, keys: None, ..options() });
    let body = zstd(&lines(0, 100));
    assert_eq!(send(request(&at, "PUT", "/logs/x", &[], &body)).await.unwrap().status, 200);
    let totals = at.control.receipts().totals();
    assert_eq!((totals.objects, totals.wire_bytes, totals.records), (1, body.len() as u64, 100));
}
