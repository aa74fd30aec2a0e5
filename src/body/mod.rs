//! Request bodies: escaping, compression, pooled buffers.

pub mod escape;
