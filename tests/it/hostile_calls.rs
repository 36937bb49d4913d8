//! Every system call that fails on a full or failing disk, failed once at every place where silo makes it. `strace` does
//! that, for silo is static and no library can be put before it. Each time files are old or new and never half, no lease
//! is lost, the failure is named, and one plain `silo env` puts everything right.

use std::fs;
use std::path::{Path, PathBuf};

use crate::machine::{assert_agreed, assert_sound, files_below, registry, registry_path};
use crate::sandbox::{Ran, SILO, Sandbox};

const TOML: &str = "version = 1\n[ports]\nA = 0\nB = 0\n";

/// The calls by what they do, and how each may fail; processors differ in which of them they have.
const CALLS: [(&str, &[&str]); 11] = [
    ("?open,?openat", &["EIO", "ENOSPC"]),
    ("read", &["EIO"]),
    ("write", &["EIO", "ENOSPC"]),
    ("fsync", &["EIO", "ENOSPC"]),
    ("ftruncate", &["EIO"]),
    ("flock", &["EIO"]),
    ("?mkdir,?mkdirat", &["EIO", "ENOSPC"]),
    ("?rename,?renameat,?renameat2", &["EIO", "ENOSPC"]),
    ("?unlink,?unlinkat", &["EIO"]),
    ("?symlink,?symlinkat", &["EIO", "ENOSPC"]),
    ("?utimensat", &["EIO"]),
];

/// A command, and the state it meets.
struct Case {
    args: &'static [&'static str],
    /// Brings the project `app` into that state.
    before: fn(&Sandbox, &Path),
    /// What else holds after a call has failed, for the exit code silo gave.
    after: fn(&Sandbox, &Path, bool),
}

impl Case {
    fn ready(&self) -> (Sandbox, PathBuf) {
        let sandbox = Sandbox::new();
        let other = sandbox.project("other", TOML);
        sandbox.run(&other, ["env", "other"]).success();
        let app = sandbox.project("app", TOML);
        (self.before)(&sandbox, &app);
        (sandbox, app)
    }

    /// Fails each call once, in each way.
    #[track_caller]
    fn check(&self) {
        let mut failed = 0;
        for (calls, errors) in CALLS {
            let (sandbox, app) = self.ready();
            let (ran, log) = traced(&sandbox, &app, &format!("trace={calls}"), self.args);
            ran.success();
            for (n, call) in log.lines().enumerate() {
                // The kernel's own tables lie on no disk.
                if call.contains("/proc/") {
                    continue;
                }
                // A file that is only read takes no room.
                let takes_room = !call.contains("O_RDONLY");
                // They are as long as the machine is busy: behind a look into them another run has fewer calls, perhaps.
                let may_miss = log.lines().take(n + 1).any(|call| call.contains("/proc/"));
                for error in errors.iter().filter(|error| takes_room || **error == "EIO") {
                    self.check_one(&format!("inject={calls}:error={error}:when={}", n + 1), may_miss);
                    failed += 1;
                }
            }
        }
        assert!(failed > 20, "only {failed} calls were failed: is this still the way silo writes?");
    }

    #[track_caller]
    fn check_one(&self, inject: &str, may_miss: bool) {
        let (sandbox, app) = self.ready();
        let before = State::of(&sandbox, &app);
        let (ran, log) = traced(&sandbox, &app, inject, self.args);
        let call = log.lines().find(|line| line.ends_with("(INJECTED)"));
        let Some(call) = call else {
            assert!(may_miss, "{inject} met no call of {:?}", self.args);
            return;
        };
        let what = format!("{:?} with {call}\n{ran:#?}", self.args);
        let failed = !ran.succeeded();
        assert!(!ran.stderr.contains("panicked"), "{what}");
        if failed {
            let ran = ran.exit(1);
            let named = ran.stderr.contains("`$SANDBOX/") || ran.stderr.contains("standard output");
            assert!(ran.stderr.contains("Error: Cannot ") && named, "no path: {what}");
            assert!(ran.stderr.contains("\nHint: ") && !ran.stderr.contains("ls -ld"), "no way out: {what}");
            let told = ["nothing was lost", "Only the answer is missing"];
            assert!(!call.contains("ENOSPC") || told.iter().any(|told| ran.stderr.contains(told)), "{what}");
        }
        before.assert_old_or_new(&State::of(&sandbox, &app), self.args, &what);
        let all = ["projects", "state", "data"].map(|folder| files_below(&sandbox.path(folder))).concat();
        assert!(!all.iter().any(|file| file.ends_with("silo-tmp")), "{all:?} after {what}");
        (self.after)(&sandbox, &app, failed);
        sandbox.run(&app, ["env"]).success();
        assert_agreed(&sandbox, &app);
        assert_agreed(&sandbox, &sandbox.dir("other"));
    }
}

