//! What all AWS outputs share: credentials and region, signing, host names, and the error codes every service uses.

#[cfg(feature = "outputs")]
pub mod credentials;
#[cfg(feature = "answers")]
pub mod failure;
pub mod faults;
#[cfg(feature = "outputs")]
pub mod sign;

#[cfg(feature = "outputs")]
pub use credentials::AwsAccess;
#[cfg(feature = "answers")]
pub use failure::Failure;

/// What to say of credentials that were fetched a moment ago and are called ended.
pub const ENDED: &str = "the credentials had ended though they were just fetched: check what hands them out (the Pod \
                         Identity, ECS or metadata agent, the files of the profile)";

/// The domain of a region's endpoints: partitions differ.
pub fn domain(region: &str) -> &'static str {
    match region {
        r if r.starts_with("cn-") => "amazonaws.com.cn",
        r if r.starts_with("us-iso-") => "c2s.ic.gov",
        r if r.starts_with("us-isob-") => "sc2s.sgov.gov",
        r if r.starts_with("us-isof-") => "csp.hci.ic.gov",
        r if r.starts_with("eu-isoe-") => "cloud.adc-e.uk",
        r if r.starts_with("eusc-") => "amazonaws.eu",
        _ => "amazonaws.com",
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn partitions_have_their_own_domains() {
        for (region, domain) in [
            ("us-east-1", "amazonaws.com"),
            ("us-gov-west-1", "amazonaws.com"),
            ("cn-north-1", "amazonaws.com.cn"),
            ("us-iso-east-1", "c2s.ic.gov"),
            ("us-isob-east-1", "sc2s.sgov.gov"),
        ] {
            assert_eq!(super::domain(region), domain, "{region}");
        }
    }
}
