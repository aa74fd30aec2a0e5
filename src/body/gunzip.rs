//! Rotated files as kubelet leaves them: gzip, perhaps of several members, perhaps cut off, read from the start.
//!
//! A cursor gives the plain bytes in order and keeps its place, so that a file is inflated once and not anew for
//! each batch. Where the file is cut off or damaged it says so after the last good byte, and every byte before it
//! was given. Bytes after the last member that begin no other are padding, as for gzip(1).

use flate2::{Decompress, FlushDecompress, Status};
use std::io::{self, Read};

/// Compressed bytes read at once.
const INPUT: usize = 32 * 1024;

/// What [`GzCursor::read`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inflated {
    /// So many bytes, at least one.
    Bytes(usize),
    /// A whole file: the last member ended and no other follows.
    End,
    /// The file ends inside a member (or is empty). More may come if it grows.
    Truncated,
    /// What follows is not gzip, or a checksum is wrong. For good.
    Corrupt,
}

/// A place in a gzip file, counted in plain bytes. About 80 KiB.
pub struct GzCursor<R> {
    from: R,
    inflate: Decompress,
    input: Box<[u8]>,
    /// Of `input`, what is not inflated yet.
    start: usize,
    end: usize,
    at: u64,
    state: State,
    /// The last call filled its output, so more may come without input.
    pending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Inside,
    Between,
    Corrupt,
}

impl<R: Read> GzCursor<R> {
    /// At plain byte 0 of what `from` reads from its beginning.
    pub fn new(from: R) -> Self {
        let input = vec![0; INPUT].into_boxed_slice();
        GzCursor { from, inflate: fresh(), input, start: 0, end: 0, at: 0, state: State::Inside, pending: false }
    }

    /// Plain bytes given so far.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The next plain bytes. `out` must not be empty.
    pub fn read(&mut self, out: &mut [u8]) -> io::Result<Inflated> {
        loop {
            match self.state {
                State::Corrupt => return Ok(Inflated::Corrupt),
                State::Inside if self.pending => {}
                State::Inside | State::Between => {
                    if !self.fill()? {
                        return Ok(if self.state == State::Between { Inflated::End } else { Inflated::Truncated });
                    }
                }
            }
            if self.state == State::Between {
                // 0x1f is the first byte of every member.
                if self.input.get(self.start) != Some(&0x1f) {
                    return Ok(Inflated::End);
                }
                self.inflate = fresh();
                self.state = State::Inside;
            }
            let given = self.inflate_into(out);
            if given > 0 {
                return Ok(Inflated::Bytes(given));
            }
        }
    }

    /// Makes sure that there is input; false at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        while self.start == self.end {
            match self.from.read(&mut self.input) {
                Ok(0) => return Ok(false),
                Ok(n) => (self.start, self.end) = (0, n.min(INPUT)),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }

    /// Bytes given; 0 also where a member ended or the damage begins.
    fn inflate_into(&mut self, out: &mut [u8]) -> usize {
        let input = self.input.get(self.start..self.end).unwrap_or_default();
        let (in_before, out_before) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(input, out, FlushDecompress::None);
        let taken = (self.inflate.total_in() - in_before) as usize;
        let given = ((self.inflate.total_out() - out_before) as usize).min(out.len());
        let stuck = taken == 0 && given == 0 && !self.pending;
        self.start = self.start.saturating_add(taken).min(self.end);
        self.at += given as u64;
        self.pending = given == out.len();
        match status {
            Ok(Status::StreamEnd) => (self.state, self.pending) = (State::Between, false),
            Ok(Status::Ok | Status::BufError) if !stuck => {}
            // Input, room, and yet nothing done: cannot be, and must not loop.
            Ok(Status::Ok | Status::BufError) | Err(_) => self.state = State::Corrupt,
        }
        given
    }
}

/// Expects a gzip header.
fn fresh() -> Decompress {
    Decompress::new_gzip(15)
}

