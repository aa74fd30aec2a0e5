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

/// The key that a request would be signed with; what that sets off in the background is waited for.
async fn key(access: &AwsAccess, now: SystemTime) -> Result<String, Verdict> {
    let keys = access.keys(now).await?;
    drop(access.0.asking.lock().await);
    Ok(keys.found.key.clone())
}

#[tokio::test]
async fn credentials_are_kept_and_renewed_before_they_end_while_the_old_ones_serve() {
    let start = SystemTime::UNIX_EPOCH + 1_000 * MINUTE;
    let (access, asked) = access(&[Some(start + 60 * MINUTE), Some(start + 120 * MINUTE)]);
    for (minutes, expected, asks) in [(0, "key-0", 1), (54, "key-0", 1), (56, "key-0", 2), (57, "key-1", 2)] {
        assert_eq!(key(&access, start + minutes * MINUTE).await.unwrap(), expected, "{minutes}");
        assert_eq!(asked.load(Ordering::SeqCst), asks, "{minutes}");
    }
}

#[tokio::test]
async fn the_old_ones_serve_while_new_ones_cannot_be_had() {
    let start = SystemTime::UNIX_EPOCH + 1_000 * MINUTE;
    let (access, asked) = access(&[Some(start + 10 * MINUTE), None, Some(start + 60 * MINUTE)]);
    assert_eq!(key(&access, start).await.unwrap(), "key-0");
    assert_eq!(key(&access, start + 6 * MINUTE).await.unwrap(), "key-0");
    assert_eq!(key(&access, start + 6 * MINUTE + Duration::from_secs(20)).await.unwrap(), "key-0");
    assert_eq!(asked.load(Ordering::SeqCst), 2, "not asked again within 30 s");
    assert_eq!(key(&access, start + 7 * MINUTE).await.unwrap(), "key-0");
    assert_eq!(key(&access, start + 7 * MINUTE).await.unwrap(), "key-2");
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
async fn what_the_service_calls_expired_is_forgotten_once() {
    let start = SystemTime::UNIX_EPOCH + 1_000 * MINUTE;
    let (access, asked) = access(&[Some(start + 60 * MINUTE), Some(start + 60 * MINUTE), Some(start + 60 * MINUTE)]);
    let old = access.keys(start).await.unwrap();
    // 32 requests were under way with them; the first of their answers has new ones fetched.
    for _ in 0..32 {
        access.forget(&old).await;
        assert_eq!(key(&access, start).await.unwrap(), "key-1");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_agent_that_hands_out_the_same_again_is_asked_again_soon() {
    let (start, seconds) = (SystemTime::UNIX_EPOCH + 1_000 * MINUTE, Duration::from_secs);
    let access = {
        let same = Credentials::new("same", "secret", None, Some(start + seconds(100)), "fake");
        AwsAccess::of_provider(&checked::Aws::default(), "logs", "eu-west-1", same)
    };
    for (second, due) in [(0, false), (49, false), (50, true), (59, false), (60, true), (89, true)] {
        let now = start + seconds(second);
        let seen = key(&access, now).await.is_ok() && access.held().renew_at.is_some_and(|at| at > now);
        assert!(seen, "{second}: the next one is planned");
        assert_eq!(access.held().renew_at == Some(now + seconds(10)), due, "{second}");
    }
    assert!(access.usable(start + seconds(90)).is_none(), "too near to their end");
}

#[tokio::test]
async fn what_has_ended_on_arrival_is_left_to_the_service_to_judge() {
    let start = SystemTime::UNIX_EPOCH + 1_000 * MINUTE;
    let (access, asked) = access(&[Some(start - MINUTE), Some(start - MINUTE)]);
    for _ in 0..3 {
        assert_eq!(key(&access, start).await.unwrap(), "key-0", "this machine's clock may be wrong");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(key(&access, start + MINUTE).await.unwrap(), "key-0");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn credentials_of_seconds_are_renewed_at_half_of_their_time() {
    let (start, seconds) = (SystemTime::UNIX_EPOCH + 1_000 * MINUTE, Duration::from_secs);
    let (access, _) = access(&[Some(start + seconds(20)), Some(start + seconds(40))]);
    for (second, expected) in [(0, "key-0"), (9, "key-0"), (10, "key-0"), (11, "key-1")] {
        assert_eq!(key(&access, start + seconds(second)).await.unwrap(), expected, "{second}");
    }
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
