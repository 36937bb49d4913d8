//! Workspaces of repositories that are not everyday ones.

use std::fs;

use silo::store::project::Project;
use silo::store::trust;

use crate::sandbox::{SILO, Sandbox, program};
use crate::users::{ANNA, Anna, STRANGER, give, is_root};
use crate::workspaces::{Repository, commit, names};

#[test]
fn a_strangers_silo_toml_runs_nothing_and_allow_finishes_it() {
    let repository = Repository::new();
    let (sandbox, main) = (&repository.sandbox, &repository.main);
    sandbox.git(main, ["checkout", "--quiet", "-b", "stranger"]);
    fs::write(main.join("silo.toml"), "version = 1\n[ports]\nA = 0\n[hooks]\npre-down = [\"touch ../ran\"]\n")
        .expect("it is ours");
    commit(sandbox, main);
    sandbox.git(main, ["checkout", "--quiet", "main"]);
    let state = || names(&sandbox.path("state/silo/instances"));
    let before = state();
    let made = repository.silo("new review --from stranger -- touch ../ran").exit(3).stdout("");
    made.stderr_has("its `silo.toml` has changed: nothing in it was run, and no file was copied into it");
    let folder = sandbox.dir("app.review");
    assert!(folder.join("silo.toml").is_file() && !folder.join(".silo.lock").exists());
    repository.silo("run review -- touch ../ran").exit(3);
    // A `silo shell` that was opened for it lets it act there, and is no consent to bring files along.
    let toml = repository.sandbox.dir("app.review").join("silo.toml");
    let opened = trust::own_record(&Project::read(&toml).expect("it is one"));
    let mut inside = repository.sandbox.command(SILO, "app");
    inside.env("__SILO_CONSENT", opened).args(["new", "review"]);
    repository.sandbox.finish(inside).exit(3).stderr_has("nothing in it was run, and no file was copied into it");
    repository.silo("new review").exit(3).stderr_has("`silo allow $SANDBOX/projects/app.review` and `silo new review`");
    assert_eq!(state(), before, "nothing is leased");
    // Nor does anything of it run when it is removed.
    repository.silo("rm review").success();
    repository.silo("new review --from stranger").exit(3);
    sandbox.run(main, ["allow", "../app.review"]).success();
    repository.silo("new review").success().stderr_has("Writing `.localnet.env`");
    assert!(!sandbox.dir("ran").exists());
    repository.silo("rm review").success();
    assert!(sandbox.dir("ran").exists(), "what is trusted may run");
}

#[test]
fn names_of_every_kind_make_sound_folders() {
    let repository = Repository::new();
    for (name, folder) in [("größe/ß", "app.größe-ß"), ("a$(id)", "app.a--id-"), ("it's;\"x\"", "app.it-s--x-")] {
        let ran = repository.sandbox.run(&repository.main, ["new", name]);
        ran.success().stdout_has(&format!("Folder: $SANDBOX/projects/{folder}\n"));
        repository.sandbox.run(&repository.main, ["rm", name]).success();
    }
    // Two branches that would share a folder.
    repository.silo("new a/b").success();
    repository.silo("new a-b").success().stdout_has("Folder: $SANDBOX/projects/app.a-b-");
    repository.silo("rm a/b a-b").success();
    for name in ["a..b", "a b", ".a", "a.lock", "a~b", "HEAD", "@{-1}", ""] {
        let ran = repository.sandbox.run(&repository.main, ["new", name]).exit(1);
        ran.stderr_has("git does not accept the branch name");
    }
    assert_eq!(names(&repository.sandbox.dir("")), ["app"]);
    assert!(!repository.sandbox.path("state/silo/workspaces").exists());
}

#[test]
fn what_git_cannot_make_is_told_and_leaves_nothing() {
    let repository = Repository::new();
    let (sandbox, main) = (&repository.sandbox, &repository.main);
    repository.silo("new main").exit(1).stderr_has("The branch `main` is checked out in `$SANDBOX/projects/app`");
    repository.silo("new x --from nowhere").exit(1).stderr_has("`nowhere` is not a commit in this repository");
    sandbox.git(main, ["branch", "there"]);
    repository.silo("new there --from main").exit(1).stderr_has("There is a branch `there` already");
    // A branch below another one's name.
    repository.silo("new there/below").exit(1).stderr_has("`git worktree add");
    fs::create_dir(sandbox.dir("app.x")).expect("it is ours");
    fs::write(sandbox.dir("app.x/file"), "mine").expect("it is ours");
    repository.silo("new x").success().stdout_has("Folder: $SANDBOX/projects/app.x-");
    repository.silo("rm x").success();
    assert_eq!(names(&sandbox.dir("")), ["app", "app.x"]);
    assert!(!sandbox.path("state/silo/workspaces").exists());
    let empty = sandbox.trusted("empty", "version = 1\n[ports]\nA = 0\n");
    sandbox
        .run("", ["new", "x"])
        .exit(1)
        .stderr_has("No git repository and no `silo.toml` in `$SANDBOX/projects` or above");
    sandbox.git(&empty, ["init", "--quiet"]);
    sandbox.run(&empty, ["new", "x"]).exit(1).stderr_has("This repository has no commit yet");
}

