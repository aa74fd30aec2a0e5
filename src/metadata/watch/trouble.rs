//! Why a request to the API server brought nothing, and what a person can do about it.

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
    /// Read configuration and credentials again.
    pub again_from_scratch: bool,
    /// When the server wants to be asked again.
    pub wish: Option<Duration>,
}

impl Trouble {
    fn new(code: &str, say: String) -> Self {
        Trouble { code: Code::new(code), say, busy: false, gone: false, again_from_scratch: false, wish: None }
    }

    /// An HTTP status, or the code in an ERROR event of a watch.
    pub(super) fn status(code: u16, message: &str, wish: Option<Duration>) -> Self {
        let advice = match code {
            401 => "the API server does not take our credentials; is the service account's token mounted and current? ",
            403 => {
                "the service account may not read pods; bind it to a ClusterRole with the rule \
                 {apiGroups: [\"\"], resources: [\"pods\"], verbs: [\"list\", \"watch\"]}. "
            }
            429 | 500.. => "the API server is busy or in trouble; it is asked again. ",
            _ => "",
        };
        Trouble {
            busy: code == 429 || code >= 500,
            gone: code == 410,
            again_from_scratch: code == 401,
            wish,
            ..Trouble::new(&format!("http_{code}"), format!("{advice}It said {code}: {message}"))
        }
    }

    /// No head of an answer, or no further piece of one, in time.
    pub(super) fn slow(limit: Duration) -> Self {
        Trouble::new("timeout", format!("the API server did not answer within {} s", limit.as_secs_f64()))
    }

    /// The request did not get out.
    pub(super) fn unsent(error: &kube::Error) -> Self {
        // Of the many things it may be, credentials and addresses can only mend when they are read again.
        let code = if matches!(error, kube::Error::Auth(_)) { "auth" } else { "connect" };
        let say = format!("the API server cannot be reached: {}", chain(error));
        Trouble { again_from_scratch: true, ..Trouble::new(code, say) }
    }

    /// The answer broke off.
    pub(super) fn broken(error: impl Error) -> Self {
        Trouble::new("broken", format!("the API server's answer broke off: {}", chain(&error)))
    }

    /// An answer that is none.
    pub(super) fn odd(say: String) -> Self {
        Trouble::new("answer", say)
    }

    /// There is no way to find the server.
    pub(super) fn config(error: &dyn Error) -> Self {
        let say = format!(
            "no API server: neither a service account of a cluster nor a usable KUBECONFIG ({}); \
             `metadata: {{source: path}}` does without",
            chain(error)
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