/// Runs silo under strace; returns what strace logged too.
fn traced(sandbox: &Sandbox, dir: &Path, what: &str, args: &[&str]) -> (Ran, String) {
    let mut strace = sandbox.command("strace", dir);
    let log = sandbox.path("trace");
    // A program that is there by chance, as Docker may be, has calls of its own.
    strace.arg("-E").arg(format!("PATH={}", sandbox.path("bin").display()));
    strace.args(["-f", "-qq", "-y", "-e", "signal=none", "-e", what, "-o"]).arg(&log).arg(SILO).args(args);
    let ran = sandbox.finish(strace);
    (ran, fs::read_to_string(log).expect("strace writes it: tests/run installs it"))
}

/// What the files say at one moment.
struct State {
    leases: Vec<(String, Vec<u16>)>,
    files: Vec<(&'static str, Option<String>)>,
}

impl State {
    fn of(sandbox: &Sandbox, app: &Path) -> Self {
        let mut leases = Vec::new();
        if registry_path(sandbox).exists() {
            let registry = registry(sandbox);
            assert_sound(&registry);
            leases
                .extend(registry.instances.iter().map(|one| (one.root.clone(), one.ports.values().copied().collect())));
        }
        let names = [".silo.lock", ".localnet.env", ".gitignore", "silo.toml"];
        Self { leases, files: names.map(|name| (name, fs::read_to_string(app.join(name)).ok())).into() }
    }

