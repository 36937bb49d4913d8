//! The text a shell evaluates, built in one piece: it is on the way of each `cd`.

use super::description::Pairs;

/// A text to which nothing has been added, as large as most become.
pub(super) fn room_for(own: &Pairs<'_>, set: &Pairs<'_>) -> Vec<u8> {
    Vec::with_capacity(own.iter().chain(set).map(|(name, value)| name.len() + value.len() + 16).sum())
}

/// Adds parts of a line.
pub(super) fn push(text: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        text.extend_from_slice(part);
    }
}
