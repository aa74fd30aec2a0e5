use super::answer::get;
use super::server::{CONNECTIONS_MAX, Server};
use crate::lane::batch::Code;
use crate::record::Now;
use crate::telemetry::board::{About, Board, Phase};
use crate::telemetry::recent::Recent;
use crate::telemetry::report::{CatalogReport, LaneReport, MetadataReport, MetadataState, Parked};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

const NOW: Now = Now { mono: Duration::from_secs(1000), unix_ns: 1_700_000_100_000_000_000 };

fn board() -> Board {
    let recent = Arc::new(Recent::default());
    recent.push(NOW.unix_ns, true, "<script>alert(1)</script>");
    let board = Board::new(
        About { node: "n<1>".into(), started_unix_ns: 1_700_000_000_000_000_000, ..About::default() },
        recent,
    );
    board.phase(Phase::Started);
    let parked = Parked {
        key: "/aws/app & co".into(),
        code: Code::new("AccessDeniedException"),
        say: "allow logs:PutLogEvents on it".into(),
        since: 1_700_000_040_000_000_000,
        waiting_bytes: 3 << 20,
    };
    board.lane(LaneReport {
        output: "cloudwatch".into(),
        kind: "cloudwatch_logs",
        to: "CloudWatch Logs in <there>".into(),
        parked: vec![parked],
        ..Default::default()
    });
    board.lane(LaneReport { output: "search".into(), kind: "opensearch", ..Default::default() });
    board
}

#[test]
fn health_answers_follow_the_board() {
    let board = board();
    let status = |board: &Board, path| get(path, &board.snapshot(), NOW).status;
    for path in ["/", "/metrics", "/livez", "/readyz", "/healthz", "/api/lanes"] {
        assert_eq!(status(&board, path), 200, "{path}");
    }
    assert_eq!(status(&board, "/nothing"), 404);
    assert_eq!(status(&board, "/drain"), 404);
    board.phase(Phase::Starting);
    assert_eq!((status(&board, "/readyz"), status(&board, "/livez")), (503, 200));
    board.phase(Phase::StandingBy);
    assert_eq!(status(&board, "/readyz"), 200);
    board.beat("lane search", Now { mono: Duration::from_secs(900), ..NOW });
    let live = get("/livez", &board.snapshot(), NOW);
    assert_eq!((live.status, live.body.as_str()), (503, "lane search did nothing for 100 s\n"));
    assert_eq!(status(&board, "/healthz"), 200, "a stuck thread is livez's business");
    let stalled = LaneReport {
        output: "search".into(),
        stalled: true,
        lane_parked: Some((Code::new("connect"), "is it running?".into())),
        ..Default::default()
    };
    board.lane(stalled);
    let health = get("/healthz", &board.snapshot(), NOW);
    assert!(health.status == 503 && health.body.contains("search") && health.body.contains("is it running?"));
    assert_eq!(status(&board, "/readyz"), 200, "a destination that is down does not make us unready");
}

#[test]
fn the_page_shows_what_waits_and_what_to_do_and_escapes_it() {
    let board = board();
    let trouble = Some((Code::new("http_403"), "the service account may not list pods".to_owned()));
    board.metadata(MetadataReport { state: MetadataState::Failing, trouble, ..MetadataReport::default() });
    board.catalog(CatalogReport {
        polling: true,
        overlooked: 0,
        lost: [("prod/web/main".to_owned(), 2048)].into(),
        ..Default::default()
    });
    let page = get("/", &board.snapshot(), NOW).body;
    let wants = [
        "n&lt;1&gt;",
        "/aws/app &amp; co",
        "AccessDeniedException",
        "allow logs:PutLogEvents on it",
        "3.0 MiB",
        "1 min 0 s",
        "&lt;script&gt;",
        "may not list pods",
        "2.0 KiB of prod/web/main",
        "inotify",
        "in &lt;there&gt;",
        "1 of 2 outputs cannot deliver to some",
        "http-equiv=\"refresh\"",
    ];
    for want in wants {
        assert!(page.contains(want), "{want} is missing in {page}");
    }
    assert!(!page.contains("<script"));
}

#[test]
fn the_first_lines_of_the_page_say_whether_logs_arrive() {
    let board = Board::default();
    let with = |change: fn(&mut LaneReport)| {
        let mut report = LaneReport { output: "s3".into(), max_age: Duration::from_secs(300), ..Default::default() };
        change(&mut report);
        board.lane(report);
        get("/", &board.snapshot(), NOW).body
    };
    assert!(with(|_| {}).contains("All outputs deliver."));
    let within = with(|l| l.oldest_unsettled = Some(Duration::from_secs(299)));
    assert!(within.contains("All outputs deliver."), "within max_age nothing is late");
    let late = with(|l| l.oldest_unsettled = Some(Duration::from_secs(361)));
    assert!(late.contains("1 of 1 outputs are more than a minute behind") && late.contains("catching up"));
    let waits = with(|l| {
        l.lane_parked = Some((Code::new("dns"), String::new()));
        (l.lane_parked_since, l.to) = (NOW.unix_ns - 90_000_000_000, "http://x".into());
        l.sums.delivered.0 = 1_234_567;
    });
    for want in ["1 of 1 outputs wait after a failure", "all of http://x", "1 min 30 s", "looked up", "1,234,567"] {
        assert!(waits.contains(want), "{want}: {waits}");
    }
}