#[test]
fn a_failing_hook_is_told_and_the_workspace_is_there() {
    let repository = Repository::new();
    program(&repository.main.join(".git/hooks/post-checkout"), "#!/bin/sh\necho no >&2\nexit 5\n");
    let ran = repository.silo("new x").success();
    ran.stderr_has("The worktree is there, but a hook of the repository failed: `git worktree add");
    repository.silo("rm x").success();
}

#[test]
fn a_bare_repository_a_detached_head_and_a_shallow_clone_have_workspaces() {
    let repository = Repository::new();
    let (sandbox, main) = (&repository.sandbox, &repository.main);
    let bare = sandbox.dir("bare.git");
    sandbox.git(main, ["clone", "--quiet", "--bare", ".", "../bare.git"]);
    sandbox.run(&bare, ["new", "x"]).exit(3).stderr_has("The workspace `$SANDBOX/projects/bare.x` was made");
    sandbox.run(&bare, ["allow", "../bare.x"]).success();
    sandbox.run(&bare, ["new", "x"]).success().stdout_has("Instance: bare-x\n");
    sandbox.run(&sandbox.dir("bare.x"), ["new", "y"]).success().stdout_has("Folder: $SANDBOX/projects/bare.y\n");
    sandbox.run(&bare, ["rm", "x", "y"]).success();
    sandbox.git(main, ["checkout", "--quiet", "--detach"]);
    repository.silo("new x").success();
    repository.silo("rm x").success();
    commit_file(sandbox, main);
    let from = format!("file://{}", main.display());
    sandbox.git(main, ["clone", "--quiet", "--depth=1", &from, "../shallow"]);
    let shallow = sandbox.dir("shallow");
    sandbox.run(&shallow, ["allow"]).success();
    sandbox.run(&shallow, ["new", "x"]).success();
    sandbox.run(&shallow, ["rm", "x"]).success();
    assert_eq!(names(&sandbox.dir("")), ["app", "bare.git", "shallow"]);
}

fn commit_file(sandbox: &Sandbox, main: &std::path::Path) {
    fs::write(main.join("file"), "two\n").expect("it is ours");
    commit(sandbox, main);
}

#[test]
fn a_submodules_own_commits_keep_the_workspace() {
    let repository = Repository::new();
    let (sandbox, main) = (&repository.sandbox, &repository.main);
    let part = sandbox.project("part", "version = 1\n");
    sandbox.git(&part, ["init", "--quiet"]);
    commit(sandbox, &part);
    let allow = ["-c", "protocol.file.allow=always"];
    sandbox.git(main, [&allow[..], &["submodule", "--quiet", "add", "../part", "part"]].concat());
    commit(sandbox, main);
    repository.silo("new x").success();
    let folder = sandbox.dir("app.x");
    sandbox.git(&folder, [&allow[..], &["submodule", "--quiet", "update", "--init"]].concat());
    sandbox.git(folder.join("part"), ["checkout", "--quiet", "-b", "own"]);
    fs::write(folder.join("part/file"), "mine").expect("it is ours");
    commit(sandbox, &folder.join("part"));
    let tip = "own";
    sandbox.git(folder.join("part"), ["checkout", "--quiet", "--detach", "HEAD~1"]);
    repository.silo("rm x").exit(1).stderr_has("  | commits of the submodule part: ");
    sandbox.git(folder.join("part"), ["push", "--quiet", "origin", tip]);
    repository.silo("rm x").success();
    assert!(!folder.exists());
}

#[test]
fn spaces_and_line_ends_in_paths_and_a_project_below_the_top() {
    let repository = Repository::new();
    let (sandbox, main) = (&repository.sandbox, &repository.main);
    let api = main.join("services/a pi");
    fs::create_dir_all(&api).expect("it is ours");
    fs::write(api.join("silo.toml"), "version = 1\n[ports]\nB = 0\n").expect("it is ours");
    commit(sandbox, main);
    sandbox.run(&api, ["allow"]).success();
    let odd = sandbox.dir("odd \n folder");
    fs::rename(main, &odd).expect("it is ours");
    sandbox.run(odd.join("services/a pi"), ["allow"]).success();
    let ran = sandbox
        .run(odd.join("services/a pi"), ["new", "x", "--", "sh", "-c", "basename \"$PWD\"; echo $SILO_ROOT"])
        .success();
    assert!(ran.stdout.starts_with("a pi\n$SANDBOX/projects/odd---folder.x/services/a pi\n"), "{}", ran.stdout);
    sandbox.run(&odd, ["rm", "x"]).success();
    assert_eq!(names(&sandbox.dir("")), ["odd \n folder"]);
}

