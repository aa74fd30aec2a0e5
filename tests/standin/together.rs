//! The pieces that tests with the real binary stand on, without it: writer, stand-ins, audit, waiting.

use crate::support::{Place, Services, get, now, until, write};
use std::time::Duration;
use tailrace::standin::writer::{Options, Shape, Writer};

#[test]
fn a_client_that_sends_every_line_once_passes_the_audit_and_a_sloppy_one_does_not() {
    let place = Place::new();
    let services = Services::start();
    let options =
        Options { lines_per_second: 20_000, mix: vec![(Shape::Text, 9), (Shape::Odd, 1)], ..Options::default() };
    let mut writer = Writer::new(&place.pods(), 7, options, now()).unwrap();
    write(&mut writer, 500);

    let bulk = |skip: usize, times: usize| {
        let files = writer.containers().into_iter().map(|(_, path)| std::fs::read(place.pods().join(path)).unwrap());
        let mut body = String::new();
        for line in files.flat_map(|f| f.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>()).skip(skip) {
            let Some(log) = line.splitn(4, |b| *b == b' ').nth(3) else { continue };
            let log = String::from_utf8(log.to_vec()).unwrap();
            let document = format!("{{\"create\":{{}}}}\n{}\n", serde_json::json!({"log": log}));
            body.push_str(&document.repeat(times));
        }
        body
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let send = |at: &str, body: String| {
        let request = http::Request::post(format!("{at}/logs/_bulk")).header("content-type", "application/x-ndjson");
        let reply = runtime.block_on(crate::support::client::send(request.body(body.into_bytes()).unwrap())).unwrap();
        assert_eq!(reply.json()["errors"], false, "{}", reply.text());
    };
    send(&services.opensearch.url, bulk(0, 1));
    let [cloudwatch, archive, search] = services.audit(&writer).try_into().unwrap();
    assert!(search.is_clean() && search.duplicates == 0 && search.written >= 500, "{search:?}");
    assert_eq!((cloudwatch.lost, archive.delivered), (search.written, 0));

    let sloppy = Services::start();
    send(&sloppy.opensearch.url, bulk(1, 2));
    let [_, _, search] = sloppy.audit(&writer).try_into().unwrap();
    assert_eq!((search.lost, search.duplicates), (1, search.written - 1));
}

#[test]
fn pages_are_fetched_and_conditions_waited_for() {
    let services = Services::start();
    let (status, body) = get(services.opensearch.addr, "/").unwrap();
    assert!(status == 200 && body.contains("opensearch"));
    assert!(services.outputs().contains(&services.s3.url));
    let mut asked = 0;
    until("three questions", Duration::from_secs(5), || {
        asked += 1;
        asked == 3
    });
    let late = std::panic::catch_unwind(|| until("never", Duration::from_millis(20), || false));
    assert!(late.is_err());
}
