//! The nearest known name to one that is not known.

/// The candidate most like `given`, when one is near enough to be a slip of the fingers.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = given.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= (name.chars().count().max(given.chars().count()) * 2 / 5).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Names in backticks, joined by commas: "`a`, `b`".
pub fn ticked<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_not_strangers() {
        let known = ["ports", "hosts", "urls", "version"];
        assert_eq!(nearest("port", known), Some("ports"));
        assert_eq!(nearest("verison", known), Some("version"));
        assert_eq!(nearest("prot", known), Some("ports"));
        assert_eq!(nearest("PORTS", known), Some("ports"));
        assert_eq!(nearest("kubernetes", known), None);
    }
}
