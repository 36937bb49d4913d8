//! The house rules that a compiler does not keep (docs/architecture.md, CONTRIBUTING.md).

use std::fs;
use std::path::{Path, PathBuf};

/// A source file below the package, its path relative, and its text.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// The text without unit tests.
    pub(crate) fn product(&self) -> &str {
        self.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
    }

    /// The text without unit tests and comments.
    fn code(&self) -> String {
        self.product().lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    }

    /// The part of the crate it belongs to: a folder of `src`, or a file.
    fn part(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        inside.split(['/', '.']).next().unwrap_or(inside)
    }
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source below a folder of the package.
pub(crate) fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![package().join(folder)];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("the package is readable") {
            let path = entry.expect("the package is readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("sources are UTF-8");
                let path = path.strip_prefix(package()).expect("it lies below").to_string_lossy().into_owned();
                found.push(Source { path, text });
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {folder}");
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// The parts of the crate that a text names: `crate::store::…` and `silo::store::…`.
fn named_parts(code: &str) -> Vec<String> {
    let mut parts: Vec<String> = code
        .match_indices("crate::")
        .chain(code.match_indices("silo::"))
        .map(|(at, word)| code[at + word.len()..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .collect();
    parts.sort();
    parts.dedup();
    parts
}

#[test]
fn imports_go_down_the_ladder_only() {
    let all = ["backend", "cli", "commands", "core", "failure", "parts", "store", "sys", "ui"];
    for source in sources("src") {
        let allowed: &[&str] = match source.part() {
            "main" | "lib" => &all,
            "proxy" => &["cli", "core", "failure", "parts", "proxy", "store", "sys", "ui"],
            "commands" | "parts" => &["backend", "cli", "core", "failure", "parts", "store", "sys", "ui"],
            "store" => &["core", "failure", "store", "sys"],
            "backend" => &["backend", "core", "failure", "sys", "ui"],
            "sys" => &["core", "failure", "sys"],
            "cli" | "failure" | "ui" => &["core", "failure"],
            "core" => &["core"],
            other => panic!("{}: `{other}` has no place on the ladder", source.path),
        };
        for part in named_parts(&source.code()) {
            assert!(allowed.contains(&part.as_str()), "{} may not use `{part}`", source.path);
        }
    }
}

#[test]
fn the_core_has_no_effects() {
    let forbidden = [
        "std::fs",
        "std::env",
        "std::process",
        "std::net",
        "std::thread",
        "std::io",
        "SystemTime",
        "Instant",
        "println!",
        "print!",
        "clap",
        "rustix::",
        "use nix",
        "fastrand",
        "jiff",
        "fd_lock",
        "tempfile",
        "directories",
        "anstream",
    ];
    for source in sources("src/core") {
        let code = source.code();
        for word in forbidden {
            assert!(!code.contains(word), "{} uses {word}", source.path);
        }
    }
}

/// Every source file but these that uses one of the words.
fn users_of(words: &[&str], but: &[&str]) -> Vec<String> {
    let sources = sources("src").into_iter().filter(|source| !but.contains(&source.path.as_str()));
    let users = sources.filter(|source| words.iter().any(|word| source.code().contains(word)));
    users.map(|source| source.path).collect()
}

#[test]
fn only_cmd_spawns() {
    let words = ["process::Command", "Command::new", "execv", "fork(", "posix_spawn"];
    assert_eq!(users_of(&words, &["src/sys/cmd.rs"]), [""; 0]);
}

#[test]
fn only_ui_prints() {
    let words = ["println!", "print!(", "stdout()", "stderr()", "/dev/tty"];
    assert_eq!(users_of(&words, &["src/ui.rs"]), [""; 0]);
}

/// Words that change files, and those that at least could.
const WRITERS: [&str; 10] = [
    "std::fs",
    "OpenOptions",
    "File::create",
    "fs::write",
    "fs::rename",
    "fs::remove",
    "fs::create_dir",
    "DirBuilder",
    "tempfile",
    "symlink(",
];

#[test]
fn only_files_writes_and_lock_opens_its_files() {
    // These read `/proc`.
    let readers = ["src/sys/listeners.rs", "src/sys/net.rs", "src/sys/processes.rs", "src/sys/routes.rs"];
    let writers = [
        "src/sys/bring.rs",
        "src/sys/appending.rs",
        "src/sys/files.rs",
        "src/sys/trees.rs",
        "src/sys/writing.rs",
        "src/sys/lock.rs",
    ];
    let but = [&writers[..], &readers[..]].concat();
    assert_eq!(users_of(&WRITERS, &but), [""; 0]);
    for source in sources("src/sys") {
        let code = source.code();
        if readers.contains(&source.path.as_str()) {
            let written = WRITERS[1..].iter().find(|word| code.contains(**word));
            assert_eq!(written, None, "{}", source.path);
        }
        if source.path == "src/sys/lock.rs" {
            assert_eq!(code.matches("OpenOptions::new()").count(), 2, "it opens lock files, and nothing else");
            assert!(!code.contains("fs::write") && !code.contains("fs::remove") && !code.contains("fs::rename"));
        }
    }
}

#[test]
fn the_environment_is_read_at_the_top_alone() {
    let words = ["env::var", "env::vars", "env::args", "env::set_var", "temp_dir()"];
    assert_eq!(users_of(&words, &["src/main.rs", "src/proxy/main.rs"]), [""; 0]);
}

#[test]
fn no_file_is_longer_than_400_lines() {
    for source in sources("src").into_iter().chain(sources("tests")) {
        let lines = source.text.lines().count();
        assert!(lines <= 400, "{} has {lines} lines", source.path);
    }
}

#[test]
fn every_file_opens_with_its_purpose() {
    for source in sources("src").into_iter().chain(sources("tests")) {
        let included = source.path.ends_with("/tests.rs");
        assert!(included || source.text.starts_with("//! "), "{} does not say what it is for", source.path);
    }
}

#[test]
fn every_test_file_is_run() {
    for program in ["tests/it", "tests/torture"] {
        let main = format!("{program}/main.rs");
        let text = fs::read_to_string(package().join(&main)).expect("it is there");
        for source in sources(program).iter().filter(|source| source.path != main) {
            let name = source.path.trim_start_matches(program).trim_matches('/').trim_end_matches(".rs");
            let (top, _) = name.split_once('/').unwrap_or((name, ""));
            assert!(text.lines().any(|line| line == format!("mod {top};")), "{} is not in {main}", source.path);
        }
    }
}

#[test]
fn no_test_is_left_out() {
    for source in sources("src").into_iter().chain(sources("tests")) {
        // Written in two parts, so that this file does not find itself.
        for word in [concat!("#[ig", "nore"), concat!("fn te", "st_"), concat!("todo", "!(")] {
            assert!(!source.text.contains(word), "{} has {word}", source.path);
        }
    }
}

#[test]
fn the_changelog_knows_this_version() {
    let changelog = fs::read_to_string(package().join("CHANGELOG.md")).expect("it is there");
    let version = format!("## [{}]", env!("CARGO_PKG_VERSION"));
    assert!(changelog.contains(&version) || changelog.contains("## [Unreleased]"), "no {version} in CHANGELOG.md");
}
