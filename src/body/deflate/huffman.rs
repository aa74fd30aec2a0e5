//! Code lengths from frequencies, and canonical codes from lengths (RFC 1951, section 3.2.2).

/// The longest code: four literals, or a match with its extra bits, fit into one word (see `bits`).
pub(super) const LONGEST: usize = 14;

/// The lengths of an optimal prefix code for `counts`, none longer than `longest`; if some would be, they are cut and
/// others made longer, which costs next to nothing. A code is complete, so at least two symbols get one.
pub(super) fn lengths<const N: usize>(counts: &[u32; N], longest: usize) -> [u8; N] {
    let mut lengths = [0; N];
    // Ascending by count; what is in use below.
    let mut order = [0u32; 288];
    let mut n = 0;
    for (symbol, &count) in counts.iter().enumerate() {
        if count > 0 {
            order[n] = count << 9 | symbol as u32;
            n += 1;
        }
    }
    if n < 2 {
        let used = if n == 1 { (order[0] & 511) as usize } else { 0 };
        lengths[used] = 1;
        lengths[usize::from(used == 0)] = 1;
        return lengths;
    }
    let order = &mut order[..n];
    order.sort_unstable();
    let mut at_depth = depths(order);
    limit(&mut at_depth, longest);
    // The rarest get the longest.
    let mut symbols = order.iter().map(|key| (key & 511) as usize);
    for depth in (1..=longest).rev() {
        for symbol in symbols.by_ref().take(at_depth[depth] as usize) {
            lengths[symbol] = depth as u8;
        }
    }
    lengths
}

/// How many leaves lie how deep in Huffman's tree; `order` is ascending and has at least two.
fn depths(order: &[u32]) -> [u32; 33] {
    let n = order.len();
    // Inner nodes in the order of their making, which is the order of their weights too; the last one is the root.
    let (mut weight, mut parent) = ([0u32; 288], [0u16; 288]);
    let mut leaf_parent = [0u16; 288];
    let (mut leaf, mut inner) = (0, 0);
    for made in 0..n - 1 {
        for _ in 0..2 {
            if leaf < n && (inner >= made || order[leaf] >> 9 <= weight[inner]) {
                weight[made] += order[leaf] >> 9;
                leaf_parent[leaf] = made as u16;
                leaf += 1;
            } else {
                weight[made] += weight[inner];
                parent[inner] = made as u16;
                inner += 1;
            }
        }
    }
    let mut depth = [0u8; 288];
    for node in (0..n - 2).rev() {
        depth[node] = depth[parent[node] as usize] + 1;
    }
    let mut at_depth = [0; 33];
    for leaf in leaf_parent.iter().take(n) {
        at_depth[(depth[*leaf as usize] as usize + 1).min(32)] += 1;
    }
    at_depth
}

/// Moves leaves up to `longest`, and makes room for them by moving others down.
fn limit(at_depth: &mut [u32; 33], longest: usize) {
    let too_deep = at_depth[longest + 1..].iter().sum::<u32>();
    if too_deep == 0 {
        return;
    }
    at_depth[longest + 1..].fill(0);
    at_depth[longest] += too_deep;
    // In leaves of the deepest level: what is used and what there is.
    let mut used = (1..=longest).map(|depth| at_depth[depth] << (longest - depth)).sum::<u32>();
    while used > 1 << longest {
        // The deepest leaf that can go down takes a leaf of the last level as its sibling: one less is used.
        let Some(depth) = (1..longest).rev().find(|depth| at_depth[*depth] > 0) else { return };
        at_depth[depth] -= 1;
        at_depth[depth + 1] += 2;
        at_depth[longest] -= 1;
        used -= 1;
    }
}

/// A code as it is written, first bit lowest, and its length.
#[derive(Clone, Copy, Default)]
pub(super) struct Code {
    pub(super) bits: u32,
    pub(super) len: u32,
}

/// The canonical codes of these lengths.
pub(super) fn codes<const N: usize>(lengths: &[u8; N]) -> [Code; N] {
    let mut count = [0u16; 16];
    for &len in lengths {
        count[(len & 15) as usize] += 1;
    }
    count[0] = 0;
    let (mut next, mut code) = ([0u16; 16], 0);
    for len in 1..16 {
        code = (code + count[len - 1]) << 1;
        next[len] = code;
    }
    let mut out = [Code::default(); N];
    for (to, &len) in out.iter_mut().zip(lengths) {
        if len > 0 {
            let code = &mut next[(len & 15) as usize];
            *to = Code { bits: u32::from(code.reverse_bits() >> (16 - len)), len: u32::from(len) };
            *code = code.wrapping_add(1);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    /// Bits of all symbols by Huffman's own construction.
    fn least(counts: &[u32]) -> u64 {
        let mut heap = counts.iter().filter(|n| **n > 0).map(|n| Reverse(u64::from(*n))).collect::<BinaryHeap<_>>();
        let mut bits = 0;
        while let (Some(Reverse(a)), Some(Reverse(b))) = (heap.pop(), heap.pop()) {
            bits += a + b;
            heap.push(Reverse(a + b));
        }
        bits
    }

    fn check<const N: usize>(counts: &[u32; N], longest: usize) -> u64 {
        let lengths = lengths(counts, longest);
        let used = lengths.iter().filter(|len| **len > 0);
        let room = used.map(|len| 1 << (longest - usize::from(*len))).sum::<usize>();
        assert_eq!(room, 1 << longest, "complete, and nothing twice: {lengths:?}");
        assert!(counts.iter().zip(lengths).all(|(count, len)| *count == 0 || len > 0));
        counts.iter().zip(lengths).map(|(count, len)| u64::from(*count) * u64::from(len)).sum()
    }

    #[test]
    fn few_symbols_get_a_complete_code_too() {
        assert_eq!(lengths(&[0; 30], LONGEST)[..3], [1, 1, 0]);
        assert_eq!(lengths(&[7, 0, 0], LONGEST), [1, 1, 0]);
        assert_eq!(lengths(&[0, 0, 7], LONGEST), [1, 0, 1]);
        assert_eq!(lengths(&[1, 0, 7], LONGEST), [1, 0, 1]);
    }

    #[test]
    fn codes_are_those_of_the_rfcs_example() {
        let got = codes(&[3, 3, 3, 3, 3, 2, 4, 4]).map(|code| code.bits.reverse_bits() >> (32 - code.len));
        assert_eq!(got, [0b010, 0b011, 0b100, 0b101, 0b110, 0b00, 0b1110, 0b1111]);
    }

    #[test]
    fn counts_that_would_make_the_longest_codes_are_cut() {
        let mut counts = [0; 40];
        let (mut a, mut b) = (1, 1);
        for count in counts.iter_mut().take(24) {
            *count = a;
            (a, b) = (b, a + b);
        }
        for longest in [5, 7, 14] {
            assert!(check(&counts, longest) > least(&counts));
        }
        assert_eq!(check(&counts, 23), least(&counts));
    }

    proptest! {
        #[test]
        fn a_code_is_complete_and_the_shortest_one(sizes in proptest::collection::vec(0u32..16, 286), salt in 0u32..9) {
            let mut counts = [0; 286];
            for (to, size) in counts.iter_mut().zip(sizes) {
                // Many absent, few frequent.
                *to = if size < salt { 0 } else { (1u32 << (size / 2)) + size };
            }
            prop_assume!(counts.iter().filter(|n| **n > 0).count() > 1);
            let (bits, best) = (check(&counts, LONGEST), least(&counts));
            prop_assert!(bits >= best && bits <= best + best / 50, "{bits} {best}");
            check(&counts, 9);
        }
    }
}
