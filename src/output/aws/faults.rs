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
    fn an_unheard_of_code_has_no_meaning_here() {
        assert_eq!(fault("SomethingNewException", "Throttling"), None);
        assert_eq!(fault("", ""), None);
    }
}
