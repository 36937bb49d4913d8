//! Files in which `${VAR}` is filled with an instance's vars (D30). They are the user's own, of any format: what silo does not know
//! stays as it is, byte for byte.

/// A text that was filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    /// What came out.
    pub bytes: Vec<u8>,
    /// How many references were filled.
    pub count: usize,
}

/// Fills every `${NAME}` that `lookup` knows. `$${NAME}` with such a name is a literal `${NAME}`; everything else, such as
/// `${OTHER}`, `${NAME:-x}` or a `${` without an end, stays.
pub fn fill<'a>(source: &[u8], lookup: impl Fn(&str) -> Option<&'a str>) -> Filled {
    let mut filled = Filled { bytes: Vec::with_capacity(source.len()), count: 0 };
    let mut rest = source;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"${") {
        let (before, reference) = rest.split_at(at);
        let Some((length, value)) = known(reference, &lookup) else {
            filled.bytes.extend_from_slice(&rest[..at + 2]);
            rest = &rest[at + 2..];
            continue;
        };
        if let Some(before) = before.strip_suffix(b"$") {
            filled.bytes.extend_from_slice(before);
            filled.bytes.extend_from_slice(&reference[..length]);
        } else {
            filled.bytes.extend_from_slice(before);
            filled.bytes.extend_from_slice(value.as_bytes());
            filled.count += 1;
        }
        rest = &reference[length..];
    }
    filled.bytes.extend_from_slice(rest);
    filled
}

/// The length of a reference at the start of a text, and the value of its name.
fn known<'a>(text: &[u8], lookup: &impl Fn(&str) -> Option<&'a str>) -> Option<(usize, &'a str)> {
    let name = &text[2..];
    let length = name.iter().position(|byte| !byte.is_ascii_alphanumeric() && !b"_.".contains(byte))?;
    if name[length] != b'}' {
        return None;
    }
    let value = lookup(std::str::from_utf8(&name[..length]).ok()?)?;
    Some((2 + length + 1, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(text: &[u8]) -> Vec<u8> {
        fill(text, |name| match name {
            "WEB" => Some("3000"),
            "DEEP" => Some("${WEB}"),
            "WEB.host" => Some("127.0.0.1"),
            _ => None,
        })
        .bytes
    }

    #[test]
    fn what_is_known_is_filled_and_the_rest_stays() {
        for (text, expected) in [
            ("A=${WEB}\r\nB=x${WEB}y${WEB}\r\n", "A=3000\r\nB=x3000y3000\r\n"),
            ("${OTHER} ${WEB:-1} ${} ${ WEB} $WEB", "${OTHER} ${WEB:-1} ${} ${ WEB} $WEB"),
            ("$${WEB} $$${WEB} $${OTHER}", "${WEB} $${WEB} $${OTHER}"),
            ("${WEB", "${WEB"),
            ("${${WEB}}", "${3000}"),
            ("${DEEP}", "${WEB}"),
            ("${WEB.host}:${WEB} ${DEEP.host} ${WEB.host:-1}", "127.0.0.1:3000 ${DEEP.host} ${WEB.host:-1}"),
            ("", ""),
            ("$", "$"),
            ("${", "${"),
        ] {
            assert_eq!(String::from_utf8_lossy(&filled(text.as_bytes())), expected, "{text}");
        }
        assert_eq!(filled(b"\xff${WEB}\0\xfe"), b"\xff3000\0\xfe");
    }

    proptest! {
        #[test]
        fn bytes_without_references_are_themselves(text in proptest::collection::vec(any::<u8>(), 0..64)) {
            let text: Vec<u8> = text.into_iter().filter(|byte| *byte != b'$').collect();
            prop_assert_eq!(filled(&text), text);
        }

        #[test]
        fn no_text_panics(text in "[${}A-Z_]{0,20}") {
            filled(text.as_bytes());
        }
    }
}
