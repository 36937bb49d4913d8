//! `silo doctor` on what the user may not read or enter: it says what keeps it out, and moves nothing.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::machine::{assert_agreed, registry_path};
use crate::users::{Anna, STRANGER, give, is_root, mode};

/// The finding of a kind; the exit code is that of a problem.
#[track_caller]
fn found(anna: &Anna, dir: &Path, fix: bool, id: &str) -> Option<Value> {
    let args = ["doctor", "--json", "--fix"];
    let ran = anna.run(dir, &args[..if fix { 3 } else { 2 }]);
    let all: Vec<Value> = serde_json::from_slice(&ran.bytes).unwrap_or_else(|error| panic!("{error}: {ran:#?}"));
    let one = all.into_iter().find(|one| one["id"] == id)?;
    ran.exit(1);
    Some(one)
}

/// A settled project.
fn settled(anna: &Anna, name: &str) -> std::path::PathBuf {
    let app = anna.project(name, "version = 1\n[ports]\nA = 0\n");
    anna.run(&app, ["env", "x"]).success();
    app
}

#[test]
fn a_lockfile_that_may_not_be_read_stays_where_it_is() {
    let anna = Anna::new();
    let app = settled(&anna, "app");
    let lockfile = app.join(".silo.lock");
    let before = fs::read_to_string(&lockfile).expect("it was written");
    mode(&lockfile, 0);
    for fix in [false, true] {
        let one = found(&anna, &app, fix, "lockfile-unreadable").expect("it is told");
        assert_eq!(one["fixable"], false, "{one:#}");
        assert!(one["what"].as_str().is_some_and(|what| what.contains("Permission denied")), "{one:#}");
        assert_eq!(one["fix"], format!("chmod u+r {}", lockfile.display()));
    }
    assert!(!app.join(".silo.lock.broken").exists());
    let mut shell = anna.command("sh", &app);
    shell.args(["-c", &format!("chmod u+r {}", lockfile.display())]);
    anna.sandbox.finish(shell).success();
    assert_eq!(found(&anna, &app, false, "lockfile-unreadable"), None);
    assert_eq!(fs::read_to_string(&lockfile).expect("it is there"), before);
    assert_agreed(&anna.sandbox, &app);
    // Without root nobody can be given a file.
    if is_root() {
        give(&lockfile, STRANGER);
        mode(&lockfile, 0o600);
        let one = found(&anna, &app, true, "lockfile-unreadable").expect("it is told");
        assert_eq!(one["fix"], format!("ls -ld {}", lockfile.display()));
        assert!(lockfile.exists());
        let registry = registry_path(&anna.sandbox);
        give(&registry, STRANGER);
        let one = found(&anna, &app, true, "registry-owner").expect("it is told");
        assert_eq!(one["fix"], format!("sudo chown \"$(id -u)\" {}", registry.display()));
        assert_eq!(found(&anna, &app, true, "registry-unreadable"), None);
        assert!(registry.exists() && !registry.with_file_name("registry.toml.broken").exists());
    }
}

#[test]
fn a_folder_that_may_not_be_entered_is_named() {
    let anna = Anna::new();
    let app = settled(&anna, "work/app");
    let (work, home) = (anna.sandbox.dir("work"), anna.sandbox.path("home"));
    for closed in [&work, &app] {
        mode(closed, 0);
        let one = found(&anna, &home, true, "root-closed").expect("it is told");
        let what = format!("The folder of `x` is out of reach: `{}` may not be entered", closed.display());
        assert_eq!((one["what"].as_str(), one["place"].as_str()), (Some(what.as_str()), app.to_str()));
        assert_eq!(one["fix"], format!("ls -ld {}", closed.display()));
        assert_eq!(found(&anna, &home, false, "config-invalid"), None);
        mode(closed, 0o755);
    }
    let config = app.join("silo.toml");
    mode(&config, 0);
    let one = found(&anna, &home, false, "config-invalid").expect("it is told");
    assert_eq!(one["fix"], format!("chmod u+r {}", config.display()));
    mode(&config, 0o644);
    assert_eq!(found(&anna, &home, false, "root-closed"), None);
    assert_agreed(&anna.sandbox, &app);
}
