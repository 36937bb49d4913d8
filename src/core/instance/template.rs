//! `${VAR}` templates (docs/interpolation.md). `$${` stands for a literal `${`.

use std::ops::Range;

/// A piece of a parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text taken as it is.
    Text(String),
    /// A `${NAME}` or `${NAME.host}`, with its byte range in the template.
    Variable {
        /// What stands between the braces.
        name: String,
        /// Where the reference stands in the template, in bytes.
        range: Range<usize>,
    },
}

/// A template that cannot be read: `${` without `}`, or nothing usable between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Where, in bytes of the template.
    pub range: Range<usize>,
}

/// What follows the variable of a service's port, where the address is meant at which it is published (D22).
pub const HOST: &str = ".host";

/// Splits a template into text and references.
///
/// # Errors
/// [`Malformed`] for an unclosed or empty reference.
pub fn parse(template: &str) -> Result<Vec<Piece>, Malformed> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut at = 0;
    while let Some(found) = template[at..].find("${") {
        let open = at + found;
        if template[at..open].ends_with('$') {
            text.push_str(&template[at..open - 1]);
            text.push_str("${");
            at = open + 2;
            continue;
        }
        text.push_str(&template[at..open]);
        let close = template[open..].find('}').map(|found| open + found);
        let Some(close) = close else { return Err(Malformed { range: open..template.len() }) };
        let name = &template[open + 2..close];
        let plain = name.strip_suffix(HOST).unwrap_or(name);
        if plain.is_empty() || !plain.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(Malformed { range: open..close + 1 });
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
        }
        pieces.push(Piece::Variable { name: name.to_owned(), range: open..close + 1 });
        at = close + 1;
    }
    text.push_str(&template[at..]);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

/// Whether a template refers to a name.
pub fn uses(template: &str, wanted: &str) -> bool {
    let pieces = parse(template).unwrap_or_default();
    pieces.iter().any(|piece| matches!(piece, Piece::Variable { name, .. } if name == wanted))
}

/// Fills a template; `lookup` answers every name that is known.
///
/// # Errors
/// [`Unresolved`] for a malformed template or the first name that `lookup` does not know.
pub fn expand<'a>(template: &str, lookup: impl Fn(&str) -> Option<&'a str>) -> Result<String, Unresolved> {
    let mut filled = String::new();
    for piece in parse(template)? {
        match piece {
            Piece::Text(text) => filled.push_str(&text),
            Piece::Variable { name, range } => match lookup(&name) {
                Some(value) => filled.push_str(value),
                None => return Err(Unresolved::Unknown { name, range }),
            },
        }
    }
    Ok(filled)
}

/// Why a template could not be filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unresolved {
    /// The template itself cannot be read.
    Malformed(Malformed),
    /// A name nobody knows.
    Unknown {
        /// The name.
        name: String,
        /// Where its reference stands in the template, in bytes.
        range: Range<usize>,
    },
}

impl From<Malformed> for Unresolved {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(template: &str) -> Result<String, Unresolved> {
        expand(template, |name| (name == "WEB").then_some("3000"))
    }

    #[test]
    fn fills_names_and_keeps_the_rest() {
        assert_eq!(filled("http://x:${WEB}/$y$").as_deref(), Ok("http://x:3000/$y$"));
        assert_eq!(filled("$${WEB} $$${WEB}").as_deref(), Ok("${WEB} $${WEB}"));
    }

    #[test]
    fn says_which_part_is_wrong() {
        assert_eq!(filled("a${API}"), Err(Unresolved::Unknown { name: "API".into(), range: 1..7 }));
        assert_eq!(filled("a${WEB"), Err(Malformed { range: 1..6 }.into()));
        assert_eq!(filled("${}"), Err(Malformed { range: 0..3 }.into()));
        assert_eq!(filled("${A:-b}"), Err(Malformed { range: 0..7 }.into()));
        assert_eq!(filled("${WEB.host}"), Err(Unresolved::Unknown { name: "WEB.host".into(), range: 0..11 }));
        for odd in ["${WEB.port}", "${.host}", "${WEB.host.host}", "${WEB.}"] {
            assert_eq!(filled(odd), Err(Malformed { range: 0..odd.len() }.into()), "{odd}");
        }
    }

    proptest! {
        #[test]
        fn text_without_references_is_itself(text in "[^$]*") {
            prop_assert_eq!(filled(&text), Ok(text));
        }

        #[test]
        fn no_text_panics(text in "\\PC*", more in "[${}A-Z]*") {
            let _ = filled(&format!("{text}{more}"));
        }
    }
}
