//! Whether EC2 is about to take this spot instance back: asked of instance metadata (IMDSv2) every 5 s.
//!
//! Says so once. An instance that is no spot instance asks once and never again; where nothing answers (no EC2, a hop
//! limit that ends before a container) each question is bounded, said once, and asked ever more rarely. What follows from
//! a notice is `supervise`'s business.

use crate::config::checked::SpotNotice;
use crate::output::aws::credentials::instance_metadata_is_off;
use crate::output::http::{Answer, Http};
use bytes::Bytes;
use http::{Method, Request};
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;

/// AWS asks for this: the notice comes two minutes before.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// Where there is no answer: twice as long each time, up to this.
const ASK_RARELY: Duration = Duration::from_secs(300);
/// Instance metadata answers in milliseconds, or a hop limit swallows the answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Its longest life.
const TOKEN_SECONDS: &str = "21600";
const TOKEN: &str = "x-aws-ec2-metadata-token";

/// What is going to happen to this instance.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Notice {
    /// `terminate`, `stop` or `hibernate`.
    pub action: String,
    /// When, as the service writes it.
    #[serde(default)]
    pub time: String,
}

/// Waits for the notice; for ever where there can be none.
pub async fn notice(asked_for: SpotNotice) -> Notice {
    let wanted = match asked_for {
        SpotNotice::Off => false,
        SpotNotice::On => true,
        SpotNotice::Auto => on_ec2(Path::new("/sys/devices/virtual/dmi/id")) && !instance_metadata_is_off(),
    };
    if wanted && let Some(notice) = watch(endpoint(|name| std::env::var(name).ok())).await {
        return notice;
    }
    std::future::pending().await
}

/// What the firmware says: readable by everybody, also inside a container.
fn on_ec2(dmi: &Path) -> bool {
    let says = |name: &str| std::fs::read_to_string(dmi.join(name)).unwrap_or_default();
    // Nitro says the one, Xen the other.
    says("sys_vendor").trim() == "Amazon EC2" || says("bios_version").contains("amazon")
}

fn endpoint(env: impl Fn(&str) -> Option<String>) -> String {
    let ipv6 = env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE").is_some_and(|mode| mode.eq_ignore_ascii_case("ipv6"));
    let known = if ipv6 { "http://[fd00:ec2::254]" } else { "http://169.254.169.254" };
    let given = env("AWS_EC2_METADATA_SERVICE_ENDPOINT").filter(|given| !given.is_empty());
    given.as_deref().unwrap_or(known).trim_end_matches('/').to_owned()
}

/// `None`: this instance gets no notices.
async fn watch(endpoint: String) -> Option<Notice> {
    let http = Http::new(None).inspect_err(|error| tracing::warn!(%error, "no watch for spot notices")).ok()?;
    let mut metadata = Metadata { http, endpoint, token: None, is_spot: false };
    let (mut wait, mut said) = (ASK_EVERY, false);
    loop {
        match metadata.look().await {
            Ok(Look::Notice(notice)) => return Some(notice),
            Ok(Look::NeverAny) => return None,
            Ok(Look::Nothing) => wait = ASK_EVERY,
            Err(why) => {
                if !std::mem::replace(&mut said, true) {
                    tracing::warn!(
                        %why,
                        "instance metadata does not say whether this spot instance is taken back; in a pod without host network \
                         it needs a hop limit of 2; or write `spot_notice: off`"
                    );
                }
                wait = wait.saturating_mul(2).min(ASK_RARELY);
            }
        }
        tokio::time::sleep(wait).await;
    }
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    Nothing,
    NeverAny,
    Notice(Notice),
}

struct Metadata {
    http: Http,
    endpoint: String,
    token: Option<String>,
    is_spot: bool,
}

impl Metadata {
    async fn look(&mut self) -> Result<Look, String> {
        if !self.is_spot {
            let answer = self.get("instance-life-cycle").await?;
            let kind = String::from_utf8_lossy(&answer.body);
            match (answer.status, kind.trim()) {
                (200, "spot") => self.is_spot = true,
                (200, "on-demand" | "scheduled" | "capacity-block") => return Ok(Look::NeverAny),
                // Whoever asked for the watch knows better than what does not say.
                (200 | 404, _) => {}
                (status, _) => return Err(format!("{}: instance-life-cycle: status {status}", self.endpoint)),
            }
        }
        let answer = self.get("spot/instance-action").await?;
        judge(&answer).map_err(|why| format!("{}: spot/instance-action: {why}", self.endpoint))
    }

