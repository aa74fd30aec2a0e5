//! How `memory_limit` is divided: the one place with these numbers, for the check and for the wiring of lanes.
//!
//! The limit is what the agent's own structures may take together; the process stays below it plus 24 MiB
//! (code, runtime, TLS, allocator).

use super::checked::{Config, Output, OutputKind};
use super::units::MIB;

/// Catalog, metadata, decompressors and the runtime's buffers, whatever the outputs are.
pub const FIXED: u64 = 12 * MIB;
/// CloudWatch: an open body of at most 1 MiB plain with its events' index, a compressor, and sealed bodies.
pub const CLOUDWATCH: u64 = 4 * MIB;
/// OpenSearch: as CloudWatch, but a body may have 5 MiB plain (its gzip is written as it fills).
pub const OPENSEARCH: u64 = 6 * MIB;
/// S3: a part of 5 MiB of compressed bytes and a block more, a zstd compressor, and one sealed part.
pub const S3: u64 = 10 * MIB;

/// What a lane needs to hold one batch.
pub fn least(output: &Output) -> u64 {
    match &output.kind {
        OutputKind::CloudWatch(_) => CLOUDWATCH,
        OutputKind::OpenSearch(_) => OPENSEARCH,
        OutputKind::S3(_) => S3,
    }
}

/// The smallest `memory_limit` for these outputs.
pub fn needed(outputs: &[Output]) -> u64 {
    outputs.iter().map(least).fold(FIXED, u64::saturating_add)
}

/// Bytes for each output, in their order: what it needs at least, and an equal part of what is left.
/// Their sum and [`FIXED`] are together at most `memory_limit`.
pub fn shares(config: &Config) -> Vec<u64> {
    let left = config.memory_limit.saturating_sub(needed(&config.outputs));
    let each = left.checked_div(config.outputs.len() as u64).unwrap_or(0);
    config.outputs.iter().map(|output| least(output).saturating_add(each)).collect()
}
