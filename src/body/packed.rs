//! Copies of log files as Tailrace keeps them: one zstd frame, packed piece by piece, read back from its start.
//!
//! A small window (128 KiB) keeps both sides small. The frame carries a checksum, so damage is seen where it is read,
//! and every good byte before it was given; as for gzip (`gunzip`), whose words for what was found are used here too.

use super::gunzip::Inflated;
use std::io::{self, Read};
use zstd::stream::raw::{Decoder, Encoder, InBuffer, Operation, OutBuffer};
use zstd::zstd_safe::CParameter;

/// The first bytes of every frame.
pub const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Bytes given out or read at once.
const PIECE: usize = 32 * 1024;
/// The cheapest level: log lines shrink to a tenth by it.
const LEVEL: i32 = 1;
/// Two to this power bytes of history.
const WINDOW: u32 = 17;

/// Packs one file.
pub struct Packer(Encoder<'static>);

impl Packer {
    /// Nothing packed yet.
    pub fn new() -> io::Result<Packer> {
        let mut encoder = Encoder::new(LEVEL)?;
        encoder.set_parameter(CParameter::WindowLog(WINDOW))?;
        encoder.set_parameter(CParameter::ChecksumFlag(true))?;
        Ok(Packer(encoder))
    }

    /// Takes plain bytes in; what is packed by now is appended.
    pub fn pack(&mut self, plain: &[u8], to: &mut Vec<u8>) -> io::Result<()> {
        let mut from = InBuffer::around(plain);
        while from.pos() < plain.len() {
            step(to, |out| self.0.run(&mut from, out))?;
        }
        Ok(())
    }

    /// The end of the frame is appended.
    pub fn finish(mut self, to: &mut Vec<u8>) -> io::Result<()> {
        while step(to, |out| self.0.finish(out, true))? > 0 {}
        Ok(())
    }
}

fn step(to: &mut Vec<u8>, call: impl FnOnce(&mut OutBuffer<'_, Vec<u8>>) -> io::Result<usize>) -> io::Result<usize> {
    to.reserve(PIECE);
    let before = to.len();
    call(&mut OutBuffer::around_pos(to, before))
}

/// A place in a packed file, counted in plain bytes. About 300 KiB.
pub struct PackedCursor<R> {
    from: R,
    decoder: Decoder<'static>,
    input: Box<[u8]>,
    /// Of `input`, what is not unpacked yet.
    start: usize,
    end: usize,
    at: u64,
    /// The last call filled its output, so more may come without input.
    pending: bool,
    over: Option<Inflated>,
}

impl<R: Read> PackedCursor<R> {
    /// At plain byte 0 of what `from` reads from its beginning.
    pub fn new(from: R) -> io::Result<Self> {
        let (decoder, input) = (Decoder::new()?, vec![0; PIECE].into_boxed_slice());
        Ok(PackedCursor { from, decoder, input, start: 0, end: 0, at: 0, pending: false, over: None })
    }

    /// Plain bytes given so far.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The next plain bytes. `out` must not be empty.
    pub fn read(&mut self, out: &mut [u8]) -> io::Result<Inflated> {
        loop {
            if let Some(over) = self.over {
                return Ok(over);
            }
            if !self.pending && !self.fill()? {
                return Ok(Inflated::Truncated);
            }
            let mut from = InBuffer::around(self.input.get(self.start..self.end).unwrap_or_default());
            let mut to = OutBuffer::around(&mut *out);
            let hint = self.decoder.run(&mut from, &mut to);
            let (taken, given) = (from.pos(), to.pos());
            self.start += taken;
            self.pending = given == out.len();
            match hint {
                Ok(0) => self.over = Some(Inflated::End),
                Ok(_) if taken == 0 && given == 0 && self.start < self.end => self.over = Some(Inflated::Corrupt),
                Ok(_) => {}
                Err(_) => self.over = Some(Inflated::Corrupt),
            }
            if given > 0 {
                self.at += given as u64;
                return Ok(Inflated::Bytes(given));
            }
        }
    }

    /// Makes sure that there is input; false at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        while self.start == self.end {
            match self.from.read(&mut self.input) {
                Ok(0) => return Ok(false),
                Ok(n) => (self.start, self.end) = (0, n.min(PIECE)),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packed(plain: &[u8], piece: usize) -> Vec<u8> {
        let (mut packer, mut out) = (Packer::new().unwrap(), Vec::new());
        plain.chunks(piece).for_each(|chunk| packer.pack(chunk, &mut out).unwrap());
        packer.finish(&mut out).unwrap();
        out
    }

    fn drain(bytes: &[u8], step: usize) -> (Vec<u8>, Inflated) {
        let (mut cursor, mut plain, mut out) = (PackedCursor::new(bytes).unwrap(), Vec::new(), vec![0; step]);
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

    fn lines(n: u32) -> Vec<u8> {
        (0..n).flat_map(|n| format!("2026-11-22T10:15:00Z stdout F line {n}\n").into_bytes()).collect()
    }

    #[test]
    fn what_was_packed_comes_back_whatever_the_pieces_and_lines_shrink() {
        let plain = lines(20_000);
        let file = packed(&plain, 70_000);
        assert!(file.len() * 5 < plain.len() && file.starts_with(&MAGIC), "{} of {}", file.len(), plain.len());
        for step in [1 << 20, 999] {
            assert!(drain(&file, step) == (plain.clone(), Inflated::End));
        }
        assert_eq!(drain(&packed(b"", 1), 10), (vec![], Inflated::End));
    }

    #[test]
    fn what_is_no_frame_is_corrupt_and_nothing_is_truncated() {
        assert_eq!(drain(b"plain text, no frame", 10), (vec![], Inflated::Corrupt));
        assert_eq!(drain(b"", 10), (vec![], Inflated::Truncated));
    }

    proptest! {
        #[test]
        fn damage_and_cuts_never_panic_and_give_only_what_stood_there(cut in 0usize..4000, flip in 0usize..4000) {
            let plain = lines(3000);
            let mut file = packed(&plain, 5000);
            let cut = cut.min(file.len());
            let (got, end) = drain(&file[..cut], 1000);
            prop_assert!(plain.starts_with(&got));
            prop_assert!(cut == file.len() || end == Inflated::Truncated);
            let at = flip % file.len();
            file[at] ^= 0x10;
            let (got, end) = drain(&file, 1000);
            prop_assert!(end != Inflated::End || got == plain);
        }
    }
}
