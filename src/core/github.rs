//! The file behind `$GITHUB_ENV`: the delimiter form, which survives any value.

/// The lines that set names to values; no value may hold the delimiter, which is random.
pub fn render<'a>(vars: impl IntoIterator<Item = (&'a str, &'a str)>, delimiter: &str) -> String {
    vars.into_iter()
        .map(|(name, value)| format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"))
        .collect::<Vec<_>>()
        .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_value_stands_between_delimiters() {
        assert_eq!(render([("A", "x=1")], "ghadelimiter_ab12"), "A<<ghadelimiter_ab12\nx=1\nghadelimiter_ab12\n");
    }
}
