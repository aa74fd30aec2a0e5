//! Writes to stderr without waiting for whoever reads it: a pipe that nobody empties must not hold up a lane.
//!
//! What does not fit or cannot be written (a full disk, a reader that went away) is left out, and counted.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A pipe that can be written to takes so much at once (on Linux: a page).
const PIECE: usize = 4096;
/// Between two pieces of one long line its reader has this long, once.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

static LEFT_OUT: AtomicU64 = AtomicU64::new(0);
static BROKEN_OFF: AtomicBool = AtomicBool::new(false);

/// Writes whole lines, or leaves them out.
pub fn write(lines: &[u8]) {
    write_to(&mut io::stderr().lock(), lines, &BROKEN_OFF, &LEFT_OUT);
}

/// How often something was left out since the start.
pub fn left_out() -> u64 {
    LEFT_OUT.load(Ordering::Relaxed)
}

/// `broken_off`: the last line has no end yet.
fn write_to<W: Write + AsFd>(to: &mut W, lines: &[u8], broken_off: &AtomicBool, left_out: &AtomicU64) {
    let mut wait = AT_ONCE;
    let newline = broken_off.load(Ordering::Relaxed).then_some(b"\n".as_slice());
    for piece in newline.into_iter().chain(lines.chunks(PIECE)) {
        let written = ready(to, &wait) && to.write_all(piece).is_ok();
        if !written {
            left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        broken_off.store(piece.last() != Some(&b'\n'), Ordering::Relaxed);
        wait = PAUSE;
    }
}

/// Whether a piece can be written at once.
fn ready(to: &impl AsFd, wait: &Timespec) -> bool {
    let mut fds = [PollFd::new(to, PollFlags::OUT)];
    // Where it cannot be asked, as with a signal just now, the line is not worth a wait.
    poll(&mut fds, Some(wait)).is_ok_and(|n| n > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_pipe_that_nobody_reads_holds_nobody_up_and_goes_on_with_whole_lines() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        let (broken_off, left_out) = (AtomicBool::new(false), AtomicU64::new(0));
        let long = [&[b'x'; 10_000], b"\n".as_slice()].concat();
        while left_out.load(Ordering::Relaxed) < 3 {
            write_to(&mut writer, &long, &broken_off, &left_out);
        }
        let mut some = vec![0; 50_000];
        reader.read_exact(&mut some).unwrap();
        write_to(&mut writer, b"last\n", &broken_off, &left_out);
        drop(writer);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("x\nlast\n"), "{:?}", &rest[rest.len() - 20..]);
        assert_eq!(left_out.into_inner(), 3);
    }

    #[test]
    fn a_reader_that_went_away_and_a_full_disk_are_no_trouble() {
        let (reader, mut gone) = io::pipe().unwrap();
        drop(reader);
        let mut full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let (broken_off, left_out) = (AtomicBool::new(false), AtomicU64::new(0));
        write_to(&mut gone, b"line\n", &broken_off, &left_out);
        write_to(&mut full, b"line\n", &broken_off, &left_out);
        assert_eq!(left_out.into_inner(), 2);
    }
}
