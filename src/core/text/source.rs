//! Places in a text that people can find: line, column, and the line itself with a caret under it.

use std::ops::Range;

/// Width of an excerpt in characters; longer lines are cut around the caret.
const WIDTH: usize = 100;

/// A place in a text, one-based, with the line it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Line number, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The line, and below it a caret line, both without a final newline.
    pub excerpt: String,
}

/// Finds the place of a byte range in `text`; a range beyond the end points at the end.
pub fn locate(text: &str, span: &Range<usize>) -> Place {
    let start = floor(text, span.start);
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let end = floor(text, span.end).clamp(start, line_end.max(start));
    let before = text[line_start..start].chars().count();
    let width = text[start..end].chars().count().max(1);
    let line = text[..start].matches('\n').count() + 1;
    let number = line.to_string();
    let (shown, offset) = window(&text[line_start..line_end], before);
    let pad: String = shown.chars().take(offset).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let caret = "^".repeat(width.min(WIDTH.saturating_sub(offset).max(1)));
    let gutter = " ".repeat(number.len());
    let excerpt = format!("{number} | {}\n{gutter} | {pad}{caret}", printable(&shown));
    Place { line, column: before + 1, excerpt }
}

/// Replaces control characters but tab and newline, and those that turn the direction of writing, so that a hostile
/// text cannot drive the terminal it is shown on.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

/// JSON text that says the same, with the characters [`printable`] replaces written as `\uXXXX`: in valid JSON they only
/// stand inside strings.
pub fn printable_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if steers(c) {
            text.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    text
}

/// Whether a character drives a terminal; all of them have four hexadecimal digits.
fn steers(c: char) -> bool {
    (c.is_control() && !matches!(c, '\t' | '\n')) || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// As [`printable`], and newlines too: for a name or path inside a line, which must not forge another one (D116).
pub fn one_line(text: &str) -> String {
    printable(text).replace('\n', "\u{fffd}")
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The part of a long line around `column`, and where the column stands in that part.
fn window(line: &str, column: usize) -> (String, usize) {
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.chars().count() <= WIDTH {
        return (line.to_owned(), column);
    }
    let skip = column.saturating_sub(WIDTH / 2);
    (line.chars().skip(skip).take(WIDTH).collect(), column - skip)
}

/// A number of things: `1 instance`, `2 instances`.
pub fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A number of bytes for people: `40 kB`, `512 MB`, `12 GB`.
pub fn size(bytes: u64) -> String {
    let mega = bytes / 1_000_000;
    match mega {
        0 => format!("{} kB", bytes / 1000),
        1..10_000 => format!("{mega} MB"),
        _ => format!("{} GB", mega / 1000),
    }
}

/// A time span in its largest unit: `40s`, `5m`, `3h`, `12d`.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_under_the_value() {
        let text = "version = 1\n[ports]\nWEB = 70000\n";
        let at = text.find("70000").expect("it is there");
        let place = locate(text, &(at..at + 5));
        assert_eq!((place.line, place.column), (3, 7));
        assert_eq!(place.excerpt, "3 | WEB = 70000\n  |       ^^^^^");
    }

    #[test]
    fn survives_any_range_and_hides_control_characters() {
        let place = locate("é\u{1b}[2J", &(1..900));
        assert_eq!(place.excerpt, "1 | é\u{fffd}[2J\n  | ^^^^^");
        assert_eq!(locate("", &(5..9)).line, 1);
    }

    #[test]
    fn cuts_long_lines_around_the_caret() {
        let text = format!("{}x", "a".repeat(500));
        let place = locate(&text, &(500..501));
        assert_eq!(place.column, 501);
        assert!(place.excerpt.lines().all(|line| line.chars().count() <= WIDTH + 8));
    }

    #[test]
    fn json_says_the_same_and_drives_no_terminal() {
        let value = serde_json::json!({ "a\u{9b}": "\u{1b}[31m\u{7f}\u{202e}\n\t é 😀" });
        let text = printable_json(&format!("{value:#}"));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("it is JSON"), value);
        assert_eq!(printable(&text), text);
    }
}
