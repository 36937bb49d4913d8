//! `silo-proxy bundle` (D33): what an agent did comes out of its folder as commits, whatever else it did there, and nothing it wrote into
//! `.git` runs or leads anywhere. Here it runs as the tests' own user; that a container is around it is another matter.

use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::sandbox::{Ran, Sandbox};

/// The program under test.
pub(crate) const PROXY: &str = env!("CARGO_BIN_EXE_silo-proxy");
/// The branch the work goes to.
const BRANCH: &str = "refs/heads/agent/a-1";

/// A repository of the host's, and the clone of it that an agent has.
pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) base: String,
}

impl Stage {
    /// A repository with one commit, and a clone of it as an agent has it.
    pub(crate) fn new() -> Self {
        let sandbox = Sandbox::new();
        let dir = sandbox.dir("host");
        fs::create_dir(&dir).expect("the sandbox is empty");
        sandbox.git("host", ["init", "--quiet", "."]);
        for (name, text) in
            [("kept", "kept\n"), ("changed", "before\n"), ("removed", "x\n"), (".gitignore", "ignored\n")]
        {
            fs::write(dir.join(name), text).expect("written");
        }
        sandbox.git("host", ["add", "."]);
        sandbox.git("host", ["commit", "--quiet", "-m", "base"]);
        sandbox.git("", ["clone", "--quiet", "--no-local", "--single-branch", "--no-tags", "host", "agent"]);
        sandbox.git("agent", ["remote", "remove", "origin"]);
        let stage = Self { sandbox, base: String::new() };
        Self { base: stage.git("host", &["rev-parse", "HEAD"]), ..stage }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.sandbox.dir("agent").join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    /// What git prints in a folder.
    pub(crate) fn git(&self, dir: &str, words: &[&str]) -> String {
        let mut git = self.sandbox.command("git", dir);
        git.args(["-c", "user.name=tester", "-c", "user.email=tester@example.com"]).args(words);
        self.sandbox.finish(git).success().stdout.trim().to_owned()
    }

    /// The agent commits all that lies open.
    pub(crate) fn commit(&self, message: &str) {
        self.git("agent", &["add", "--all"]);
        self.git("agent", &["commit", "--quiet", "-m", message]);
    }

    pub(crate) fn bundle(&self, more: &[&str]) -> Ran {
        let mut command = self.sandbox.command(PROXY, "");
        command.args(["bundle", "--repository"]).arg(self.sandbox.dir("agent"));
        command.arg("--out").arg(self.sandbox.path("out"));
        command.args(["--base", &self.base, "--branch", "agent/a-1", "--message", "open work"]).args(more);
        self.sandbox.finish(command)
    }

    /// What it tells, where it succeeds.
    pub(crate) fn told(&self) -> Value {
        let ran = self.bundle(&[]).success();
        assert_eq!(ran.stdout.lines().count(), 1, "{ran:#?}");
        let told: Value = serde_json::from_str(&ran.stdout).expect("it is JSON");
        for left in ["out.git", "out.index"] {
            assert!(!self.sandbox.path(left).exists(), "{left} was left");
        }
        told
    }

    /// Has the host fetch the work; what its branch holds then, a line each.
    pub(crate) fn fetched(&self) -> Vec<String> {
        let out = self.sandbox.path("out");
        let spec = format!("{BRANCH}:{BRANCH}");
        self.git(
            "host",
            &["-c", "fetch.fsckObjects=true", "fetch", "--quiet", "--no-tags", &out.to_string_lossy(), &spec],
        );
        let listed = self.git("host", &["ls-tree", "-r", "--name-only", "-z", BRANCH]);
        listed.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    /// The text of a file in the work.
    fn file(&self, name: &str) -> String {
        self.git("host", &["show", &format!("{BRANCH}:{name}")])
    }
}

fn notes(told: &Value) -> String {
    let notes = told["skipped"].as_array().expect("a list");
    notes.iter().map(|note| note.as_str().expect("a string")).collect::<Vec<_>>().join("; ")
}

/// Every file of a folder with its bytes.
fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in next.read_dir().expect("a folder").flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path => found.push((path.clone(), fs::read(&path).expect("readable"))),
            }
        }
    }
    found.sort();
    found
}

