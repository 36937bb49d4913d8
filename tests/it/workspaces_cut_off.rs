//! Makings and removals that are killed, and several at once: the next one finishes or takes back what was begun.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::sandbox::{SILO, Sandbox};
use crate::workspaces::{Repository, commit};

/// A repository with so many files that a checkout takes a while.
fn large() -> Repository {
    let repository = Repository::new();
    for folder in 0..10 {
        let folder = repository.main.join(format!("many/{folder}"));
        fs::create_dir_all(&folder).expect("it is ours");
        (0..50).for_each(|number| fs::write(folder.join(number.to_string()), number.to_string()).expect("it is ours"));
    }
    commit(&repository.sandbox, &repository.main);
    repository.silo("env").success();
    repository
}

fn start(repository: &Repository, words: &[&str]) -> Child {
    let mut command = repository.sandbox.command(SILO, &repository.main);
    command.args(words).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    command.spawn().expect("silo starts")
}

/// Kills a silo after a while, with or without the git it has started; whether it was still at it.
fn kill_after(mut child: Child, pause: Duration, with_git: bool) -> bool {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid is a pid_t"));
    let until = Instant::now() + pause;
    while Instant::now() < until {
        if child.try_wait().expect("it is ours").is_some() {
            return false;
        }
        std::thread::yield_now();
    }
    let gits = if with_git { children(child.id()) } else { Vec::new() };
    let _ = kill(pid, Signal::SIGKILL);
    for git in gits {
        let _ = killpg(Pid::from_raw(git), Signal::SIGKILL);
    }
    let _ = child.wait();
    true
}

/// The processes that another one has started.
fn children(pid: u32) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn is_clean(sandbox: &Sandbox, repository: &Repository) {
    let mut git = sandbox.command("git", sandbox.dir("app.x"));
    git.args(["status", "--porcelain"]);
    assert_eq!(sandbox.finish(git).success().stdout, "", "the files are those of the commit");
    let mut git = sandbox.command("git", &repository.main);
    git.args(["fsck", "--strict", "--no-progress"]);
    sandbox.finish(git).success();
}

/// Kills at moments spread over what the whole takes.
fn moments(whole: Duration, many: u32) -> impl Iterator<Item = (Duration, bool)> {
    (0..many).map(move |number| (whole * (number * 7 % many) / many, number % 2 == 0))
}

fn measured(act: impl FnOnce()) -> Duration {
    let start = Instant::now();
    act();
    start.elapsed()
}

#[test]
fn a_making_that_was_killed_is_finished_or_begun_anew() {
    let repository = large();
    let before = repository.everything();
    let whole = measured(|| drop(repository.silo("new x").success()));
    repository.silo("rm x").success();
    let mut killed = 0;
    for (pause, with_git) in moments(whole, 10) {
        killed += usize::from(kill_after(start(&repository, &["new", "x"]), pause, with_git));
        // Done already, or done now.
        let ran = repository.silo("run x -- cat file").success();
        assert_eq!(ran.stdout, "one\n", "{}", ran.stderr);
        is_clean(&repository.sandbox, &repository);
        repository.silo("rm x").success();
        assert_eq!(repository.everything(), before);
    }
    assert!(killed > 2, "{killed}");
}

#[test]
fn a_making_that_was_killed_is_taken_back_by_rm() {
    let repository = large();
    let before = repository.everything();
    let whole = measured(|| drop(repository.silo("new x").success()));
    repository.silo("rm x").success();
    for (pause, with_git) in moments(whole, 8) {
        kill_after(start(&repository, &["new", "x"]), pause, with_git);
        let ran = repository.silo("rm x");
        assert!(ran.succeeded() || ran.stderr.contains("silo made no workspace called `x`"), "{ran:?}");
        assert_eq!(repository.everything(), before, "{}", ran.stderr);
    }
}

#[test]
fn a_removal_that_was_killed_is_finished() {
    let repository = large();
    let before = repository.everything();
    repository.silo("new x").success();
    let whole = measured(|| drop(repository.silo("rm x").success()));
    for (number, (pause, with_git)) in moments(whole, 9).enumerate() {
        repository.silo("new x").success();
        kill_after(start(&repository, &["rm", "x"]), pause, with_git);
        if number % 3 == 0 {
            // It is wanted again.
            let ran = repository.silo("run x -- cat file").success();
            assert_eq!(ran.stdout, "one\n", "{}", ran.stderr);
            is_clean(&repository.sandbox, &repository);
        }
        let ran = repository.silo("rm x");
        assert!(ran.succeeded() || ran.stderr.contains("silo made no workspace called `x`"), "{ran:?}");
        assert_eq!(repository.everything(), before, "{}", ran.stderr);
    }
}

