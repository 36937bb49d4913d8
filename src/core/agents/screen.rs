//! What an agent prints, made fit for a terminal: text and colours pass, everything else that would act on the terminal does not.

/// How far a sequence that begins with ESC has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum At {
    #[default]
    Text,
    /// ESC was there.
    Escape,
    /// A sequence for colours, as long as it can be one.
    Control,
    /// A text for the terminal itself, which ends with BEL or ESC `\`.
    Command,
    /// ESC in such a text.
    CommandEscape,
}

/// Longest sequence for a colour, in bytes.
const COLOUR: usize = 32;

/// Filters a stream piece by piece.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Screen {
    at: At,
    sequence: Vec<u8>,
    /// C1 controls are two bytes in UTF-8, of which the first is 0xc2.
    has_lead: bool,
}

impl Screen {
    /// What of a piece reaches the terminal.
    pub fn pass(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(piece.len());
        for byte in piece {
            self.take(*byte, &mut out);
        }
        out
    }

    fn take(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.at {
            At::Text => self.text(byte, out),
            At::Escape => {
                self.at = match byte {
                    b'[' => At::Control,
                    b']' | b'P' | b'X' | b'^' | b'_' => At::Command,
                    _ => At::Text,
                };
                self.sequence.clear();
            }
            At::Control => match byte {
                b'0'..=b'9' | b';' | b':' if self.sequence.len() < COLOUR => self.sequence.push(byte),
                b'm' => {
                    out.extend_from_slice(b"\x1b[");
                    out.append(&mut self.sequence);
                    out.push(b'm');
                    self.at = At::Text;
                }
                // Parameters and what comes before the last byte.
                0x20..=0x3f => self.sequence.clear(),
                0x1b => self.at = At::Escape,
                _ => self.at = At::Text,
            },
            At::Command => match byte {
                0x07 => self.at = At::Text,
                0x1b => self.at = At::CommandEscape,
                _ => {}
            },
            At::CommandEscape => self.at = if byte == b'\\' { At::Text } else { At::Command },
        }
    }

    fn text(&mut self, byte: u8, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.has_lead) {
            match byte {
                0x80..=0x9f => return,
                _ => out.push(0xc2),
            }
        }
        match byte {
            0x1b => self.at = At::Escape,
            0xc2 => self.has_lead = true,
            b'\t' | b'\n' | b'\r' | 0x20..=0x7e | 0x80.. => out.push(byte),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &[u8]) -> String {
        String::from_utf8_lossy(&Screen::default().pass(text)).into_owned()
    }

    #[test]
    fn colours_pass_and_what_moves_names_or_asks_does_not() {
        assert_eq!(all(b"a\x1b[1;31mred\x1b[0m\tb\r\n"), "a\x1b[1;31mred\x1b[0m\tb\r\n");
        assert_eq!(all("grün °".as_bytes()), "grün °");
        for (hostile, left) in [
            (&b"a\x1b[2Jb"[..], "ab"),
            (b"a\x1b[10;10Hb", "ab"),
            (b"a\x1b]0;title\x07b", "ab"),
            (b"a\x1b]52;c;aGk=\x1b\\b", "ab"),
            (b"a\x1bPq\x1b\\b", "ab"),
            (b"a\x1b[?1049hb", "ab"),
            (b"a\x1b[6nb", "ab"),
            (b"a\x07\x08\x00b", "ab"),
            ("a\u{9b}2Jb".as_bytes(), "a2Jb"),
            (b"a\x1b[1\x1b[2Jb", "ab"),
        ] {
            assert_eq!(all(hostile), left, "{hostile:?}");
        }
    }

    proptest! {
        #[test]
        fn pieces_pass_as_the_whole_does(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..200) {
            let cut = cut.min(bytes.len());
            let mut screen = Screen::default();
            let mut pieces = screen.pass(&bytes[..cut]);
            pieces.extend(screen.pass(&bytes[cut..]));
            let whole = Screen::default().pass(&bytes);
            prop_assert_eq!(&pieces, &whole);
            // What begins with ESC is a colour.
            for (at, _) in whole.iter().enumerate().filter(|(_, byte)| **byte == 0x1b) {
                let end = whole[at..].iter().position(|byte| *byte == b'm');
                prop_assert!(end.is_some_and(|end| whole[at + 2..at + end].iter().all(|c| c.is_ascii_digit() || b";:".contains(c))));
            }
        }
    }
}
