//! Holes in sparse files: bytes that nobody wrote, up to as many as a file may be large, which read as NUL.
//!
//! A reader is told of them instead of their NULs, so that they cost neither time nor memory. Only bytes that end in a
//! NUL make it ask the file system, so that logs as they usually are cost a comparison a block. Where a hole begins and
//! ends depends on the file alone, not on where reading began: what is read again is cut alike. NULs that were written
//! are bytes as any others, but for those that fill up the first and the last page of a hole.

use super::disk::{Content, read_full};
use super::view::Found;
use std::io;

/// Holes shorter than this are read. A read is no longer, so that none goes from before a hole to behind it; and no
/// page is longer.
pub const SHORTEST: u64 = 64 << 10;

/// What a reader is told of `bytes`, read at `at`: the hole that they begin with, or the bytes before one.
pub fn within(content: &dyn Content, at: u64, bytes: &[u8]) -> io::Result<Found> {
    let all = Found::Bytes(bytes.len());
    if bytes.last() != Some(&0) {
        return Ok(all);
    }
    let written = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    let nuls = at.saturating_add(written as u64);
    let end = at.saturating_add(bytes.len() as u64);
    let mut from = nuls.saturating_sub(SHORTEST);
    // Bounded: a hole takes a page at least, and past some pages behind the bytes none matters.
    while let Some(hole) = content.hole(from)?.filter(|hole| hole.start < end.saturating_add(SHORTEST)) {
        if hole.end <= nuls || hole.end - hole.start < SHORTEST {
            from = hole.end.max(from + 1);
            continue;
        }
        let start = hole.start.saturating_sub(nuls_before(content, hole.start)?).max(nuls);
        return Ok(if start >= end {
            all
        } else if start > at {
            Found::Bytes(usize::try_from(start - at).unwrap_or(usize::MAX))
        } else {
            Found::Hole(hole.end.saturating_add(nuls_behind(content, hole.end)?))
        });
    }
    Ok(all)
}

/// Whether there is a hole that readers would be told of.
pub fn has_any(content: &dyn Content) -> io::Result<bool> {
    let mut from = 0;
    while let Some(hole) = content.hole(from)? {
        if hole.end - hole.start >= SHORTEST {
            return Ok(true);
        }
        from = hole.end;
    }
    Ok(false)
}

/// Written NULs that end at `at`; 0 when they are more than fill a page: those were meant.
fn nuls_before(content: &dyn Content, at: u64) -> io::Result<u64> {
    let mut page = vec![0; SHORTEST.min(at) as usize];
    let got = read_full(content, at - page.len() as u64, &mut page)?;
    let count = page.get(..got).unwrap_or_default().iter().rev().take_while(|b| **b == 0).count() as u64;
    Ok(if count < SHORTEST { count } else { 0 })
}

/// Written NULs that begin at `at`; 0 when they are more than fill a page.
fn nuls_behind(content: &dyn Content, at: u64) -> io::Result<u64> {
    let mut page = vec![0; SHORTEST as usize];
    let got = read_full(content, at, &mut page)?;
    let count = page.get(..got).unwrap_or_default().iter().take_while(|b| **b == 0).count() as u64;
    Ok(if count < SHORTEST { count } else { 0 })
}
