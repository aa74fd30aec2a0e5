//! HTTP for people and Prometheus: metrics, health, the state of each output, a page that explains it.
//!
//! [`server`] is the edge; [`answer`] is pure: a path and a snapshot in, an answer out. It only reads what is published,
//! so it can neither slow nor stop a lane. Nothing here shows a secret: reports carry none.

pub mod answer;
mod api;
mod page;
pub mod server;
#[cfg(test)]
mod tests;
