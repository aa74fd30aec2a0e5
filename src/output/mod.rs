//! One folder an output: `format` (pure) and `service` (one attempt); `aws`: credentials, signing, error codes.
//!
//! Formats build without any feature; what judges answers needs `answers`, what talks to the network `outputs`.

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
pub mod probe;
#[cfg(feature = "answers")]
pub mod retry_after;
pub mod s3;
#[cfg(test)]
#[cfg(feature = "outputs")]
mod scripted;
