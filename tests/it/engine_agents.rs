//! `silo agent` on a real engine (D33): what an agent gets and leaves, and that nothing of it is left when `silo` or the agent is killed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::engine::{Engine, until};
use crate::sandbox::{Ran, SILO};

/// An instance with agents, in a repository of one commit.
pub(crate) struct Agents {
    pub(crate) engine: Engine,
}

impl Agents {
    /// `agents` is what is below `[agents]`, in TOML.
    pub(crate) fn new(agents: &str) -> Self {
        let engine = Engine::new();
        engine.sandbox.project("app", &format!("version = 1\n{agents}"));
        let of = Self { engine };
        fs::write(of.path("file"), "one\n").expect("written");
        of.git(&["init", "-q", "-b", "main"]);
        of.commit("first");
        of
    }

    /// One transient agent that is a line of a shell.
    pub(crate) fn line(line: &str, more: &str) -> Self {
        Self::new(&agent("scout", line, more))
    }

    pub(crate) fn path(&self, path: &str) -> std::path::PathBuf {
        self.engine.sandbox.dir("app").join(path)
    }

    pub(crate) fn git(&self, words: &[&str]) -> Ran {
        let mut command = self.engine.command("git", "app");
        command.args(["-c", "user.name=dev", "-c", "user.email=dev@example.com"]).args(words);
        self.engine.sandbox.finish(command)
    }

    pub(crate) fn commit(&self, message: &str) {
        self.git(&["add", "silo.toml", "file"]).success();
        self.git(&["commit", "-q", "-m", message]).success();
    }

    pub(crate) fn silo(&self, words: &[&str]) -> Ran {
        let mut command = self.engine.command(SILO, "app");
        command.args(words);
        self.engine.sandbox.finish(command)
    }

    /// The run of an ID, as `silo agent list --json` has it.
    pub(crate) fn record(&self, id: &str) -> Option<Value> {
        self.runs().into_iter().find(|run| run["id"] == id)
    }

    /// All runs.
    pub(crate) fn runs(&self) -> Vec<Value> {
        let listed = self.silo(&["agent", "list", "--json"]).success().bytes;
        serde_json::from_slice(&listed).expect("it is JSON")
    }

    pub(crate) fn findings(&self, id: &str) -> std::path::PathBuf {
        let record = self.record(id).expect("it is recorded");
        record["findings"].as_str().expect("it has a folder").into()
    }

    /// Containers and networks of the engine that are an agent's of this sandbox.
    pub(crate) fn left(&self) -> String {
        let instance = self.instance();
        let filters = ["--filter", "label=silo.agent", "--filter", &format!("label=silo.instance={instance}")];
        let list = |words: &[&str]| self.engine.docker(&[words, &filters].concat()).success().stdout;
        let (containers, networks) = (list(&["ps", "--all", "--quiet"]), list(&["network", "ls", "--quiet"]));
        format!("{containers}{networks}")
    }

    pub(crate) fn instance(&self) -> String {
        let root = fs::canonicalize(self.engine.sandbox.dir("app")).unwrap_or_default();
        silo::core::text::digest::root_id(root.as_os_str().as_encoded_bytes())
    }

    /// Starts `silo agent run` and goes on.
    pub(crate) fn spawn(&self, words: &[&str]) -> std::process::Child {
        let mut command: Command = self.engine.command(SILO, "app");
        command.args(["agent", "run"]).args(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("silo starts")
    }
}

impl Drop for Agents {
    fn drop(&mut self) {
        for words in [&["ps", "--all", "--quiet"][..], &["network", "ls", "--quiet"]] {
            let filter = format!("label=silo.instance={}", self.instance());
            let ids = self.engine.docker(&[words, &["--filter", &filter]].concat()).stdout;
            let remove: &[&str] = if words[0] == "ps" { &["rm", "--force"] } else { &["network", "rm"] };
            for id in ids.lines() {
                self.engine.docker(&[remove, &[id]].concat());
            }
        }
    }
}

/// An agent that is a line of a shell.
pub(crate) fn agent(name: &str, line: &str, more: &str) -> String {
    let line = line.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "$${");
    format!(
        "[agents.{name}]\nimage = \"silo-test-agent\"\ncommand = [\"sh\", \"-c\", \"{line}\"]\nmemory = \"128m\"\ndisk = \"64m\"\n{more}\n"
    )
}

