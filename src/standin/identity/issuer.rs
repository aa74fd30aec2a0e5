//! Session credentials that were handed out, and until when they hold: issued here, accepted by the services.

use crate::standin::Keys;
use crate::standin::serve::lock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Most sessions that are remembered; the oldest are forgotten, and then unknown.
const REMEMBERED: usize = 10_000;

/// One set of session credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Key id, secret and token.
    pub keys: Keys,
    /// Nanoseconds since 1970.
    pub ends: i64,
    /// Operation that it was handed out by.
    pub by: &'static str,
}

#[derive(Debug)]
struct State {
    life: Duration,
    count: u64,
    sessions: BTreeMap<String, Session>,
}

/// Hands out credentials and knows them again; clones share it.
#[derive(Clone, Debug)]
pub struct Issuer(Arc<Mutex<State>>);

impl Issuer {
    /// What it issues holds for so long.
    pub fn new(life: Duration) -> Issuer {
        Issuer(Arc::new(Mutex::new(State { life, count: 0, sessions: BTreeMap::new() })))
    }
    /// From now on what is issued holds for so long.
    pub fn set_life(&self, life: Duration) {
        lock(&self.0).life = life;
    }
    /// Another session, from `now` (nanoseconds since 1970) on.
    pub fn issue(&self, by: &'static str, now: i64) -> Session {
        let mut state = lock(&self.0);
        state.count += 1;
        let n = state.count;
        let keys = Keys {
            access: format!("ASIASTANDIN{n:09}"),
            secret: format!("issued/{n}+only-for-loopback"),
            // What base64 is made of: such tokens have to survive in headers and in XML.
            token: Some(format!("session//{n:08}+{}==", "x".repeat(300))),
        };
        // Whole seconds: that is what is written in the answers.
        let life = i64::try_from(state.life.as_nanos()).unwrap_or(i64::MAX);
        let ends = now.saturating_add(life) / 1_000_000_000 * 1_000_000_000;
        let session = Session { keys, ends, by };
        while state.sessions.len() >= REMEMBERED {
            state.sessions.pop_first();
        }
        state.sessions.insert(session.keys.access.clone(), session.clone());
        session
    }
    /// The session of this key id.
    pub fn find(&self, access: &str) -> Option<Session> {
        lock(&self.0).sessions.get(access).cloned()
    }
    /// How many were handed out.
    pub fn issued(&self) -> u64 {
        lock(&self.0).count
    }
    /// All that were handed out end now, before their time.
    pub fn end_all(&self) {
        lock(&self.0).sessions.values_mut().for_each(|session| session.ends = 0);
    }
}
