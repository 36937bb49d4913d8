//! Git branches: the one a `HEAD` file names, and the instance name a worktree gets from it. Of one project no two
//! branches share a name, and a branch has the same name today and tomorrow: nothing but its text decides (D109).

use crate::core::instance::name;
use crate::core::text::digest;

/// Longest branch that is believed, in bytes; git itself keeps a branch in a file of that name.
const BRANCH_MAX: usize = 1024;
/// Length of the hash behind a name that would not tell its branch, in hex digits.
const HASH_LEN: usize = 6;
/// What stays of a long project's name beside a long branch, in characters.
const PROJECT_MIN: usize = 20;
/// First words of branches that are written with a slash, `feature/login`. The list must never change: it decides which
/// of `feature/login` and `feature-login` has the bare name, and names should stay.
const KINDS: [&str; 14] = [
    "bugfix", "chore", "claude", "codex", "copilot", "cursor", "docs", "feat", "feature", "fix", "hotfix", "refactor",
    "release", "test",
];

/// The branch that the text of a `HEAD` names; none when it is detached, of another shape, or a name git would refuse.
pub fn of_head(text: &str) -> Option<&str> {
    let branch = text.strip_prefix("ref: refs/heads/")?.trim_end_matches(['\n', '\r']);
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.strip_suffix(".lock").is_none();
    let letter = |c: char| !c.is_control() && !" ~^:?*[\\".contains(c);
    let sound = branch.len() <= BRANCH_MAX && branch.split('/').all(part) && branch.chars().all(letter);
    (sound && !branch.contains("..") && !branch.contains("@{") && !branch.ends_with('.')).then_some(branch)
}

/// `{project}-{branch}`, with a short hash behind it where that is too long or could stand for another branch as well.
pub fn instance_name(project: &str, branch: &str) -> String {
    let (start, end) = (name::slug(project), name::slug(branch));
    let whole = joined(&start, &end);
    if branch == read_back(&end) && !ends_like_hash(&end) && whole.len() <= name::NAME_MAX {
        return whole;
    }
    let hash = digest::of_parts(&[project.as_bytes(), b"branch", branch.as_bytes()]);
    let room = name::NAME_MAX - HASH_LEN - 1;
    let kept = start.len().min(PROJECT_MIN.max(room.saturating_sub(end.len() + 1)));
    let mut base = joined(start[..kept].trim_end_matches('-'), &end);
    base.truncate(room);
    joined(base.trim_end_matches('-'), &hash[..HASH_LEN])
}

/// The one branch that may bear a name without a hash.
fn read_back(slug: &str) -> String {
    match slug.split_once('-') {
        Some((kind, rest)) if KINDS.contains(&kind) => format!("{kind}/{rest}"),
        _ => slug.to_owned(),
    }
}

