//! SHA-256: as lower-case hex for names of trust records, instance ids and short cluster names, shorter in the undo record.

use sha2::{Digest as _, Sha256};

/// Hex SHA-256 of parts, each preceded by its length so that no two lists of parts meet.
pub fn of_parts(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hex(&hasher.finalize())
}

/// Hex SHA-256 of one byte string, as `sha256sum` prints it.
pub fn of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The id of a project root: the first 16 hex digits of the digest of its canonical path (D1).
pub fn root_id(root: &[u8]) -> String {
    of(root)[..16].to_owned()
}

/// A number that follows from parts and from nothing else.
pub fn number(parts: &[&[u8]]) -> u64 {
    u64::from_str_radix(&of_parts(parts)[..16], 16).expect("hex digits are a number")
}

/// The first 64 bits of a SHA-256: what tells whether bytes are still the same ones, in as few characters as can be.
///
/// Two values that differ by accident meet once in 10^19 pairs, and to make one that meets another takes as many tries. It
/// is of SHA-256, which silo has anyway and which most processors compute themselves: thirty short values take microseconds,
/// and a hash that is quicker would have to be keyed to be as hard to fool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Short(u64);

/// The characters of a [`Short`], which no shell and no record has to quote.
const SIXES: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Short {
    /// Of one byte string.
    pub fn of(bytes: &[u8]) -> Self {
        let whole = Sha256::digest(bytes);
        Self(whole.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    /// Its eleven characters, six bits each.
    pub fn text(self) -> [u8; 11] {
        std::array::from_fn(|at| SIXES[usize::try_from(self.0 >> (6 * at) & 63).expect("six bits fit")])
    }

    /// Reads what [`Self::text`] wrote; anything else is none.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let six = |byte: &u8| SIXES.iter().position(|six| six == byte).and_then(|six| u64::try_from(six).ok());
        let sixes: Vec<u64> = text.iter().map(six).collect::<Option<_>>()?;
        let sum = sixes.iter().take(11).rev().fold(0, |sum, six| sum << 6 | six);
        Some(Self(sum)).filter(|read| read.text() == text)
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_plain_sha256_in_hex() {
        assert_eq!(of(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(of_parts(&[b"ab", b"c"]), of_parts(&[b"a", b"bc"]));
    }

    #[test]
    fn a_short_one_comes_back_and_nothing_else_is_one() {
        let short = Short::of(b"abc");
        assert_eq!(short, Short(0xba78_16bf_8f01_cfea));
        assert_eq!(Short::parse(&short.text()), Some(short));
        assert_eq!(Short::parse(&Short(u64::MAX).text()), Some(Short(u64::MAX)));
        for other in ["", "AAAAAAAAAA", "AAAAAAAAAAAA", "AAAAAAAAAAQ", "AAAAA AAAAA", "__________________"] {
            assert_eq!(Short::parse(other.as_bytes()), None, "{other}");
        }
    }
}
