//! What stands inside a line: characters with a face each, so that breaking a line never meets half a mark.

/// How a character looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    Plain,
    Heading,
    Bold,
    Code,
    Link,
}

/// One character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) c: char,
    pub(super) face: Face,
}

impl Face {
    /// The numbers of the escape sequence that makes it.
    fn sequence(self) -> &'static str {
        match self {
            Self::Plain => "",
            // Readable on a dark ground and on a light one, which yellow is not.
            Self::Heading => "1;35",
            Self::Bold => "1",
            Self::Code => "36",
            Self::Link => "4",
        }
    }
}

/// A text without its marks; `ticks` keeps those of code, for a terminal that cannot show a difference.
pub(super) fn cells(text: &str, face: Face, ticks: bool) -> Vec<Cell> {
    let mut found = Vec::new();
    let mut bold = false;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let here = if bold && face == Face::Plain { Face::Bold } else { face };
        if let Some((code, after)) = code(rest) {
            let inner = if face == Face::Plain { Face::Code } else { face };
            let tick = ticks.then_some('`');
            found.extend(tick.into_iter().chain(code.chars()).chain(tick).map(|c| Cell { c, face: inner }));
            rest = after;
        } else if let Some(after) = rest.strip_prefix("**") {
            bold = !bold;
            rest = after;
        } else if let Some((words, _, after)) = rest.strip_prefix('!').and_then(link) {
            // Of a picture its words.
            found.extend(cells(words, face, ticks));
            rest = after;
        } else if let Some((label, target, after)) = link(rest) {
            found.extend(cells(label, if face == Face::Plain { Face::Link } else { face }, ticks));
            if target.contains("://") && label != target {
                found.extend(format!(" <{target}>").chars().map(|c| Cell { c, face: here }));
            }
            rest = after;
        } else {
            // `\*` is a star.
            let escaped = rest[c.len_utf8()..].chars().next().filter(|next| c == '\\' && next.is_ascii_punctuation());
            let shown = escaped.unwrap_or(c);
            found.push(Cell { c: shown, face: here });
            rest = &rest[c.len_utf8() + escaped.map_or(0, char::len_utf8)..];
        }
    }
    found
}

/// A span of code at the start of a text, and what comes behind it.
fn code(text: &str) -> Option<(&str, &str)> {
    let ticks = &text[..text.len() - text.trim_start_matches('`').len()];
    (!ticks.is_empty()).then(|| text[ticks.len()..].split_once(ticks)).flatten()
}

/// A link at the start of a text: label, target, and what comes behind it.
fn link(text: &str) -> Option<(&str, &str, &str)> {
    let (label, rest) = text.strip_prefix('[')?.split_once("](")?;
    let (target, after) = rest.split_once(')')?;
    (!label.contains(']')).then_some((label, target, after))
}

/// Lines of at most this many characters, broken at spaces; a longer word gets a line of its own.
pub(super) fn wrapped(cells: &[Cell], width: usize) -> Vec<Vec<Cell>> {
    let mut lines: Vec<Vec<Cell>> = Vec::new();
    for word in cells.split(|cell| cell.c == ' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                // Between two words of one face the space has it too.
                let (before, after) = (line.last().expect("a line has a word").face, word[0].face);
                line.push(Cell { c: ' ', face: if before == after { before } else { Face::Plain } });
                line.extend(word);
            }
            _ => lines.push(word.to_vec()),
        }
    }
    lines
}

/// A line with its escape sequences, or without any.
pub(super) fn drawn(line: &[Cell], coloured: bool) -> String {
    let mut text = String::new();
    for run in line.chunk_by(|one, other| one.face == other.face) {
        let words = run.iter().map(|cell| cell.c);
        match run[0].face.sequence() {
            sequence if coloured && !sequence.is_empty() => {
                text.push_str(&format!("\u{1b}[{sequence}m"));
                text.extend(words);
                text.push_str("\u{1b}[0m");
            }
            _ => text.extend(words),
        }
    }
    text
}
