//! One folder an output: `format` (pure) and `service` (one attempt); `aws`: credentials, signing, error codes.
//!
//! Formats build without any feature; what talks to the network needs `outputs`.

#[cfg(feature = "outputs")]
pub mod aws;
pub mod bucket;
pub mod cloudwatch;
pub mod document;
#[cfg(test)]
mod fixtures;
#[cfg(feature = "outputs")]
pub mod http;
pub mod line;
pub mod opensearch;
#[cfg(feature = "outputs")]
pub mod retry_after;
pub mod s3;
#[cfg(test)]
#[cfg(feature = "outputs")]
mod scripted;
