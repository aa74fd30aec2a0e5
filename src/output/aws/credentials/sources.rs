//! Where credentials come from: aws-config's chain, a named profile, a role on top; which of them it was, and what to
//! do when none has any.
//!
//! Order: environment, profile, web identity (IRSA), container (EKS Pod Identity, ECS), instance metadata. With
//! `profile` only that profile counts: keys that happen to be in the environment do not win over what was written.

use super::errand::Errand;
use super::told;
use crate::config::checked;
use crate::lane::batch::Verdict;
use crate::output::http::chain as causes;
use aws_config::meta::{ProviderAttempt, ProviderChainError};
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature as Feature;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// The session's name in CloudTrail, unless `session_name` says another.
const SESSION: &str = "tailrace";

/// A kind of place that gives credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
    Environment,
    /// `~/.aws/config` and `~/.aws/credentials`, or the files that `AWS_CONFIG_FILE` and the like name.
    Profile,
    /// A projected token, exchanged at STS.
    WebIdentity,
    /// The Pod Identity agent's or the ECS agent's address.
    Container,
    /// IMDSv2.
    Instance,
    /// The program's own: tests.
    Given,
}

impl Source {
    /// Of the credentials that it gave.
    fn of(credentials: &Credentials) -> Source {
        let features = credentials.get_property::<Vec<Feature>>().map(Vec::as_slice).unwrap_or_default();
        let has = |feature| features.contains(&feature);
        // The profile's own provider may have used any of the others; it says so in every case.
        if has(Feature::CredentialsProfile) {
            Source::Profile
        } else if has(Feature::CredentialsEnvVars) {
            Source::Environment
        } else if has(Feature::CredentialsProfileStsWebIdToken) || has(Feature::CredentialsStsAssumeRoleWebId) {
            Source::WebIdentity
        } else if has(Feature::CredentialsHttp) {
            Source::Container
        } else if has(Feature::CredentialsImds) {
            Source::Instance
        } else {
            Source::Given
        }
    }

    /// Why this one and none before it.
    fn why(self, profile: Option<&str>) -> String {
        let set = |name: &str| std::env::var_os(name).is_some();
        match self {
            Source::Environment => "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set: they go before all others",
            Source::Profile => {
                return match profile {
                    Some(name) => format!("`profile: {name}` is configured: only that profile counts"),
                    None => {
                        let name = std::env::var(told::PROFILE).unwrap_or_else(|_| "default".into());
                        format!("profile {name} has credentials, and no keys are in the environment")
                    }
                };
            }
            Source::WebIdentity => {
                "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are set, and no keys are in environment or profile"
            }
            Source::Container if set(told::CONTAINER[0]) => {
                "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is set (ECS), and nothing goes before it"
            }
            Source::Container => {
                "AWS_CONTAINER_CREDENTIALS_FULL_URI is set (EKS Pod Identity), and nothing goes before it"
            }
            Source::Instance => "nothing else gives any, so the instance's own role is used",
            Source::Given => "given by the program",
        }
        .to_owned()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Environment => "environment variables",
            Source::Profile => "profile",
            Source::WebIdentity => "web identity token (IRSA)",
            Source::Container => "container credentials (EKS Pod Identity, ECS)",
            Source::Instance => "instance metadata (IMDSv2)",
            Source::Given => "program",
        })
    }
}

/// Credentials as they were found: for people. The secret is not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Who gave them; with a role, those that it was assumed with.
    pub source: Source,
    /// Why that one.
    pub why: String,
    /// Role that was assumed on top, by `role_arn`.
    pub role: Option<String>,
    /// Access key id.
    pub key: String,
    /// When they end; `None`: never.
    pub expires: Option<SystemTime>,
    /// Where requests go.
    pub region: Arc<str>,
}

/// Everything that is needed to ask for credentials.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub region: Arc<str>,
    pub provider: SharedCredentialsProvider,
    base: Noted,
}

impl Chain {
    pub fn given(region: &str, provider: impl ProvideCredentials + 'static) -> Chain {
        let base = Noted::new(SharedCredentialsProvider::new(provider));
        Chain { region: region.into(), provider: SharedCredentialsProvider::new(base.clone()), base }
    }

