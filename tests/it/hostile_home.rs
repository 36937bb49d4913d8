//! A home that is missing, odd, or cannot be written.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::machine::{env_file, files_below, run_with};
use crate::sandbox::{Ran, SILO, Sandbox};

const RANDOM: &str = "version = 1\n[ports]\nA = 0\n";

/// silo in the project `app`, without the XDG variables.
fn bare(sandbox: &Sandbox, change: impl FnOnce(&mut Command) -> &mut Command, args: &[&str]) -> Ran {
    let mut silo = sandbox.command(SILO, "app");
    silo.args(args).env_remove("XDG_STATE_HOME").env_remove("XDG_DATA_HOME").env_remove("XDG_CONFIG_HOME");
    change(&mut silo);
    sandbox.finish(silo)
}

#[test]
fn a_home_that_is_no_absolute_path_is_refused() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", RANDOM);
    let changes: [fn(&mut Command) -> &mut Command; 4] = [
        |silo| silo.env_remove("HOME"),
        |silo| silo.env("HOME", ""),
        |silo| silo.env("HOME", "relative/home"),
        |silo| silo.env("HOME", "~"),
    ];
    for change in changes {
        for args in [["env"], ["allow"], ["status"]] {
            bare(&sandbox, change, &args).fails_naming(&["HOME is not set to an absolute path"]).stdout("");
        }
        for shell in silo::core::shell::ALL.map(|shell| shell.name) {
            // An answer the shell can evaluate: what an activation set is taken back even now.
            let answer = bare(&sandbox, change, &["export", shell]).success();
            answer.stderr_has("HOME is not set to an absolute path");
        }
        // These two are nothing without it.
        for args in [["export", "dotenv"], ["hook", "tcsh"]] {
            bare(&sandbox, change, &args).fails_naming(&["HOME is not set to an absolute path"]).stdout("");
        }
    }
    assert_eq!(files_below(&app), ["silo.toml"]);
}

/// Homes in which nothing can be made, whoever asks.
fn unwritable(sandbox: &Sandbox) -> Vec<PathBuf> {
    let file = sandbox.path("home/file");
    fs::write(&file, "").expect("the sandbox is writable");
    let mut homes = vec![file.clone(), file.join("below")];
    if cfg!(target_os = "linux") {
        homes.push("/proc/self".into());
    }
    homes
}

#[test]
fn a_home_that_cannot_be_written_is_named_and_the_prompt_goes_on() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", RANDOM);
    for home in unwritable(&sandbox) {
        let named = sandbox.redact(home.to_string_lossy().as_bytes());
        for args in [["env"], ["allow"]] {
            bare(&sandbox, |silo| silo.env("HOME", &home), &args).fails_naming(&[&named]).stdout("");
        }
        let export = bare(&sandbox, |silo| silo.env("HOME", &home), &["export", "bash"]);
        let export = export.goes_on_telling(&["is not trusted; `silo allow` trusts it"]);
        assert!(!export.stdout.contains("export "), "{export:?}");
        bare(&sandbox, |silo| silo.env("HOME", &home), &["status"]).success();
    }
    assert_eq!(files_below(&app), ["silo.toml"]);
}

