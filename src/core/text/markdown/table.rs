//! Tables: columns as wide as they need to be, narrower where the terminal is, cells broken at spaces.

use super::inline::{Cell, Face, cells, drawn, wrapped};
use super::look::Look;

/// What stands between two columns.
const GAP: &str = "  ";
/// A column whose words must be cut gets no narrower than this.
const NARROWEST: usize = 8;

/// The cells of each row; the line below the head, which says how columns are aligned, is left out.
pub(super) fn rows(lines: &[&str]) -> Vec<Vec<String>> {
    let data = lines.iter().filter(|line| line.chars().any(|c| !"|-: ".contains(c)));
    data.map(|line| split(line)).collect()
}

/// The cells of one row; `\|` does not end one.
fn split(line: &str) -> Vec<String> {
    let line = line.trim().trim_start_matches('|');
    let mut found = Vec::new();
    let mut start = 0;
    for (at, _) in line.match_indices('|').filter(|(at, _)| !line[..*at].ends_with('\\')) {
        found.push(line[start..at].trim());
        start = at + 1;
    }
    if !line[start..].trim().is_empty() {
        found.push(line[start..].trim());
    }
    found.into_iter().map(|cell| cell.replace("\\|", "|")).collect()
}

/// A table, line by line.
pub(super) fn lines(rows: &[Vec<String>], look: Look) -> Vec<String> {
    let face = |row: usize| if row == 0 { Face::Bold } else { Face::Plain };
    let table: Vec<Vec<Vec<Cell>>> = rows
        .iter()
        .enumerate()
        .map(|(at, row)| row.iter().map(|text| cells(text, face(at), !look.coloured)).collect())
        .collect();
    let widths = widths(&table, look.width);
    let mut lines = Vec::new();
    for (at, row) in table.iter().enumerate() {
        let columns: Vec<Vec<Vec<Cell>>> =
            row.iter().zip(&widths).map(|(cell, width)| chopped(&wrapped(cell, *width), *width)).collect();
        let height = columns.iter().map(Vec::len).max().unwrap_or(0);
        for line in 0..height {
            let parts = columns.iter().zip(&widths).map(|(column, width)| {
                let cell = column.get(line).map_or(&[][..], Vec::as_slice);
                drawn(cell, look.coloured) + &" ".repeat(width.saturating_sub(cell.len()))
            });
            lines.push(parts.collect::<Vec<_>>().join(GAP));
        }
        if at == 0 {
            lines.push(widths.iter().map(|width| "─".repeat(*width)).collect::<Vec<_>>().join(GAP));
        }
    }
    lines
}

/// As wide as the longest cell; while that is too wide for the terminal, the widest column gives way, first as far as
/// its words stay whole.
fn widths(table: &[Vec<Vec<Cell>>], room: usize) -> Vec<usize> {
    let columns = table.iter().map(Vec::len).max().unwrap_or(0);
    let longest = |column: usize, measure: &dyn Fn(&Vec<Cell>) -> usize| {
        table.iter().filter_map(|row| row.get(column)).map(measure).max().unwrap_or(0)
    };
    let word = |cell: &Vec<Cell>| cell.split(|cell| cell.c == ' ').map(<[Cell]>::len).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..columns).map(|column| longest(column, &Vec::len)).collect();
    let words: Vec<usize> = (0..columns).map(|column| longest(column, &word)).collect();
    let room = room.saturating_sub(GAP.len() * columns.saturating_sub(1));
    for least in [words, vec![NARROWEST; columns]] {
        while widths.iter().sum::<usize>() > room {
            let giving = widths.iter_mut().zip(&least).filter(|(width, least)| **width > **least);
            let Some((widest, _)) = giving.max_by_key(|(width, _)| **width) else { break };
            *widest -= 1;
        }
    }
    widths
}

/// Words that are wider than their column go on in the next line.
fn chopped(lines: &[Vec<Cell>], width: usize) -> Vec<Vec<Cell>> {
    lines.iter().flat_map(|line| line.chunks(width.max(1)).map(<[Cell]>::to_vec)).collect()
}
