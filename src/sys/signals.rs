//! Signals (D13): a handler stores the number, nothing else. Nothing is blocked or ignored, for a child would
//! inherit that and would miss Ctrl-C.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use nix::libc::{c_int, c_void, siginfo_t};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};

use crate::failure::Failure;

static LAST: AtomicI32 = AtomicI32::new(0);
static SENT: AtomicBool = AtomicBool::new(false);
static PAUSE: AtomicBool = AtomicBool::new(false);

/// A signal that asks silo to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The signal's number.
    pub number: i32,
    /// Whether a process sent it, rather than the terminal; the terminal's reach the children too.
    pub sent: bool,
}

impl Asked {
    /// The exit code of a program that ends by this signal.
    pub fn code(self) -> u8 {
        u8::try_from(128 + self.number).unwrap_or(u8::MAX)
    }
}

/// Remembers INT, TERM, HUP and QUIT from now on instead of ending by them.
pub fn watch() {
    // No SA_RESTART: a wait for a child must come back to look.
    let action = SigAction::new(SigHandler::SigAction(remember), SaFlags::SA_SIGINFO, SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        // SAFETY: the handler only stores to atomics, which is safe at any moment.
        #[allow(unsafe_code)]
        let set = unsafe { sigaction(signal, &action) };
        debug_assert!(set.is_ok(), "these four signals can always be handled");
    }
}

/// Lets a write beyond `ulimit -f` fail by name instead of ending silo. A handler, for children inherit what is ignored.
pub fn outlive_file_limit() {
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler does nothing.
    #[allow(unsafe_code)]
    let set = unsafe { sigaction(Signal::SIGXFSZ, &action) };
    debug_assert!(set.is_ok(), "this signal can always be handled");
}

/// Remembers Ctrl-Z from now on instead of stopping by it, for who must put the terminal right first.
pub fn watch_pause() {
    on_pause(SigHandler::Handler(remember_pause));
}

/// Whether Ctrl-Z came since the last time this was asked.
pub fn pause_asked() -> bool {
    PAUSE.swap(false, Ordering::AcqRel)
}

/// Stops this process as Ctrl-Z does by itself, until it is let go on; returns at once where no shell could do that.
pub fn pause() {
    on_pause(SigHandler::SigDfl);
    // It cannot fail: the signal is one there is.
    let _ = raise(Signal::SIGTSTP);
    watch_pause();
}

fn on_pause(handler: SigHandler) {
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler only stores to an atomic, which is safe at any moment.
    #[allow(unsafe_code)]
    let set = unsafe { sigaction(Signal::SIGTSTP, &action) };
    debug_assert!(set.is_ok(), "this signal can always be handled");
}

extern "C" fn remember_pause(_: c_int) {
    PAUSE.store(true, Ordering::Release);
}

extern "C" fn nothing(_: c_int) {}

/// The signal that came first since [`watch`]; it stays.
pub fn asked() -> Option<Asked> {
    match LAST.load(Ordering::Acquire) {
        0 => None,
        number => Some(Asked { number, sent: SENT.load(Ordering::Acquire) }),
    }
}

/// Forgets the signal that came: what it asked for is being done, and only one more asks to stop that.
pub fn forget() {
    LAST.store(0, Ordering::Release);
}

/// Ends a sequence between two steps when a signal came.
///
/// # Errors
/// A [`Failure`] whose code is 128 and the number.
pub fn check() -> Result<(), Failure> {
    match asked() {
        Some(asked) => Err(Failure::new("Stopped by a signal; what was started so far stays").code(asked.code())),
        None => Ok(()),
    }
}

extern "C" fn remember(number: c_int, info: *mut siginfo_t, _: *mut c_void) {
    // SAFETY: with SA_SIGINFO the kernel hands over a valid siginfo; reading the sender does not allocate or lock.
    #[allow(unsafe_code)]
    let sender = unsafe { info.as_ref().map_or(0, |info| info.si_pid()) };
    if LAST.load(Ordering::Relaxed) == 0 {
        SENT.store(sender > 0, Ordering::Release);
        LAST.store(number, Ordering::Release);
    }
}