/// Whether a branch's own last word could be taken for a hash of ours.
fn ends_like_hash(slug: &str) -> bool {
    let last = slug.rsplit('-').next().unwrap_or(slug);
    last.len() == HASH_LEN && last.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn joined(start: &str, end: &str) -> String {
    let dash = if start.is_empty() || end.is_empty() { "" } else { "-" };
    format!("{start}{dash}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn on(branch: &str) -> String {
        instance_name("app", branch)
    }

    /// The name with its hash as `#`.
    fn marked(name: &str) -> String {
        let (base, last) = name.rsplit_once('-').unwrap_or(("", name));
        if ends_like_hash(last) { format!("{base}#") } else { name.to_owned() }
    }

    #[test]
    fn everyday_branches_have_bare_names() {
        for (branch, name) in [
            ("main", "app-main"),
            ("feature/login", "app-feature-login"),
            ("fix/login-page", "app-fix-login-page"),
            ("login-page", "app-login-page"),
            ("worktree-bright-fox", "app-worktree-bright-fox"),
        ] {
            assert_eq!(on(branch), name);
        }
        assert_eq!(instance_name("My App", "main"), "my-app-main");
        assert_eq!(instance_name("日本", "main"), "main");
    }

    #[test]
    fn what_a_name_does_not_tell_its_hash_does() {
        for (branch, name) in [
            ("feature-login", "app-feature-login#"),
            ("alice/login", "app-alice-login#"),
            ("feature/a/b", "app-feature-a-b#"),
            ("Main", "app-main#"),
            ("v1.2_x", "app-v1-2-x#"),
            ("日本", "app#"),
            ("feature/ünï", "app-feature-n#"),
            ("fix/facade", "app-fix-facade#"),
        ] {
            assert_eq!(marked(&on(branch)), name, "{branch}");
        }
        // Spelled out once: a name of today must be a name of tomorrow.
        assert_eq!(on("feature-login"), "app-feature-login-dc6906");
    }

    #[test]
    fn long_names_keep_a_part_of_the_project_and_of_the_branch() {
        let (long, short) = ("x".repeat(90), "y");
        let name = |project: &str, branch: &str| marked(&instance_name(project, branch));
        assert_eq!(name("app", &long), format!("app-{}#", "x".repeat(52)));
        assert_eq!(name(&long, short), format!("{}-y#", "x".repeat(54)));
        assert_eq!(name(&long, &long), format!("{}-{}#", "x".repeat(20), "x".repeat(35)));
        assert_eq!(on(&"x".repeat(59)), format!("app-{}", "x".repeat(59)), "it just fits");
    }

    #[test]
    fn only_a_head_on_a_branch_names_one() {
        for (head, branch) in [
            ("ref: refs/heads/main\n", Some("main")),
            ("ref: refs/heads/feature/日本", Some("feature/日本")),
            ("ref: refs/heads/.invalid\n", None),
            ("3b18e512dba79e4c8300dd08aeb37f8e728b8dad\n", None),
            ("ref: refs/remotes/origin/main\n", None),
            ("ref: refs/heads/\n", None),
            ("ref: refs/heads/a\u{1b}[2Jb\n", None),
            ("ref: refs/heads/a\nref: refs/heads/b\n", None),
            ("ref: refs/heads/../../x\n", None),
            ("ref: refs/heads/a b\n", None),
            ("", None),
        ] {
            assert_eq!(of_head(head), branch, "{head:?}");
        }
        assert_eq!(of_head(&format!("ref: refs/heads/{}", "x".repeat(1025))), None);
    }

    proptest! {
        #[test]
        fn two_branches_never_share_a_name(a in "[ab/_é-]{1,6}", b in "[ab/_é-]{1,6}", kind in "(|fix-|fix/|Fix/)") {
            let (a, b) = (format!("{kind}{a}"), b);
            prop_assert_eq!(on(&a) == on(&b), a == b);
        }

        #[test]
        fn long_branches_do_not_share_one_either(tail in "[a-c-]{1,4}", other in "[a-c-]{1,4}", length in 40usize..70) {
            let long = |tail: &str| on(&format!("{}{tail}", "x".repeat(length)));
            prop_assert_eq!(long(&tail) == long(&other), tail == other);
        }

        #[test]
        fn a_name_with_a_hash_is_no_branch_of_its_own(branch in "[a-z/._-]{1,80}") {
            let name = on(&branch);
            let twin = name.strip_prefix("app-").unwrap_or(&name);
            prop_assert!(twin == branch || on(twin) != name);
        }

        #[test]
        fn every_name_is_one_that_silo_would_keep(project in "\\PC{0,90}", branch in "\\PC{0,200}") {
            let made = instance_name(&project, &branch);
            prop_assert!(!made.is_empty() || branch.is_empty());
            prop_assert_eq!(name::sanitize(&made), made.clone());
            prop_assert_eq!(instance_name(&project, &branch), made);
        }

        #[test]
        fn a_branch_of_any_head_is_one_plain_line(text in "\\PC{0,60}", raw in any::<String>()) {
            for head in [format!("ref: refs/heads/{text}\n"), format!("ref: refs/heads/{raw}"), raw] {
                if let Some(branch) = of_head(&head) {
                    prop_assert!(!branch.is_empty() && !branch.chars().any(char::is_control));
                }
            }
        }
    }
}