#[test]
fn what_was_committed_and_what_lies_open_comes_out() {
    let stage = Stage::new();
    stage.write("committed", "one\n");
    stage.commit("first");
    stage.write("changed", "after\n");
    stage.write("ignored", "no\n");
    fs::create_dir(stage.path("new")).expect("made");
    stage.write("new/file", "two\n");
    fs::remove_file(stage.path("removed")).expect("it is there");
    let before = content(&stage.path(".git"));
    let told = stage.told();
    assert_eq!(before, content(&stage.path(".git")), "the agent's repository was written");
    assert_eq!(told["committed_open"], true);
    assert_eq!(
        (&told["commits"], &told["based"], &told["others"], &told["skipped"]),
        (&json!(2), &json!(true), &json!([]), &json!([]))
    );
    assert_eq!(stage.fetched(), [".gitignore", "changed", "committed", "kept", "new/file"]);
    assert_eq!(stage.file("changed"), "after");
    assert_eq!(stage.git("host", &["rev-parse", BRANCH]), told["head"].as_str().expect("a commit"));
    let log = stage.git("host", &["log", "--format=%s by %an <%ae>", &format!("{}..{BRANCH}", stage.base)]);
    assert_eq!(log, "open work by silo agent <agent@silo.invalid>\nfirst by tester <tester@example.com>");
    // Again, it comes to the same.
    assert_eq!(stage.told()["commits"], 2);
    let dated = || stage.bundle(&["--date", "2026-01-30T14:02:00Z"]).success().stdout;
    let (first, second): (Value, Value) =
        (serde_json::from_str(&dated()).expect("JSON"), serde_json::from_str(&dated()).expect("JSON"));
    assert_eq!(first["head"], second["head"]);
    assert_ne!(first["head"], told["head"], "that one is of now");
    stage.bundle(&["--date", "yesterday"]).exit(2).stderr_has("`--date` takes a time");
}

#[test]
fn where_nothing_was_done_there_is_no_bundle() {
    let stage = Stage::new();
    fs::write(stage.sandbox.path("out"), "of a run before").expect("written");
    let told = stage.told();
    let expected = json!({ "head": stage.base, "commits": 0, "based": true, "committed_open": false, "others": [], "skipped": [] });
    assert_eq!(told, expected);
    assert!(!stage.sandbox.path("out").exists());
}

