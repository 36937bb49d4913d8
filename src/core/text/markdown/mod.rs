//! Markdown for a terminal: a text and a width in, a text out. It knows what silo's own pages use: headings, paragraphs,
//! lists, tables, code blocks and comments; inside them `code`, **bold** and links. Everything else stays as it is.

mod inline;
mod look;
mod table;

use inline::{Cell, Face, cells, drawn, wrapped};

pub use look::Look;

/// A part of a page.
enum Block<'a> {
    Heading(&'a str),
    Paragraph(String),
    Item { mark: &'a str, text: String },
    Table(Vec<Vec<String>>),
    Code(Vec<&'a str>),
}

/// How far code is set in.
const INDENT: &str = "    ";

/// A page as a terminal shows it.
pub fn render(markdown: &str, look: Look) -> String {
    let mut text = String::new();
    let mut after_item = false;
    for block in blocks(markdown) {
        let item = matches!(block, Block::Item { .. });
        let together = text.is_empty() || (item && after_item);
        if !together {
            text.push('\n');
        }
        after_item = item;
        for line in lines(&block, look) {
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text
}

/// A text without its marks, as in a list of titles.
pub fn plain(text: &str) -> String {
    cells(text, Face::Plain, false).iter().map(|cell| cell.c).collect::<String>().replace('`', "")
}

fn lines(block: &Block<'_>, look: Look) -> Vec<String> {
    let draw = |line: &[Cell]| drawn(line, look.coloured);
    let flow = |text: &str, room: usize| -> Vec<String> {
        wrapped(&cells(text, Face::Plain, !look.coloured), room).iter().map(|line| draw(line)).collect()
    };
    match block {
        Block::Heading(text) => {
            let shown = if look.coloured { text.trim_start_matches('#').trim_start() } else { text };
            vec![draw(&cells(shown, Face::Heading, !look.coloured))]
        }
        Block::Paragraph(text) => flow(text, look.width),
        Block::Item { mark, text } => {
            let width = mark.chars().count();
            let starts = std::iter::once((*mark).to_owned()).chain(std::iter::repeat(" ".repeat(width)));
            starts.zip(flow(text, look.width.saturating_sub(width))).map(|(start, line)| start + &line).collect()
        }
        Block::Table(rows) => table::lines(rows, look),
        Block::Code(lines) => {
            let code = |line: &&str| draw(&line.chars().map(|c| Cell { c, face: Face::Code }).collect::<Vec<_>>());
            lines.iter().map(|line| format!("{INDENT}{}", code(line))).collect()
        }
    }
}

/// The parts of a page in order.
fn blocks(markdown: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut lines = markdown.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim().is_empty() {
            continue;
        }
        if line.starts_with("<!--") {
            let mut last = line;
            while !last.contains("-->") {
                let Some(next) = lines.next() else { break };
                last = next;
            }
        } else if line.starts_with("```") {
            blocks.push(Block::Code(lines.by_ref().take_while(|line| !line.starts_with("```")).collect()));
        } else if line.starts_with('#') {
            blocks.push(Block::Heading(line));
        } else if line.starts_with('|') {
            let mut rows = vec![line];
            while let Some(row) = lines.next_if(|line| line.starts_with('|')) {
                rows.push(row);
            }
            blocks.push(Block::Table(table::rows(&rows)));
        } else {
            let (mark, rest) = item(line).unwrap_or(("", line));
            let mut text = rest.trim().to_owned();
            while let Some(more) = lines.next_if(|line| flows(line)) {
                text.push(' ');
                text.push_str(more.trim());
            }
            blocks.push(if mark.is_empty() { Block::Paragraph(text) } else { Block::Item { mark, text } });
        }
    }
    blocks
}

/// Whether a line goes on with the paragraph or item before it.
fn flows(line: &str) -> bool {
    let starts = ["```", "#", "|", "<!--"].iter().any(|start| line.starts_with(start));
    !line.trim().is_empty() && !starts && item(line).is_none()
}

/// The mark of a list item, with the spaces around it, and what comes behind.
fn item(line: &str) -> Option<(&str, &str)> {
    let bare = line.trim_start();
    let number = bare.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = bare.strip_prefix("- ").or_else(|| number.strip_prefix(". ").filter(|_| number.len() < bare.len()))?;
    Some(line.split_at(line.len() - rest.len()))
}

#[cfg(test)]
mod tests;
