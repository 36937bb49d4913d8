//! Folders that take the place of others that are gone, and those that come back (D4, D5).

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use silo::core::text::digest;

use crate::machine::{assert_agreed, assert_sound, registry};
use crate::sandbox::{Sandbox, free_ports, toml_with_ports};

const RANDOM: &str = "version = 1\n[ports]\nA = 0\nB = 0\n";

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-R").args([from, to]).status().expect("cp starts").success());
}

/// What a shell in the folder gets.
fn exported(sandbox: &Sandbox, dir: &Path) -> Value {
    let ran = sandbox.run(dir, ["export", "json", "--seen", ""]).success();
    serde_json::from_slice(&ran.bytes).expect("it answers in JSON")
}

#[test]
fn a_folder_copied_back_to_where_it_was_moved_from_is_a_copy_for_the_shell_too() {
    let sandbox = Sandbox::new();
    let old = sandbox.trusted("old", RANDOM);
    sandbox.run(&old, ["env", "x"]).success();
    let new = sandbox.dir("new");
    fs::rename(&old, &new).expect("the sandbox is writable");
    sandbox.run(&new, ["env"]).success().stderr_has("Took over `x` from `$SANDBOX/projects/old`, which is gone\n");
    copy(&new, &old);
    let (shell, there) = (exported(&sandbox, &old), sandbox.lockfile_ports(&new));
    assert_ne!(shell["SILO_WORKSPACE"], Value::from("x"));
    assert_ne!(shell["A"], Value::from(there["A"].to_string()));
    assert_sound(&registry(&sandbox));
    assert_agreed(&sandbox, &old);
    assert_agreed(&sandbox, &new);
}

#[test]
fn a_folder_put_back_after_its_name_was_taken_gets_another_for_the_shell_too() {
    let sandbox = Sandbox::new();
    let [old, other] = ["old", "other"].map(|name| sandbox.trusted(name, RANDOM));
    sandbox.run(&old, ["env", "x"]).success();
    let aside = sandbox.dir("aside");
    fs::rename(&old, &aside).expect("the sandbox is writable");
    sandbox.run(&other, ["env", "x"]).success();
    fs::rename(&aside, &old).expect("the sandbox is writable");
    assert_ne!(exported(&sandbox, &old)["SILO_WORKSPACE"], Value::from("x"));
    assert_sound(&registry(&sandbox));
    assert_agreed(&sandbox, &old);
    assert_agreed(&sandbox, &other);
}

#[test]
fn a_moved_folder_that_takes_the_name_of_another_gone_one_leaves_neither_behind() {
    let sandbox = Sandbox::new();
    let [old, other] = ["old", "other"].map(|name| sandbox.project(name, RANDOM));
    sandbox.run(&old, ["env", "x"]).success();
    sandbox.run(&other, ["env", "y"]).success();
    let ports = sandbox.lockfile_ports(&old);
    fs::remove_dir_all(&other).expect("it was made");
    let new = sandbox.dir("new");
    fs::rename(&old, &new).expect("the sandbox is writable");
    sandbox.run(&new, ["env", "y"]).success();
    let leases = registry(&sandbox);
    assert_sound(&leases);
    assert_eq!(leases.instances.len(), 1, "{leases:#?}");
    assert_agreed(&sandbox, &new);
    assert_eq!(sandbox.lockfile_ports(&new), ports);
}

#[test]
fn a_folder_moved_to_where_a_gone_instance_was_keeps_its_own_ports() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let [old, new] = ["old", "new"].map(|name| sandbox.project(name, &toml_with_ports(&[("WEB_PORT", web)])));
    sandbox.run(&old, ["env", "x"]).success();
    sandbox.run(&new, ["env", "y"]).success();
    fs::remove_dir_all(&new).expect("it was made");
    fs::rename(&old, &new).expect("the sandbox is writable");
    sandbox.run(&new, ["env"]).success().stderr_has("Took over `x` from `$SANDBOX/projects/old`, which is gone\n");
    assert_eq!((sandbox.instance(&new), sandbox.lockfile_ports(&new)["WEB_PORT"]), ("x".into(), web));
    assert_eq!(registry(&sandbox).instances.len(), 1);
    assert_agreed(&sandbox, &new);
}

#[test]
fn a_root_on_an_unmounted_disk_keeps_its_name_and_ports() {
    let sandbox = Sandbox::new();
    let [away, other] = ["away", "other"].map(|name| sandbox.project(name, RANDOM));
    sandbox.run(&away, ["env", "x"]).success();
    let id = digest::root_id(away.to_str().expect("it is UTF-8").as_bytes());
    let history = sandbox.path(format!("state/silo/instances/{id}/history"));
    let mut told: Value = serde_json::from_slice(&fs::read(&history).expect("it was written")).expect("it is JSON");
    told["mount"] = sandbox.path("projects").to_str().into();
    fs::write(&history, told.to_string()).expect("the sandbox is writable");
    let copy = sandbox.dir("copy");
    fs::rename(&away, &copy).expect("the sandbox is writable");
    let before = registry(&sandbox);
    sandbox.run(&other, ["env", "x"]).fails_naming(&["The name `x` belongs to `$SANDBOX/projects/away`"]);
    sandbox.run(&copy, ["status"]).success().stdout("No active instance. Run `silo env` to make one.\n");
    sandbox.run(&copy, ["env"]).success();
    assert_ne!(sandbox.instance(&copy), "x");
    let after = registry(&sandbox);
    assert_sound(&after);
    assert_eq!(after.instances[0], before.instances[0]);
}
