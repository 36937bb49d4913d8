//! Texts with marks for what only this machine or this silo knows.

/// This silo's version.
const VERSION: (&str, &[u8]) = ("@VERSION@", env!("CARGO_PKG_VERSION").as_bytes());

/// A text with each mark replaced by its value. A mark within a value is none.
pub(super) fn filled(text: &str, values: &[(&str, &[u8])]) -> Vec<u8> {
    let mut filled = Vec::with_capacity(text.len());
    let mut rest = text;
    let first = |rest: &str| {
        let found = values.iter().filter_map(|(mark, value)| Some((rest.find(mark)?, mark.len(), *value)));
        found.min_by_key(|(at, ..)| *at)
    };
    while let Some((at, length, value)) = first(rest) {
        filled.extend(&rest.as_bytes()[..at]);
        filled.extend(value);
        rest = &rest[at + length..];
    }
    filled.extend(rest.as_bytes());
    filled
}

/// A text with the version in its place.
pub(super) fn versioned(text: &str) -> Vec<u8> {
    filled(text, &[VERSION])
}

/// A hook with silo, as a word of its shell, and the version in their places.
pub(super) fn hook(text: &str, silo: &[u8]) -> Vec<u8> {
    filled(text, &[("@SILO@", silo), VERSION])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_within_a_value_stays() {
        assert_eq!(filled("a @B@ @A@, @C@", &[("@A@", b"@B@"), ("@B@", b"@A@")]), b"a @A@ @B@, @C@");
    }
}
