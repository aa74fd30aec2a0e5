//! Tailrace: follows container logs and delivers them to CloudWatch Logs, S3 and OpenSearch.
//!
//! Modules in the order in which a record meets them:
//! [`config`] → [`catalog`] finds files → [`lane`] plans and reads → [`decode`] → [`transform`] →
//! [`output`] encodes into a [`body`] and sends → the lane's ledger → [`store`].
//! Beside the path: [`metadata`], [`telemetry`], [`admin`], [`standin`], [`cli`].

#[cfg(feature = "admin")]
pub mod admin;
pub mod body;
pub mod catalog;
#[cfg(feature = "agent")]
pub mod cli;
pub mod config;
pub mod decode;
pub mod lane;
pub mod metadata;
pub mod origin;
pub mod output;
pub mod record;
pub mod ruling;
pub mod seeded;
#[cfg(feature = "standin")]
pub mod standin;
pub mod store;
pub mod telemetry;
pub mod transform;