    /// Each lease is still held, and each file is what it was or whole.
    #[track_caller]
    fn assert_old_or_new(&self, now: &Self, args: &[&str], what: &str) {
        let down = args.contains(&"--clean");
        for (root, ports) in &self.leases {
            let held = now.leases.iter().find(|(other, _)| other == root).map(|(_, ports)| ports);
            let planned_anew = root.ends_with("/app") && (down || args.contains(&"--force"));
            assert!(
                held == Some(ports) || (planned_anew && (held.is_some() || down)),
                "{root} lost its leases: {what}"
            );
        }
        for ((name, old), (_, new)) in self.files.iter().zip(&now.files) {
            let whole = match (*name, new) {
                (".silo.lock", Some(text)) => serde_json::from_str::<serde_json::Value>(text).is_ok(),
                (".localnet.env", Some(text)) => {
                    text.starts_with("# Generated by silo\n") && text.contains("\nB=") && text.ends_with('\n')
                }
                (".gitignore", Some(text)) => text.ends_with(".silo.lock\n.localnet.env\n"),
                ("silo.toml", Some(text)) => old.is_none() && silo::core::config::parse(text).is_ok(),
                (_, Some(_)) => false,
                (name, None) => old.is_none() || (down && name != "silo.toml"),
            };
            assert!(whole || old == new, "{name} is {new:?} and was {old:?}: {what}");
        }
    }
}

/// What a `cd` would make of it.
fn trust(sandbox: &Sandbox, dir: &Path) -> String {
    let answer = sandbox.run(dir, ["status", "--json"]).success().bytes;
    let answer: serde_json::Value = serde_json::from_slice(&answer).expect("it is JSON");
    answer["trust"].as_str().expect("it is a word").to_owned()
}

/// A failed `allow` or `deny` leaves the old word or the new one; without a failure it is the new one.
#[track_caller]
fn assert_trust(sandbox: &Sandbox, app: &Path, failed: bool, old: &str, new: &str) {
    let now = trust(sandbox, app);
    assert!(now == new || (failed && now == old), "it was {old} and is {now}");
    let acts = sandbox.run(app, ["export", "bash"]).success().stdout.contains("export ");
    assert_eq!(acts, now == "allowed");
}

#[test]
fn a_first_env() {
    Case { args: &["env", "mine"], before: |_, _| (), after: |_, _, _| () }.check();
}

#[test]
fn an_env_that_plans_anew() {
    let before = |sandbox: &Sandbox, app: &Path| {
        sandbox.run(app, ["env", "mine"]).success();
    };
    Case { args: &["env", "fresh", "--force", "--rename"], before, after: |_, _, _| () }.check();
}

#[test]
fn the_first_prompt_in_a_project() {
    let before = |sandbox: &Sandbox, app: &Path| {
        sandbox.run(app, ["allow"]).success();
    };
    let after = |sandbox: &Sandbox, app: &Path, _: bool| {
        let export = sandbox.run(app, ["export", "bash"]).success();
        assert!(export.stdout.contains(" A='"), "{export:#?}");
    };
    Case { args: &["export", "bash"], before, after }.check();
}

#[test]
fn a_first_allow() {
    let after = |sandbox: &Sandbox, app: &Path, failed| assert_trust(sandbox, app, failed, "unknown", "allowed");
    Case { args: &["allow"], before: |_, _| (), after }.check();
}

#[test]
fn an_allow_of_what_was_denied() {
    let before = |sandbox: &Sandbox, app: &Path| {
        sandbox.run(app, ["env", "mine"]).success();
        sandbox.run(app, ["deny"]).success();
    };
    let after = |sandbox: &Sandbox, app: &Path, failed| assert_trust(sandbox, app, failed, "denied", "allowed");
    Case { args: &["allow"], before, after }.check();
}

#[test]
fn an_allow_of_what_has_changed() {
    let before = |sandbox: &Sandbox, app: &Path| {
        fs::write(app.join("silo.toml"), TOML.replace('A', "OLD")).expect("the project is writable");
        sandbox.run(app, ["allow"]).success();
        fs::write(app.join("silo.toml"), TOML).expect("the project is writable");
    };
    let after = |sandbox: &Sandbox, app: &Path, failed| {
        assert_trust(sandbox, app, failed, "changed", "allowed");
        if trust(sandbox, app) == "changed" {
            // What was never allowed is not taken for what was allowed last.
            sandbox.run(app, ["allow"]).success().stderr_has("-OLD = 0\n+A = 0\n");
        }
    };
    Case { args: &["allow"], before, after }.check();
}

#[test]
fn a_deny() {
    let before = |sandbox: &Sandbox, app: &Path| {
        sandbox.run(app, ["allow"]).success();
        sandbox.run(app, ["env", "mine"]).success();
    };
    let after = |sandbox: &Sandbox, app: &Path, failed| assert_trust(sandbox, app, failed, "allowed", "denied");
    Case { args: &["deny"], before, after }.check();
}

#[test]
fn an_init() {
    let before = |sandbox: &Sandbox, app: &Path| {
        fs::remove_file(app.join("silo.toml")).expect("it is there");
        fs::write(app.join(".gitignore"), "target").expect("the project is writable");
        sandbox.git(app, ["init", "--quiet"]);
    };
    let after = |sandbox: &Sandbox, app: &Path, _: bool| {
        if !app.join("silo.toml").exists() {
            sandbox.run(app, ["init"]).success();
        }
        sandbox.run(app, ["allow"]).success();
        assert_eq!(trust(sandbox, app), "allowed");
    };
    Case { args: &["init"], before, after }.check();
}

#[test]
fn a_down_that_cleans() {
    let before = |sandbox: &Sandbox, app: &Path| {
        sandbox.run(app, ["env", "mine"]).success();
    };
    Case { args: &["down", "--clean"], before, after: |_, _, _| () }.check();
}

#[test]
fn a_file_system_that_cannot_sync_is_no_failure() {
    let sandbox = Sandbox::new();
    for error in ["EINVAL", "EOPNOTSUPP", "ENOSYS"] {
        let app = sandbox.project(error, TOML);
        for args in [&["allow"][..], &["env"], &["export", "bash"]] {
            let (ran, _) = traced(&sandbox, &app, &format!("inject=fsync:error={error}"), args);
            ran.success();
        }
        assert_agreed(&sandbox, &app);
    }
}

#[test]
fn a_disk_without_locks_is_named_with_a_way_out() {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", TOML);
    for error in ["ENOLCK", "ENOSYS", "EOPNOTSUPP"] {
        let flock = format!("inject=flock:error={error}");
        let (ran, _) = traced(&sandbox, &app, &flock, &["env"]);
        ran.fails_naming(&["Cannot lock `$SANDBOX/state/silo/registry.lock`", "set XDG_STATE_HOME to another one"]);
        let (ran, _) = traced(&sandbox, &app, &flock, &["export", "bash"]);
        ran.goes_on_telling(&["Cannot lock `$SANDBOX/state/silo/registry.lock`"]);
    }
    assert_eq!(files_below(&app), ["silo.toml"]);
}
