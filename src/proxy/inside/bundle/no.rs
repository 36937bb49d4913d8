//! Why nothing can be bundled.

use serde_json::{Value, json};
use silo::failure::Failure;

use super::super::codes;

/// Why nothing can be bundled.
#[derive(Debug)]
pub(super) enum No {
    /// The folder is not there, or is none.
    Gone,
    /// The time is over.
    Time,
    /// A file is larger than it may be, or the bundle.
    TooLarge,
    /// Something has failed.
    Failed(String),
}

impl No {
    /// What silo itself could not do.
    pub(super) fn of(failure: Failure) -> Self {
        Self::Failed(failure.what)
    }

    /// The exit code.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Time => codes::TIME,
            Self::TooLarge => codes::DISK,
            Self::Gone | Self::Failed(_) => 1,
        }
    }

    /// For who has asked.
    pub(super) fn told(&self) -> Value {
        let (reason, text) = match self {
            Self::Gone => ("gone", "the folder of the repository is not there"),
            Self::Time => ("time", "it took too long"),
            Self::TooLarge => ("too_large", "a file or the bundle is larger than it may be"),
            Self::Failed(text) => ("failed", text.as_str()),
        };
        json!({ "error": text, "reason": reason })
    }
}