#[test]
fn nothing_the_agent_wrote_into_its_repository_runs() {
    let stage = Stage::new();
    let ran = stage.sandbox.path("ran");
    let act = format!("touch {}", ran.display());
    for (key, value) in [
        ("core.fsmonitor", act.as_str()),
        ("core.hooksPath", "hooks"),
        ("filter.evil.clean", act.as_str()),
        ("filter.evil.process", act.as_str()),
        ("core.editor", act.as_str()),
        ("gpg.program", act.as_str()),
        ("commit.gpgSign", "true"),
        ("core.worktree", "/"),
        ("core.bare", "true"),
        ("diff.external", act.as_str()),
    ] {
        stage.git("agent", &["config", key, value]);
    }
    stage.write(".gitattributes", "* filter=evil\n");
    for hook in ["pre-commit", "reference-transaction", "post-index-change", "post-commit"] {
        let path = stage.path(&format!(".git/hooks/{hook}"));
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, format!("#!/bin/sh\n{act}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }
    stage.write("changed", "after\n");
    let told = stage.told();
    assert_eq!(told["commits"], 1, "{told}");
    assert!(!ran.exists(), "something of the agent's has run");
    assert_eq!(stage.fetched(), [".gitattributes", ".gitignore", "changed", "kept", "removed"]);
    // A pipe that nobody writes to, where the settings were.
    fs::remove_file(stage.path(".git/config")).expect("it is there");
    pipe(&stage.path(".git/config"));
    assert_eq!(stage.told()["commits"], 1);
}

/// Makes a pipe that nobody has open.
pub(crate) fn pipe(path: &Path) {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::from_bits_truncate(0o666)).expect("made");
}

#[test]
fn commits_that_are_not_on_the_branch_come_out_beside_it() {
    let stage = Stage::new();
    for (name, words) in [
        ("side", &["checkout", "--quiet", "-b", "side"][..]),
        ("agent/a-1/below", &["checkout", "--quiet", "-b", "agent/a-1/below", "main"]),
        ("detached", &["checkout", "--quiet", "--detach", "main"]),
        ("thrown-away", &["checkout", "--quiet", "main"]),
    ] {
        stage.git("agent", words);
        stage.write(&name.replace('/', "-"), name);
        stage.commit(name);
    }
    stage.git("agent", &["reset", "--quiet", "--hard", &stage.base]);
    stage.write("changed", "stashed\n");
    stage.git("agent", &["stash", "--quiet"]);
    stage.git("agent", &["branch", "empty"]);
    let told = stage.told();
    assert_eq!((&told["commits"], &told["committed_open"]), (&json!(0), &json!(false)));
    let others: Vec<&str> = told["others"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let named: Vec<&str> = others.iter().copied().filter(|name| !name.contains("past-")).collect();
    assert_eq!(named.len(), 3, "{others:?}");
    assert!(named.contains(&"refs/heads/side") && named.contains(&"refs/heads/stash"), "{others:?}");
    let file = stage.sandbox.path("out.others");
    stage.git("host", &["fetch", "--quiet", &file.to_string_lossy(), "refs/heads/*:refs/heads/agent-others/*"]);
    let log = stage.git("host", &["log", "--format=%s", "--glob=refs/heads/agent-others/*", "--not", "main"]);
    for subject in ["side", "agent/a-1/below", "detached", "thrown-away"] {
        assert!(log.lines().any(|line| line == subject), "{subject} is lost: {log}");
    }
}

#[test]
fn a_broken_repository_loses_no_file() {
    let act = |spoil: &dyn Fn(&Stage)| {
        let stage = Stage::new();
        stage.write("committed", "one\n");
        stage.commit("first");
        stage.write("changed", "after\n");
        spoil(&stage);
        let told = stage.told();
        let files = stage.fetched();
        let files: Vec<&str> = files.iter().map(String::as_str).filter(|name| *name != "removed").collect();
        assert_eq!(files, [".gitignore", "changed", "committed", "kept"], "{told}");
        assert_eq!(stage.file("changed"), "after");
        told
    };
    let spoiled = |name: &'static str, text: &'static str| move |stage: &Stage| stage.write(name, text);
    for (name, text) in
        [(".git/index.lock", ""), (".git/HEAD.lock", ""), (".git/index", "nonsense"), (".git/config", "[nonsense")]
    {
        let told = act(&spoiled(name, text));
        assert_eq!(
            (&told["commits"], &told["based"], &told["skipped"]),
            (&json!(2), &json!(true), &json!([])),
            "{name}"
        );
    }
    let told = act(&|stage| {
        fs::remove_file(stage.path(".git/index")).expect("it is there");
        pipe(&stage.path(".git/index"));
    });
    assert_eq!(told["commits"], 2);
    for (name, text) in
        [(".git/HEAD", "nonsense"), (".git/HEAD", "ref: refs/heads/nowhere"), (".git/HEAD", "ref: ../../../etc/passwd")]
    {
        let told = act(&spoiled(name, text));
        assert_eq!((&told["commits"], &told["based"]), (&json!(1), &json!(true)), "{text}: {told}");
        assert!(notes(&told).contains("`HEAD` is at no commit"), "{told}");
        // What was committed is still there.
        assert_eq!(told["others"], json!(["refs/heads/main"]), "{told}");
    }
    let told = act(&|stage| {
        let commit = stage.git("agent", &["rev-parse", "HEAD"]);
        fs::remove_file(stage.path(&format!(".git/objects/{}/{}", &commit[..2], &commit[2..]))).expect("it is loose");
    });
    assert!(notes(&told).contains("are broken"), "{told}");
    let elsewhere = |stage: &Stage| {
        fs::rename(stage.path(".git"), stage.path("../moved")).expect("moved");
        stage.write(".git", "gitdir: ../host/.git\n");
    };
    let linked = |stage: &Stage| {
        fs::rename(stage.path(".git"), stage.path("../moved")).expect("moved");
        symlink("../host/.git", stage.path(".git")).expect("made");
    };
    let removed = |stage: &Stage| fs::remove_dir_all(stage.path(".git")).expect("removed");
    for spoil in [&elsewhere as &dyn Fn(&Stage), &linked, &removed] {
        let told = act(spoil);
        assert_eq!((&told["commits"], &told["based"]), (&json!(1), &json!(false)), "{told}");
        assert!(notes(&told).contains("`.git` is not a folder any more"), "{told}");
    }
}

#[test]
fn odd_files_are_noted_and_the_others_come_out() {
    let stage = Stage::new();
    fs::remove_file(stage.path("kept")).expect("it is there");
    pipe(&stage.path("kept"));
    pipe(&stage.path("pipe"));
    let _socket = std::os::unix::net::UnixListener::bind(stage.path("socket")).expect("bound");
    symlink("/etc/passwd", stage.path("link")).expect("made");
    stage.write("closed", "closed\n");
    fs::set_permissions(stage.path("closed"), fs::Permissions::from_mode(0o000)).expect("it is ours");
    let odd = std::ffi::OsString::from_vec(b"a\n\"b\xff".to_vec());
    fs::write(stage.sandbox.dir("agent").join(odd), "odd").expect("written");
    // Its own repository, with one more in it.
    for inside in ["inside", "inside/deeper"] {
        fs::create_dir(stage.path(inside)).expect("made");
        stage.git(&format!("agent/{inside}"), &["init", "--quiet", "."]);
        stage.write(&format!("{inside}/file"), inside);
        stage.git(&format!("agent/{inside}"), &["add", "file"]);
        stage.git(&format!("agent/{inside}"), &["commit", "--quiet", "-m", inside]);
    }
    stage.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    stage.write("a.bin", "large\n");
    fs::write(stage.path("huge"), vec![7; 3_000_000]).expect("written");
    let ran = stage.bundle(&["--limit", "2000000"]).success();
    let told: Value = serde_json::from_str(&ran.stdout).expect("it is JSON");
    let said = notes(&told);
    for note in [
        "kept: no file, but a pipe",
        "huge: larger than what is taken",
        "inside/: a repository of its own",
        "inside/deeper/: a repository of its own",
        "1 files are meant for Git LFS",
    ] {
        assert!(said.contains(note), "{note}: {said}");
    }
    let files = stage.fetched();
    for name in [".gitattributes", "a.bin", "closed", "inside/deeper/file", "inside/file", "link"] {
        assert!(files.iter().any(|file| file == name), "{name}: {files:?}");
    }
    assert!(files.iter().any(|file| file.starts_with("a\n\"b")), "{files:?}");
    for name in ["huge", "kept", "pipe", "socket"] {
        assert!(!files.iter().any(|file| file == name), "{name}: {files:?}");
    }
    assert_eq!(stage.file("link"), "/etc/passwd");
}

#[test]
fn what_is_left_out_of_a_sparse_folder_is_not_deleted_and_submodules_are_noted() {
    let stage = Stage::new();
    let commit = stage.git("host", &["rev-parse", "HEAD"]);
    stage.git("agent", &["update-index", "--add", "--cacheinfo", &format!("160000,{commit},module")]);
    stage.git("agent", &["commit", "--quiet", "-m", "module"]);
    fs::create_dir(stage.path("module")).expect("made");
    stage.write("module/file", "changed in the module");
    stage.git("agent", &["update-index", "--skip-worktree", "kept"]);
    fs::remove_file(stage.path("kept")).expect("it is there");
    stage.write("changed", "after\n");
    let told = stage.told();
    assert!(notes(&told).contains("module: a submodule"), "{told}");
    assert_eq!(stage.fetched(), [".gitignore", "changed", "kept", "module", "removed"]);
}
