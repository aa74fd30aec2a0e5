//! This node's pods by UID, and what documents say about them.

pub mod render;
