//! What keeps an override from being made.

/// A `[compose]` that does not fit the compose files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong.
    pub what: String,
    /// How to go on.
    pub hints: Vec<String>,
    /// The variable of `[compose.ports]` it is about.
    pub variable: Option<String>,
}
