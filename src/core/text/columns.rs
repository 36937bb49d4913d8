//! Tables for a terminal: aligned, and cut to its width.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::core::text::source::one_line;

/// Between two columns.
const GAP: &str = "  ";

/// What a cell is about; colour may show it, but is never needed for the meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// The head of a column.
    Head,
    /// As it should be.
    Good,
    /// Under way.
    Busy,
    /// In need of somebody.
    Bad,
    /// Of less interest.
    Faint,
}

/// One field of a table, or one piece of a line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    /// Its text, on one line.
    pub text: String,
    /// What it is about.
    pub tone: Tone,
    /// Whether its end tells most, as a path's: what does not fit then goes from its beginning.
    pub tail: bool,
}

impl Cell {
    /// A cell with a tone; what would steer a terminal is replaced.
    pub fn new(text: &str, tone: Tone) -> Self {
        Self { text: one_line(text), tone, tail: false }
    }

    /// A cell of no special tone.
    pub fn plain(text: &str) -> Self {
        Self::new(text, Tone::Plain)
    }

    /// A cell whose end tells most; it has to be the last of its row.
    pub fn tail(text: &str) -> Self {
        Self { tail: true, ..Self::plain(text) }
    }
}

/// Lays rows out below their heads; columns in which no row says anything are left out. With a width, each line is cut
/// to it, in columns of the terminal.
pub fn table(heads: &[&str], rows: &[Vec<Cell>], width: Option<usize>) -> Vec<Vec<Cell>> {
    let said: Vec<usize> = (0..heads.len())
        .filter(|column| rows.iter().any(|row| row.get(*column).is_some_and(|cell| !cell.text.is_empty())))
        .collect();
    let head: Vec<Cell> = heads.iter().map(|head| Cell::new(&head.to_uppercase(), Tone::Head)).collect();
    let all: Vec<&Vec<Cell>> = std::iter::once(&head).chain(rows).collect();
    let widths: Vec<usize> = said
        .iter()
        .map(|column| all.iter().filter_map(|row| row.get(*column)).map(|cell| cell.text.width()).max().unwrap_or(0))
        .collect();
    let line = |row: &&Vec<Cell>| {
        let cells = said.iter().zip(&widths).enumerate().map(|(at, (column, width))| {
            let cell = row.get(*column).cloned().unwrap_or_default();
            let last = at + 1 == said.len();
            let pad = if last { 0 } else { width.saturating_sub(cell.text.width()) };
            let gap = if last { "" } else { GAP };
            Cell { text: format!("{}{}{gap}", cell.text, " ".repeat(pad)), ..cell }
        });
        let mut cells: Vec<Cell> = cells.collect();
        if let (Some(width), Some((last, others))) = (width, cells.split_last_mut()) {
            let others: usize = others.iter().map(|cell| cell.text.width()).sum();
            if last.tail && width > others {
                last.text = tail(&last.text, width - others);
            }
        }
        cut(cells, width)
    };
    all.iter().map(line).collect()
}

/// Cuts a line to a width, with `…` at the end of what was cut.
pub fn cut(line: Vec<Cell>, width: Option<usize>) -> Vec<Cell> {
    let total: usize = line.iter().map(|cell| cell.text.width()).sum();
    let Some(width) = width.filter(|width| total > *width) else { return line };
    let mut left = width.saturating_sub(1);
    let mut kept = Vec::new();
    for cell in line {
        let mut text = String::new();
        for c in cell.text.chars() {
            let wide = c.width().unwrap_or(0);
            if wide > left {
                text.push('…');
                kept.push(Cell { text, ..cell });
                return kept;
            }
            left -= wide;
            text.push(c);
        }
        kept.push(Cell { text, ..cell });
    }
    kept
}

/// The end of a text that fits a width in columns, with `…` in place of what is before it.
fn tail(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let fits = |c: &char| {
        let wide = c.width().unwrap_or(0);
        let fits = wide <= left;
        left = left.saturating_sub(wide);
        fits
    };
    let kept: Vec<char> = text.chars().rev().take_while(fits).collect();
    std::iter::once('…').chain(kept.into_iter().rev()).collect()
}

/// The columns a line takes on a terminal, without spaces at its end.
pub fn width(line: &[Cell]) -> usize {
    text(line).width()
}

/// A text cut in its middle to a width in columns, so that its end, which often tells most, stays.
pub fn shortened(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width || width < 3 {
        return text.to_owned();
    }
    let (head, tail) = (width / 2, width - width / 2 - 1);
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(length - tail).collect();
    format!("{start}…{end}")
}

