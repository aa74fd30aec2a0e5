//! Credentials and region of one AWS output, through aws-config's chain: environment, profile, web identity, ECS and
//! Pod Identity, instance metadata; with `role_arn` a role assumed on top.
//!
//! Loaded at the first request (anew after the service refused what was loaded), kept until shortly before they expire, asked for by one caller at a time. While new
//! ones cannot be had, those that still hold are used. Trouble is a hold of the whole lane, with what to do.

use super::sign::{self, Payload};
use crate::config::checked;
use crate::lane::batch::{Code, Scope, Verdict};
use crate::output::http::chain;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Mutex;

/// New ones are asked for this long before the old ones end; AWS hands out new instance credentials 5 min before.
const RENEW_BEFORE: Duration = Duration::from_secs(300);
/// Closer to their end than this they are not used: the request may arrive later.
const UNUSABLE_BEFORE: Duration = Duration::from_secs(10);
/// While the old ones hold, new ones are asked for no more often than this.
const RENEW_EVERY: Duration = Duration::from_secs(30);
/// After a failure nobody asks again for so long; 32 senders share one answer.
const QUIET: Duration = Duration::from_secs(5);
/// Instance metadata and STS answer in milliseconds; aws-config tries each a few times.
const LOAD_WITHIN: Duration = Duration::from_secs(30);

/// What one output needs to sign its requests.
#[derive(Debug)]
pub struct AwsAccess {
    aws: checked::Aws,
    service: Arc<str>,
    /// Instead of the chain.
    given: Option<Chain>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    chain: Option<Chain>,
    held: Option<Arc<Credentials>>,
    asked: Option<SystemTime>,
    failed: Option<(SystemTime, Verdict)>,
}

#[derive(Clone, Debug)]
struct Chain {
    region: Arc<str>,
    provider: SharedCredentialsProvider,
}

impl AwsAccess {
    /// Nothing is loaded yet. `service` is the signing name: `logs`, `s3`, `es`, `aoss`.
    pub fn new(aws: &checked::Aws, service: &str) -> AwsAccess {
        AwsAccess { aws: aws.clone(), service: service.into(), given: None, state: Mutex::default() }
    }

    /// With a provider and region of the caller's choosing, for good: the tests have no environment of their own.
    pub fn of_provider(
        aws: &checked::Aws,
        service: &str,
        region: &str,
        provider: impl ProvideCredentials + 'static,
    ) -> AwsAccess {
        let chain = Chain { region: region.into(), provider: SharedCredentialsProvider::new(provider) };
        AwsAccess { given: Some(chain), ..AwsAccess::new(aws, service) }
    }

    /// The configured region, else what environment, profile or instance metadata say.
    ///
    /// # Errors
    /// A hold that says how to name the region.
    pub async fn region(&self) -> Result<Arc<str>, Verdict> {
        if let Some(region) = &self.aws.region {
            return Ok(region.as_str().into());
        }
        let mut state = self.state.lock().await;
        Ok(self.chain(&mut state, wall()).await?.region)
    }

    /// The configured endpoint, else `https://{host}.{region}.{domain}`; without a trailing slash.
    ///
    /// # Errors
    /// As [`AwsAccess::region`].
    pub async fn endpoint(&self, host: &str) -> Result<String, Verdict> {
        if let Some(endpoint) = &self.aws.endpoint {
            return Ok(endpoint.trim_end_matches('/').to_owned());
        }
        let region = self.region().await?;
        Ok(format!("https://{host}.{region}.{}", super::domain(&region)))
    }

    /// Signs `request` as it stands, with the credentials of now.
    ///
    /// # Errors
    /// A hold: no credentials, no region, or a request that cannot be signed.
    pub async fn sign<B>(&self, request: &mut http::Request<B>, payload: Payload) -> Result<(), Verdict> {
        let now = wall();
        let (credentials, region) = self.credentials(now).await?;
        sign::sign(request, payload, &credentials, &region, &self.service, now).map_err(|say| Verdict::Hold {
            code: Code::new("signing"),
            scope: Scope::Lane,
            say,
        })
    }

    /// Forgets the credentials: the service says that they ended or are wrong. The chain goes too: it has read profile
    /// and environment once and for all, and somebody may have corrected them.
    pub async fn forget(&self) {
        let mut state = self.state.lock().await;
        (state.held, state.chain) = (None, None);
    }

