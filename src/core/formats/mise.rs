//! The variables that a `mise.toml` sets: text in, lines out.

use toml::de::{DeTable, DeValue};

use super::scripts::Unreadable;

/// The names such files have.
pub const NAMES: [&str; 4] = ["mise.toml", ".mise.toml", "mise.local.toml", ".mise.local.toml"];

/// Line, name and value of each variable of `[env]` whose value is written out.
///
/// # Errors
/// [`Unreadable`] when it is not TOML.
pub fn set(text: &str) -> Result<Vec<(usize, String, String)>, Unreadable> {
    let line_at = |at: usize| text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
    let root = DeTable::parse(text).map_err(|error| Unreadable {
        line: line_at(error.span().map_or(0, |span| span.start)),
        why: error.message().to_owned(),
    })?;
    let env = root.get_ref().get("env").and_then(|env| env.get_ref().as_table());
    let lines = env.into_iter().flat_map(|env| env.iter()).filter_map(|(name, value)| {
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.as_str().to_owned(),
            DeValue::Table(table) => table.get("value")?.get_ref().as_str()?.to_owned(),
            _ => return None,
        };
        let is_plain = !text.contains("{{") && !text.contains('$');
        is_plain.then(|| (line_at(name.span().start), name.get_ref().to_string(), text))
    });
    Ok(lines.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_values_of_env_are_told_with_their_line() {
        let text = "[tools]\nnode = '22'\n[env]\nPORT = 3000\nA_URL = 'http://localhost:3000'\nB = '{{env.A}}'\n_.file = '.env'\nC = { value = 'x', redact = true }\nD = false\n";
        let told: Vec<String> =
            set(text).expect("it is TOML").iter().map(|(line, name, value)| format!("{line} {name}={value}")).collect();
        assert_eq!(told, ["4 PORT=3000", "5 A_URL=http://localhost:3000", "8 C=x"]);
        assert_eq!(set("[env\n").expect_err("it is cut").line, 1);
        assert_eq!(set("env = 1"), Ok(Vec::new()));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[env\\[\\]={}'\n 0-9.é]{0,60}") {
            let _ = set(&text);
        }
    }
}
