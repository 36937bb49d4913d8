//! Patterns for paths in a project: globs of `silo.toml`, counted from its root, and lines of `.worktreeinclude`, which have the
//! syntax of `.gitignore` (<https://git-scm.com/docs/gitignore>). Bytes, for a file may be called anything.

/// Folders with what tools fetch or build: `**` does not lead into them, so that `**/.env*` finds the project's own files.
pub const DEPENDENCIES: [&str; 24] = [
    "node_modules",
    "bower_components",
    "vendor",
    "target",
    "dist",
    "build",
    "out",
    ".venv",
    "venv",
    ".env",
    "__pycache__",
    ".tox",
    ".nox",
    ".next",
    ".nuxt",
    ".turbo",
    ".gradle",
    ".terraform",
    ".direnv",
    ".bundle",
    "Pods",
    ".yarn",
    ".pnpm-store",
    ".cache",
];

/// One pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    parts: Vec<Part>,
    folders_only: bool,
    excludes: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// `**`: any number of folders.
    Folders,
    /// One name, with `*`, `?` and `[…]` in it.
    Name(Vec<u8>),
}

impl Glob {
    /// Reads a glob of `silo.toml`: from the project's root, and never out of it. `!` before it takes away what others pick.
    ///
    /// # Errors
    /// Why it is none, to come after the glob in a sentence.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (excludes, path) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        if path.starts_with(['/', '~']) {
            return Err("it is outside the project");
        }
        if path.split('/').any(|part| part == "..") {
            return Err("it leads out of the project");
        }
        if path.split('/').any(|part| part.eq_ignore_ascii_case(".git")) {
            return Err("it is git's own folder");
        }
        if path.split('/').any(|part| part.matches('[').count() > part.matches(']').count()) {
            return Err("a `[` has no end");
        }
        if path.contains('{') && path.contains(',') && path.contains('}') {
            return Err("braces choose nothing: write a glob for each");
        }
        let glob = Self::of(path.as_bytes(), excludes, false);
        if glob.parts.is_empty() { Err("it names nothing") } else { Ok(glob) }
    }

    /// Reads a line with the syntax of `.gitignore`; none for an empty line or a comment.
    pub fn of_line(line: &[u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut end = line.len();
        while end > 0 && line[end - 1] == b' ' && (end < 2 || line[end - 2] != b'\\') {
            end -= 1;
        }
        let line = &line[..end];
        if line.is_empty() || line[0] == b'#' {
            return None;
        }
        let (excludes, path) = line.strip_prefix(b"!").map_or((false, line), |rest| (true, rest));
        let inner = path.strip_suffix(b"/").unwrap_or(path);
        let glob = Self::of(path, excludes, !inner.contains(&b'/'));
        (!glob.parts.is_empty()).then_some(glob)
    }

    fn of(path: &[u8], excludes: bool, anywhere: bool) -> Self {
        let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
        let parts = names.map(|name| if name == b"**" { Part::Folders } else { Part::Name(name.to_vec()) });
        let before = anywhere.then_some(Part::Folders);
        let parts: Vec<Part> = parts.collect();
        let parts = before.into_iter().filter(|_| !parts.is_empty()).chain(parts.clone()).collect();
        Self { parts, folders_only: path.ends_with(b"/"), excludes }
    }

    /// Where in the pattern one can be after the names of a path: the end of it is a match.
    fn after(&self, path: &[&[u8]]) -> Vec<bool> {
        let mut live = vec![false; self.parts.len() + 1];
        live[0] = true;
        self.skip(&mut live);
        for name in path {
            let mut next = vec![false; live.len()];
            let is_dependency = DEPENDENCIES.iter().any(|one| one.as_bytes() == *name);
            for (at, part) in self.parts.iter().enumerate().filter(|(at, _)| live[*at]) {
                match part {
                    Part::Folders if !is_dependency => next[at] = true,
                    Part::Name(pattern) if matches(pattern, name) => next[at + 1] = true,
                    _ => {}
                }
            }
            self.skip(&mut next);
            live = next;
        }
        live
    }

    /// `**` may stand for nothing.
    fn skip(&self, live: &mut [bool]) {
        for (at, part) in self.parts.iter().enumerate() {
            if live[at] && *part == Part::Folders {
                live[at + 1] = true;
            }
        }
    }
}

/// Patterns in order: of those that match, the last decides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Globs(Vec<Glob>);

impl Globs {
    /// Of globs of `silo.toml`; one that is none, which the check of the file has refused, picks nothing.
    pub fn of<'a>(globs: impl IntoIterator<Item = &'a str>) -> Self {
        Self(globs.into_iter().filter_map(|glob| Glob::parse(glob).ok()).collect())
    }

    /// Of a text with the syntax of `.gitignore`.
    pub fn of_lines(text: &[u8]) -> Self {
        Self(text.split(|byte| *byte == b'\n').filter_map(Glob::of_line).collect())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a path itself is picked; the folders it lies in do not count.
    pub fn picks_itself(&self, path: &[u8], is_folder: bool) -> bool {
        self.word(&names(path), is_folder) == Some(true)
    }

    /// Whether a path is picked, by itself or with a folder it lies in: the nearest word counts.
    pub fn picks(&self, path: &[u8], is_folder: bool) -> bool {
        let names = names(path);
        let mut near = (1..=names.len()).rev();
        near.find_map(|end| self.word(&names[..end], is_folder || end < names.len())) == Some(true)
    }

    /// Whether something below a folder may be picked.
    pub fn reaches_into(&self, folder: &[u8]) -> bool {
        let names = names(folder);
        let reaches = |glob: &Glob| glob.after(&names)[..glob.parts.len()].contains(&true);
        self.picks(folder, true) || self.0.iter().filter(|glob| !glob.excludes).any(reaches)
    }

    fn word(&self, names: &[&[u8]], is_folder: bool) -> Option<bool> {
        let fitting = self.0.iter().rev().filter(|glob| is_folder || !glob.folders_only);
        fitting.filter(|glob| glob.after(names).last() == Some(&true)).map(|glob| !glob.excludes).next()
    }
}

