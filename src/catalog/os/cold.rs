//! Tells the kernel that pages of a file, which several lanes have read, are not what this machine works on. What is read
//! twice goes to its active pages (`active_file`), which kubelet counts as used memory; the kernel takes them back from
//! there by `madvise` alone, which speaks of mappings. So a part of the file is mapped for a moment. Nothing ever reads
//! through the mapping: a file that somebody cuts meanwhile makes a call fail, and cannot raise SIGBUS.

use rustix::fd::BorrowedFd;
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};
use std::io::IoSliceMut;

/// Mapped at once.
const PART: u64 = 1 << 20;

/// The whole pages below `to`, from the one on that has `from`: a hint, its failure is of no consequence.
pub(super) fn call_cold(file: BorrowedFd<'_>, from: u64, to: u64) {
    let page = rustix::param::page_size() as u64;
    let whole = |at: u64| at - at % page;
    let (mut at, end) = (whole(from), whole(to));
    while at < end {
        let len = (end - at).min(PART);
        // What nobody read lately, or what is gone again, is not read for this.
        if !is_there(file, at) || part(file, at, usize::try_from(len).unwrap_or(0)).is_err() {
            return;
        }
        at += len;
    }
}

/// Whether the page of this byte is in memory, where the file system can say so.
fn is_there(file: BorrowedFd<'_>, at: u64) -> bool {
    let mut byte = [0];
    preadv2(file, &mut [IoSliceMut::new(&mut byte)], at, ReadWriteFlags::NOWAIT) != Err(Errno::AGAIN)
}

#[expect(unsafe_code, reason = "calls on mappings take addresses")]
fn part(file: BorrowedFd<'_>, at: u64, len: usize) -> rustix::io::Result<()> {
    // SAFETY: a new mapping of our own at a place that the kernel chooses: it replaces none, and no reference is made to it.
    let map = unsafe { mmap(std::ptr::null_mut(), len, ProtFlags::READ, MapFlags::SHARED, file, at) }?;
    // Only what stands in our tables can be called cold.
    // SAFETY: of this mapping, which is there until the end of this function; neither advice changes what bytes say.
    let told =
        unsafe { madvise(map, len, Advice::LinuxPopulateRead).and_then(|()| madvise(map, len, Advice::LinuxCold)) };
    // SAFETY: the mapping from above, whole; its address was given to nobody.
    unsafe { munmap(map, len) }.and(told)
}
