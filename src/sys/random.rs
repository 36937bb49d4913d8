//! Chance: the suffix of a generated name.

use crate::core::instance::name::SUFFIX_LEN;

/// Four lower-case letters or digits.
pub fn suffix() -> String {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    (0..SUFFIX_LEN).map(|_| char::from(LETTERS[fastrand::usize(..LETTERS.len())])).collect()
}
