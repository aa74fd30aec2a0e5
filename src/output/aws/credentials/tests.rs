use super::*;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use std::sync::atomic::{AtomicU32, Ordering};

const MINUTE: Duration = Duration::from_secs(60);

/// Gives out credentials that last `life` from `at`, or nothing; counts how often it is asked.
#[derive(Debug)]
struct Fake {
    asked: Arc<AtomicU32>,
    ends: Vec<Option<SystemTime>>,
}

impl ProvideCredentials for Fake {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        let nth = self.asked.fetch_add(1, Ordering::SeqCst) as usize;
        Provided::ready(match self.ends.get(nth).copied().flatten() {
            Some(end) => Ok(Credentials::new(format!("key-{nth}"), "secret", None, Some(end), "fake")),
            None => Err(CredentialsError::provider_error("no role here")),
        })
    }
}

fn access(ends: &[Option<SystemTime>]) -> (AwsAccess, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let fake = Fake { asked: Arc::clone(&asked), ends: ends.to_vec() };
    (AwsAccess::of_provider(&checked::Aws::default(), "logs", "eu-west-1", fake), asked)
}

async fn key(access: &AwsAccess, now: SystemTime) -> Result<String, Verdict> {
    Ok(access.credentials(now).await?.0.access_key_id().to_owned())
}

#[tokio::test]
async fn credentials_are_kept_until_shortly_before_they_end() {
    let start = SystemTime::UNIX_EPOCH + 1_000 * MINUTE;
    let (access, asked) = access(&[Some(start + 60 * MINUTE), Some(start + 120 * MINUTE)]);
    for (minutes, expected, asks) in [(0, "key-0", 1), (54, "key-0", 1), (56, "key-1", 2), (57, "key-1", 2)] {
        assert_eq!(key(&access, start + minutes * MINUTE).await.unwrap(), expected, "{minutes}");
        assert_eq!(asked.load(Ordering::SeqCst), asks, "{minutes}");
    }
}

#[tokio::test]
async fn the_old_ones_serve_while_new_ones_cannot_be_had() {
    let start = SystemTime::UNIX_EPOCH + 1_000 * MINUTE;
    let (access, asked) = access(&[Some(start + 6 * MINUTE), None, Some(start + 60 * MINUTE)]);
    assert_eq!(key(&access, start).await.unwrap(), "key-0");
    assert_eq!(key(&access, start + 2 * MINUTE).await.unwrap(), "key-0");
    assert_eq!(key(&access, start + 2 * MINUTE + Duration::from_secs(20)).await.unwrap(), "key-0");
    assert_eq!(asked.load(Ordering::SeqCst), 2, "not asked again within 30 s");
    assert_eq!(key(&access, start + 3 * MINUTE).await.unwrap(), "key-2");
}

#[tokio::test]
async fn none_at_all_holds_the_lane_and_is_asked_again_later() {
    let start = SystemTime::UNIX_EPOCH + 1_000 * MINUTE;
    let (access, asked) = access(&[None, Some(start + 60 * MINUTE)]);
    for seconds in [0, 4] {
        let now = start + Duration::from_secs(seconds);
        let Verdict::Hold { code, scope: Scope::Lane, say } = key(&access, now).await.unwrap_err() else {
            panic!("a hold of the lane")
        };
        assert_eq!(code.as_str(), "credentials");
        assert!(say.contains("no role here") && say.contains("Pod Identity"), "{say}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(key(&access, start + Duration::from_secs(6)).await.unwrap(), "key-1");
}

#[tokio::test]
async fn what_the_service_calls_expired_is_forgotten() {
    let start = SystemTime::UNIX_EPOCH + 1_000 * MINUTE;
    let (access, _) = access(&[Some(start + 60 * MINUTE), Some(start + 60 * MINUTE)]);
    assert_eq!(key(&access, start).await.unwrap(), "key-0");
    access.forget().await;
    assert_eq!(key(&access, start).await.unwrap(), "key-1");
}

#[tokio::test]
async fn ended_credentials_are_not_used() {
    let start = SystemTime::UNIX_EPOCH + 1_000 * MINUTE;
    let (access, _) = access(&[Some(start + MINUTE)]);
    assert_eq!(key(&access, start).await.unwrap(), "key-0");
    assert!(key(&access, start + MINUTE).await.is_err());
}

#[tokio::test]
async fn the_endpoint_is_the_configured_one_or_that_of_the_region() {
    for (aws, expected) in [
        (
            checked::Aws { region: Some("eu-west-1".into()), ..checked::Aws::default() },
            "https://logs.eu-west-1.amazonaws.com",
        ),
        (
            checked::Aws { region: Some("cn-north-1".into()), ..checked::Aws::default() },
            "https://logs.cn-north-1.amazonaws.com.cn",
        ),
        (
            checked::Aws { endpoint: Some("http://127.0.0.1:9900/".into()), ..checked::Aws::default() },
            "http://127.0.0.1:9900",
        ),
    ] {
        assert_eq!(AwsAccess::new(&aws, "logs").endpoint("logs").await.unwrap(), expected);
    }
}
