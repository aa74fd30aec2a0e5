//! Our verification against AWS's own signer, for paths, queries and headers of all sorts.

use crate::support::client::{Signer, send};
use crate::{NOW, options, start};
use proptest::prelude::*;
use tailrace::standin::opensearch::{self, Auth};
use tailrace::standin::{Standin, Which, s3};

/// As a client has to encode a path segment or a query value.
fn encoded(text: &str) -> String {
    let one = |b: u8| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(b).to_string(),
        _ => format!("%{b:02X}"),
    };
    text.bytes().map(one).collect()
}

fn status(at: &Standin, signer: &Signer, path: &str, headers: &[(String, String)], body: &str, spoil: bool) -> u16 {
    let mut builder = http::Request::put(format!("{}{path}", at.url));
    for (name, value) in headers {
        builder = builder.header(format!("x-amz-meta-{name}"), value);
    }
    let mut request = builder.body(body.as_bytes().to_vec()).unwrap();
    signer.sign(&mut request);
    if spoil {
        request.headers_mut().insert("x-amz-meta-late", "1".parse().unwrap());
    }
    let runtime = tokio::runtime::Handle::current();
    runtime.block_on(send(request)).unwrap().status
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_awss_signer_signs_is_accepted_and_nothing_else(
        segments in prop::collection::vec("[a-zA-Z0-9 =+&?#%$!'()*,:;@\u{e9}\u{1F680}_~.-]{1,12}", 1..4),
        query in prop::collection::btree_map("[a-z =&%-]{1,6}", "[a-zA-Z0-9 =+&%/\u{e9}~-]{0,8}", 0..4),
        headers in prop::collection::btree_map("[a-z]{1,6}", "[ -~]{0,20}", 0..3),
        body in ".{0,40}",
    ) {
        // A segment of dots would be folded away by the client's normalisation.
        prop_assume!(segments.iter().all(|s| s.chars().any(|c| c != '.')));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let _inside = runtime.enter();
        let path: Vec<String> = segments.iter().map(|s| encoded(s)).collect();
        let query: Vec<String> = query.iter().map(|(n, v)| format!("{}={}", encoded(n), encoded(v))).collect();
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        let headers: Vec<(String, String)> = headers.into_iter().collect();

        let store = start(Which::S3(s3::Options::default()), options());
        let path_s3 = format!("/logs/{}{query}", path.join("/"));
        let signer = Signer::new("s3", NOW);
        prop_assert_eq!(status(&store, &signer, &path_s3, &headers, &body, false), 200, "{}", path_s3);
        prop_assert_eq!(status(&store, &signer, &path_s3, &headers, &body, true), 403);

        let auth = Auth::Aws { service: "es".into() };
        let search = start(Which::OpenSearch(opensearch::Options { auth, ..opensearch::Options::default() }), options());
        let path_es = format!("/{}/_nothing{query}", path.join("/"));
        let signer = Signer::new("es", NOW);
        // Signed well, the request gets as far as being nonsense.
        prop_assert_eq!(status(&search, &signer, &path_es, &headers, &body, false), 405, "{}", path_es);
        prop_assert_eq!(status(&search, &signer, &path_es, &headers, &body, true), 403);
    }
}