/// A text behind its head; with a width, what does not fit goes on below it, broken at spaces.
pub fn hanging(head: &str, text: &str, width: Option<usize>) -> String {
    let indent = head.width();
    let mut lines = vec![head.to_owned()];
    let mut at = indent;
    for word in text.split(' ') {
        let fits = width.is_none_or(|width| at + word.width() <= width) || at == indent;
        if !fits {
            lines.push(" ".repeat(indent));
            at = indent;
        }
        let line = lines.last_mut().expect("there is a first one");
        line.push_str(word);
        line.push(' ');
        at += word.width() + 1;
    }
    lines.iter().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// A text in lines of a width, broken at spaces: `first` columns of the first line are taken already, and the others are set
/// in by `indent`. A word that is longer than a line stays whole.
pub fn wrapped(text: &str, first: usize, indent: usize, width: Option<usize>) -> Vec<String> {
    let mut lines = vec![String::new()];
    let (mut at, mut is_empty) = (first, true);
    for word in text.split(' ') {
        let gap = usize::from(!is_empty);
        if width.is_some_and(|width| at + gap + word.width() > width)
            && (!is_empty || lines.len() == 1 && first > indent)
        {
            lines.push(" ".repeat(indent));
            (at, is_empty) = (indent, true);
        }
        let line = lines.last_mut().expect("there is a first one");
        if !is_empty {
            line.push(' ');
            at += 1;
        }
        line.push_str(word);
        at += word.width();
        is_empty = false;
    }
    lines
}

/// A line's text without its tones, and without spaces at its end.
pub fn text(line: &[Cell]) -> String {
    let text: String = line.iter().map(|cell| cell.text.as_str()).collect();
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(rows: &[&[&str]], width: Option<usize>) -> Vec<String> {
        let rows: Vec<Vec<Cell>> = rows.iter().map(|row| row.iter().map(|text| Cell::plain(text)).collect()).collect();
        table(&["name", "profile", "root"], &rows, width).iter().map(|line| text(line)).collect()
    }

    #[test]
    fn columns_are_aligned_and_silent_ones_left_out() {
        assert_eq!(
            lines(&[&["a", "", "/x"], &["feature", "", "/日本"]], None),
            ["NAME     ROOT", "a        /x", "feature  /日本"]
        );
        assert_eq!(lines(&[&["a", "p", "/x"]], None)[1], "a     p        /x");
    }

    #[test]
    fn a_long_name_keeps_both_its_ends() {
        assert_eq!(shortened("app-feature-a-really-long-one", 11), "app-f…g-one");
        assert_eq!(shortened("app", 3), "app");
        assert_eq!(shortened("apps", 3), "a…s");
    }

    #[test]
    fn a_text_hangs_behind_its_head() {
        assert_eq!(hanging("one  ", "a few words", None), "one  a few words\n");
        assert_eq!(hanging("one  ", "a few words", Some(16)), "one  a few words\n");
        assert_eq!(hanging("one  ", "a few words", Some(15)), "one  a few\n     words\n");
        assert_eq!(hanging("one  ", "extraordinary words", Some(9)), "one  extraordinary\n     words\n");
    }

    #[test]
    fn a_text_is_wrapped_at_spaces_alone() {
        assert_eq!(wrapped("a few words", 5, 2, None), ["a few words"]);
        assert_eq!(wrapped("a few words", 5, 2, Some(16)), ["a few words"]);
        assert_eq!(wrapped("a few words", 5, 2, Some(10)), ["a few", "  words"]);
        assert_eq!(wrapped("extraordinary words", 5, 2, Some(9)), ["", "  extraordinary", "  words"]);
        assert_eq!(wrapped("日本語 日本", 0, 0, Some(7)), ["日本語", "日本"]);
    }

    #[test]
    fn what_does_not_fit_of_a_path_goes_from_its_beginning() {
        let table = |root: &str, width| {
            let rows = [vec![Cell::plain("a"), Cell::tail(root)]];
            text(&table(&["name", "root"], &rows, Some(width))[1])
        };
        assert_eq!(table("/src/app (main)", 21), "a     /src/app (main)");
        assert_eq!(table("/src/app (main)", 18), "a     …/app (main)");
        assert_eq!(table("/日本語 (x)", 13), "a     …語 (x)", "no half of a wide letter");
        assert_eq!(table("/src/app (main)", 7), "a     …");
        assert_eq!(table("/src/app (main)", 6), "a    …", "there is no room for it at all");
    }

    #[test]
    fn a_line_is_cut_to_the_width_of_the_terminal_in_its_own_columns() {
        assert_eq!(lines(&[&["a", "", "/日本語/x"]], Some(11))[1], "a     /日…");
        assert_eq!(lines(&[&["a", "", "/x\u{1b}[31m\n"]], Some(80))[1], "a     /x\u{fffd}[31m\u{fffd}");
    }
}
