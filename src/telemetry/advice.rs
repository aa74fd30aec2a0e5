//! What a person can do about a failure whose verdict does not say: those that mend by themselves, if they do.
//! What the verdict does say (the service's words, the connection's) stands behind it.

use crate::lane::batch::Code;
use std::borrow::Cow;

/// What is known of the code, and what the verdict said; may be empty.
pub fn say<'a>(code: &Code, said: &'a str) -> Cow<'a, str> {
    match (known(code), said) {
        ("", said) => Cow::Borrowed(said),
        (known, "") => Cow::Borrowed(known),
        (known, said) => Cow::Owned(format!("{known} ({said})")),
    }
}

/// Codes of verdicts that bring no advice of their own.
fn known(code: &Code) -> &'static str {
    match code.as_str() {
        "connect_refused" => "nothing listens at the destination's address: is it running, are host and port right?",
        "connect_timeout" | "connect_failed" | "not_sent" => {
            "no connection: look at routes, firewalls, security groups and VPC endpoints on the way to the destination"
        }
        "dns" => {
            "the destination's name cannot be looked up: check `url`, `endpoint` or `region`, and this machine's DNS"
        }
        "timeout" => "the destination takes requests and does not answer in time: look at its load",
        "reset" | "failed" => {
            "connections break off before the answer: look at the destination, and at proxies on the way"
        }
        "not_http" => "what answers does not speak HTTP: check the port, and http:// or https://",
        "answer_too_large" => "the answers are far too long for this service: check the address",
        "unreadable_answer" | "item_count" => {
            "answers are cut off or not this service's: check `url` or `endpoint`, and proxies on the way"
        }
        "vanished" => "an attempt ended without a verdict: please report this as a mistake of this program",
        "unavailable_shards_exception" | "no_shard_available_action_exception" => {
            "shards of the index have no node: look at the cluster's health"
        }
        "cluster_manager_not_discovered_exception" | "master_not_discovered_exception" => {
            "the cluster has no manager: look at its nodes"
        }
        "http_408"
        | "http_425"
        | "http_429"
        | "http_503"
        | "SlowDown"
        | "ServiceUnavailable"
        | "RequestTimeout"
        | "RequestLimitExceeded"
        | "TooManyRequests"
        | "Throttling"
        | "ThrottlingException"
        | "ServiceUnavailableException"
        | "rejected_execution_exception"
        | "circuit_breaking_exception" => {
            "the service is busy and is asked more slowly; if it lasts, raise its quota or size"
        }
        "InternalError" | "InternalFailure" | "InternalFailureException" | "InternalServerError" => BROKEN,
        other if other.starts_with("http_5") => BROKEN,
        _ => "",
    }
}

const BROKEN: &str = "the service, or a proxy before it, is in trouble: if it lasts, look at its status and log";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_that_comes_without_advice_gets_some_and_what_was_said_stays() {
        let ours = "connect_refused connect_timeout connect_failed not_sent dns timeout reset failed not_http answer_too_large \
                    unreadable_answer item_count vanished";
        let theirs = "http_429 http_500 http_502 http_503 http_504 http_599 SlowDown ThrottlingException \
                      rejected_execution_exception circuit_breaking_exception InternalError";
        for code in ours.split_whitespace().chain(theirs.split_whitespace()) {
            assert!(say(&Code::new(code), "").len() > 20, "{code}");
        }
        assert!(say(&Code::new("dns"), "ask Eve").ends_with("DNS (ask Eve)"));
        assert_eq!(say(&Code::new("AccessDenied"), "ask Eve"), "ask Eve");
        assert_eq!(say(&Code::new("of_next_year"), ""), "");
    }
}