#[test]
fn of_many_at_once_for_one_name_one_makes_it_and_the_others_wait() {
    let repository = large();
    let before = repository.everything();
    let all: Vec<Child> = (0..6)
        .map(|_| {
            let mut command = repository.sandbox.command(SILO, &repository.main);
            command.args(["run", "x", "--", "cat", "file"]).stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("silo starts")
        })
        .collect();
    for child in all {
        let out = child.wait_with_output().expect("it ends");
        assert_eq!(String::from_utf8_lossy(&out.stdout), "one\n", "{}", String::from_utf8_lossy(&out.stderr));
    }
    let all: Vec<Child> = (0..4).map(|_| start(&repository, &["rm", "x"])).collect();
    let done = all.into_iter().filter_map(|mut child| child.wait().ok()).filter(std::process::ExitStatus::success);
    assert!(done.count() >= 1);
    assert_eq!(repository.everything(), before);
}

#[test]
fn a_worktree_that_git_left_half_made_is_named_with_what_removes_it() {
    let repository = Repository::new();
    repository.silo("new x").success();
    let kept = repository.main.join(".git/worktrees/app.x");
    fs::write(kept.join("commondir"), "").expect("it is ours");
    let hint = "left this half made: `rm -r $SANDBOX/projects/app/.git/worktrees/app.x`";
    repository.silo("new y").exit(1).stderr_has(hint);
    fs::remove_dir_all(&kept).expect("it is ours");
    repository.silo("new y").success();
}

/// The git of a silo that was killed had only started when the next silo looked for it.
#[test]
fn what_git_is_about_to_write_is_waited_for() {
    let repository = Repository::new();
    repository.silo("new x").success();
    fs::remove_dir_all(repository.sandbox.dir("app.x")).expect("it is ours");
    let records = repository.sandbox.path("state/silo/workspaces");
    let record = records.join(&crate::workspaces::names(&records)[0]).join("record");
    let text = fs::read_to_string(&record).expect("silo wrote it");
    fs::write(&record, text.replace("\"there\"", "\"making\"")).expect("it is ours");
    // The first list is that of the repository, the second one comes too early.
    let asked = repository.sandbox.path("asked");
    let git = format!(
        "#!/bin/sh\nPATH=/usr/local/bin:/usr/bin:/bin\ncase \"$*\" in *'worktree list'*) echo >>'{0}'\n\
         if [ \"$(grep -c '' '{0}')\" = 2 ]; then echo 'fatal: failed to read commondir: Success' >&2; exit 128; fi ;; esac\n\
         exec git \"$@\"\n",
        asked.display()
    );
    crate::sandbox::program(&repository.sandbox.path("bin/git"), &git);
    let ran = repository.silo("run x -- cat file").success();
    assert_eq!(ran.stdout, "one\n");
    assert!(ran.stderr.starts_with("Making `x` again"), "{}", ran.stderr);
    assert!(fs::read_to_string(asked).expect("git was asked").lines().count() > 2);
}

#[test]
fn what_a_killed_git_left_locked_is_unlocked_and_what_one_at_work_has_locked_is_not() {
    let repository = Repository::new();
    repository.silo("env").success();
    let before = repository.everything();
    let locks = ["refs/heads/x.lock", "packed-refs.lock"].map(|name| repository.main.join(".git").join(name));
    let lock = || locks.iter().for_each(|lock| fs::write(lock, "").expect("it is ours"));
    lock();
    repository.silo("new x").success();
    lock();
    repository.silo("rm x").success();
    assert_eq!(repository.everything(), before, "nothing is locked any more");

    // A git that does something else there may be the one, as far as silo knows.
    lock();
    let mut git = repository.sandbox.command("git", &repository.main);
    git.args(["cat-file", "--batch"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut git = git.spawn().expect("git is there");
    repository.silo("new x").exit(1).stderr_has("x.lock': File exists");
    assert!(locks.iter().all(|lock| lock.exists()));
    drop(git.stdin.take());
    git.wait().expect("it ends with its input");
    repository.silo("new x").success();
    repository.silo("rm x").success();
    assert_eq!(repository.everything(), before);
}