    async fn credentials(&self, now: SystemTime) -> Result<(Arc<Credentials>, Arc<str>), Verdict> {
        let mut state = self.state.lock().await;
        let chain = self.chain(&mut state, now).await?;
        let usable = state.held.clone().filter(|held| lasts(held, now, UNUSABLE_BEFORE));
        let recently = |at: SystemTime| now.duration_since(at).is_ok_and(|passed| passed < RENEW_EVERY);
        if let Some(held) = &usable
            && (lasts(held, now, RENEW_BEFORE) || state.asked.is_some_and(recently))
        {
            return Ok((Arc::clone(held), chain.region));
        }
        let asked = match quiet(&state, now) {
            Some(verdict) => Err(verdict),
            None => self.ask(&mut state, &chain, now).await,
        };
        match (asked, usable) {
            (Ok(fresh), _) => Ok((fresh, chain.region)),
            (Err(_), Some(held)) => Ok((held, chain.region)),
            (Err(verdict), None) => Err(verdict),
        }
    }

    async fn ask(&self, state: &mut State, chain: &Chain, now: SystemTime) -> Result<Arc<Credentials>, Verdict> {
        state.asked = Some(now);
        let asked = match tokio::time::timeout(LOAD_WITHIN, chain.provider.provide_credentials()).await {
            Ok(Ok(credentials)) => Ok(Arc::new(credentials)),
            Ok(Err(cause)) => Err(self.no_credentials(&self::chain(&cause))),
            Err(_) => Err(self.no_credentials(&format!("no answer within {} s", LOAD_WITHIN.as_secs()))),
        };
        match asked {
            Ok(fresh) => {
                state.held = Some(Arc::clone(&fresh));
                state.failed = None;
                Ok(fresh)
            }
            Err(verdict) => {
                state.failed = Some((now, verdict.clone()));
                Err(verdict)
            }
        }
    }

    /// The chain, made at the first use; without a region it is made again next time.
    async fn chain(&self, state: &mut State, now: SystemTime) -> Result<Chain, Verdict> {
        if let Some(chain) = self.given.as_ref().or(state.chain.as_ref()) {
            return Ok(chain.clone());
        }
        if let Some(verdict) = quiet(state, now) {
            return Err(verdict);
        }
        let made = match tokio::time::timeout(LOAD_WITHIN, self.load()).await {
            Ok(Some(chain)) => Ok(chain),
            Ok(None) | Err(_) => Err(no_region()),
        };
        match &made {
            Ok(chain) => state.chain = Some(chain.clone()),
            Err(verdict) => state.failed = Some((now, verdict.clone())),
        }
        made
    }

    async fn load(&self) -> Option<Chain> {
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(profile) = &self.aws.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &self.aws.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let loaded = loader.load().await;
        let region: Arc<str> = loaded.region()?.as_ref().into();
        let provider = match &self.aws.role_arn {
            None => loaded.credentials_provider()?,
            Some(role) => {
                let mut assume = AssumeRoleProvider::builder(role).session_name("tailrace").configure(&loaded);
                if let Some(id) = &self.aws.external_id {
                    assume = assume.external_id(id);
                }
                SharedCredentialsProvider::new(assume.build().await)
            }
        };
        Some(Chain { region, provider })
    }

    fn no_credentials(&self, cause: &str) -> Verdict {
        let advice = match (&self.aws.role_arn, &self.aws.profile) {
            (Some(role), _) => {
                format!("allow the base credentials sts:AssumeRole on {role}, and trust them in that role")
            }
            (None, Some(profile)) => format!("check profile {profile} in ~/.aws/config and ~/.aws/credentials"),
            (None, None) => {
                "give the pod a role (Pod Identity or IRSA) or the instance a profile, or set AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY"
                    .to_owned()
            }
        };
        hold(format!("no AWS credentials: {advice} ({cause})"))
    }
}

fn hold(say: String) -> Verdict {
    Verdict::Hold { code: Code::new("credentials"), scope: Scope::Lane, say }
}

fn no_region() -> Verdict {
    let say = "no AWS region: set `region` on the output, or AWS_REGION, or a region in the profile (instance metadata \
               did not tell one either)";
    Verdict::Hold { code: Code::new("region"), scope: Scope::Lane, say: say.to_owned() }
}

/// The last failure, while it is too fresh to ask again.
fn quiet(state: &State, now: SystemTime) -> Option<Verdict> {
    let (at, verdict) = state.failed.as_ref()?;
    now.duration_since(*at).is_ok_and(|passed| passed < QUIET).then(|| verdict.clone())
}

/// Whether they hold for longer than `margin` from `now`.
fn lasts(held: &Credentials, now: SystemTime, margin: Duration) -> bool {
    held.expiry().is_none_or(|end| end.duration_since(now).is_ok_and(|left| left > margin))
}

#[expect(clippy::disallowed_methods, reason = "signatures carry the wall clock, and credentials end by it")]
fn wall() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod chain;
#[cfg(test)]
mod tests;
