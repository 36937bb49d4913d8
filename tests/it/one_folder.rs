//! One folder under two paths, as `mount --bind` makes them, is one root with one instance.

use std::fs;
use std::path::Path;

use crate::machine::{assert_agreed, assert_sound, registry};
use crate::sandbox::{Ran, Sandbox, free_ports, toml_with_ports};

/// Runs a script where the project `a` is mounted at `b` too. Who is not root may mount in a user namespace of their own.
fn mounted(sandbox: &Sandbox, script: &str) -> Ran {
    fs::create_dir_all(sandbox.dir("b")).expect("the sandbox is writable");
    let mut command = sandbox.command("unshare", "");
    command.arg(if rustix::process::geteuid().is_root() { "-m" } else { "-rm" });
    command.args(["sh", "-ec", &format!("mount --bind a b\n{script}")]);
    sandbox.finish(command)
}

const TOLD: &str = "`$SANDBOX/projects/b` is `$SANDBOX/projects/a` under another path: one folder, one instance\n";

fn assert_one(sandbox: &Sandbox, name: &str, dir: &Path) {
    let leases = registry(sandbox);
    assert_sound(&leases);
    assert_eq!(leases.instances.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), [name], "{leases:#?}");
    assert_agreed(sandbox, dir);
}

#[test]
fn a_bind_mount_has_the_instance_of_the_folder_and_says_so() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let a = sandbox.trusted("a", &toml_with_ports(&[("WEB_PORT", web), ("API_PORT", 0)]));
    sandbox.run(&a, ["env", "x"]).success();
    let before = fs::read(a.join(".silo.lock")).expect("it was written");
    let ran = mounted(&sandbox, "cd b; silo env; silo exec -- printenv SILO_ROOT; silo status | grep Root").success();
    assert!(ran.stdout.starts_with("Instance: x\n") && ran.stdout.contains(&format!("WEB_PORT: {web}\n")), "{ran:#?}");
    assert!(ran.stdout.ends_with("$SANDBOX/projects/a\nRoot: $SANDBOX/projects/a\n"), "{ran:#?}");
    assert_eq!(ran.stderr, TOLD.repeat(3));
    assert_eq!(fs::read(a.join(".silo.lock")).expect("it is still there"), before);
    assert_one(&sandbox, "x", &a);
}

#[test]
fn the_shell_enters_the_instance_by_either_path_and_without_a_lockfile_too() {
    let sandbox = Sandbox::new();
    let a = sandbox.trusted("a", &toml_with_ports(&[("WEB_PORT", 0)]));
    sandbox.run(&a, ["env", "x"]).success();
    let shell = "cd b; silo export json --seen ''";
    let ran = mounted(&sandbox, &format!("{shell}; rm .silo.lock .localnet.env; silo export json --seen ''")).success();
    assert_eq!(ran.stdout.matches("\"SILO_ROOT\": \"$SANDBOX/projects/a\"").count(), 2, "{ran:#?}");
    assert_eq!(ran.stderr.matches(&format!("silo: {TOLD}")).count(), 2, "{ran:#?}");
    assert_one(&sandbox, "x", &a);
}

#[test]
fn the_path_that_came_first_has_the_instance_though_the_other_was_looked_at_before() {
    let sandbox = Sandbox::new();
    let a = sandbox.project("a", &toml_with_ports(&[("WEB_PORT", 0)]));
    // Not trusted yet under either path; then it is under one.
    let script =
        "(cd b && silo export json >/dev/null) || :; (cd a && silo allow && silo env x)\ncd b; silo export json";
    let ran = mounted(&sandbox, script).success();
    assert!(ran.stdout.contains("\"SILO_WORKSPACE\": \"x\""), "{ran:#?}");
    assert_one(&sandbox, "x", &a);
}

#[test]
fn a_copy_of_a_folder_is_another_one() {
    let sandbox = Sandbox::new();
    let a = sandbox.project("a", &toml_with_ports(&[("WEB_PORT", 0)]));
    sandbox.run(&a, ["env", "x"]).success();
    let ran = mounted(&sandbox, "cp -R a c; cd c; silo env").success();
    assert!(!ran.stdout.starts_with("Instance: x\n"), "{ran:#?}");
    assert_eq!(registry(&sandbox).instances.len(), 2);
    assert_agreed(&sandbox, &a);
}
