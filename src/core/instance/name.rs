//! Instance names (docs/lockfile.md): sanitised, generated, and shortened for k3d.

use crate::core::text::digest;

/// What compose calls a project in a folder of this name: small letters, digits, dashes and underscores, of which none begins it
/// (`NormalizeProjectName`: <https://github.com/compose-spec/compose-go/blob/main/loader/loader.go>).
pub fn compose(folder: &str) -> String {
    let lower = folder.to_lowercase();
    let may_be = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    lower.chars().filter(may_be).collect::<String>().trim_start_matches(['-', '_']).to_owned()
}

/// Longest instance name, in characters: a DNS label.
pub const NAME_MAX: usize = 63;
/// Longest k3d cluster name, in characters: k3d refuses longer ones.
pub const K3D_MAX: usize = 32;
/// Length of the random part of a generated name, in characters.
pub const SUFFIX_LEN: usize = 4;

/// Lower-case letters, digits and single dashes, none at the ends, at most 63 characters; may be empty.
pub fn sanitize(raw: &str) -> String {
    let mut name = slug(raw);
    name.truncate(NAME_MAX);
    name.trim_end_matches('-').to_owned()
}

/// As [`sanitize`], however long.
pub fn slug(raw: &str) -> String {
    let mut name = String::new();
    for c in raw.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.truncate(name.trim_end_matches('-').len());
    name
}

/// `{directory}-{suffix}`, cut so that the suffix always stays whole.
pub fn generated(directory: &str, suffix: &str) -> String {
    let mut base = sanitize(directory);
    base.truncate(NAME_MAX - suffix.len() - 1);
    match base.trim_end_matches('-') {
        "" => suffix.to_owned(),
        base => format!("{base}-{suffix}"),
    }
}

/// Whether a name was made of a directory's and four characters.
pub fn is_generated(name: &str, directory: &str) -> bool {
    let Some(start) = name.len().checked_sub(SUFFIX_LEN).filter(|start| name.is_char_boundary(*start)) else {
        return false;
    };
    generated(directory, &name[start..]) == name
}

/// Whether a text can begin every resource name: 1-32 lower-case letters, digits and dashes, no dash at the ends.
pub fn is_prefix(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=32).contains(&text.len())
        && text.chars().all(|c| letter(c) || c == '-')
        && text.starts_with(letter)
        && text.ends_with(letter)
}

/// `{prefix}-{name}`: the name of everything an instance owns outside its folder (D4).
pub fn qualified(prefix: &str, name: &str) -> String {
    format!("{prefix}-{name}")
}

/// A k3d cluster name of at most 32 characters: `{prefixPart}-{hash}-{suffix}` when `full` is longer (docs/k3d.md).
pub fn k3d(full: &str) -> String {
    if full.len() <= K3D_MAX {
        return full.to_owned();
    }
    let hash = &digest::of(full.as_bytes())[..8];
    let last = full.rsplit('-').next().unwrap_or(full);
    let suffix = &last[last.len().saturating_sub(6)..];
    let room = K3D_MAX - hash.len() - suffix.len() - 2;
    format!("{}-{hash}-{suffix}", full[..room].trim_end_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sanitizes_what_people_type() {
        assert_eq!(sanitize("Feature/X  y"), "feature-x-y");
        assert_eq!(sanitize("--a__b--"), "a-b");
        assert_eq!(sanitize("日本"), "");
    }

    #[test]
    fn the_suffix_of_a_generated_name_is_never_cut() {
        assert_eq!(generated("My Project", "a3f7"), "my-project-a3f7");
        assert_eq!(generated(&"x".repeat(90), "a3f7"), format!("{}-a3f7", "x".repeat(58)));
        assert_eq!(generated("日本", "a3f7"), "a3f7");
    }

    #[test]
    fn a_generated_name_is_told_from_a_chosen_one() {
        assert!(is_generated("my-project-a3f7", "My Project") && is_generated("a3f7", "日本"));
        for (name, directory) in
            [("app-a3f7", "other"), ("app", "app"), ("feature-x", "app"), ("日本", "日本"), ("", "")]
        {
            assert!(!is_generated(name, directory), "{name}");
        }
    }

    #[test]
    fn short_cluster_names_stay_and_long_ones_are_hashed() {
        assert_eq!(k3d("localnet-feature-x"), "localnet-feature-x");
        let full = "localnet-a-very-long-project-name-a3f7";
        assert_eq!(k3d(full), format!("localnet-a-very-lo-{}-a3f7", &digest::of(full.as_bytes())[..8]));
    }

    proptest! {
        #[test]
        fn sanitize_is_idempotent_and_a_label(raw in "\\PC{0,200}") {
            let name = sanitize(&raw);
            prop_assert_eq!(sanitize(&name), name.clone());
            prop_assert!(name.len() <= NAME_MAX);
            prop_assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
            prop_assert!(!name.starts_with('-') && !name.ends_with('-'));
        }

        #[test]
        fn cluster_names_are_short_and_distinct(a in "[a-z0-9-]{1,90}", b in "[a-z0-9-]{1,90}") {
            prop_assert!(k3d(&a).len() <= K3D_MAX);
            prop_assert_eq!(k3d(&a) == k3d(&b), a == b);
        }
    }
}
