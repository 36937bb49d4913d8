//! `silo rm` and `silo run --rm` lose nothing that lies nowhere else.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::sandbox::{Ran, SILO};
use crate::workspaces::{Repository, commit};

fn refused(repository: &Repository, name: &str, why: &str) {
    let head = format!(
        "Error: Removing it would lose something in `$SANDBOX/projects/app.{name}`\n  | {why}\n\
         Hint: Commit or move away what is worth it, and leave the folder\nHint: Or lose it: `silo rm --force {name}`\n"
    );
    repository.silo(&format!("rm {name}")).exit(1).stdout("").stderr(&head);
    assert!(repository.sandbox.dir(format!("app.{name}")).join("silo.toml").is_file());
}

fn write(folder: &Path, name: &str) {
    fs::create_dir_all(folder.join(name).parent().expect("it has a folder")).expect("the workspace is writable");
    fs::write(folder.join(name), "mine\n").expect("the workspace is writable");
}

#[test]
fn changes_new_files_and_ignored_ones_keep_a_workspace() {
    let repository = Repository::new();
    repository.silo("new x").success();
    let folder = repository.sandbox.dir("app.x");
    for (name, why) in [("file", "not committed: file"), ("new file", "not committed: new file")] {
        write(&folder, name);
        refused(&repository, "x", why);
        repository.sandbox.git(&folder, ["checkout", "--quiet", "--", "file"]);
        let _ = fs::remove_file(folder.join("new file"));
    }
    write(&folder, "ignored/deep/secret");
    refused(&repository, "x", "ignored by git, and nowhere else: ignored/deep/secret");
    fs::remove_dir_all(folder.join("ignored")).expect("it is there");
    // What says of itself that it can be made again is nobody's work.
    for name in ["ignored/node_modules/a/b", "ignored/target/CACHEDIR.TAG", "ignored/target/debug/x"] {
        write(&folder, name);
    }
    repository.silo("rm x").success();
    assert!(!folder.exists());
}

#[test]
fn force_asks_and_loses_what_is_in_the_folder_alone() {
    let repository = Repository::new();
    repository.silo("new x").success();
    write(&repository.sandbox.dir("app.x"), "new");
    repository.silo("rm --force x").exit(2).stderr_has("Run `silo rm --force --yes NAME`");
    repository.silo("rm --force --yes x").success();
    assert!(!repository.sandbox.dir("app.x").exists());
}

fn branches(repository: &Repository) -> String {
    let mut git = repository.sandbox.command("git", &repository.main);
    git.args(["branch", "--format=%(refname:short)"]);
    repository.sandbox.finish(git).success().stdout
}

#[test]
fn a_branch_with_commits_stays_and_commits_of_no_branch_keep_the_workspace() {
    let repository = Repository::new();
    repository.silo("new x").success();
    let folder = repository.sandbox.dir("app.x");
    repository.sandbox.git(&folder, ["checkout", "--quiet", "--detach"]);
    write(&folder, "file");
    commit(&repository.sandbox, &folder);
    let ran = repository.silo("rm x").exit(1);
    assert!(ran.stderr.contains("\n  | commits of no branch: ") && ran.stderr.contains(" change\n"), "{}", ran.stderr);
    repository.sandbox.git(&folder, ["checkout", "--quiet", "-B", "x"]);
    repository.silo("rm x").success().stderr_has("The branch `x` stays, for it has commits of its own");
    assert_eq!(branches(&repository), "main\nx\n");
    // One that was there before is nobody's to remove.
    repository.sandbox.git(&repository.main, ["branch", "old"]);
    repository.silo("new old").success();
    repository.silo("rm old").success();
    assert_eq!(branches(&repository), "main\nold\nx\n");
}

/// A program that stands in a folder until it is killed.
struct Standing(Child);