#[test]
fn the_settings_say_where_and_a_folder_that_was_removed_by_hand_is_cleared_up() {
    let repository = Repository::new();
    let (sandbox, main) = (&repository.sandbox, &repository.main);
    fs::create_dir_all(sandbox.path("config/silo")).expect("it is ours");
    fs::write(sandbox.path("config/silo/config.toml"), "[workspaces]\nfolder = \"~/work\"\n").expect("it is ours");
    repository.silo("env").success();
    let before = repository.everything();
    repository.silo("new x").success().stdout_has("Folder: $SANDBOX/home/work/app.x\n");
    let folder = sandbox.path("home/work/app.x");
    fs::remove_dir_all(&folder).expect("it is there");
    repository.silo("new x").success().stderr_has("The folder of `x` is gone; making it again");
    sandbox.git(main, ["worktree", "remove", "--force", folder.to_str().expect("it is UTF-8")]);
    repository.silo("rm x").success();
    assert_eq!(repository.everything(), before);
}

#[test]
fn a_disk_that_is_full_leaves_what_was_there() {
    let repository = Repository::new();
    let (sandbox, main) = (&repository.sandbox, &repository.main);
    fs::write(main.join("large"), vec![b'x'; 200_000]).expect("it is ours");
    commit(sandbox, main);
    repository.silo("env").success();
    let before = repository.everything();
    // A disk without room for that file, and one without room for anything.
    for blocks in ["200", "0"] {
        let mut limited = sandbox.command("sh", main);
        limited.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" new x"), SILO]);
        sandbox.finish(limited).exit(1);
        assert_eq!(repository.everything(), before, "{blocks}");
    }
    repository.silo("new x").success();
    let mut limited = sandbox.command("sh", main);
    limited.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" rm x", SILO]);
    sandbox.finish(limited).exit(1);
    assert!(sandbox.dir("app.x/large").is_file(), "nothing is removed that could not be noted");
    repository.silo("rm x").success();
    assert_eq!(repository.everything(), before);
}

#[test]
fn files_of_another_user_are_named_with_what_removes_them() {
    // Who is not root cannot make any.
    if !is_root() {
        return;
    }
    let anna = Anna::new();
    let app = anna.project("app", "version = 1\n[ports]\nA = 0\n");
    for words in [
        &["init", "--quiet"][..],
        &["add", "."],
        &["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "x"],
    ] {
        let mut git = anna.command("git", &app);
        anna.sandbox
            .finish({
                git.args(words);
                git
            })
            .success();
    }
    anna.run(&app, ["allow"]).success();
    anna.run(&app, ["new", "x"]).success();
    let folder = anna.sandbox.dir("app.x");
    fs::create_dir_all(folder.join("data/of db")).expect("root may");
    fs::write(folder.join("data/of db/1"), "x").expect("root may");
    give(&folder.join("data/of db"), STRANGER);
    give_one(&folder.join("data"));
    let hint = "remove it as root: `sudo rm -rf '$SANDBOX/projects/app.x/data/of db/1'`";
    anna.run(&app, ["rm", "--force", "--yes", "x"]).exit(1).stderr_has("nothing was removed").stderr_has(hint);
    assert!(folder.join("silo.toml").is_file() && folder.join(".silo.lock").is_file());
    fs::remove_file(folder.join("data/of db/1")).expect("root may");
    anna.run(&app, ["rm", "--force", "--yes", "x"]).success();
    assert!(!folder.exists());
}

fn give_one(folder: &std::path::Path) {
    std::os::unix::fs::chown(folder, Some(ANNA), Some(ANNA)).expect("root may");
}

/// A file that git-lfs keeps elsewhere, as git has it (<https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>).
const POINTER: &str = "version https://git-lfs.github.com/spec/v1\n\
    oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";

#[test]
fn pointers_of_git_lfs_stay_as_git_checks_them_out_and_a_filter_that_fails_leaves_nothing() {
    let repository = Repository::new();
    let (sandbox, main) = (&repository.sandbox, &repository.main);
    fs::write(main.join(".gitattributes"), "*.bin filter=lfs diff=lfs merge=lfs -text\n").expect("it is ours");
    fs::write(main.join("large.bin"), POINTER).expect("it is ours");
    commit(sandbox, main);
    repository.silo("env").success();
    let before = repository.everything();
    // Without git-lfs the pointer is the file, and no change.
    repository.silo("new x").success();
    assert_eq!(fs::read_to_string(sandbox.dir("app.x/large.bin")).expect("it is there"), POINTER);
    repository.silo("rm x").success();
    assert_eq!(repository.everything(), before);
    // git-lfs is set up, and fails: no network, or it is gone.
    sandbox.git(main, ["config", "filter.lfs.required", "true"]);
    sandbox.git(main, ["config", "filter.lfs.smudge", "no-such-git-lfs smudge"]);
    repository.silo("new x").exit(1).stderr_has("large.bin: smudge filter lfs failed");
    assert_eq!(repository.everything(), before);
    // What it brings is in each worktree, and no loss.
    sandbox.git(main, ["config", "filter.lfs.smudge", "sed s/^oid.*/data/"]);
    sandbox.git(main, ["config", "filter.lfs.clean", "git show HEAD:large.bin; cat >/dev/null"]);
    repository.silo("new x").success();
    assert!(fs::read_to_string(sandbox.dir("app.x/large.bin")).expect("it is there").contains("\ndata\n"));
    repository.silo("rm x").success();
    assert_eq!(repository.everything(), before);
}
