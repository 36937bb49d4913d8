//! What git prints for programs: `git worktree list --porcelain -z` and `git status --porcelain -z`
//! (<https://git-scm.com/docs/git-worktree#_porcelain_format>, <https://git-scm.com/docs/git-status#_porcelain_format_version_1>).

/// One checkout of a repository, the main one first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checkout {
    /// Its folder; that of the repository itself where it is bare.
    pub folder: String,
    /// The branch it is on, without `refs/heads/`; none while `HEAD` is detached.
    pub branch: Option<String>,
    /// Whether it is a bare repository, which has no files checked out.
    pub is_bare: bool,
    /// Why it is locked; empty where no reason was given.
    pub locked: Option<String>,
}

/// Reads what `git worktree list --porcelain -z` prints.
pub fn checkouts(text: &str) -> Vec<Checkout> {
    let mut all: Vec<Checkout> = Vec::new();
    for line in text.split('\0') {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        if key == "worktree" {
            all.push(Checkout { folder: value.to_owned(), ..Checkout::default() });
        }
        let Some(last) = all.last_mut() else { continue };
        match key {
            "branch" => last.branch = value.strip_prefix("refs/heads/").map(str::to_owned),
            "bare" => last.is_bare = true,
            "locked" => last.locked = Some(value.to_owned()),
            _ => {}
        }
    }
    all
}

/// One path that `git status` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What git says of it, two letters: ` M`, `??` for a file it does not know, `!!` for one it ignores.
    pub kind: String,
    /// The path, from the top of the checkout; a folder ends with `/`.
    pub path: String,
}

impl Change {
    /// Whether git ignores the path.
    pub fn is_ignored(&self) -> bool {
        self.kind == "!!"
    }

    /// Whether git does not know the path.
    pub fn is_untracked(&self) -> bool {
        self.kind == "??"
    }
}

/// Reads what `git status --porcelain -z` prints.
pub fn changes(text: &str) -> Vec<Change> {
    let mut all = Vec::new();
    let mut entries = text.split('\0');
    while let Some(entry) = entries.next() {
        let Some((kind, path)) = entry.split_at_checked(2) else { continue };
        // The old name follows that of a file that was renamed or copied.
        if kind.contains(['R', 'C']) {
            entries.next();
        }
        all.push(Change { kind: kind.to_owned(), path: path.strip_prefix(' ').unwrap_or(path).to_owned() });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn checkouts_are_read_whatever_their_folders_are_called() {
        let text = "worktree /r/app\0HEAD 1\0branch refs/heads/main\0\0worktree /r/a b\nworktree c\0HEAD 2\0detached\0locked why not\0\0worktree /bare\0bare\0\0";
        let of = |folder: &str| Checkout { folder: folder.to_owned(), ..Checkout::default() };
        let main = Checkout { branch: Some("main".to_owned()), ..of("/r/app") };
        let odd = Checkout { locked: Some("why not".to_owned()), ..of("/r/a b\nworktree c") };
        assert_eq!(checkouts(text), [main, odd, Checkout { is_bare: true, ..of("/bare") }]);
        assert_eq!(checkouts(""), []);
    }

    #[test]
    fn changes_are_read_with_new_names_alone() {
        let text = " M a b\0R  new\0old\0?? x\ny\0!! target/\0";
        let change = |kind: &str, path: &str| Change { kind: kind.to_owned(), path: path.to_owned() };
        let expected = [change(" M", "a b"), change("R ", "new"), change("??", "x\ny"), change("!!", "target/")];
        assert_eq!(changes(text), expected);
        assert!(changes(text)[2].is_untracked() && changes(text)[3].is_ignored());
    }

    proptest! {
        #[test]
        fn no_text_stops_the_readers(text in "(?s).{0,200}") {
            checkouts(&text);
            changes(&text);
        }
    }
}