    /// With a token; once more with another one when that one is over.
    async fn get(&mut self, path: &str) -> Result<Answer, String> {
        let mut answer = self.get_once(path).await?;
        if answer.status == 401 {
            self.token = None;
            answer = self.get_once(path).await?;
        }
        Ok(answer)
    }

    async fn get_once(&mut self, path: &str) -> Result<Answer, String> {
        let token = match &self.token {
            Some(token) => token.clone(),
            None => self.token.insert(self.new_token().await?).clone(),
        };
        self.send(Method::GET, &format!("/latest/meta-data/{path}"), (TOKEN, &token)).await
    }

    async fn new_token(&self) -> Result<String, String> {
        let lasts = ("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_SECONDS);
        let answer = self.send(Method::PUT, "/latest/api/token", lasts).await?;
        match (answer.status, std::str::from_utf8(&answer.body)) {
            (200, Ok(token)) if !token.is_empty() && token.len() < 1_024 => Ok(token.to_owned()),
            (status, _) => Err(format!("{}: no token: status {status}", self.endpoint)),
        }
    }

    async fn send(&self, method: Method, path: &str, (name, value): (&str, &str)) -> Result<Answer, String> {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.endpoint)).header(name, value);
        let request = request.body(Vec::<Bytes>::new()).map_err(|error| error.to_string())?;
        self.http.send(request, ANSWER_WITHIN).await.map_err(|trouble| trouble.say)
    }
}

/// What `spot/instance-action` said.
fn judge(answer: &Answer) -> Result<Look, String> {
    match answer.status {
        404 => Ok(Look::Nothing),
        200 => match serde_json::from_slice::<Notice>(&answer.body) {
            Ok(notice) => Ok(Look::Notice(notice)),
            Err(error) => Err(format!("not a notice: {error}")),
        },
        status => Err(format!("status {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: Default::default(), body: Bytes::copy_from_slice(body.as_bytes()) }
    }

    #[test]
    fn only_a_notice_is_a_notice() {
        let notice = |action: &str, time: &str| Look::Notice(Notice { action: action.into(), time: time.into() });
        let said = r#"{"action": "terminate", "time": "2026-11-22T10:15:00Z"}"#;
        assert_eq!(judge(&answer(200, said)), Ok(notice("terminate", "2026-11-22T10:15:00Z")));
        assert_eq!(judge(&answer(200, r#"{"action":"hibernate"}"#)), Ok(notice("hibernate", "")));
        assert_eq!(judge(&answer(404, "<html>")), Ok(Look::Nothing));
        for (status, body) in [(200, "<html>welcome"), (200, ""), (403, ""), (500, said)] {
            assert!(judge(&answer(status, body)).is_err(), "{status} {body}");
        }
    }

    #[test]
    fn firmware_tells_ec2_from_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!on_ec2(dir.path()));
        std::fs::write(dir.path().join("sys_vendor"), "QEMU\n").unwrap();
        assert!(!on_ec2(dir.path()));
        std::fs::write(dir.path().join("bios_version"), "4.11.amazon\n").unwrap();
        assert!(on_ec2(dir.path()));
        std::fs::write(dir.path().join("bios_version"), "1.0\n").unwrap();
        std::fs::write(dir.path().join("sys_vendor"), "Amazon EC2\n").unwrap();
        assert!(on_ec2(dir.path()));
    }

    #[test]
    fn the_address_is_that_of_the_sdks() {
        let at = |name: &'static str, value: &'static str| endpoint(move |asked| (asked == name).then(|| value.into()));
        assert_eq!(at("", ""), "http://169.254.169.254");
        assert_eq!(at("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6"), "http://[fd00:ec2::254]");
        assert_eq!(at("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9/"), "http://127.0.0.1:9");
    }
}
