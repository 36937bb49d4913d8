//! One word of a shell from any bytes. Quoting is ours and per shell (D9): `shell_words::quote` is exploitable in
//! fish, where `\` escapes inside single quotes.

use super::Shell;

impl Shell {
    /// One word for this shell, whatever bytes it holds (all but NUL, which no variable can). Strings of nushell are UTF-8:
    /// what is not arrives replaced. No variable can hold such bytes there, for nushell would not have started.
    pub fn quote(self, value: &[u8]) -> Vec<u8> {
        match self {
            Self::Bash | Self::Zsh => single(value, |byte| if byte == b'\'' { br"'\''" } else { b"" }),
            Self::Fish => single(value, |byte| match byte {
                b'\'' => br"\'",
                b'\\' => br"\\",
                _ => b"",
            }),
            Self::Nu => double(String::from_utf8_lossy(value).as_bytes(), |byte| format!("\\u{{{byte:x}}}")),
            Self::Elvish => double(value, |byte| format!("\\x{byte:02x}")),
            Self::Tcsh => tcsh(value),
        }
    }
}

/// In single quotes, with the bytes escaped that have an escape.
fn single(value: &[u8], escape: impl Fn(u8) -> &'static [u8]) -> Vec<u8> {
    let mut word = vec![b'\''];
    for byte in value {
        match escape(*byte) {
            b"" => word.push(*byte),
            escaped => word.extend(escaped),
        }
    }
    word.push(b'\'');
    word
}

/// In double quotes, with control characters and what is not UTF-8 written as numbers.
fn double(value: &[u8], number: impl Fn(u8) -> String) -> Vec<u8> {
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

/// A backslash before whatever could mean something: `!` does even in quotes, and what a backslash does there is an option
/// of the user's. A newline cannot be written on one line; the hook keeps one.
fn tcsh(value: &[u8]) -> Vec<u8> {
    if value.is_empty() {
        return b"''".to_vec();
    }
    let mut word = Vec::with_capacity(value.len());
    for byte in value {
        match byte {
            b'\n' => word.extend(b"\"$__silo_nl:q\""),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'/' | b':' | 0x80.. => word.push(*byte),
            _ => word.extend([b'\\', *byte]),
        }
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_for_each_shell() {
        let quoted = |shell: Shell, value: &str| String::from_utf8(shell.quote(value.as_bytes())).expect("it is text");
        assert_eq!(quoted(Shell::Bash, r"it's \"), r"'it'\''s \'");
        assert_eq!(quoted(Shell::Fish, r"it's \"), r"'it\'s \\'");
        assert_eq!(quoted(Shell::Zsh, ""), "''");
        assert_eq!(quoted(Shell::Nu, "\"é\\\n"), r#""\"é\\\u{a}""#);
        assert_eq!(quoted(Shell::Elvish, "\"é\\\n"), r#""\"é\\\x0a""#);
        assert_eq!(quoted(Shell::Tcsh, "é !a\nb"), "é\\ \\!a\"$__silo_nl:q\"b");
        assert_eq!(quoted(Shell::Tcsh, ""), "''");
    }

    #[test]
    fn bytes_that_are_no_text_are_kept_where_the_shell_can() {
        assert_eq!(Shell::Elvish.quote(b"a\xff"), br#""a\xff""#);
        assert_eq!(Shell::Tcsh.quote(b"a\xff"), b"a\xff");
        assert_eq!(Shell::Nu.quote(b"a\xff"), "\"a\u{fffd}\"".as_bytes());
    }
}
