//! The two ways of quoting that shells share. Quoting is ours and per shell (D9): `shell_words::quote` is exploitable
//! in fish, where `\` escapes inside single quotes.

/// In single quotes, with the bytes escaped that have an escape.
pub(super) fn single(value: &[u8], escape: impl Fn(u8) -> &'static [u8]) -> Vec<u8> {
    let mut word = Vec::with_capacity(value.len() + 2);
    word.push(b'\'');
    let mut rest = value;
    while let Some(at) = rest.iter().position(|byte| !escape(*byte).is_empty()) {
        word.extend(&rest[..at]);
        word.extend(escape(rest[at]));
        rest = &rest[at + 1..];
    }
    word.extend(rest);
    word.push(b'\'');
    word
}

/// In double quotes, with control characters and what is not UTF-8 written as numbers.
pub(super) fn double(value: &[u8], number: impl Fn(u8) -> String) -> Vec<u8> {
    let mut word = String::from('"');
    for chunk in value.utf8_chunks() {
        for c in chunk.valid().chars() {
            match u8::try_from(c) {
                Ok(byte) if byte.is_ascii_control() => word.push_str(&number(byte)),
                _ if matches!(c, '"' | '\\') => word.extend(['\\', c]),
                _ => word.push(c),
            }
        }
        word.extend(chunk.invalid().iter().map(|byte| number(*byte)));
    }
    word.push('"');
    word.into_bytes()
}
