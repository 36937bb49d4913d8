//! What a page is fitted to.

/// How a page is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Longest line, in characters; code and words that are longer stay whole.
    pub width: usize,
    /// Whether the terminal shows colours; without them the marks of headings and code stay.
    pub coloured: bool,
}
