//! A disk without room, made by a limit on the size of files: each write beyond it fails, for root too.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::machine::{assert_agreed, assert_sound, files_below, registry, registry_path};
use crate::sandbox::{Ran, SILO, Sandbox, free_ports, toml_with_ports};

/// How the system answers a write beyond the limit.
#[derive(Clone, Copy)]
enum Answer {
    /// With an error, as a full disk does.
    Error,
    /// With a signal that ends who does not handle it.
    Signal,
}

/// silo that can write no file beyond so many blocks of 512 bytes.
fn limited(sandbox: &Sandbox, dir: &Path, blocks: u32, answer: Answer, args: &[&str]) -> Command {
    let trap = match answer {
        Answer::Error => "trap '' XFSZ; ",
        Answer::Signal => "",
    };
    let mut sh = sandbox.command("sh", dir);
    sh.arg("-c").arg(format!("{trap}ulimit -f {blocks}; exec \"$0\" \"$@\"")).arg(SILO).args(args);
    sh
}

fn full(sandbox: &Sandbox, dir: &Path, args: &[&str]) -> Ran {
    sandbox.finish(limited(sandbox, dir, 0, Answer::Error, args))
}

fn project(sandbox: &Sandbox, name: &str) -> std::path::PathBuf {
    let [web, api] = free_ports();
    sandbox.trusted(name, &toml_with_ports(&[("WEB_PORT", web), ("API_PORT", api)]))
}

/// Nothing silo was writing when it failed lies about.
#[track_caller]
fn assert_no_leftover(sandbox: &Sandbox) {
    let left: Vec<_> = files_below(&sandbox.path("")).into_iter().filter(|file| file.contains("tmp")).collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn a_first_run_fails_by_name_and_the_next_one_with_room_works() {
    let sandbox = Sandbox::new();
    let app = project(&sandbox, "app");
    for args in [&["env"][..], &["exec", "true"]] {
        full(&sandbox, &app, args).fails_naming(&["$SANDBOX/"]).stdout("");
    }
    full(&sandbox, &app, &["export", "bash"]).goes_on_telling(&["$SANDBOX/"]);
    assert_eq!(files_below(&app), ["silo.toml"]);
    assert_no_leftover(&sandbox);
    sandbox.run(&app, ["env"]).success();
    assert_agreed(&sandbox, &app);
}

#[test]
fn a_full_disk_loses_nothing_that_was_there() {
    let sandbox = Sandbox::new();
    let (app, other) = (project(&sandbox, "app"), project(&sandbox, "other"));
    sandbox.run(&app, ["env", "mine"]).success();
    sandbox.run(&other, ["env", "other"]).success();
    let before = (registry(&sandbox), sandbox.lockfile(&app));
    full(&sandbox, &app, &["env", "fresh", "--force"]).fails_naming(&["$SANDBOX/"]).stdout("");
    assert_eq!((registry(&sandbox), sandbox.lockfile(&app)), before);
    full(&sandbox, &app, &["export", "bash"]).goes_on_telling(&[]);
    assert_eq!((registry(&sandbox), sandbox.lockfile(&app)), before);
    sandbox.run(&app, ["env"]).success();
    assert_agreed(&sandbox, &app);
    assert_eq!(registry(&sandbox), before.0);
    assert_no_leftover(&sandbox);
}

#[test]
fn any_lack_of_room_leaves_files_that_the_next_run_puts_right() {
    for answer in [Answer::Error, Answer::Signal] {
        for blocks in 0..=4 {
            let sandbox = Sandbox::new();
            let (app, other) = (project(&sandbox, "app"), project(&sandbox, "other"));
            sandbox.run(&app, ["env", "mine"]).success();
            sandbox.run(&other, ["env", "other"]).success();
            for args in [&["env", "fresh", "--force"][..], &["export", "bash"], &["allow"]] {
                let ran = sandbox.finish(limited(&sandbox, &app, blocks, answer, args));
                if !ran.succeeded() {
                    let wanted = ["File too large\nHint: The limit of this shell is too low: `ulimit -f unlimited`"];
                    ran.fails_naming(&wanted);
                }
                assert_sound(&registry(&sandbox));
                assert_eq!(registry(&sandbox).instances.len(), 2);
            }
            sandbox.run(&app, ["allow"]).success();
            sandbox.run(&app, ["env"]).success();
            assert_agreed(&sandbox, &app);
            assert_agreed(&sandbox, &other);
            assert_eq!(files_below(&app), [".localnet.env", ".silo.lock", "silo.toml"]);
        }
    }
}

#[test]
fn what_silo_starts_meets_the_limit_as_it_is() {
    let sandbox = Sandbox::new();
    let app = project(&sandbox, "app");
    sandbox.run(&app, ["env"]).success();
    let ended_by_it = 128 + nix::libc::SIGXFSZ;
    let script = "(echo >file) 2>/dev/null; exit $?";
    sandbox.finish(limited(&sandbox, &app, 0, Answer::Signal, &["exec", "sh", "-c", script])).exit(ended_by_it);
}

#[test]
fn init_and_allow_on_a_full_disk_fail_by_name() {
    let sandbox = Sandbox::new();
    full(&sandbox, &sandbox.dir(""), &["init"]).fails_naming(&["$SANDBOX/projects/silo.toml"]).stdout("");
    assert_eq!(files_below(&sandbox.dir("")), [""; 0]);
    let app = sandbox.project("app", "version = 1\n[ports]\nA = 0\n");
    for command in ["allow", "deny"] {
        full(&sandbox, &app, &[command]).fails_naming(&["$SANDBOX/data/silo/trust/"]).stdout("");
    }
    let export = sandbox.run(&app, ["export", "bash"]).success();
    assert!(!export.stdout.contains("export "), "{export:?}");
    assert!(!registry_path(&sandbox).exists());
    assert_no_leftover(&sandbox);
}

#[test]
fn a_gitignore_that_cannot_be_written_keeps_what_it_had() {
    let sandbox = Sandbox::new();
    let app = sandbox.dir("app");
    fs::create_dir(&app).expect("the sandbox is writable");
    sandbox.git(&app, ["init", "--quiet"]);
    // No room at all, and room for half of what is to be added: 4 blocks hold 2048 bytes.
    for length in [7000, 2048 - 12] {
        let old = "t".repeat(length);
        fs::write(app.join(".gitignore"), &old).expect("the project is writable");
        let ran = sandbox.finish(limited(&sandbox, &app, 4, Answer::Error, &["init"]));
        ran.fails_naming(&["$SANDBOX/projects/app/.gitignore", "add `.silo.lock` and `.localnet.env`"]);
        assert_eq!(fs::read_to_string(app.join(".gitignore")).expect("it is there"), old);
        fs::remove_file(app.join("silo.toml")).expect("it is written by then");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let sandbox = Sandbox::new();
    let app = project(&sandbox, "app");
    sandbox.run(&app, ["env"]).success();
    let help = [&["--help"][..], &["help", "list"], &["list", "-h"], &["--version"]];
    for args in [&["env"][..], &["status"], &["profiles"], &["version"]].into_iter().chain(help) {
        let mut sh = sandbox.command("sh", &app);
        sh.arg("-c").arg("exec \"$0\" \"$@\" >/dev/full").arg(SILO).args(args);
        let ran = sandbox.finish(sh).exit(1);
        assert!(ran.stderr.contains("No space left"), "{args:?}: {ran:?}");
    }
}
