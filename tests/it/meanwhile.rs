//! What others remove or start while silo looks at it, with git and silo's own servers: it is none of silo's failures, and the rest
//! is done.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::proxy::port;
use crate::sandbox::{SILO, Sandbox, free_ports, program};
use crate::workspaces::Repository;

/// Has these lines run before git, which gets its words after that; `$git` is git itself, and `once NAME` is so the first time.
fn before_git(sandbox: &Sandbox, lines: &str) {
    let log = sandbox.path("once");
    fs::create_dir_all(&log).expect("the sandbox is writable");
    let script = format!(
        "#!/bin/sh\nPATH=/usr/local/bin:/usr/bin:/bin\nonce() {{ mkdir \"{}/$1\" 2>/dev/null; }}\n{lines}\nexec git \"$@\"\n",
        log.display()
    );
    program(&sandbox.path("bin/git"), &script);
}

/// How often that took place.
fn times(sandbox: &Sandbox) -> usize {
    fs::read_dir(sandbox.path("once")).expect("it was made").count()
}

#[test]
fn a_worktree_that_another_git_is_just_making_is_waited_for() {
    let repository = Repository::new();
    repository.silo("env").success();
    let before = repository.everything();
    let half = repository.main.join(".git/worktrees/half");
    // An empty file is what git meets there between two moments of the other one.
    let lines = format!(
        "case \"$1 $2\" in 'worktree list'|'worktree add'|'worktree remove')\n\
         if once \"$2$(ls '{0}' | wc -l)\"; then mkdir -p '{1}'; echo x >'{1}/gitdir'; : >'{1}/commondir'\n\
         (sleep 0.4; rm -r '{1}'; rmdir '{0}' 2>/dev/null) >/dev/null 2>&1 & fi ;; esac",
        half.parent().expect("it has one").display(),
        half.display()
    );
    before_git(&repository.sandbox, &lines);
    repository.silo("new x").success();
    repository.silo("rm x").success();
    fs::remove_file(repository.sandbox.path("bin/git")).expect("it was made");
    assert!(times(&repository.sandbox) >= 3, "{}", times(&repository.sandbox));
    assert_eq!(repository.everything(), before);
}

#[test]
fn what_another_git_removes_first_keeps_nothing_of_a_workspace() {
    let repository = Repository::new();
    repository.silo("env").success();
    let before = repository.everything();
    // As `git gc` does to a worktree whose folder is gone, and a branch that somebody deletes.
    before_git(
        &repository.sandbox,
        "case \"$1 $2\" in\n'worktree remove') once worktree && git worktree prune ;;\n\
         'update-ref -d') once branch && git branch --quiet -D x ;;\nesac",
    );
    repository.silo("new x").success();
    repository.silo("rm x").success();
    assert_eq!(times(&repository.sandbox), 2);
    fs::remove_file(repository.sandbox.path("bin/git")).expect("it was made");
    assert_eq!(repository.everything(), before);
}

#[test]
fn a_branch_that_somebody_commits_to_meanwhile_stays() {
    let repository = Repository::new();
    repository.silo("new x").success();
    let tree = "git commit-tree -p x -m theirs 'x^{tree}'";
    let named = "GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b";
    let lines = format!(
        "case \"$1 $2\" in 'update-ref -d') once moved && git update-ref refs/heads/x \"$({named} {tree})\" ;; esac"
    );
    before_git(&repository.sandbox, &lines);
    repository.silo("rm x").success();
    assert_eq!(times(&repository.sandbox), 1);
    fs::remove_file(repository.sandbox.path("bin/git")).expect("it was made");
    let mut log = repository.sandbox.command("git", &repository.main);
    log.args(["log", "-1", "--format=%s", "x"]);
    assert_eq!(repository.sandbox.finish(log).success().stdout, "theirs\n");
    assert!(!repository.sandbox.dir("app.x").exists());
}

#[test]
fn shells_that_start_the_proxy_at_once_all_find_one() {
    let sandbox = Sandbox::new();
    let [free] = free_ports();
    fs::create_dir_all(sandbox.path("config/silo")).expect("writable");
    fs::write(sandbox.path("config/silo/config.toml"), format!("proxy.port = {free}\n")).expect("writable");
    let all: Vec<_> = (0..4)
        .map(|_| {
            let mut command = sandbox.command(SILO, "");
            command.args(["proxy", "up", "-d"]).stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("it was built")
        })
        .collect();
    let said: Vec<_> = all.into_iter().map(|child| child.wait_with_output().expect("it is a child")).collect();
    assert_eq!(port(&sandbox), Some(free));
    sandbox.run("", ["proxy", "down"]).success();
    for one in &said {
        assert!(one.status.success(), "{}", String::from_utf8_lossy(&one.stderr));
        assert_eq!(one.stdout, said[0].stdout);
    }
}

#[test]
fn a_watch_outlives_events_that_cannot_be_written_down_for_a_while() {
    let sandbox = Sandbox::new();
    let [free] = free_ports();
    fs::create_dir_all(sandbox.path("config/silo")).expect("writable");
    fs::write(sandbox.path("config/silo/config.toml"), format!("proxy.port = {free}\n")).expect("writable");
    sandbox.run("", ["proxy", "up", "-d"]).success();
    let pid = |sandbox: &Sandbox| sandbox.run("", ["proxy", "status", "--json"]).stdout;
    let before = pid(&sandbox);
    let said = sandbox.path("said");
    let mut command = sandbox.command(SILO, "");
    let file = fs::File::create(&said).expect("the sandbox is writable");
    let lock = sandbox.path("state/silo/heal.lock");
    fs::remove_file(&lock).expect("it was made");
    fs::create_dir(&lock).expect("the sandbox is writable");
    let mut watch =
        command.args(["heal", "--watch", "--all", "--every", "1s"]).stderr(file).spawn().expect("it was built");
    let until = |what: &str, is_so: &dyn Fn() -> bool| {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < Duration::from_secs(30), "{what}: {:?}", fs::read_to_string(&said));
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let line = serde_json::from_str::<serde_json::Value>(&before).expect("it is JSON");
    let proxy = nix::unistd::Pid::from_raw(line["pid"].as_i64().and_then(|pid| pid.try_into().ok()).expect("a pid"));
    nix::sys::signal::kill(proxy, nix::sys::signal::Signal::SIGKILL).expect("it runs");
    until("it says why", &|| fs::read_to_string(&said).is_ok_and(|said| said.contains("Warning: ")));
    std::thread::sleep(Duration::from_millis(1200));
    assert!(matches!(watch.try_wait(), Ok(None)), "{:?}", fs::read_to_string(&said));
    fs::remove_dir(&lock).expect("it is empty");
    until("it is back", &|| pid(&sandbox) != "null\n");
    watch.kill().expect("it runs");
    watch.wait().expect("it is a child");
    sandbox.run("", ["proxy", "down"]).success();
    let said = fs::read_to_string(&said).expect("it is there");
    assert_eq!(said.matches("Warning: ").count(), 1, "it is said once: {said}");
}