#[test]
fn relative_and_empty_xdg_variables_are_ignored() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", RANDOM);
    for value in ["", "relative", "./x"] {
        let xdg = [("XDG_STATE_HOME", value), ("XDG_DATA_HOME", value)];
        bare(&sandbox, |silo| silo.envs(xdg), &["allow"]).success();
        bare(&sandbox, |silo| silo.envs(xdg), &["env"]).success();
        let export = bare(&sandbox, |silo| silo.envs(xdg), &["export", "bash"]).success();
        assert!(export.stdout.contains(" A='"), "{export:?}");
        assert_eq!(files_below(&app), [".localnet.env", ".silo.lock", "silo.toml"]);
    }
    if cfg!(target_os = "linux") {
        assert!(sandbox.path("home/.local/state/silo/registry.toml").is_file());
        assert!(sandbox.path("home/.local/share/silo/trust/allow").is_dir());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_state_folder_that_cannot_be_written_is_named_and_trust_still_counts() {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", RANDOM);
    let variables = [("XDG_STATE_HOME", "/proc/self")];
    run_with(&sandbox, &app, &variables, ["env"]).fails_naming(&["/proc/self/silo"]).stdout("");
    let export = run_with(&sandbox, &app, &variables, ["export", "bash"]).goes_on_telling(&["/proc/self/silo"]);
    assert!(!export.stdout.contains("export "), "{export:?}");
    assert_eq!(files_below(&app), ["silo.toml"]);
    run_with(&sandbox, &app, &variables, ["profiles"]).success();
}

#[cfg(target_os = "linux")]
#[test]
fn allow_that_cannot_be_recorded_fails() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", RANDOM);
    let variables = [("XDG_DATA_HOME", "/proc/self")];
    for command in ["allow", "deny"] {
        run_with(&sandbox, &app, &variables, [command]).fails_naming(&["/proc/self/silo"]).stdout("");
    }
    run_with(&sandbox, "", &variables, ["init"]).fails_naming(&["/proc/self/silo"]).stdout("");
}

#[test]
fn a_trust_folder_that_is_a_file_is_named_and_nothing_is_trusted_without_a_record() {
    for place in ["trust", "trust/allow", "trust/deny", "trust/last"] {
        let sandbox = Sandbox::new();
        let app = sandbox.project("app", RANDOM);
        let file = sandbox.path("data/silo").join(place);
        fs::create_dir_all(file.parent().expect("it has a folder")).expect("the sandbox is writable");
        fs::write(&file, "").expect("the sandbox is writable");
        let command = if place == "trust/deny" { "deny" } else { "allow" };
        sandbox.run(&app, [command]).fails_naming(&[&format!("$SANDBOX/data/silo/{place}")]);
        let export = sandbox.run(&app, ["export", "bash"]).success();
        // Without `last` the next `silo allow` cannot show what changed; the word itself is recorded by then.
        let recorded = place == "trust/last";
        assert_eq!((export.stdout.contains("export "), export.stderr.contains("`silo allow`")), (recorded, !recorded));
        sandbox.run(&app, ["env"]).success();
        assert_eq!(fs::read(&file).expect("it is there"), b"");
    }
}

#[test]
fn a_record_that_is_half_written_trusts_nothing() {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", RANDOM);
    let allow = sandbox.path("data/silo/trust/allow");
    let record = allow.join(&files_below(&allow)[0]);
    let whole = fs::read(&record).expect("it is there");
    for cut in [0, 1, whole.len() - 1] {
        fs::write(&record, &whole[..cut]).expect("the sandbox is writable");
        let export = sandbox.run(&app, ["export", "bash"]).success();
        assert!(!export.stdout.contains("export "), "{export:?}");
    }
    sandbox.run(&app, ["allow"]).success();
    assert!(sandbox.run(&app, ["export", "bash"]).success().stdout.contains(" A='"));
}

#[test]
fn a_damaged_stamp_is_made_anew() {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", RANDOM);
    sandbox.run(&app, ["env", "x"]).success();
    let instances = sandbox.path("state/silo/instances");
    let stamp = files_below(&instances).into_iter().find(|file| file.ends_with("/stamp")).expect("it was written");
    let stamp = instances.join(stamp);
    let whole = fs::read(&stamp).expect("it was written");
    let text = env_file(&app);
    let evil = String::from_utf8(whole.clone()).expect("it is text").replace("\"x\"", "\"evil\"").into_bytes();
    for damage in [b"".to_vec(), b"garbage".to_vec(), whole[..whole.len() / 2].to_vec(), evil] {
        fs::write(&stamp, damage).expect("the sandbox is writable");
        let export = sandbox.run(&app, ["export", "bash"]).success();
        assert!(export.stdout.contains(" SILO_WORKSPACE='x' "), "{export:?}");
        assert_eq!(fs::read(&stamp).expect("it is there"), whole);
    }
    assert_eq!(env_file(&app), text);
}