impl<R> std::fmt::Debug for GzCursor<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GzCursor").field("at", &self.at).field("state", &self.state).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn member(plain: &[u8]) -> Vec<u8> {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gz.write_all(plain).unwrap();
        gz.finish().unwrap()
    }

    /// Bytes that do not compress away.
    fn noise(n: usize) -> Vec<u8> {
        let mut x = 88_172_645_463_325_252_u64;
        (0..n)
            .map(|_| {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                x as u8
            })
            .collect()
    }

    fn drain<R: Read>(cursor: &mut GzCursor<R>, step: usize) -> (Vec<u8>, Inflated) {
        let (mut plain, mut out) = (Vec::new(), vec![0; step]);
        loop {
            match cursor.read(&mut out).unwrap() {
                Inflated::Bytes(n) => plain.extend_from_slice(&out[..n]),
                end @ (Inflated::End | Inflated::Truncated | Inflated::Corrupt) => {
                    assert_eq!(cursor.at(), plain.len() as u64);
                    return (plain, end);
                }
            }
        }
    }

    /// Gives at most one byte a call, and one interruption between any two.
    struct Slow<'a>(&'a [u8], bool);
    impl Read for Slow<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 { Err(io::ErrorKind::Interrupted.into()) } else { self.0.read(&mut out[..1]) }
        }
    }

    #[test]
    fn members_padding_and_small_reads_make_no_difference() {
        let file = [member(b"one\n"), member(b""), member(b"two\n"), vec![0; 40]].concat();
        assert_eq!(drain(&mut GzCursor::new(&file[..]), 1), (b"one\ntwo\n".to_vec(), Inflated::End));
        assert_eq!(drain(&mut GzCursor::new(Slow(&file, false)), 3), (b"one\ntwo\n".to_vec(), Inflated::End));
    }

    #[test]
    fn what_is_no_gzip_is_corrupt_and_nothing_is_truncated() {
        assert_eq!(drain(&mut GzCursor::new(&b"plain text, no gzip"[..]), 10), (vec![], Inflated::Corrupt));
        assert_eq!(drain(&mut GzCursor::new(&b""[..]), 10), (vec![], Inflated::Truncated));
    }

    #[test]
    fn a_file_that_grows_goes_on_where_it_was_cut_off() {
        struct Growing<'a>(&'a [u8], std::rc::Rc<std::cell::Cell<usize>>, usize);
        impl Read for Growing<'_> {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                let n = (&self.0[self.2..self.1.get()]).read(out)?;
                self.2 += n;
                Ok(n)
            }
        }
        let (plain, there) = (noise(5000), std::rc::Rc::new(std::cell::Cell::new(1000)));
        let file = member(&plain);
        let mut cursor = GzCursor::new(Growing(&file, there.clone(), 0));
        let (mut got, end) = drain(&mut cursor, 100);
        assert_eq!(end, Inflated::Truncated);
        there.set(file.len());
        let mut out = [0; 100];
        let end = loop {
            match cursor.read(&mut out).unwrap() {
                Inflated::Bytes(n) => got.extend_from_slice(&out[..n]),
                end @ (Inflated::End | Inflated::Truncated | Inflated::Corrupt) => break end,
            }
        };
        assert_eq!((got, end), (plain, Inflated::End));
    }

    #[test]
    fn a_wrong_checksum_is_told_after_the_bytes() {
        let mut file = member(b"hello");
        let crc = file.len() - 8;
        file[crc] ^= 1;
        assert_eq!(drain(&mut GzCursor::new(&file[..]), 100), (b"hello".to_vec(), Inflated::Corrupt));
    }

    #[test]
    fn a_long_run_of_one_byte_comes_out_whole_though_the_input_is_over() {
        let file = member(&vec![b'a'; 300_000]);
        let cut = &file[..file.len() - 9];
        let (plain, end) = drain(&mut GzCursor::new(cut), 7);
        assert!(plain.len() > 290_000 && plain.iter().all(|b| *b == b'a'), "{}", plain.len());
        assert_eq!(end, Inflated::Truncated);
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(parts in proptest::collection::vec("[ab\"\n]{0,300}", 1..5), step in 1usize..400) {
            let file = parts.iter().flat_map(|p| member(p.as_bytes())).collect::<Vec<_>>();
            prop_assert_eq!(drain(&mut GzCursor::new(&file[..]), step), (parts.concat().into_bytes(), Inflated::End));
        }

        #[test]
        fn a_cut_file_gives_the_same_bytes_whatever_the_reads(n in 1usize..3000, cut in any::<proptest::sample::Index>(), step in 1usize..400) {
            let plain = noise(n);
            let file = member(&plain);
            let file = &file[..cut.index(file.len())];
            let (got, end) = drain(&mut GzCursor::new(file), step);
            prop_assert_eq!(end, Inflated::Truncated);
            prop_assert!(plain.starts_with(&got));
            prop_assert_eq!(&got, &drain(&mut GzCursor::new(Slow(file, false)), 64).0);
        }

        #[test]
        fn damage_never_hangs_and_changes_nothing_before_it(n in 1usize..2000, at in any::<proptest::sample::Index>(), flip in 1u8.., step in 1usize..400) {
            let mut file = member(&noise(n));
            let at = at.index(file.len());
            file[at] ^= flip;
            let whole = drain(&mut GzCursor::new(&file[..]), 5000);
            prop_assert_eq!(drain(&mut GzCursor::new(&file[..]), step), whole);
        }
    }
}
