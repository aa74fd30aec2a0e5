//! What is free in the middle of the heap goes back to the system: after a start with 10,000 files a quarter of it. glibc
//! does that by itself only at the heap's end. Other threads that allocate wait meanwhile.

/// Whole free pages are the system's again. A few milliseconds, at the worst; for once a minute.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the C library has no other way to say it")]
pub(in crate::cli) fn give_back() {
    // SAFETY: `malloc_trim` takes no pointer, changes no memory that is in use, and takes the allocator's own locks: any
    // thread may call it at any time (malloc_trim(3): MT-Safe).
    unsafe { libc::malloc_trim(0) };
}

/// Other C libraries do it by themselves.
#[cfg(not(target_env = "gnu"))]
pub(in crate::cli) fn give_back() {}
