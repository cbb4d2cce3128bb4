//! What loading leaves behind. ONNX Runtime reads a model into the C library's heap, lays the weights out anew for its kernels and frees what it
//! read; the C library keeps that for later. With the four default models these are more than 100 MB that nobody asks for again.

/// Gives the C library's free pages back to the system. Some milliseconds. Does nothing where the C library is not glibc.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "a call into the C library that takes no pointer and keeps every allocation")]
    // SAFETY: `malloc_trim` has no precondition, is thread-safe, and touches nothing but free memory.
    unsafe {
        libc::malloc_trim(0);
    }
}
