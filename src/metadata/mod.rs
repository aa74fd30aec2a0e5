//! This node's pods by UID, and what documents say about them.
//!
//! [`pod`] and [`render`] are pure; [`pods`] is the table that the catalog looks pods up in; [`watch`] fills it from
//! the API server; [`cache`] keeps it over restarts; [`downward`] tells of our own pod alone, without either. A pod's metadata costs once per change, never per record.

pub mod cache;
pub mod downward;
pub mod pod;
pub mod pods;
pub mod render;
pub mod rules;
#[cfg(feature = "metadata-api")]
pub mod watch;
