//! Stands for instance metadata: version 2, so nothing without a token.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Default)]
struct State {
    pages: BTreeMap<&'static str, &'static str>,
    asked: Vec<String>,
    /// Tokens that were handed out; the last one holds.
    tokens: usize,
    swallows_tokens: bool,
}

/// Answers until the test's process ends.
#[derive(Clone)]
pub struct Metadata {
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl Metadata {
    pub fn start() -> Metadata {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let it = Metadata { url: format!("http://{}", listener.local_addr().unwrap()), state: Arc::default() };
        let serves = it.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let it = serves.clone();
                std::thread::spawn(move || it.serve(&stream));
            }
        });
        it
    }
    /// This page is there from now on.
    pub fn page(&self, path: &'static str, text: &'static str) {
        self.state.lock().unwrap().pages.insert(path, text);
    }
    /// What was asked: verb, path, status.
    pub fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }
    pub fn asked_for(&self, what: &str) -> usize {
        self.asked().iter().filter(|asked| asked.contains(what)).count()
    }
    /// The token that was handed out last is over.
    pub fn expire_token(&self) {
        self.state.lock().unwrap().tokens += 1;
    }
    /// Answers with a token do not arrive: a hop limit of 1, and a container behind a bridge.
    pub fn swallow_tokens(&self) {
        self.state.lock().unwrap().swallows_tokens = true;
    }

    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
        while let Some(Ok(first)) = lines.next() {
            let mut headers = BTreeMap::new();
            for line in lines.by_ref() {
                let line = line.ok()?.to_ascii_lowercase();
                let Some((name, value)) = line.split_once(": ") else { break };
                headers.insert(name.to_owned(), value.to_owned());
            }
            let mut words = first.split(' ');
            let (verb, path) = (words.next()?, words.next()?);
            let (status, body) = self.answer(verb, path, &headers)?;
            let length = body.len();
            write!(&*stream, "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n\r\n{body}").ok()?;
        }
        Some(())
    }

    fn answer(&self, verb: &str, path: &str, headers: &BTreeMap<String, String>) -> Option<(u16, String)> {
        let mut state = self.state.lock().unwrap();
        let given = headers.get("x-aws-ec2-metadata-token");
        let (status, body) = match (verb, path.strip_prefix("/latest/")) {
            ("PUT", Some("api/token")) if headers.contains_key("x-aws-ec2-metadata-token-ttl-seconds") => {
                state.tokens += 1;
                (200, format!("token-{}", state.tokens))
            }
            ("GET", Some(page)) if given == Some(&format!("token-{}", state.tokens)) => {
                let page = page.strip_prefix("meta-data/").and_then(|page| state.pages.get(page));
                page.map_or((404, "<html>404 - Not Found</html>".to_owned()), |text| (200, (*text).to_owned()))
            }
            _ => (401, String::new()),
        };
        let swallowed = verb == "PUT" && state.swallows_tokens;
        state.asked.push(format!("{verb} {path} {}", if swallowed { "swallowed".into() } else { status.to_string() }));
        drop(state);
        if swallowed {
            // Longer than any client waits.
            std::thread::sleep(Duration::from_secs(60));
            return None;
        }
        Some((status, body))
    }
}
