//! Why a request to the API server brought nothing, and what a person can do about it.

use super::ask::What;
use super::client::Unsent;
use crate::lane::batch::Code;
use std::error::Error;
use std::time::Duration;

/// What went wrong with one request.
#[derive(Debug)]
pub(super) struct Trouble {
    /// Metric label.
    pub code: Code,
    /// For people.
    pub say: String,
    /// The server is there but busy.
    pub busy: bool,
    /// The version asked for is too old: list anew. No failure.
    pub gone: bool,
    /// Our credentials are not taken: they may have been replaced on disk since they were read.
    pub denied: bool,
    /// Read configuration and credentials again.
    pub again_from_scratch: bool,
    /// When the server wants to be asked again.
    pub wish: Option<Duration>,
}

impl Trouble {
    fn new(code: &str, say: String) -> Self {
        Trouble {
            code: Code::new(code),
            say,
            busy: false,
            gone: false,
            denied: false,
            again_from_scratch: false,
            wish: None,
        }
    }

    /// An HTTP status, or the code in an ERROR event of a watch.
    pub(super) fn status(what: What, code: u16, message: &str, wish: Option<Duration>) -> Self {
        let who = what.server();
        let advice = match code {
            401 => format!("{who} does not take our credentials; is the service account's token mounted and current? "),
            403 => {
                let (resource, verbs) = what.right();
                let rule = format!("{{apiGroups: [\"\"], resources: [\"{resource}\"], verbs: [{verbs}]}}");
                let more = match what {
                    What::Kubelet => {
                        " (kubelets before 1.33 know only `nodes/proxy`, which lets its owner run commands in every \
                         pod: use `source: api` there)"
                    }
                    What::List | What::Watch | What::Namespace | What::Node => "",
                };
                format!(
                    "the service account may not read {resource}; bind it to a ClusterRole with the rule {rule}{more}. "
                )
            }
            429 | 500.. => format!("{who} is busy or in trouble; it is asked again. "),
            _ => String::new(),
        };
        Trouble {
            busy: code == 429 || code >= 500,
            gone: code == 410,
            denied: code == 401,
            again_from_scratch: code == 401,
            wish,
            ..Trouble::new(&format!("http_{code}"), format!("{advice}It said {code}: {message}"))
        }
    }

    /// It would not be better for a plain list: the way, or the right, is missing.
    pub(super) fn is_general(&self) -> bool {
        matches!(self.code.as_str(), "connect" | "config" | "http_401" | "http_403" | "http_429") || self.gone
    }

    /// No head of an answer, or no further piece of one, in time.
    pub(super) fn slow(what: What, limit: Duration) -> Self {
        Trouble::new("timeout", format!("{} did not answer within {} s", what.server(), limit.as_secs_f64()))
    }

    /// The request did not get out.
    pub(super) fn unsent(what: What, error: &Unsent) -> Self {
        let cause = chain(error);
        let advice = match what {
            What::Kubelet if cause.contains("certificate") => {
                "; give the authority that signed kubelet's certificate as `metadata.kubelet.ca_file`, or do without: \
                 `metadata.kubelet.verify: false`"
            }
            What::Kubelet if cause.contains("refused") => {
                "; 127.0.0.1 is the node's own only with hostNetwork, else give `metadata.kubelet.url`"
            }
            What::Kubelet | What::List | What::Watch | What::Namespace | What::Node => "",
        };
        let say = format!("{} cannot be reached: {cause}{advice}", what.server());
        // Of the many things it may be, credentials and addresses can only mend when they are read again.
        Trouble { again_from_scratch: true, ..Trouble::new("connect", say) }
    }

    /// The answer broke off.
    pub(super) fn broken(what: What, error: impl Error) -> Self {
        Trouble::new("broken", format!("{}'s answer broke off: {}", what.server(), chain(&error)))
    }

    /// An answer that is none.
    pub(super) fn odd(say: String) -> Self {
        Trouble::new("answer", say)
    }

    /// There is no way to find the server.
    pub(super) fn config(why: &str) -> Self {
        let say = format!(
            "no API server: neither a service account of a cluster nor a usable KUBECONFIG ({why}); \
             `metadata: {{source: path}}` does without"
        );
        Trouble { again_from_scratch: true, ..Trouble::new("config", say) }
    }
}

/// An error with its causes, without those whose text the one above repeats.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    for _ in 0..8 {
        let Some(cause) = next else { break };
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = cause.source();
    }
    text
}
