//! Percent-encoding of parts of an address (<https://www.rfc-editor.org/rfc/rfc3986#section-2.1>).

/// A part of an address as it is written there.
pub fn encoded(part: &str) -> String {
    let one = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    part.bytes().map(one).collect()
}

/// What a part of an address stands for; none where it is none, or no text.
pub fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let [high, low, behind @ ..] = behind else { return None };
        bytes.push(digit(*high)? << 4 | digit(*low)?);
        rest = behind;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_part_is_none() {
        assert_eq!(decoded("%2Frun%2Fa b").as_deref(), Some("/run/a b"));
        for part in ["%", "%2", "%zz", "%ff"] {
            assert_eq!(decoded(part), None, "{part}");
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in "\\PC{0,20}") {
            prop_assert_eq!(decoded(&encoded(&text)), Some(text));
        }
    }
}