#[test]
fn the_page_of_many_parked_keys_stays_short_and_says_so() {
    let board = board();
    let key = |n: usize| Parked {
        key: format!("k{n}"),
        code: Code::new("x"),
        say: String::new(),
        since: 0,
        waiting_bytes: 1,
    };
    board.lane(LaneReport { output: "s3".into(), parked: (0..5000).map(key).collect(), ..Default::default() });
    let page = get("/", &board.snapshot(), NOW).body;
    assert!(page.contains("and 4900 more") && page.matches("<tr>").count() < 120);
}

#[test]
fn lanes_as_json_name_parked_keys_with_reasons() {
    let body = get("/api/lanes", &board().snapshot(), NOW).body;
    let read: serde_json::Value = serde_json::from_str(&body).unwrap();
    let lane = &read["lanes"][0];
    assert_eq!(lane["output"], "cloudwatch");
    assert_eq!(lane["parked_keys"][0]["code"], "AccessDeniedException");
    assert_eq!(lane["parked_keys"][0]["say"], "allow logs:PutLogEvents on it");
    assert_eq!(lane["parked_keys"][0]["since"], "2023-11-14T22:14:00.000Z");
    assert_eq!(lane["dropped"]["too_old"]["records"], 0);
    assert_eq!(lane["request_seconds"], serde_json::Value::Null);
    assert_eq!(read["phase"], "running");
}

fn clock() -> Now {
    NOW
}

/// A server on a free port; the runtime's drop ends it.
fn served() -> (SocketAddr, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = Server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = server.address();
    runtime.spawn(server.serve(Arc::new(board()), clock, Arc::new(Notify::new())));
    (address, runtime)
}

fn talk(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn real_requests_are_answered_and_the_connection_is_closed() {
    let (address, _runtime) = served();
    let page = talk(address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(
        page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("text/html") && page.contains("default-src 'none'")
    );
    let metrics = talk(address, "GET /metrics?x=1 HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(metrics.contains("version=0.0.4") && metrics.contains("tailrace_process_resident_memory_bytes "));
    let head = talk(address, "HEAD /metrics HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "no body: {head}");
    let post = talk(address, "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc");
    assert!(post.starts_with("HTTP/1.1 405") && post.contains("allow: GET, HEAD"), "{post}");
    let get = talk(address, "GET /drain HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(get.starts_with("HTTP/1.1 405") && get.contains("allow: POST"), "{get}");
    assert!(talk(address, "\0\0garbage\r\n\r\n").starts_with("HTTP/1.1 400"));
}

#[test]
fn a_drain_is_for_who_is_on_this_host_and_for_no_web_page() {
    for (peer, page, status) in [
        ("127.0.0.1", false, 202),
        ("127.8.0.1", false, 202),
        ("::1", false, 202),
        ("::ffff:127.0.0.1", false, 202),
        ("127.0.0.1", true, 403),
        ("10.0.0.1", false, 403),
        ("::ffff:10.0.0.1", false, 403),
        ("fe80::1", false, 403),
        ("0.0.0.0", false, 403),
    ] {
        let (answer, drains) = super::answer::drain(peer.parse().unwrap(), page);
        assert_eq!((answer.status, drains), (status, status == 202), "{peer} {page}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = Server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let (address, drain) = (server.address(), Arc::new(Notify::new()));
    runtime.spawn(server.serve(Arc::new(board()), clock, drain.clone()));
    let page = talk(address, "POST /drain HTTP/1.1\r\nhost: x\r\norigin: http://evil\r\n\r\n");
    assert!(page.starts_with("HTTP/1.1 403"), "{page}");
    let told = || runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), drain.notified()).await });
    let post = talk(address, "POST /drain HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc");
    assert!(post.starts_with("HTTP/1.1 202"), "{post}");
    told().unwrap();
    let again = runtime.block_on(async { tokio::time::timeout(Duration::ZERO, drain.notified()).await });
    assert!(again.is_err(), "the page's request drained too");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "measures real waiting")]
fn silent_peers_take_a_bounded_number_of_places_and_lose_them_after_a_while() {
    let (address, _runtime) = served();
    let silent: Vec<TcpStream> = (0..CONNECTIONS_MAX - 1).map(|_| TcpStream::connect(address).unwrap()).collect();
    assert!(talk(address, "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").contains("200"), "one place is left");
    let one_more = TcpStream::connect(address).unwrap();
    let begin = std::time::Instant::now();
    assert!(talk(address, "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").contains("200"));
    assert!(begin.elapsed() > Duration::from_secs(1), "it had to wait until the silent ones were cut off");
    drop((silent, one_more));
}

#[test]
fn a_port_in_use_is_named_with_what_to_type() {
    let taken = Server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let error = Server::bind(taken.address()).unwrap_err();
    let port = taken.address().port();
    assert!(error.in_use());
    let text = error.to_string();
    let wants = [format!("127.0.0.1:{port}"), format!("sport = :{port}"), "admin: {listen: \"none\"}".to_owned()];
    wants.iter().for_each(|want| assert!(text.contains(want.as_str()), "{text}"));
    let error = Server::bind("192.0.2.1:9780".parse().unwrap()).unwrap_err();
    assert!(!error.in_use() && error.to_string().contains("0.0.0.0:9780"), "{error}");
}
