//! The word by which a line of a project's file says that instances share it on purpose.

/// What is written on the line, or alone on the line above it.
pub const MARK: &str = "silo: shared";

/// Whether a line, from 1, is marked.
pub fn is_marked(text: &str, line: usize) -> bool {
    let at = |number: usize| text.lines().nth(number.checked_sub(1)?);
    let marked = |text: &str| {
        // A JSON file has a key `//` for comments at best.
        ["#", "//"].iter().filter_map(|sign| text.find(sign)).min().is_some_and(|from| text[from..].contains(MARK))
    };
    let alone = |text: &str| ["#", "//", "\"//\""].iter().any(|sign| text.trim_start().starts_with(sign));
    at(line).is_some_and(marked) || at(line.saturating_sub(1)).is_some_and(|above| alone(above) && marked(above))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_and_the_one_above_count() {
        let text = "A=1 # silo: shared\nB=1\n  # silo: shared, for one broker serves all\nC=1\nD=silo: shared\n  \"//\": \"silo: shared\"\nE\n";
        let marked: Vec<usize> = (0..9).filter(|line| is_marked(text, *line)).collect();
        assert_eq!(marked, [1, 3, 4, 6, 7]);
    }
}
