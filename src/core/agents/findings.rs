//! How much of what an agent found is kept. It has written all of it, names included.

/// Most files.
pub const FILES: usize = 1000;
/// Most folders one in the other.
pub const DEPTH: usize = 8;
/// Longest path from the folder of findings, in bytes.
pub const PATH: usize = 400;
/// Largest file, in bytes.
pub const FILE: u64 = 16 << 20;
/// Most bytes of all files.
pub const ALL: u64 = 128 << 20;
/// Most entries that are looked at, so that a folder without end costs an end.
pub const ENTRIES: usize = 20_000;
/// Most things left out that are named one by one.
pub const NAMED: usize = 20;

/// Whether a name of a file or folder can be kept: text without anything that acts on a terminal, a shell's option or a link to
/// elsewhere.
pub fn is_name(name: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(name) else { return false };
    let is_plain = text.chars().all(|c| !c.is_control() && c != '/' && c != '\u{2028}' && c != '\u{2029}');
    is_plain && !text.is_empty() && text != "." && text != ".." && text.len() <= 200
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_of_text() {
        for good in ["a", "report.md", "-rf", "höhe 1.txt", ".hidden"] {
            assert!(is_name(good.as_bytes()), "{good}");
        }
        for bad in [&b""[..], b".", b"..", b"a\nb", b"a\x1b[2J", b"\xff", b"a/b", &[b'a'; 201]] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
