//! What a program needs before it does anything: of what Rust's runtime does before `main`, what silo relies on.

use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// Opens what is closed of the three standard files, or the next file opened would be taken for one of them, and lets a
/// write to a pipe nobody reads fail instead of ending silo.
pub fn prepare() {
    for standard in 0..3 {
        // SAFETY: the first only asks, and any number may be asked about; the second takes the lowest free number, which
        // is this one, and nobody else has it. It stays open, in children too.
        #[allow(unsafe_code)]
        unsafe {
            if libc::fcntl(standard, libc::F_GETFD) == -1 {
                libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
            }
        }
    }
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler runs.
    #[allow(unsafe_code)]
    let set = unsafe { sigaction(Signal::SIGPIPE, &ignore) };
    debug_assert!(set.is_ok(), "this signal can always be ignored");
}
