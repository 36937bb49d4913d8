//! How the folder of a workspace is called. A branch may hold nearly every character; a folder's name is typed, and read by
//! programs that take some of them specially.

use crate::core::text::digest;

/// Longest part that a workspace's name gives, in characters: file systems take 255 bytes.
const LONGEST: usize = 60;
/// Length of the hash behind a name that would not tell the workspace, in hex digits.
const HASH: usize = 6;

/// `{repository}.{name}` in letters, digits, `.`, `_` and `-`; cut where it is too long.
pub fn plain(repository: &str, name: &str) -> String {
    let safe = |text: &str| -> String {
        let letter = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' };
        text.chars().map(letter).take(LONGEST).collect()
    };
    let (repository, name) = (safe(repository), safe(name));
    match repository.trim_start_matches(['-', '.']) {
        "" => format!("workspace.{name}"),
        repository => format!("{repository}.{name}"),
    }
}

/// The same with a hash of the name behind it, for where another has the plain one.
pub fn told_apart(repository: &str, name: &str) -> String {
    let hash = digest::of_parts(&[repository.as_bytes(), name.as_bytes()]);
    format!("{}-{}", plain(repository, name), &hash[..HASH])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_folder_is_called_after_repository_and_branch() {
        for (branch, folder) in [
            ("feature/login", "app.feature-login"),
            ("fix_1.2", "app.fix_1.2"),
            ("größe", "app.größe"),
            ("a$(touch x)'\"", "app.a--touch-x---"),
            ("a\nb", "app.a-b"),
        ] {
            assert_eq!(plain("app", branch), folder);
        }
        assert_eq!(plain(".hidden", "x"), "hidden.x");
        assert_ne!(told_apart("app", "feature/login"), told_apart("app", "feature-login"));
    }

    proptest! {
        #[test]
        fn no_name_leaves_its_folder_or_is_too_long(repository in ".{0,80}", name in ".{1,300}") {
            for folder in [plain(&repository, &name), told_apart(&repository, &name)] {
                prop_assert!(!folder.contains(['/', '\0', '\n', ' ', '$', '\'']));
                prop_assert!(!folder.starts_with('.') && !folder.starts_with('-'));
                prop_assert!(folder.chars().count() <= 2 * LONGEST + 2 + HASH);
            }
        }
    }
}
