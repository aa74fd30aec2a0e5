//! CloudWatch Logs: `format` writes PutLogEvents bodies to the letter of the service's limits (`limits`), `keys` names groups and
//! streams, `service` makes one attempt, `answer` judges what came back. Delivery is at least once: the service keeps no
//! identity of a batch.

#[cfg(feature = "answers")]
pub mod answer;
pub mod format;
pub mod keys;
pub mod limits;
mod pieces;
#[cfg(feature = "outputs")]
pub mod service;
