//! What of some files is in memory, and on the list of active pages, which kubelet counts as used memory: page by page,
//! as the kernel says it (`/proc/kpageflags`, for root alone). Of these files only, whatever else the machine does.
#![expect(unsafe_code, reason = "only a mapping says which page of memory a page of a file is")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::ptr::null_mut;

const PAGE: usize = 4096;
/// Bits of `/proc/kpageflags`.
const ACTIVE: u64 = 1 << 6;
const HEAD: u64 = 1 << 15;
const TAIL: u64 = 1 << 16;

/// In MiB.
#[derive(Clone, Copy, Default)]
pub struct InMemory {
    pub size: f64,
    pub resident: f64,
    pub active: f64,
}

/// Of all of these; a file that is gone by now counts for nothing.
pub fn in_memory(files: &[PathBuf]) -> InMemory {
    let kernel = |name: &str| File::open(name).expect("kpageflags can be read by root only");
    let (places, flags) = (kernel("/proc/self/pagemap"), kernel("/proc/kpageflags"));
    let mut sum = InMemory::default();
    for path in files {
        let Ok(file) = File::open(path) else { continue };
        let pages = usize::try_from(file.metadata().unwrap().len()).unwrap().div_ceil(PAGE);
        let (resident, active) = if pages == 0 { (0, 0) } else { of_file(&file, pages, &places, &flags).unwrap() };
        let mib = |pages: usize| (pages * PAGE) as f64 / f64::from(1 << 20);
        sum.size += mib(pages);
        sum.resident += mib(resident);
        sum.active += mib(active);
    }
    sum
}

fn of_file(file: &File, pages: usize, places: &File, flags: &File) -> io::Result<(usize, usize)> {
    let len = pages * PAGE;
    let mut there = vec![0u8; pages];
    // SAFETY: a new mapping at a place of the kernel's choice, that ends with this function.
    let map = unsafe { libc::mmap(null_mut(), len, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), 0) };
    if map == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // A mapping that is read at random does not count as a use of its pages: we do not change what we measure.
    // SAFETY: of this mapping; `there` has a byte a page.
    let asked = unsafe { libc::madvise(map, len, libc::MADV_RANDOM) | libc::mincore(map, len, there.as_mut_ptr()) };
    let mut sums = (0, 0);
    for page in (0..pages).filter(|page| asked == 0 && there.get(*page).is_some_and(|t| t & 1 != 0)) {
        let at = map.wrapping_byte_add(page * PAGE);
        // Makes the page stand in our table. (To populate it with `madvise` would count as a use.)
        // SAFETY: a byte of this mapping, in a page that the file has: nobody cuts the logs of this bench.
        unsafe { at.cast::<u8>().read_volatile() };
        let place = word(places, (at as usize / PAGE) as u64)?;
        if place >> 63 == 0 {
            continue;
        }
        let mut frame = place & ((1 << 55) - 1);
        let mut flag = word(flags, frame)?;
        // Of several pages that are kept together the first one has the flags.
        while flag & TAIL != 0 && flag & HEAD == 0 && frame > 0 {
            frame -= 1;
            flag = word(flags, frame)?;
        }
        sums.0 += 1;
        sums.1 += usize::from(flag & ACTIVE != 0);
    }
    // SAFETY: the mapping from above, which nothing refers to.
    unsafe { libc::munmap(map, len) };
    Ok(sums)
}

fn word(table: &File, at: u64) -> io::Result<u64> {
    let mut bytes = [0; 8];
    table.read_exact_at(&mut bytes, at * 8)?;
    Ok(u64::from_ne_bytes(bytes))
}
