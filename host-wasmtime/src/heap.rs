//! The heap of the C library. glibc makes up to eight heaps for each core, and each keeps some MiB
//! that its threads have freed: a server with many threads then grows until all have had their
//! fill. Knows no request.

/// As many heaps as there are cores. To be called before there are threads.
pub fn limit() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        // SAFETY: it takes no pointer, and sets a number that glibc reads when a thread begins.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, i32::try_from(cores).unwrap_or(2));
        }
    }
}

/// Gives back pages between what is in use.
pub fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes no pointer, and any thread may call it at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
