//! A text of a file, which knows where it stands.

use std::ops::Range;

/// A text from the file, with its byte range there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    /// The value.
    pub value: String,
    /// Its place in the file, in bytes, quotes included.
    pub span: Range<usize>,
}
