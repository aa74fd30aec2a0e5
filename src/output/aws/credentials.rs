//! Credentials and region of one AWS output: kept, renewed before they end, asked for by one caller at a time.
//!
//! Loaded at the first request. Renewed in the background while the old ones hold, so that no request waits for it or
//! goes out with ended ones; while new ones cannot be had, those that still hold are used. Trouble is a hold of the whole
//! lane, with what to do. Where they come from is `sources`'s business; requests go out through `send`.

use super::sign::{self, Payload};
use crate::config::checked;
use crate::lane::batch::{Code, Scope, Verdict};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

mod clock;
mod errand;
mod send;
mod sources;
pub mod told;
use clock::ServiceClock;
use sources::Chain;
pub use sources::{Found, Source, instance_metadata_is_off};

/// New ones are asked for this long before the old ones end, or at half of their time if that is later; AWS hands out
/// new instance credentials 5 min before.
const RENEW_BEFORE: Duration = Duration::from_secs(300);
/// Closer to their end than this, or than a tenth of their time, they are not used: the request may arrive later.
const UNUSABLE_BEFORE: Duration = Duration::from_secs(10);
/// While the old ones hold, new ones are asked for no more often than this, or than a tenth of their time.
const RENEW_EVERY: Duration = Duration::from_secs(30);
/// After a failure nobody asks again for so long; 32 senders share one answer.
const QUIET: Duration = Duration::from_secs(5);
/// Instance metadata and STS answer in milliseconds; aws-config tries each a few times.
const LOAD_WITHIN: Duration = Duration::from_secs(30);

/// What one output needs to sign its requests; clones share it.
#[derive(Clone, Debug)]
pub struct AwsAccess(Arc<Access>);

#[derive(Debug)]
struct Access {
    aws: checked::Aws,
    service: Arc<str>,
    /// Instead of the chain.
    given: Option<Chain>,
    clock: ServiceClock,
    /// Never locked across I/O.
    held: Mutex<Held>,
    /// Whoever asks has it.
    asking: Arc<tokio::sync::Mutex<Asking>>,
}

#[derive(Debug, Default)]
struct Held {
    keys: Option<Arc<Keys>>,
    /// New ones are asked for from then on.
    renew_at: Option<SystemTime>,
}

#[derive(Debug, Default)]
struct Asking {
    chain: Option<Chain>,
    failed: Option<(SystemTime, Verdict)>,
}

/// Credentials, and how long they do.
#[derive(Debug)]
struct Keys {
    credentials: Credentials,
    region: Arc<str>,
    found: Found,
    /// Not used from then on.
    until: Option<SystemTime>,
    renew_at: Option<SystemTime>,
    every: Duration,
}

impl AwsAccess {
    /// Nothing is loaded yet. `service` is the signing name: `logs`, `s3`, `es`, `aoss`.
    pub fn new(aws: &checked::Aws, service: &str) -> AwsAccess {
        AwsAccess::of(aws, service, None)
    }

    /// With a provider and region of the caller's choosing, for good: the tests have no environment of their own.
    pub fn of_provider(
        aws: &checked::Aws,
        service: &str,
        region: &str,
        provider: impl ProvideCredentials + 'static,
    ) -> AwsAccess {
        AwsAccess::of(aws, service, Some(Chain::given(region, provider)))
    }

    fn of(aws: &checked::Aws, service: &str, given: Option<Chain>) -> AwsAccess {
        let (aws, service) = (aws.clone(), service.into());
        let (clock, held, asking) = (ServiceClock::default(), Mutex::default(), Arc::default());
        AwsAccess(Arc::new(Access { aws, service, given, clock, held, asking }))
    }

    /// Which source has credentials right now, why that one, and when they end.
    ///
    /// # Errors
    /// A hold that says why there are none and what to do: the same that parks the output's lane.
    pub async fn found(&self) -> Result<Found, Verdict> {
        Ok(self.keys(wall()).await?.found.clone())
    }

