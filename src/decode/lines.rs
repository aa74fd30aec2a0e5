//! Finding newlines in a block. A CR before the newline belongs to the line.

use std::ops::Range;

/// The line that begins at `from`: its range without the newline, and where the next one begins.
/// `None` when no newline is left in the block: what is there is the beginning of a line, or nothing.
pub fn next_line(block: &[u8], from: usize) -> Option<(Range<usize>, usize)> {
    let end = from.checked_add(memchr::memchr(b'\n', block.get(from..)?)?)?;
    Some((from..end, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(block: &[u8]) -> (Vec<&[u8]>, &[u8]) {
        let (mut lines, mut at) = (Vec::new(), 0);
        while let Some((line, next)) = next_line(block, at) {
            lines.push(&block[line]);
            at = next;
        }
        (lines, &block[at..])
    }

    #[test]
    fn lines_lose_their_newline_and_keep_their_cr() {
        assert_eq!(split(b"a\r\n\n\0b\nrest"), (vec![&b"a\r"[..], b"", b"\0b"], &b"rest"[..]));
    }

    #[test]
    fn a_start_past_the_block_is_no_line() {
        assert_eq!(next_line(b"a\n", 2), None);
        assert_eq!(next_line(b"a\n", 3), None);
        assert_eq!(next_line(b"", usize::MAX), None);
    }

    proptest! {
        #[test]
        fn lines_and_rest_put_together_are_the_block(block in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200)) {
            let (lines, rest) = split(&block);
            let mut all = lines.iter().flat_map(|l| l.iter().copied().chain([b'\n'])).collect::<Vec<_>>();
            all.extend_from_slice(rest);
            prop_assert_eq!(&all, &block);
            prop_assert!(lines.iter().all(|l| !l.contains(&b'\n')) && !rest.contains(&b'\n'));
        }
    }
}
