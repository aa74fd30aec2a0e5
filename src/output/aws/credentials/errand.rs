//! What aws-config asks of STS, of the Pod Identity agent and of instance metadata goes through the one HTTP client of all
//! outputs, with the timeouts that aws-config wants. Its own client would be a second HTTP and TLS stack in the binary.

use crate::output::http::{Http, Trouble};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use bytes::Bytes;
use std::error::Error;
use std::time::Duration;

/// Where aws-config wants no other: STS answers within a second.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Our client, for aws-config.
#[derive(Clone, Debug)]
pub(super) struct Errand {
    http: Http,
    within: Duration,
}

impl Errand {
    /// Asks those whom the system trusts.
    pub fn new() -> Result<Errand, String> {
        Ok(Errand { http: Http::new(None)?, within: ANSWER_WITHIN })
    }
}

impl HttpClient for Errand {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let within = settings.read_timeout().unwrap_or(self.within);
        SharedHttpConnector::new(Errand { http: self.http.clone(), within })
    }
}

impl HttpConnector for Errand {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let this = self.clone();
        HttpConnectorFuture::new(async move {
            let wrong = |cause: Box<dyn Error + Send + Sync>| ConnectorError::user(cause);
            let body = request.body().bytes().map(Bytes::copy_from_slice).unwrap_or_default();
            let mut ours = http::Request::builder().method(request.method()).uri(request.uri());
            for (name, value) in request.headers() {
                ours = ours.header(name, value);
            }
            let ours = ours.body(vec![body]).map_err(|e| wrong(e.into()))?;
            let answer = this.http.send(ours, this.within).await.map_err(failed)?;
            let status = answer.status.try_into().map_err(|e| ConnectorError::other(Box::new(e), None))?;
            let mut theirs = HttpResponse::new(status, answer.body.into());
            for (name, value) in &answer.headers {
                // What is no text has no meaning to aws-config.
                if let Ok(value) = value.to_str() {
                    theirs.headers_mut().append(name.as_str().to_owned(), value.to_owned());
                }
            }
            Ok(theirs)
        })
    }
}

/// aws-config tries timeouts and I/O again.
fn failed(trouble: Trouble) -> ConnectorError {
    let late = matches!(trouble.code.as_str(), "timeout" | "connect_timeout");
    let cause = trouble.say.into();
    if late { ConnectorError::timeout(cause) } else { ConnectorError::io(cause) }
}
