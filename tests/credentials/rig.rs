//! Three services that know an issuer, whoever hands its credentials out, and the agent with an environment of its own.

use crate::support::{Agent, Place, SOON, Services, now, until_or};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;
use tailrace::standin::identity::{self, issuer::Issuer};
use tailrace::standin::opensearch::Auth;
use tailrace::standin::writer::{Options, Writer};
use tailrace::standin::{self, Clock, Keys, Standin, Which, opensearch};

/// How long credentials last here.
pub const LIFE: Duration = Duration::from_secs(4);

pub struct Rig {
    pub services: Services,
    pub identity: Standin,
    pub issuer: Issuer,
    pub place: Place,
    /// Of web identity and of the container's agent.
    pub token: PathBuf,
    tokens: u32,
    _runtime: tokio::runtime::Runtime,
}

impl Rig {
    pub fn new() -> Rig {
        Rig::with(Clock::default(), |own| own)
    }
    /// With another clock for services and sources, and other wishes of STS.
    pub fn with(clock: Clock, wishes: impl FnOnce(identity::Options) -> identity::Options) -> Rig {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (issuer, place) = (Issuer::new(LIFE), Place::new());
        let token = place.path().join("token");
        let common = standin::Options { issued: Some(issuer.clone()), clock, ..standin::Options::default() };
        let own = identity::Options {
            web_token: Some(token.clone()),
            container_token: Some(token.clone()),
            ..identity::Options::new(issuer.clone())
        };
        let identity = standin::start(runtime.handle(), Which::Identity(wishes(own)), common.clone()).unwrap();
        let search = opensearch::Options { auth: Auth::Aws { service: "es".into() }, ..opensearch::Options::default() };
        let services = Services::with(common, search);
        let mut rig = Rig { services, identity, issuer, place, token, tokens: 0, _runtime: runtime };
        rig.turn_token();
        rig
    }
    /// Another token in the file, as kubelet puts it there.
    pub fn turn_token(&mut self) {
        self.tokens += 1;
        let new = self.token.with_extension("new");
        std::fs::write(&new, format!("token.number.{}", self.tokens)).unwrap();
        std::fs::rename(new, &self.token).unwrap();
    }
    /// The agent with this environment instead of fixed keys; `keys` are put into each AWS output.
    pub fn agent<V: AsRef<str>>(&self, env: &[(&str, V)], keys: &str) -> Agent {
        self.agent_with(env, keys, "max_age: 500ms")
    }
    /// The same with another `max_age` of the archive.
    pub fn agent_with<V: AsRef<str>>(&self, env: &[(&str, V)], keys: &str, age: &str) -> Agent {
        self.agent_each(env, [keys; 3], age)
    }
    /// Keys for CloudWatch, the archive and OpenSearch.
    pub fn agent_each<V: AsRef<str>>(&self, env: &[(&str, V)], keys: [&str; 3], age: &str) -> Agent {
        let [logs, s3, search] = keys.map(|keys| format!("region: us-east-1 # its own\n{keys}"));
        let outputs = self.services.outputs().replace("max_age: 500ms", age);
        let outputs = [logs, s3].iter().fold(outputs, |text, own| text.replacen("region: us-east-1\n", own, 1));
        let outputs = format!("{outputs}    auth: {{type: aws, service: es}}\n    {search}");
        let config = self.place.config("", &outputs);
        let none = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];
        let env = env.iter().map(|(name, value)| (*name, value.as_ref()));
        let env: Vec<(&str, &str)> = none.into_iter().chain(env).collect();
        let args = ["run", "-c", config.to_str().unwrap()];
        let agent = Agent::start_with(self.place.path(), &args, self.place.admin, &env);
        agent.until_ready();
        agent
    }
    /// What EKS Pod Identity puts into a container, with the agent's address: `http://HOST:PORT`.
    pub fn pod_identity(&self, at: &str) -> [(&'static str, String); 2] {
        [
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", self.token.display().to_string()),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{at}/v1/credentials")),
        ]
    }
    pub fn writer(&self) -> Writer {
        let options = Options { lines_per_second: 200, ..Options::default() };
        Writer::new(&self.place.pods(), 7, options, now()).unwrap()
    }
    /// Lines flow while credentials end and tokens turn, until each output has renewed three times; then every line is
    /// everywhere once, and no request was refused.
    pub fn flows(&mut self, agent: &Agent, operation: &str) {
        let mut writer = self.writer();
        let begun = now().mono;
        let mut turned = begun;
        while self.services.each().iter().any(|(_, service)| callers(service) < 4) {
            writer.step(now()).unwrap();
            if now().mono - turned > Duration::from_millis(900) {
                self.turn_token();
                turned = now().mono;
            }
            let asked = self.identity.control.requests();
            assert!(now().mono - begun < SOON, "{asked:?}: {}", agent.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        writer.finish(now()).unwrap();
        self.services.until_all_arrived(&writer, SOON, agent);
        self.assert_once(&writer);
        for (name, service) in self.services.each() {
            assert_eq!(service.control.unauthorized(), 0, "{name}: {}", agent.log());
        }
        assert!(self.identity.control.requests_of(operation, "200") >= 12);
        assert_eq!(self.refused(), Vec::<String>::new(), "{}", agent.log());
    }
    /// What the sources refused.
    pub fn refused(&self) -> Vec<String> {
        let requests = self.identity.control.requests().into_iter();
        requests.filter(|((_, outcome), _)| outcome != "200").map(|r| format!("{r:?}")).collect()
    }
    pub fn assert_once(&self, writer: &Writer) {
        for outcome in self.services.audit(writer) {
            assert!(outcome.is_clean() && outcome.duplicates == 0, "{outcome:#?}");
        }
    }
    /// What the agent says of these lanes.
    pub fn until_said(&self, agent: &Agent, words: &str) {
        let lanes = || agent.get("/api/lanes").map(|(_, body)| body).unwrap_or_default();
        until_or(words, SOON, || lanes().contains(words), || format!("{}\n{}", lanes(), agent.log()));
    }
}

/// How many sets of credentials this service has seen.
fn callers(service: &Standin) -> usize {
    let seen = service.control.recent().into_iter().filter_map(|seen| seen.caller);
    seen.collect::<BTreeSet<String>>().len()
}

/// The keys that STS knows without having handed them out.
pub fn fixed() -> Keys {
    Keys::demo()
}