/// What begins a commit in the container.
const COMMIT: &str = "git -c user.name=agent -c user.email=agent@example.com commit -qam done";

#[test]
fn engine_an_agent_leaves_a_branch_and_findings_and_nothing_else() {
    let line = format!(
        "echo two >> file; {COMMIT}; echo open > open.txt; echo \"$SILO_TASK\" > /findings/report.md; echo said; exit 3"
    );
    let agents = Agents::line(&line, "");
    let before = agents.git(&["rev-parse", "HEAD"]).success().stdout;
    let ran = agents.silo(&["agent", "run", "scout", "two lines\nof a task", "--as", "one"]);
    assert_eq!((ran.code(), ran.stdout.as_str()), (Some(3), "said\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("Its work is on the branch `agent/one`: 2 commits"), "{}", ran.stderr);
    assert!(ran.stderr.contains("It found something, in 1 file: `silo agent findings one`"), "{}", ran.stderr);
    let show = |path: &str| agents.git(&["show", &format!("agent/one:{path}")]).success().stdout;
    assert_eq!((show("file").as_str(), show("open.txt").as_str()), ("one\ntwo\n", "open\n"));
    assert_eq!(agents.git(&["rev-parse", "HEAD"]).success().stdout, before, "the checkout is as it was");
    assert_eq!(agents.git(&["status", "--short", "file"]).success().stdout, "");
    let report = agents.findings("one").join("report.md");
    assert_eq!(fs::read_to_string(&report).expect("kept"), "two lines\nof a task\n");
    assert_eq!(fs::metadata(&report).expect("kept").permissions().mode() & 0o777, 0o600);
    assert_eq!(agents.silo(&["agent", "logs", "one"]).success().stdout, "said\n");
    assert_eq!(agents.left(), "");
    let record = agents.record("one").expect("it is kept");
    let folder = Path::new(record["folder"].as_str().expect("a folder")).to_owned();
    let mut names: Vec<_> = fs::read_dir(&folder).expect("it is there").flatten().map(|one| one.file_name()).collect();
    names.sort();
    assert_eq!(names, ["findings", "lock", "log", "record"]);
    agents.silo(&["agent", "run", "scout", "--as", "one"]).exit(1);
    let kept = agents.silo(&["agent", "rm", "one"]).exit(1);
    assert!(kept.stderr.contains("With the run `one` would go 1 file that it found"), "{}", kept.stderr);
    agents.silo(&["agent", "rm", "--force", "one"]).success();
    assert!(!folder.exists() && agents.record("one").is_none());
    agents.git(&["rev-parse", "--verify", "agent/one"]).success();
}

#[test]
fn engine_an_agent_commits_without_a_word_on_who_it_is_and_may_say_it() {
    let line = "echo two >> file; git commit -qam two; echo three >> file; git -c user.name=me -c user.email=me@example.com commit -qam three; \
                echo four >> file; git config user.email other@example.com; git commit -qam four";
    let agents = Agents::line(line, "");
    agents.silo(&["agent", "run", "scout", "--as", "commits"]).success();
    let log = agents.git(&["log", "--format=%s by %an <%ae>", "main..agent/commits"]).success().stdout;
    let said = "four by silo agent <other@example.com>\nthree by me <me@example.com>\ntwo by silo agent <agent@silo.invalid>\n";
    assert_eq!(log, said);
}

#[test]
fn engine_an_agent_has_no_right_and_sees_no_file_that_is_not_its_own() {
    let line = "id -u; id -un; echo $HOME; cat /proc/self/status | grep -E '^(CapEff|CapBnd|NoNewPrivs)'; touch /x 2>&1 | grep -o 'Read-only'; \
                touch /tmp/y $HOME/z && echo scratch; ls /sys/class/net; ls /work; git remote; git stash list; git branch -a; \
                ls -d /var/run/docker.sock /run/docker.sock 2>/dev/null; cat /findings/../etc/shadow 2>/dev/null; kill -9 1 2>/dev/null; cat /proc/1/environ 2>/dev/null | wc -c";
    let agents = Agents::line(line, "");
    // What is not committed, what is stashed, and other branches are not the agent's.
    agents.git(&["branch", "other"]).success();
    fs::write(agents.path("secret"), "x").expect("written");
    fs::write(agents.path("file"), "stashed\n").expect("written");
    agents.git(&["stash"]).success();
    let ran = agents.silo(&["agent", "run", "scout", "--as", "two"]).success();
    let user = rustix::process::geteuid();
    let name = if user.is_root() { "root" } else { "agent" };
    let expected = format!(
        "{}\n{name}\n/home/agent\nCapBnd:\t0000000000000000\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\nRead-only\nscratch\nlo\nfile\nsilo.toml\n* main\n0\n",
        user.as_raw()
    );
    let mut lines: Vec<&str> = ran.stdout.lines().collect();
    // In the order of the kernel, which differs.
    lines[3..6].sort_unstable();
    assert_eq!(lines.join("\n") + "\n", expected, "{}", ran.stderr);
}

#[test]
fn engine_one_that_is_killed_with_its_silo_is_brought_home_by_the_next_call() {
    let line =
        format!("trap '' TERM; echo two >> file; {COMMIT}; echo x > /findings/a; echo up; while :; do sleep 1; done");
    let agents = Agents::line(&line, "");
    let mut silo = agents.spawn(&["scout", "--as", "three"]);
    let is_up = || {
        let said = agents.engine.docker(&["logs", "silo-agent-three"]);
        said.stdout.contains("up")
    };
    until("the agent is up", is_up);
    silo.kill().expect("it runs");
    silo.wait().expect("it ran");
    let state = || agents.engine.docker(&["inspect", "--format", "{{.State.Status}}", "silo-agent-three"]).stdout;
    until("the agent ends with its silo", || state().trim() == "exited");
    let listed = agents.silo(&["agent", "list"]).success();
    assert!(listed.stderr.contains("The run `three` was cut off: bringing home what it made"), "{}", listed.stderr);
    assert_eq!(agents.git(&["show", "agent/three:file"]).success().stdout, "one\ntwo\n");
    assert!(agents.findings("three").join("a").exists());
    assert_eq!(agents.left(), "");
}

#[test]
fn engine_ctrl_c_and_stop_end_an_agent_and_its_work_is_there() {
    let line = format!("{COMMIT}; echo two >> file; echo up; sleep 1000");
    let agents = Agents::line(&line, "");
    for (id, how) in [("four", "signal"), ("five", "stop")] {
        let silo = agents.spawn(&["scout", "--as", id]);
        until("the agent is up", || agents.engine.docker(&["logs", &format!("silo-agent-{id}")]).stdout.contains("up"));
        match how {
            "signal" => {
                let pid = i32::try_from(silo.id()).expect("it is a pid");
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGINT)
                    .expect("it runs");
            }
            _ => {
                agents.silo(&["agent", "stop", id]).success();
            }
        }
        let ended = silo.wait_with_output().expect("it ran");
        assert_eq!(ended.status.code(), Some(143), "{}", String::from_utf8_lossy(&ended.stderr));
        assert_eq!(agents.git(&["show", &format!("agent/{id}:file")]).success().stdout, "one\ntwo\n");
    }
    assert_eq!(agents.left(), "");
}

#[test]
fn engine_limits_hold_and_say_which() {
    let eat = "exec tail /dev/zero";
    let toml = [
        agent("memory", eat, ""),
        agent("late", "echo up; sleep 1000", "time = \"2s\""),
        agent("full", "dd if=/dev/zero of=/findings/big bs=1M count=30 2>/dev/null; sleep 3; dd if=/dev/zero of=/findings/big2 bs=1M count=50 2>/dev/null; sleep 100", ""),
        agent("forks", "f() { sleep 100 & f; }; f", "pids = 16"),
        agent("scratch", "dd if=/dev/zero of=/tmp/x bs=1M count=100 2>&1 | grep -o 'No space left'; dd if=/dev/zero of=$HOME/x bs=1M count=100 2>&1 | grep -o 'No space left'", ""),
    ]
    .concat();
    let agents = Agents::new(&toml);
    let run = |name: &str| {
        let ran = agents.silo(&["agent", "run", name, "--as", name]);
        let end = agents.record(name).expect("it is recorded")["end"].clone();
        (ran.code(), end["why"].as_str().unwrap_or_default().to_owned(), ran)
    };
    let (code, why, _) = run("memory");
    assert_eq!((code, why.as_str()), (Some(137), "it took more memory than it may"));
    assert_eq!(run("late").0, Some(124));
    assert_eq!(run("full").0, Some(122));
    let (code, _, ran) = run("forks");
    assert_eq!(code, Some(2), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("can't fork"), "{}", ran.stderr);
    assert_eq!(run("scratch").2.stdout, "No space left\nNo space left\n");
    assert_eq!(agents.left(), "");
}

#[test]
fn engine_ten_agents_at_once_leave_ten_branches_and_ten_findings() {
    let line = format!("echo $SILO_TASK >> file; {COMMIT}; echo $SILO_TASK > /findings/found");
    let agents = Agents::line(&line, "");
    let started: Vec<_> = (0..10)
        .map(|at| {
            let (task, id) = (format!("task {at}"), format!("run-{at}"));
            (at, agents.spawn(&["scout", &task, "--as", &id]))
        })
        .collect();
    for (at, silo) in started {
        let ended = silo.wait_with_output().expect("it ran");
        assert_eq!(ended.status.code(), Some(0), "{at}: {}", String::from_utf8_lossy(&ended.stderr));
    }
    for at in 0..10 {
        assert_eq!(
            agents.git(&["show", &format!("agent/run-{at}:file")]).success().stdout,
            format!("one\ntask {at}\n")
        );
        let found = fs::read_to_string(agents.findings(&format!("run-{at}")).join("found")).expect("it is kept");
        assert_eq!(found, format!("task {at}\n"));
    }
    assert_eq!(agents.git(&["branch", "--format", "%(refname:short)"]).success().stdout.lines().count(), 11);
    assert_eq!(agents.left(), "");
}

#[test]
fn engine_what_a_hostile_agent_leaves_never_runs_here_and_reaches_no_other_branch() {
    // Hooks, filters, a file system monitor, a branch that leads elsewhere: all of it would run where git opens the clone.
    let line = format!(
        "printf '#!/bin/sh\\ntouch /findings/ran\\n' > .git/hooks/post-commit; chmod +x .git/hooks/post-commit; \
         git config core.fsmonitor 'touch /work/monitored'; git config filter.x.clean 'sh -c \"id > /work/filtered; cat\"'; \
         echo '* filter=x' > .gitattributes; git config core.hooksPath /work/.git/hooks; \
         git config alias.bundle '!sh -c id'; ln -s /etc/passwd link; ln -s /etc/passwd /findings/passwd; mkfifo /findings/pipe; \
         truncate -s 1000G /findings/sparse 2>/dev/null; git update-ref refs/heads/other HEAD; {COMMIT}; \
         git checkout -q -b 'main2'; echo 3 > three; git add three; {COMMIT}; git checkout -q main; echo 'ref: refs/heads/../../../x' > .git/refs/odd"
    );
    let agents = Agents::line(&line, "");
    let before = agents.git(&["for-each-ref"]).success().stdout;
    let ran = agents.silo(&["agent", "run", "scout", "--as", "six"]);
    assert_eq!(ran.code(), Some(0), "{}{}", ran.stdout, ran.stderr);
    let after = agents.git(&["for-each-ref"]).success().stdout;
    let new: Vec<&str> = after.lines().filter(|line| !before.contains(*line)).collect();
    assert_eq!(new.len(), 1, "{new:?}");
    assert!(new[0].ends_with("refs/heads/agent/six"), "{new:?}");
    for ran in ["ran", "monitored", "filtered"] {
        assert!(!agents.path(ran).exists() && !agents.findings("six").join(ran).exists(), "{ran}");
    }
    assert!(!agents.findings("six").join("passwd").exists());
    assert!(ran.stderr.contains("Its finding `passwd` is not kept: it is a link"), "{}", ran.stderr);
    assert!(ran.stderr.contains("Its finding `pipe` is not kept: it is not a file"), "{}", ran.stderr);
    assert_eq!(agents.git(&["fsck", "--strict", "--no-dangling"]).success().stdout, "");
    // What it committed elsewhere is in a file.
    let end = agents.record("six").expect("it is recorded")["end"].clone();
    let others = end["others"].as_str().expect("it has other branches");
    assert!(agents.git(&["bundle", "list-heads", others]).success().stdout.contains("main2"));
}

#[test]
fn engine_a_repository_that_is_gone_or_leads_elsewhere_leaves_its_files_on_a_branch() {
    let toml = [
        agent("gone", "rm -rf .git; echo kept > left", ""),
        agent("elsewhere", "rm -rf .git; echo 'gitdir: /findings/x' > .git; echo kept > left", ""),
        agent("nothing", "rm -rf /work/* /work/.git; mkdir .git; echo 'ref: x' > .git/HEAD; chmod 0 .git", ""),
    ]
    .concat();
    let agents = Agents::new(&toml);
    let before = agents.git(&["for-each-ref"]).success().stdout;
    for name in ["gone", "elsewhere"] {
        let ran = agents.silo(&["agent", "run", name, "--as", name]).success();
        assert!(ran.stderr.contains("the files were taken without what was committed"), "{}", ran.stderr);
        assert_eq!(agents.git(&["show", &format!("agent/{name}:left")]).success().stdout, "kept\n");
    }
    agents.silo(&["agent", "run", "nothing", "--as", "nothing"]).success();
    let after = agents.git(&["for-each-ref"]).success().stdout;
    let new: Vec<&str> = after.lines().filter(|line| !before.contains(*line)).collect();
    assert!(new.iter().all(|line| line.contains("refs/heads/agent/")), "{new:?}");
    assert_eq!(before.lines().filter(|line| !after.contains(*line)).count(), 0);
    assert_eq!(agents.left(), "");
}

#[test]
fn engine_without_a_clone_a_command_begins_where_the_image_says() {
    let toml = "[agents.built]\nbuild = 'image'\nrepository = false\n".to_owned()
        + &agent("plain", "pwd", "repository = false");
    let agents = Agents::new(&toml);
    fs::create_dir(agents.path("image")).expect("it is new");
    fs::write(agents.path("image/main"), "pwd; cat main | wc -l\n").expect("it is ours");
    let text = "FROM silo-test-agent\nWORKDIR /app\nCOPY . .\nCMD [\"sh\", \"main\"]\n";
    fs::write(agents.path("image/Dockerfile"), text).expect("it is ours");
    // A first build can take minutes, and Docker says nothing meanwhile.
    for is_first in [true, false] {
        let ran = agents.silo(&["agent", "run", "built"]).success();
        assert_eq!(ran.stdout, "/app\n1\n");
        assert_eq!(ran.stderr.contains("Building the image of `built`\n"), is_first, "{}", ran.stderr);
        // The id is the answer of a quiet build, and nobody's here.
        assert!(!ran.stderr.contains("sha256:"), "{}", ran.stderr);
    }
    assert_eq!(agents.silo(&["agent", "run", "plain"]).success().stdout, "/findings\n");
}

#[test]
fn engine_persistent_agents_are_part_of_up_come_back_and_come_home() {
    let line = format!("echo two >> file; {COMMIT}; echo up; while :; do sleep 1; done");
    let agents = Agents::new(&agent("research", &line, "lifetime = \"persistent\""));
    agents.silo(&["allow"]).success();
    agents.silo(&["up", "-d"]).success();
    let id = || {
        let all = agents.runs();
        all.last().expect("there is one")["id"].as_str().expect("a text").to_owned()
    };
    let run = id();
    let container = format!("silo-agent-{run}");
    until("it is up", || agents.engine.docker(&["logs", &container]).stdout.contains("up"));
    assert!(agents.silo(&["list"]).success().stdout.contains("1 up"));
    assert!(agents.silo(&["logs", "research"]).success().stdout.contains("up"));
    agents.engine.docker(&["kill", &container]).success();
    let healed = agents.silo(&["heal"]).success();
    assert!(
        healed.stdout.contains("research") || healed.stderr.contains("research"),
        "{}{}",
        healed.stdout,
        healed.stderr
    );
    let state = || agents.engine.docker(&["inspect", "--format", "{{.State.Status}}", &container]).stdout;
    assert_eq!(state().trim(), "running");
    agents.silo(&["down"]).success();
    assert_eq!(agents.left(), "");
    assert!(agents.git(&["show", &format!("agent/{run}:file")]).success().stdout.starts_with("one\ntwo\n"));
    // One that the user stops is no longer wanted.
    agents.silo(&["up", "-d"]).success();
    agents.silo(&["agent", "stop", "research"]).success();
    assert_eq!(agents.left().trim(), "");
    let listed = agents.silo(&["list"]).success().stdout;
    assert!(!listed.contains("wanted"), "{listed}");
}