fn names(path: &[u8]) -> Vec<&[u8]> {
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect()
}

/// Whether a name fits a pattern without slashes. One way back is enough, so no pattern takes long.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while read < name.len() {
        if pattern.get(at) == Some(&b'*') {
            back = Some((at + 1, read));
            at += 1;
            continue;
        }
        match one(&pattern[at..], name[read]) {
            Some(length) => (at, read) = (at + length, read + 1),
            None => match back {
                Some((after, from)) => {
                    back = Some((after, from + 1));
                    (at, read) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// How long the beginning of a pattern is that stands for this byte; none where it stands for another.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'[', ..] => class(pattern, byte),
        [plain, ..] => (*plain == byte).then_some(1),
        [] => None,
    }
}

/// The same for `[a-z]` and `[!a-z]`.
fn class(pattern: &[u8], byte: u8) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let start = 1 + usize::from(negated);
    // A `]` that comes first is one of the class.
    let end = pattern.iter().skip(start + 1).position(|byte| *byte == b']').map(|found| start + 1 + found)?;
    let (mut at, mut found) = (start, false);
    while at < end {
        if at + 2 < end && pattern[at + 1] == b'-' {
            found |= (pattern[at]..=pattern[at + 2]).contains(&byte);
            at += 3;
        } else {
            found |= pattern[at] == byte;
            at += 1;
        }
    }
    (found != negated).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn picked(globs: &[&str], path: &str) -> bool {
        Globs::of(globs.iter().copied()).picks(path.as_bytes(), path.ends_with('/'))
    }

    #[test]
    fn a_glob_is_counted_from_the_root_and_dependencies_are_left_out() {
        for (glob, path, expected) in [
            (".env", ".env", true),
            (".env", "api/.env", false),
            ("**/.env*", ".env.local", true),
            ("**/.env*", "a/b/.envrc", true),
            ("**/.env*", "node_modules/x/.env", false),
            ("**/.env*", "a/node_modules/x/.env", false),
            ("**/.env*", "target/.env", false),
            ("**/node_modules", "a/b/node_modules/", true),
            ("**/node_modules/.env", "a/node_modules/.env", true),
            ("node_modules", "node_modules/x/.env", true),
            ("certs/", "certs/dev.pem", true),
            ("certs/", "certs", false),
            ("config/*.local.json", "config/a.local.json", true),
            ("config/*.local.json", "config/x/a.local.json", false),
            ("config/**", "config/x/a", true),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("[a-c]?[!x]", "bzy", true),
            ("[a-c]?[!x]", "bzx", false),
            ("[]]", "]", true),
            (r"\*", "*", true),
            (r"\*", "x", false),
            ("./x", "x", true),
        ] {
            assert_eq!(picked(&[glob], path), expected, "{glob} {path}");
        }
        assert!(!picked(&["**/.env*", "!**/.env.production"], "a/.env.production"));
        assert!(picked(&["certs", "!certs/old"], "certs/new/x") && !picked(&["certs", "!certs/old"], "certs/old/x"));
    }

    #[test]
    fn what_leads_out_of_the_project_is_no_glob() {
        for glob in ["/etc/passwd", "~/x", "../x", "a/../../x", "", "!", ".", ".git/config", "a/.GIT", "[a", "{a,b}"] {
            assert!(Glob::parse(glob).is_err(), "{glob}");
        }
    }

    #[test]
    fn lines_are_those_of_gitignore() {
        let globs = Globs::of_lines(b"# secrets\n.env\r\n/top\nconfig/local.json  \n*.key\n!public.key\ndata/\n\n");
        let picks = |path: &str| globs.picks(path.as_bytes(), path.ends_with('/'));
        for path in [".env", "a/.env", "top", "config/local.json", "x/y.key", "data/x", "a/data/x"] {
            assert!(picks(path), "{path}");
        }
        for path in ["a/top", "a/config/local.json", "public.key", "data", "node_modules/.env"] {
            assert!(!picks(path), "{path}");
        }
    }

    #[test]
    fn only_folders_that_may_hold_something_are_looked_into() {
        let globs = Globs::of(["**/.env*", "config/x/*.json", "node_modules/.bin/x"]);
        let reaches = |path: &str| globs.reaches_into(path.as_bytes());
        assert!(reaches("a") && reaches("a/b") && reaches("node_modules") && reaches("node_modules/.bin"));
        assert!(!reaches("node_modules/x") && !reaches("a/node_modules"));
        assert!(!Globs::of(["a/*"]).reaches_into(b"b") && Globs::of(["a/b"]).reaches_into(b"a"));
    }

    #[test]
    fn a_hostile_pattern_ends_soon() {
        let pattern = "*a".repeat(2000) + "b";
        assert!(!picked(&[&pattern], &"a".repeat(4000)));
        let deep = "**/a/".repeat(300) + "b";
        assert!(!picked(&[&deep], &("a/".repeat(300) + "c")));
    }

    proptest! {
        #[test]
        fn no_pattern_panics(pattern in "[\\[\\]!*?/a-c\\\\.^-]{0,12}", path in "[a-c./\\]]{0,12}") {
            let globs = Globs::of_lines(pattern.as_bytes());
            globs.picks(path.as_bytes(), false);
            picked(&[&pattern], &path);
        }
    }
}
