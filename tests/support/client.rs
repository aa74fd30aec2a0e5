//! Raw requests, signed by AWS's own crate: what a client that is not ours would send.

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tailrace::standin::Keys;

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
    /// The text of the first `<name>` element.
    pub fn element(&self, name: &str) -> String {
        let text = self.text();
        let from = text.split_once(&format!("<{name}>")).map_or("", |(_, rest)| rest);
        let value = from.split_once(&format!("</{name}>")).map_or("", |(value, _)| value);
        value.replace("&quot;", "\"")
    }
}

/// How requests are signed.
#[derive(Clone, Debug)]
pub struct Signer {
    pub keys: Keys,
    pub region: String,
    pub service: String,
    /// Seconds since 1970.
    pub now: i64,
    /// S3 and aoss: `x-amz-content-sha256`.
    pub payload_header: bool,
    /// S3: the hash in that header is UNSIGNED-PAYLOAD.
    pub unsigned: bool,
}

impl Signer {
    pub fn new(service: &str, now: i64) -> Signer {
        let payload_header = matches!(service, "s3" | "aoss");
        let keys = Keys::demo();
        Signer { keys, region: "us-east-1".into(), service: service.into(), now, payload_header, unsigned: false }
    }

    /// Adds the signature's headers.
    pub fn sign(&self, request: &mut http::Request<Vec<u8>>) {
        let keys = &self.keys;
        let identity = Credentials::new(&keys.access, &keys.secret, keys.token.clone(), None, "test").into();
        let mut settings = SigningSettings::default();
        if self.payload_header {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        if self.service == "s3" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        let time: SystemTime = UNIX_EPOCH + Duration::from_secs(self.now.try_into().unwrap());
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(time)
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let instructions = {
            let body = if self.unsigned { SignableBody::UnsignedPayload } else { SignableBody::Bytes(request.body()) };
            let headers = request.headers().iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap()));
            let uri = request.uri().to_string();
            let signable = SignableRequest::new(request.method().as_str(), uri, headers, body).unwrap();
            sign(signable, &params).unwrap().into_parts().0
        };
        instructions.apply_to_request_http1x(request);
    }
}

/// Sends over a connection of its own; `Err` is a connection that ended without an answer.
pub async fn send(request: http::Request<Vec<u8>>) -> Result<Reply, String> {
    let authority = request.uri().authority().unwrap().to_string();
    let stream = tokio::net::TcpStream::connect(&authority).await.map_err(|e| e.to_string())?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    let driver = tokio::spawn(connection);
    let (mut parts, body) = request.into_parts();
    parts.headers.entry("host").or_insert(authority.parse().unwrap());
    parts.uri = parts.uri.path_and_query().unwrap().as_str().parse().unwrap();
    let sent = sender.send_request(http::Request::from_parts(parts, Full::new(Bytes::from(body)))).await;
    let reply = match sent {
        Ok(response) => {
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(|e| e.to_string())?.to_bytes();
            Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body })
        }
        Err(e) => Err(format!("{e:?}")),
    };
    driver.abort();
    reply
}

/// gzip, as an agent would send it.
pub fn gzip(plain: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}
