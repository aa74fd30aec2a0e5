//! How `memory_limit` is divided: the one place with these numbers, for the check and for the wiring of lanes.
//!
//! The limit is what the agent's own structures may take together; the process stays below it plus 24 MiB
//! (code, runtime, TLS, allocator).

use super::checked::{Config, Output, OutputKind};
use super::units::MIB;

/// Catalog, metadata, decompressors and the runtime's buffers, whatever the outputs are.
pub const FIXED: u64 = 12 * MIB;
/// CloudWatch: an open body, and sealed ones of at most 1 MiB plain.
pub const CLOUDWATCH: u64 = 4 * MIB;
/// OpenSearch: as CloudWatch, but a body may have 5 MiB plain (its gzip is written as it fills).
pub const OPENSEARCH: u64 = 6 * MIB;
/// S3: a part of 5 MiB of compressed bytes and a block more, and one sealed part.
pub const S3: u64 = 10 * MIB;

/// What a lane needs to hold one batch.
pub fn least(output: &Output) -> u64 {
    match &output.kind {
        OutputKind::CloudWatch(_) => CLOUDWATCH,
        OutputKind::OpenSearch(_) => OPENSEARCH,
        OutputKind::S3(_) => S3,
    }
}

/// What a lane holds beside bodies and the spans of their records: a compressor, blocks, the end of a line that goes over
/// them, and of CloudWatch the open body with its events, because it lies uncompressed until it ends.
fn beside(output: &Output) -> u64 {
    match &output.kind {
        OutputKind::CloudWatch(_) | OutputKind::S3(_) => 3 * MIB,
        OutputKind::OpenSearch(_) => 2 * MIB,
    }
}

/// Bytes of a lane's share for bodies and the spans of their records.
pub fn bodies(output: &Output, share: u64) -> usize {
    usize::try_from(share.saturating_sub(beside(output))).unwrap_or(usize::MAX)
}

/// Bytes for each output, in their order: what it needs at least, and an equal part of what is left.
/// Their sum and [`FIXED`] are together at most `memory_limit`.
pub fn shares(config: &Config) -> Vec<u64> {
    let needed = config.outputs.iter().map(least).fold(FIXED, u64::saturating_add);
    let left = config.memory_limit.saturating_sub(needed);
    let each = left.checked_div(config.outputs.len() as u64).unwrap_or(0);
    config.outputs.iter().map(|output| least(output).saturating_add(each)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn config(limit: u64, kinds: &[u8]) -> Result<Config, crate::config::Problems> {
        let mut text = format!("memory_limit: {limit}B\ninputs: {{f: {{type: file, include: [/f]}}}}\noutputs:\n");
        for (at, kind) in kinds.iter().enumerate() {
            text += &match kind % 3 {
                0 => format!("  o{at}: {{type: cloudwatch_logs, inputs: [f], log_group: g}}\n"),
                1 => format!("  o{at}: {{type: s3, inputs: [f], bucket: abc, key: k}}\n"),
                _ => format!("  o{at}: {{type: opensearch, inputs: [f], url: 'http://h', index: i}}\n"),
            };
        }
        crate::config::load(&text, "f", &|name| (name == "NODE_NAME").then(|| "n".to_string()))
    }

    #[test]
    fn three_outputs_share_what_forty_mebibytes_leave() {
        let shares = shares(&config(40 * MIB, &[0, 1, 2]).unwrap());
        let each = 8 * MIB / 3;
        assert_eq!(shares, [CLOUDWATCH + each, S3 + each, OPENSEARCH + each]);
    }

    proptest! {
        #[test]
        fn a_limit_is_refused_or_divided_without_rest(limit in 0..100 * MIB, kinds in proptest::collection::vec(0u8..3, 1..6)) {
            let least: u64 = kinds.iter().map(|kind| [CLOUDWATCH, S3, OPENSEARCH][usize::from(*kind)]).sum();
            match config(limit, &kinds) {
                Ok(config) => {
                    let sum: u64 = shares(&config).iter().sum();
                    prop_assert!(limit >= FIXED + least);
                    prop_assert!(sum + FIXED <= limit && limit - sum - FIXED < kinds.len() as u64);
                    prop_assert!(config.outputs.iter().zip(shares(&config)).all(|(output, share)| share >= super::least(output)));
                }
                Err(problems) => {
                    prop_assert!(limit < FIXED + least, "{}", problems);
                    prop_assert_eq!(&problems.list[0].path, "memory_limit");
                }
            }
        }
    }
}
