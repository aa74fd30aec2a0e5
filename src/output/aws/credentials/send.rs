//! One signed request, and its answer.
//!
//! The one exception to "one attempt": a request that was refused for its signature was not looked at, and whoever
//! knows at once what was wrong with it (credentials that ended, this machine's clock) signs it anew and sends it once
//! more. What is refused then is told as it is, and retried by the lane.

use super::{AwsAccess, wall};
use crate::lane::batch::Verdict;
use crate::output::aws::faults::Fault;
use crate::output::aws::sign::Payload;
use crate::output::http::{Answer, Http, Trouble};
use bytes::Bytes;
use http::Request;
use std::time::Duration;

impl AwsAccess {
    /// Signs and sends; `means` is what an answer says of who asked.
    ///
    /// # Errors
    /// A hold: no credentials, no region, or a request that cannot be signed. Inside: no whole answer came.
    pub async fn send(
        &self,
        http: &Http,
        request: Request<Vec<Bytes>>,
        payload: Payload,
        within: Duration,
        means: impl Fn(&Answer) -> Option<Fault>,
    ) -> Result<Result<Answer, Trouble>, Verdict> {
        let mut signed = request.clone();
        let (keys, at) = self.sign(&mut signed, payload).await?;
        let answer = match http.send(signed, within).await {
            Ok(answer) => answer,
            Err(trouble) => return Ok(Err(trouble)),
        };
        let Some(fault) = means(&answer) else { return Ok(Ok(answer)) };
        let (clock, renew) = match fault {
            Fault::ClockSkew => (true, false),
            Fault::Expired | Fault::Credentials => (true, true),
            // Some services say no more than this of a date that is off.
            Fault::Denied => (true, false),
            Fault::Throttled | Fault::Unavailable => (false, false),
        };
        let corrected = clock && self.0.clock.corrected(&answer.headers, at, wall(), &self.0.service);
        if renew {
            self.forget(&keys).await;
        }
        if !corrected && !renew {
            return Ok(Ok(answer));
        }
        let mut again = request;
        let (new, _) = self.sign(&mut again, payload).await?;
        if !corrected && new.credentials == keys.credentials {
            return Ok(Ok(answer));
        }
        Ok(http.send(again, within).await)
    }
}
