//! `silo new`, `run` and `rm`: worktrees that silo makes and removes, with nothing left and nothing lost.

use std::fs;
use std::path::{Path, PathBuf};

use crate::sandbox::{Ran, Sandbox, free_ports};

/// A repository with one commit whose `silo.toml` is trusted, and a port in it.
pub(crate) struct Repository {
    pub(crate) sandbox: Sandbox,
    pub(crate) main: PathBuf,
}

impl Repository {
    pub(crate) fn new() -> Self {
        let [port] = free_ports();
        let toml = format!("version = 1\n[ports]\nWEB_PORT = {port}\n");
        let sandbox = Sandbox::new();
        let main = sandbox.trusted("app", &toml);
        fs::write(main.join(".gitignore"), ".silo.lock\n.localnet.env\nignored/\n").expect("the project is writable");
        fs::write(main.join("file"), "one\n").expect("the project is writable");
        sandbox.git(&main, ["init", "--quiet", "--initial-branch=main"]);
        commit(&sandbox, &main);
        sandbox.run(&main, ["allow"]).success();
        Self { sandbox, main }
    }

    pub(crate) fn silo(&self, words: &str) -> Ran {
        self.sandbox.run(&self.main, words.split(' '))
    }

    /// What there is of workspaces: folders beside the repository, branches, worktrees, leases, files in the state.
    pub(crate) fn everything(&self) -> Vec<String> {
        let mut all: Vec<String> = below(&self.sandbox.path("state"));
        all.extend(names(&self.sandbox.path("projects")));
        for words in [&["branch", "--list", "--format=%(refname)"][..], &["worktree", "list"]] {
            let mut command = self.sandbox.command("git", &self.main);
            command.args(words);
            all.push(self.sandbox.finish(command).success().stdout);
        }
        let registry = fs::read_to_string(self.sandbox.path("state/silo/registry.toml")).unwrap_or_default();
        all.extend(registry.lines().filter(|line| line.starts_with("root")).map(str::to_owned));
        all
    }
}

pub(crate) fn commit(sandbox: &Sandbox, dir: &Path) {
    sandbox.git(dir, ["add", "."]);
    sandbox.git(dir, ["commit", "--quiet", "--message", "change"]);
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Every path below a folder, sorted.
pub(crate) fn below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        found.push(entry.path().to_string_lossy().into_owned());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(below(&entry.path()));
        }
    }
    found.sort();
    found
}

#[test]
fn a_workspace_is_made_runs_and_goes_without_a_trace() {
    let repository = Repository::new();
    repository.silo("env").success();
    let before = repository.everything();
    repository
        .silo("new feature/login")
        .success()
        .stdout("Workspace: feature/login\nFolder: $SANDBOX/projects/app.feature-login\nInstance: app-feature-login\n");
    let folder = repository.sandbox.dir("app.feature-login");
    assert!(folder.join(".localnet.env").is_file());
    assert_ne!(repository.sandbox.lockfile_ports(&folder), repository.sandbox.lockfile_ports(&repository.main));
    repository.silo("new feature/login").exit(1).stderr_has("The workspace `feature/login` already exists");
    // From within a worktree it acts on the repository's main checkout.
    repository.sandbox.run(&folder, ["new", "other", "--", "pwd"]).success().stdout("$SANDBOX/projects/app.other\n");
    let mut command = repository.sandbox.command(crate::sandbox::SILO, &repository.main);
    command.args(["run", "feature/login", "--", "sh", "-c", "pwd; echo $SILO_WORKSPACE; exit 7"]);
    repository.sandbox.finish(command).exit(7).stdout("$SANDBOX/projects/app.feature-login\napp-feature-login\n");
    repository.silo("rm feature/login other").success().stderr("Removing `feature/login`\nRemoving `other`\n");
    assert_eq!(repository.everything(), before);
}

#[test]
fn the_list_tells_branch_changes_disk_and_what_was_cut_off() {
    let repository = Repository::new();
    repository.silo("list --workspaces").success().stdout_has("No workspace yet.");
    repository.silo("new feature/x").success();
    let folder = repository.sandbox.dir("app.feature-x");
    let listed = || {
        let answer = repository.silo("list --workspaces --json").success().bytes;
        let answer: serde_json::Value = serde_json::from_slice(&answer).expect("it is JSON");
        answer[0].clone()
    };
    let one = listed();
    let said: Vec<&serde_json::Value> =
        ["workspace", "state", "branch", "changed", "instance"].iter().map(|key| &one[key]).collect();
    assert_eq!(
        said,
        ["feature/x", "there", "feature/x", "false", "app-feature-x"]
            .map(|text| { serde_json::from_str(text).unwrap_or_else(|_| serde_json::json!(text)) })
            .iter()
            .collect::<Vec<_>>()
    );
    assert!(one["bytes"].as_u64().expect("it is known") > 0);
    fs::write(folder.join("file"), "two\n").expect("it is ours");
    assert_eq!(listed()["changed"], true);
    let shown = repository.silo("list --workspaces").success().stdout;
    let rows: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "STATE", "BRANCH", "AGE", "CHANGES", "DISK", "INSTANCE", "FOLDER"]);
    assert_eq!((rows[1][0], rows[1][1], rows[1][4]), ("feature/x", "there", "changed"));
    fs::remove_dir_all(&folder).expect("it is there");
    assert_eq!(listed()["state"], "gone");
}
