//! What compose fills in for `$VAR` and `${VAR:-default}`, as far as it is the same in every instance.

/// How deep a default may hold another one.
const DEPTH: usize = 8;

/// What a variable that a compose file reads is from instance to instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// Another value in each, or nobody can say.
    Varies,
    /// The same in all.
    Shared(String),
    /// Nobody sets it.
    Unset,
}

/// A text as every instance has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meant {
    /// What compose makes of it.
    pub value: String,
    /// The variables it was made with; none where it is written out.
    pub from: Vec<String>,
}

/// Fills a text in; none when it varies, or compose would refuse it.
pub(super) fn meant(text: &str, setting: &dyn Fn(&str) -> Setting) -> Option<Meant> {
    let mut meant = Meant::default();
    meant.value = fill(text, setting, &mut meant.from, DEPTH)?;
    Some(meant)
}

/// The variable a text reads, where it is one reference and nothing else.
pub fn whole(text: &str) -> Option<&str> {
    let reference = Reference::at(text.strip_prefix('$')?)?;
    (reference.length + 1 == text.len()).then_some(reference.name)
}

/// One reference, from behind its dollar sign.
struct Reference<'a> {
    name: &'a str,
    /// `:-`, `-`, `:?`, `?`, `:+` or `+` with what follows; none of `$VAR` and `${VAR}`.
    rest: &'a str,
    length: usize,
}

impl<'a> Reference<'a> {
    fn at(text: &'a str) -> Option<Self> {
        let inner = text.strip_prefix('{');
        let from = inner.unwrap_or(text);
        let end = from.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(from.len());
        let (name, behind) = from.split_at(end);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        if inner.is_none() {
            return Some(Self { name, rest: "", length: end });
        }
        let close = closing(behind)?;
        Some(Self { name, rest: &behind[..close], length: 1 + end + close + 1 })
    }
}

/// Where the `}` is that closes a reference, those inside it passed over.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '{' if before == '$' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
        before = c;
    }
    None
}

fn fill(text: &str, setting: &dyn Fn(&str) -> Setting, from: &mut Vec<String>, depth: usize) -> Option<String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('$') {
        filled.push_str(before);
        if let Some(behind) = behind.strip_prefix('$') {
            filled.push('$');
            rest = behind;
            continue;
        }
        let Some(reference) = Reference::at(behind) else {
            filled.push('$');
            rest = behind;
            continue;
        };
        let (set, empty_is_unset) = (setting(reference.name), reference.rest.starts_with(':'));
        let value = match set {
            Setting::Varies => return None,
            Setting::Shared(value) => Some(value).filter(|value| !(empty_is_unset && value.is_empty())),
            Setting::Unset => None,
        };
        from.push(reference.name.to_owned());
        let rule = reference.rest.trim_start_matches(':');
        let inner = |from: &mut Vec<String>, text| fill(text, setting, from, depth.checked_sub(1)?);
        match (value, rule.split_at_checked(1)) {
            (Some(_), Some(("+", instead))) => filled.push_str(&inner(from, instead)?),
            (Some(value), _) => filled.push_str(&value),
            (None, Some(("-", default))) => filled.push_str(&inner(from, default)?),
            (None, Some(("?", _))) => return None,
            (None, _) => {}
        }
        rest = &behind[reference.length..];
    }
    filled.push_str(rest);
    Some(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn setting(name: &str) -> Setting {
        match name {
            "OWN" => Setting::Varies,
            "FILE" => Setting::Shared("f".into()),
            "EMPTY" => Setting::Shared(String::new()),
            _ => Setting::Unset,
        }
    }

    fn filled(text: &str) -> Option<String> {
        meant(text, &setting).map(|meant| meant.value)
    }

    #[test]
    fn compose_and_this_fill_in_the_same() {
        for (text, expected) in [
            ("a-${X:-b}-$X.", Some("a-b-.")),
            ("${FILE:-b}${FILE-b}$FILE", Some("fff")),
            ("${EMPTY:-b}${EMPTY-b}", Some("b")),
            ("${X:-${Y:-c}}/${X:-$FILE}", Some("c/f")),
            ("${X:+b}${FILE:+b}${X+b}", Some("b")),
            ("${X:?no}", None),
            ("${FILE:?no}", Some("f")),
            ("$$X $${X} $1 $", Some("$X ${X} $1 $")),
            ("${OWN:-b}", None),
            ("${X:-$OWN}", None),
            ("${X:-a", Some("${X:-a")),
        ] {
            assert_eq!(filled(text).as_deref(), expected, "{text}");
        }
        assert_eq!(meant("${X:-$FILE}", &setting).expect("it is the same").from, ["X", "FILE"]);
    }

    #[test]
    fn one_reference_alone_is_told_from_more() {
        assert_eq!(whole("${X:-${Y}}"), Some("X"));
        assert_eq!(whole("$X"), Some("X"));
        for text in ["${X}a", "a$X", "$$X", "X", "$", "${X", "${1}"] {
            assert_eq!(whole(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[$\\{}:?+XOé-]{0,60}") {
            let _ = (meant(&text, &setting), whole(&text));
        }
    }
}
