//! The exit codes that tell what silo did with an agent; a program that ends by itself with one of them is told apart by its output.

/// The wall does not hold: something of the host answers, so nothing was started.
pub(super) const NO_WALL: u8 = 121;
/// More than the limit was written.
pub(super) const DISK: u8 = 122;
/// The image lacks a program.
pub(super) const LACKS: u8 = 123;
/// The time is over.
pub(super) const TIME: u8 = 124;
/// Silo's end of the standard input was closed: it was killed.
pub(super) const ALONE: u8 = 137;