impl Drop for Standing {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_program_that_stands_in_the_folder_keeps_it() {
    let repository = Repository::new();
    repository.silo("new x").success();
    let mut sleep = Command::new("sleep");
    let folder = repository.sandbox.dir("app.x");
    let standing = Standing(sleep.arg("60").current_dir(&folder).stdin(Stdio::null()).spawn().expect("it starts"));
    refused(&repository, "x", &format!("running in there: `sleep` (pid {})", standing.0.id()));
    drop(standing);
    repository.silo("rm x").success();
}

fn run(repository: &Repository, line: &str) -> Ran {
    let mut command = repository.sandbox.command(SILO, &repository.main);
    command.args(["run", "agent", "--rm", "--", "sh", "-c", line]);
    repository.sandbox.finish(command)
}

#[test]
fn run_with_rm_removes_after_a_failure_and_stays_where_something_would_be_lost() {
    let repository = Repository::new();
    repository.silo("env").success();
    let before = repository.everything();
    run(&repository, "exit 9").exit(9);
    assert_eq!(repository.everything(), before);
    // Of the shell only, whose child goes on.
    run(&repository, "sleep 60 & kill -TERM $PPID; wait").exit(143);
    assert_eq!(repository.everything(), before);
    run(&repository, "echo mine > file; exit 3").exit(3).stderr_has("The workspace `agent` stays");
    run(&repository, "echo mine > file").exit(1).stderr_has("  | not committed: file");
    run(&repository, "git -c user.name=a -c user.email=a@example.com commit --quiet --all --message own")
        .success()
        .stderr_has("The branch `agent` stays");
    assert_eq!(branches(&repository), "agent\nmain\n");
    // The branch goes on where it was.
    run(&repository, "cat file").success().stdout("mine\n");
}

#[test]
fn what_silo_did_not_make_is_not_its_to_remove() {
    let repository = Repository::new();
    repository.sandbox.git(&repository.main, ["worktree", "add", "--quiet", "../other"]);
    for word in ["other", "../other", ".", "main", "../app"] {
        repository.silo(&format!("rm {word}")).exit(1).stderr_has(&format!("silo made no workspace called `{word}`"));
    }
    // A record that was tampered with names another folder: its place does not fit.
    repository.silo("new x").success();
    let places = fs::read_dir(repository.sandbox.path("state/silo/workspaces")).expect("it is there");
    let record = places.last().expect("there is one").expect("it is readable").path().join("record");
    let text = fs::read_to_string(&record).expect("it is there");
    fs::write(&record, text.replace("app.x", "app")).expect("it is ours");
    repository.silo("rm --force --yes x").exit(1).stderr_has("is the main checkout, not a workspace");
    fs::write(&record, &text[..20]).expect("it is ours");
    repository.silo("new x").exit(1).stderr_has("The record of a workspace is damaged");
    fs::write(&record, &text).expect("it is ours");
    repository.silo("rm x").success();
    assert!(repository.main.join("silo.toml").is_file());
}

#[test]
fn what_silo_brought_along_and_init_made_is_no_loss_until_it_changes() {
    let repository = Repository::new();
    let (sandbox, main) = (&repository.sandbox, &repository.main);
    let toml = fs::read_to_string(main.join("silo.toml")).expect("it is there");
    let workspace = "[workspace]\ncopy = [\"ignored/.env\"]\ninit = [\"echo $WEB_PORT > made.log\"]\n";
    fs::write(main.join(".gitignore"), ".silo.lock\n.localnet.env\nignored/\n*.log\n").expect("it is ours");
    fs::write(main.join("silo.toml"), format!("{toml}{workspace}")).expect("it is ours");
    commit(sandbox, main);
    sandbox.run(main, ["allow"]).success();
    write(main, "ignored/.env");
    write(main, "ignored/other");
    repository.silo("new x").success();
    let folder = sandbox.dir("app.x");
    let port = sandbox.lockfile_ports(&folder)["WEB_PORT"];
    assert_eq!(fs::read_to_string(folder.join("made.log")).expect("init ran"), format!("{port}\n"));
    assert!(folder.join("ignored/.env").is_file() && !folder.join("ignored/other").exists());
    fs::write(folder.join("ignored/.env"), "changed").expect("it is ours");
    refused(&repository, "x", "ignored by git, and nowhere else: ignored/.env");
    write(&folder, "ignored/.env");
    repository.silo("rm x").success();
    assert!(!folder.exists() && main.join("ignored/.env").is_file());
}

#[test]
fn run_with_rm_leaves_another_repositorys_workspace_of_that_name_and_one_that_is_to_be_read() {
    let repository = Repository::new();
    let (sandbox, main) = (&repository.sandbox, &repository.main);
    repository.silo("new agent").success();
    let other = sandbox.project("other", "version = 1\n[ports]\nA = 0\n");
    sandbox.git(&other, ["init", "--quiet", "--initial-branch=agent"]);
    commit(sandbox, &other);
    sandbox.run(&other, ["run", "agent", "--rm", "--", "true"]).exit(1).stderr_has("The branch `agent` is checked out");
    sandbox.run(&other, ["run", "x", "--rm", "--", "touch", "../ran"]).exit(3).stderr_has("is not trusted");
    assert!(sandbox.dir("app.agent/silo.toml").is_file() && sandbox.dir("other.x/silo.toml").is_file());
    // Of two of one name the one that belongs here is meant.
    sandbox.git(&other, ["branch", "--move", "main"]);
    sandbox.run(&other, ["allow"]).success();
    sandbox.run(&other, ["new", "agent"]).success();
    sandbox.run("", ["rm", "agent"]).exit(1).stderr_has("Several workspaces are called `agent`");
    sandbox.run(&other, ["rm", "agent", "x"]).success();
    assert!(sandbox.dir("app.agent/silo.toml").is_file());
    sandbox.run(main, ["rm", "agent"]).success();
}

#[test]
fn what_a_silo_that_was_killed_was_writing_is_no_loss() {
    let repository = Repository::new();
    let left = [".silo.lock.4194305-6.silo-tmp", "ignored/file.4194305-0.silo-tmp", "new.4194305-1.silo-tmp"];
    for arguments in ["new x", "new x --copy"] {
        repository.silo(arguments).success();
        let folder = repository.sandbox.dir("app.x");
        fs::create_dir_all(folder.join("ignored")).expect("it is ours");
        for file in left {
            fs::write(folder.join(file), "half").expect("it is ours");
        }
        fs::write(folder.join("ignored/mine"), "whole").expect("it is ours");
        repository.silo("rm x").exit(1).stderr_has(": ignored/mine\n");
        fs::remove_file(folder.join("ignored/mine")).expect("it is there");
        repository.silo("rm x").success();
    }
}
