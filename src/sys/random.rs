//! Chance: the suffix of a generated name, and what nobody may guess.

use std::path::Path;

use super::files;
use crate::core::instance::name::SUFFIX_LEN;
use crate::failure::Failure;

/// Four lower-case letters or digits.
pub fn suffix() -> String {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    (0..SUFFIX_LEN).map(|_| char::from(LETTERS[fastrand::usize(..LETTERS.len())])).collect()
}

/// Bytes that nobody can guess, from the system.
///
/// # Errors
/// A [`Failure`] where it gives none.
pub fn secret<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    files::fill_from(Path::new("/dev/urandom"), &mut bytes)?;
    Ok(bytes)
}
