//! What a person can do about a failure whose verdict does not say: those that mend by themselves, if they do.

use crate::lane::batch::Code;
use std::borrow::Cow;

/// What the verdict said, else what is known of the code; may be empty.
pub fn say<'a>(code: &Code, said: &'a str) -> Cow<'a, str> {
    if !said.is_empty() {
        return Cow::Borrowed(said);
    }
    Cow::Borrowed(match code.as_str() {
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
        "429" | "503" | "SlowDown" | "ThrottlingException" | "ServiceUnavailableException" => {
            "the service is busy and is asked more slowly; if it lasts, raise its quota or size"
        }
        _ => "",
    })
}