    /// The configured region, else what environment, profile or instance metadata say.
    ///
    /// # Errors
    /// A hold that says how to name the region.
    pub async fn region(&self) -> Result<Arc<str>, Verdict> {
        if let Some(region) = &self.0.aws.region {
            return Ok(region.as_str().into());
        }
        let known = self.held().keys.as_ref().map(|keys| Arc::clone(&keys.region));
        match known {
            Some(region) => Ok(region),
            None => Ok(self.chain(&mut *self.0.asking.lock().await, wall()).await?.region),
        }
    }

    /// The configured endpoint, else `https://{host}.{region}.{domain}`; without a trailing slash.
    ///
    /// # Errors
    /// As [`AwsAccess::region`].
    pub async fn endpoint(&self, host: &str) -> Result<String, Verdict> {
        if let Some(endpoint) = &self.0.aws.endpoint {
            return Ok(endpoint.trim_end_matches('/').to_owned());
        }
        let region = self.region().await?;
        Ok(format!("https://{host}.{region}.{}", super::domain(&region)))
    }

    /// Signs `request` as it stands, with the credentials of now.
    async fn sign<B>(
        &self,
        request: &mut http::Request<B>,
        payload: Payload,
    ) -> Result<(Arc<Keys>, SystemTime), Verdict> {
        let keys = self.keys(wall()).await?;
        // Anew: new keys may have taken their time.
        let now = self.0.clock.time(wall());
        let signed = sign::sign(request, payload, &keys.credentials, &keys.region, &self.0.service, now);
        signed.map_err(|say| Verdict::Hold { code: Code::new("signing"), scope: Scope::Lane, say })?;
        Ok((keys, now))
    }

    /// Forgets these credentials, if they are still the ones that are used. The chain goes too: it has read profile and
    /// environment once and for all, and somebody may have corrected them.
    async fn forget(&self, used: &Arc<Keys>) {
        let mut asking = self.0.asking.lock().await;
        let mut held = self.held();
        if held.keys.as_ref().is_some_and(|keys| Arc::ptr_eq(keys, used)) {
            (held.keys, asking.chain) = (None, None);
        }
    }

    /// Those that hold at `now` of this machine, renewed in time.
    async fn keys(&self, now: SystemTime) -> Result<Arc<Keys>, Verdict> {
        let now = self.0.clock.time(now);
        if let Some((keys, due)) = self.usable(now) {
            if due && let Ok(mut asking) = Arc::clone(&self.0.asking).try_lock_owned() {
                let this = self.clone();
                tokio::spawn(async move { this.renew(&mut asking, now).await });
            }
            return Ok(keys);
        }
        let mut asking = self.0.asking.lock().await;
        match self.usable(now) {
            // Somebody else has asked meanwhile.
            Some((keys, _)) => Ok(keys),
            None => self.ask(&mut asking, now).await,
        }
    }

    /// Those that are held, if they still do, and whether it is time for new ones.
    fn usable(&self, now: SystemTime) -> Option<(Arc<Keys>, bool)> {
        let held = self.held();
        let keys = held.keys.as_ref().filter(|keys| keys.until.is_none_or(|until| now < until))?;
        Some((Arc::clone(keys), held.renew_at.is_some_and(|at| now >= at)))
    }

    /// New ones while the old ones hold.
    async fn renew(&self, asking: &mut Asking, now: SystemTime) {
        let Some((old, true)) = self.usable(now) else { return };
        // Whatever comes of it, the next one waits.
        self.held().renew_at = now.checked_add(old.every);
        // How often is bounded by that already.
        let before = asking.failed.take().is_some();
        if let Err(verdict) = self.ask(asking, now).await
            && !before
            && let Verdict::Hold { say, .. } = verdict
        {
            let service = &*self.0.service;
            tracing::warn!(service, "new credentials cannot be had; the present ones are used until they end: {say}");
        }
    }

