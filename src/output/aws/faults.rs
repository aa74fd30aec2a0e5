//! Error codes that mean the same in every AWS service, by code and, where the code is vague, by message.
//!
//! Each output asks here first for what is not its own; a code that nobody knows is a hold, never a reject.

/// A cause that all services share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Too many requests: slower.
    Throttled,
    /// The service's own trouble: again later.
    Unavailable,
    /// The session's credentials ended: fetch new ones, then again.
    Expired,
    /// The credentials are not known or not right.
    Credentials,
    /// This machine's clock is wrong.
    ClockSkew,
    /// Known, but not allowed.
    Denied,
}

/// Looks a code up. `code` without namespace or suffix (`#`, `:`).
pub fn fault(code: &str, message: &str) -> Option<Fault> {
    let fault = match code {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "BandwidthLimitExceeded"
        | "ProvisionedThroughputExceededException"
        | "SlowDown"
        | "PriorRequestNotComplete" => Fault::Throttled,
        "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "InternalFailure"
        | "InternalError"
        | "InternalServerError"
        | "InternalServerException"
        | "RequestTimeout"
        | "RequestTimeoutException" => Fault::Unavailable,
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => Fault::Expired,
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => Fault::ClockSkew,
        "InvalidSignatureException" | "InvalidSignature" | "SignatureDoesNotMatch" | "AuthorizationHeaderMalformed"
            if about_the_clock(message) =>
        {
            Fault::ClockSkew
        }
        "InvalidSignatureException"
        | "InvalidSignature"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidToken"
        | "InvalidTokenId"
        | "InvalidSecurity"
        | "XAdminUserNotFound"
        | "AuthFailure"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "NotSignedUp"
        | "OptInRequired"
        | "AccountProblem" => Fault::Credentials,
        "AccessDenied" | "AccessDeniedException" | "AllAccessDisabled" | "UnauthorizedOperation" => Fault::Denied,
        _ => return None,
    };
    Some(fault)
}

/// The same of an answer that has no code: the front doors of OpenSearch domains say all of it in words.
pub fn fault_in_words(message: &str) -> Option<Fault> {
    let says = |words: &str| message.contains(words);
    if about_the_clock(message) {
        Some(Fault::ClockSkew)
    } else if says("security token included in the request is expired") {
        Some(Fault::Expired)
    } else if says("security token included in the request is invalid") || says("request signature we calculated") {
        Some(Fault::Credentials)
    } else {
        says("not authorized").then_some(Fault::Denied)
    }
}

/// `Signature expired: 20261122T101500Z is now earlier than ...`, `Signature not yet current: ...`
fn about_the_clock(message: &str) -> bool {
    ["Signature expired", "Signature not yet current", "is now earlier than", "is still later than"]
        .iter()
        .any(|sign| message.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::{Fault, fault};

    #[test]
    fn a_signature_that_expired_is_a_matter_of_the_clock() {
        let late =
            "Signature expired: 20261122T101500Z is now earlier than 20261122T103500Z (20261122T104000Z - 5 min.)";
        assert_eq!(fault("InvalidSignatureException", late), Some(Fault::ClockSkew));
        assert_eq!(fault("InvalidSignatureException", "The request signature we calculated"), Some(Fault::Credentials));
        assert_eq!(fault("ExpiredTokenException", late), Some(Fault::Expired));
    }

    #[test]
    fn words_without_a_code_are_understood() {
        for (words, meant) in [
            ("The security token included in the request is expired", Some(Fault::Expired)),
            ("The security token included in the request is invalid.", Some(Fault::Credentials)),
            ("Signature not yet current: 20261122T101500Z is still later than", Some(Fault::ClockSkew)),
            ("User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: es:ESHttpPost", Some(Fault::Denied)),
            ("no permissions for [indices:data/write/bulk]", None),
        ] {
            assert_eq!(super::fault_in_words(words), meant, "{words}");
        }
    }

    #[test]
    fn an_unheard_of_code_has_no_meaning_here() {
        assert_eq!(fault("SomethingNewException", "Throttling"), None);
        assert_eq!(fault("", ""), None);
    }
}