    /// # Errors
    /// Nobody tells the region.
    pub async fn load(aws: &checked::Aws) -> Result<Chain, Verdict> {
        let errand = Errand::new().map_err(|why| super::hold("tls", why))?;
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(errand.clone());
        if let Some(profile) = &aws.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &aws.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let loaded = loader.load().await;
        let region = loaded.region().ok_or_else(no_region)?.clone();
        let base = match &aws.profile {
            Some(profile) => {
                let config = ProviderConfig::without_region().with_region(Some(region.clone()));
                let config = config.with_http_client(errand);
                let only = ProfileFileCredentialsProvider::builder().profile_name(profile).configure(&config).build();
                SharedCredentialsProvider::new(only)
            }
            None => loaded.credentials_provider().ok_or_else(no_region)?,
        };
        let base = Noted::new(base);
        let mut provider = SharedCredentialsProvider::new(base.clone());
        if let Some(role) = &aws.role_arn {
            let name = aws.session_name.as_deref().unwrap_or(SESSION);
            let mut assume = AssumeRoleProvider::builder(role).session_name(name).configure(&loaded);
            if let Some(id) = &aws.external_id {
                assume = assume.external_id(id);
            }
            provider = SharedCredentialsProvider::new(assume.build_from_provider(provider).await);
        }
        Ok(Chain { region: region.as_ref().into(), provider, base })
    }

    /// What `credentials` of this chain are, for people.
    pub fn found(&self, credentials: &Credentials, aws: &checked::Aws) -> Found {
        let source = self.base.last();
        Found {
            source,
            why: source.why(aws.profile.as_deref()),
            role: aws.role_arn.clone(),
            key: credentials.access_key_id().to_owned(),
            expires: credentials.expiry(),
            region: Arc::clone(&self.region),
        }
    }
}

/// Remembers who gave the last credentials: of an assumed role's own nobody can tell.
#[derive(Clone, Debug)]
struct Noted {
    inner: SharedCredentialsProvider,
    last: Arc<Mutex<Source>>,
}

impl Noted {
    fn new(inner: SharedCredentialsProvider) -> Noted {
        Noted { inner, last: Arc::new(Mutex::new(Source::Given)) }
    }
    fn last(&self) -> Source {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProvideCredentials for Noted {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        Provided::new(async {
            let credentials = self.inner.provide_credentials().await?;
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Source::of(&credentials);
            Ok(credentials)
        })
    }
}

/// Nobody gave credentials: what to do about it, and why.
pub(super) fn none(aws: &checked::Aws, cause: &CredentialsError) -> String {
    let asked = attempts(cause);
    let why = match asked {
        Some(attempts) => {
            attempts.iter().map(|a| format!("{}: {}", a.name(), reason(a.error()))).collect::<Vec<_>>().join("; ")
        }
        None => causes(cause),
    };
    let advice = match (&aws.role_arn, &aws.profile) {
        // Somebody had base credentials: it is STS that refuses.
        (Some(role), _) if asked.is_none() && is_refused(cause) => {
            format!("allow the base credentials sts:AssumeRole on {role}, and trust them in that role")
        }
        (_, Some(profile)) => format!("check profile {profile} in ~/.aws/config and ~/.aws/credentials"),
        (_, None) => {
            "give the pod a role (Pod Identity or IRSA) or the instance a profile, or set AWS_ACCESS_KEY_ID and \
                      AWS_SECRET_ACCESS_KEY"
                .to_owned()
        }
    };
    let hops = if is_hop_limit(&why) { HOP_LIMIT } else { "" };
    format!("no AWS credentials: {advice}{hops} ({why})")
}

/// Whoever started us wants nobody to ask instance metadata; as the AWS SDKs have it, by environment.
pub fn instance_metadata_is_off() -> bool {
    std::env::var(told::NO_INSTANCE).is_ok_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Nobody told the region.
pub(super) fn no_region() -> Verdict {
    super::hold("region", NO_REGION.to_owned())
}

const NO_REGION: &str = "no AWS region: set `region` on the output, or AWS_REGION, or a region in the profile \
                                    (instance metadata did not tell one either: in a pod it needs hop limit 2)";

const HOP_LIMIT: &str = ". Instance metadata did not answer: in a pod without host network it needs hop limit 2 (aws ec2 \
                         modify-instance-metadata-options --http-put-response-hop-limit 2, in a launch template \
                         HttpPutResponseHopLimit: 2)";

/// What each source said, when none had any.
fn attempts(cause: &CredentialsError) -> Option<&[ProviderAttempt<CredentialsError>]> {
    let mut next: Option<&(dyn Error + 'static)> = cause.source();
    for _ in 0..16 {
        let here = next?;
        if let Some(chain) = here.downcast_ref::<ProviderChainError<CredentialsError>>() {
            return Some(chain.attempts());
        }
        next = here.source();
    }
    None
}

/// Without the words that they all begin with.
fn reason(cause: &CredentialsError) -> String {
    cause.source().map_or_else(|| "has none".to_owned(), causes)
}

/// STS gave an answer: whatever is wrong, it is not that there are no base credentials.
fn is_refused(cause: &CredentialsError) -> bool {
    matches!(cause, CredentialsError::ProviderError(_) | CredentialsError::InvalidConfiguration(_))
}

/// The token of IMDSv2 was asked for and nothing came back: the answer's packets may not go further than one hop.
fn is_hop_limit(why: &str) -> bool {
    why.contains("IMDS") && ["timeout", "timed out"].iter().any(|sign| why.contains(sign))
}