    async fn ask(&self, asking: &mut Asking, now: SystemTime) -> Result<Arc<Keys>, Verdict> {
        let chain = self.chain(asking, now).await?;
        if let Some(verdict) = quiet(asking, now) {
            return Err(verdict);
        }
        let asked = match tokio::time::timeout(LOAD_WITHIN, chain.provider.provide_credentials()).await {
            Ok(Ok(credentials)) => Ok(credentials),
            Ok(Err(cause)) => Err(sources::none(&self.0.aws, &cause)),
            Err(_) => {
                Err(format!("no AWS credentials: no answer within {} s from who gives them", LOAD_WITHIN.as_secs()))
            }
        };
        match asked {
            Ok(credentials) => {
                asking.failed = None;
                Ok(self.hold(&chain, credentials, now))
            }
            Err(say) => {
                let verdict = hold("credentials", say);
                asking.failed = Some((now, verdict.clone()));
                // A provider that failed may never read its files again.
                asking.chain = None;
                Err(verdict)
            }
        }
    }

    /// Keeps what was just handed out.
    fn hold(&self, chain: &Chain, credentials: Credentials, now: SystemTime) -> Arc<Keys> {
        let found = chain.found(&credentials, &self.0.aws);
        let mut held = self.held();
        let old = held.keys.take();
        if old.as_ref().is_none_or(|old| old.found.source != found.source) {
            let (service, source) = (&*self.0.service, found.source);
            tracing::info!(service, %source, role = found.role.as_deref(), "AWS credentials found: {}", found.why);
        }
        let same = old.filter(|old| old.credentials == credentials);
        // An agent that still hands out the old ones is asked again soon; that they come again makes them no better.
        let keys = match same {
            Some(old) => {
                held.renew_at = now.checked_add(old.every).filter(|_| old.renew_at.is_some());
                old
            }
            None => {
                let keys = Arc::new(Keys::new(credentials, chain, found, now));
                held.renew_at = keys.renew_at;
                keys
            }
        };
        held.keys = Some(Arc::clone(&keys));
        keys
    }

    /// The chain, made at the first use; without a region it is made again next time.
    async fn chain(&self, asking: &mut Asking, now: SystemTime) -> Result<Chain, Verdict> {
        if let Some(chain) = self.0.given.as_ref().or(asking.chain.as_ref()) {
            return Ok(chain.clone());
        }
        if let Some(verdict) = quiet(asking, now) {
            return Err(verdict);
        }
        let made = match tokio::time::timeout(LOAD_WITHIN, Chain::load(&self.0.aws)).await {
            Ok(loaded) => loaded,
            Err(_) => Err(sources::no_region()),
        };
        match &made {
            Ok(chain) => asking.chain = Some(chain.clone()),
            Err(verdict) => asking.failed = Some((now, verdict.clone())),
        }
        made
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Nothing panics while it is held.
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    fn new(credentials: Credentials, chain: &Chain, found: Found, now: SystemTime) -> Keys {
        let end = credentials.expiry();
        // Ended on arrival: the clocks disagree. They are used, and the service's answer says whether they hold.
        let life = end.map_or(Duration::MAX, |end| end.duration_since(now).unwrap_or_default());
        let before_end = |margin: Duration| end.filter(|_| !life.is_zero()).and_then(|end| end.checked_sub(margin));
        let (half, tenth) = (life / 2, life / 10);
        let every = if life.is_zero() { RENEW_EVERY } else { RENEW_EVERY.min(tenth) };
        let renew_at = if life.is_zero() { now.checked_add(every) } else { before_end(RENEW_BEFORE.min(half)) };
        let until = before_end(UNUSABLE_BEFORE.min(tenth));
        Keys { credentials, region: Arc::clone(&chain.region), found, until, renew_at, every }
    }
}

fn hold(code: &str, say: String) -> Verdict {
    Verdict::Hold { code: Code::new(code), scope: Scope::Lane, say }
}

/// The last failure, while it is too fresh to ask again.
fn quiet(asking: &Asking, now: SystemTime) -> Option<Verdict> {
    let (at, verdict) = asking.failed.as_ref()?;
    now.duration_since(*at).is_ok_and(|passed| passed < QUIET).then(|| verdict.clone())
}

#[expect(clippy::disallowed_methods, reason = "signatures carry the wall clock, and credentials end by it")]
fn wall() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod chain;
#[cfg(test)]
mod tests;
