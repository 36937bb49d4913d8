//! `sudo silo`: root writes nothing into another user's home, where that user could not write any more; at home, and in a
//! container with a home somebody else made, root is a user like any other. Without root, sudo's variables say nothing.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;
use std::process::Command;

use crate::machine::{assert_agreed, files_below};
use crate::pty::{Session, Setup, Shell, each_shell};
use crate::sandbox::{Ran, SILO, free_ports, program, toml_with_ports};
use crate::tools::Tools;
use crate::users::{ANNA, Anna, give, is_root, owned};

each_shell!(a_shell_of_roots_in_another_users_home_is_told_once);

const RANDOM: &str = "version = 1\n[ports]\nA = 0\n[gates]\npsql = \"tilt\"\n";
const REFUSED: &str = "As root, silo does not write into the home of another user: `$SANDBOX/";

/// silo as `sudo silo` runs it where `HOME` is kept: by whoever runs the tests, for Anna.
fn sudo(anna: &Anna, dir: &Path, args: &[&str]) -> Ran {
    anna.sandbox.finish(sudo_command(anna, SILO, dir, args))
}

fn sudo_command(anna: &Anna, program: impl AsRef<OsStr>, dir: &Path, args: &[&str]) -> Command {
    let mut silo = anna.sandbox.command(program, dir);
    silo.args(args).env("SUDO_UID", ANNA.to_string()).env("SUDO_USER", "anna");
    silo
}

fn everything(anna: &Anna) -> Vec<(String, u32, u32, String)> {
    let all = ["home", "state", "data", "projects"].map(|folder| owned(&anna.sandbox.path(folder))).concat();
    // It holds the last pid.
    all.into_iter().filter(|(name, ..)| !name.ends_with("registry.lock")).collect()
}

const WRITING: [&[&str]; 13] = [
    &["env"],
    &["env", "y", "--force"],
    &["allow"],
    &["deny"],
    &["up"],
    &["down", "--clean"],
    &["exec", "true"],
    &["init", "--tilt"],
    &["export", "dotenv"],
    &["export", "systemd"],
    &["prune", "--yes"],
    &["doctor", "--fix"],
    &["hook", "bash", "--install", "--yes"],
];

#[test]
fn what_writes_is_refused_and_what_looks_works() {
    let anna = Anna::new();
    let app = anna.project("app", RANDOM);
    anna.run(&app, ["allow"]).success();
    anna.run(&app, ["env", "x"]).success();
    let before = everything(&anna);
    for args in WRITING.iter().filter(|_| is_root()) {
        sudo(&anna, &app, args).fails_naming(&[REFUSED, "belongs to user 54321", "`sudo -H silo`"]).stdout("");
    }
    let status = sudo(&anna, &app, &["status"]).success();
    assert!(status.stdout.contains("Instance: x"), "{status:#?}");
    for args in [&["profiles"][..], &["version"], &["hook", "bash"]] {
        sudo(&anna, &app, args).success();
    }
    sudo(&anna, &app, &["require"]).exit(4);
    sudo(&anna, &app, &["logs"]).exit(1).stderr_has("Nothing that logs runs here");
    sudo(&anna, &app, &["wait"]).exit(1).stderr_has("No Tilt runs here");
    assert_eq!(everything(&anna), before);
    if !is_root() {
        sudo(&anna, &app, &["env"]).success().stderr("");
        assert_eq!(everything(&anna), before);
    }
}

#[test]
fn a_home_silo_has_never_been_in_stays_empty() {
    let anna = Anna::new();
    let app = anna.project("app", RANDOM);
    for args in [["env"], ["allow"], ["init"]] {
        let mut silo = sudo_command(&anna, SILO, &app, &args);
        silo.env_remove("XDG_STATE_HOME").env_remove("XDG_DATA_HOME");
        let ran = anna.sandbox.finish(silo);
        if is_root() {
            ran.fails_naming(&[REFUSED, "/home` belongs to user 54321"]);
        }
    }
    assert_eq!(is_root(), files_below(&anna.sandbox.path("home")).is_empty());
}

#[test]
fn a_gate_of_another_users_runs_the_tool_and_brings_up_nothing() {
    let anna = Anna::new();
    let tools = Tools::install(&anna.sandbox, &["tilt"]);
    let app = anna.project("app", RANDOM);
    program(&anna.sandbox.path("bin/psql"), "#!/bin/sh\necho the tool\n");
    anna.run(&app, ["allow"]).success();
    anna.run(&app, ["env", "x"]).success();
    let instances = anna.sandbox.path("state/silo/instances");
    let gate = files_below(&instances).into_iter().find(|file| file.ends_with("/psql")).expect("it has a gate");
    if is_root() {
        let before = everything(&anna);
        let mut psql = sudo_command(&anna, instances.join(gate), &app, &[]);
        psql.env("SILO_ROOT", &app);
        anna.sandbox.finish(psql).success().stdout("the tool\n").stderr_has(&format!("Warning: {REFUSED}"));
        assert_eq!(everything(&anna), before);
    }
    assert_eq!(tools.calls(), [""; 0]);
}

fn a_shell_of_roots_in_another_users_home_is_told_once(shell: Shell) {
    let anna = Anna::new();
    let [web] = free_ports();
    let app = anna.project("app", &toml_with_ports(&[("WEB_PORT", web)]));
    anna.run(&app, ["allow"]).success();
    anna.run(&app, ["env", "x"]).success();
    let uid = ANNA.to_string();
    let env = [("SUDO_UID", OsStr::new(&uid))];
    let mut session = Session::with(&anna.sandbox, shell, "", &Setup { env: &env, ..Setup::default() });
    let silos = || ["state/silo", "data/silo", "projects/app"].map(|folder| owned(&anna.sandbox.path(folder)));
    let before = silos();
    if is_root() && shell == Shell::TCSH {
        // Its hook is a file in the state folder, and is refused already when it is loaded.
        assert!(session.run("cd app").told.contains("does not write into the home of another user"));
        assert_eq!(silos(), before);
        return;
    }
    let inside = session.run("cd app");
    if is_root() {
        assert!(inside.told.contains("does not write into the home of another user"), "{:?}", inside.told);
        assert!(inside.told.contains("silo: no instance is active here"), "{:?}", inside.told);
        inside.assert_inactive();
    } else {
        inside.assert_active(&anna.sandbox, &app);
    }
    assert_eq!(session.run(":").told, "");
    assert_eq!(session.run("cd ..").told.is_empty(), is_root());
    assert_eq!(silos(), before);
}

#[test]
fn root_at_home_is_a_user_like_any_other() {
    // `sudo -H`, and a home below /home that is root's own: whoever runs the tests owns this one.
    let anna = Anna::new();
    for folder in ["home", "state", "data"].iter().filter(|_| is_root()) {
        chown(anna.sandbox.path(folder), Some(0), Some(0)).expect("root may");
    }
    let app = anna.sandbox.project("app", RANDOM);
    sudo(&anna, &app, &["allow"]).success();
    sudo(&anna, &app, &["env", "x"]).success();
    assert!(sudo(&anna, &app, &["export", "bash"]).success().stdout.contains(" A='"));
    assert_agreed(&anna.sandbox, &app);
}

#[test]
fn a_containers_root_works_in_a_mounted_home_and_project_and_leaves_the_project_to_its_owner() {
    // No sudo: home and project are there from outside, and belong to whoever runs the container.
    let anna = Anna::new();
    let app = anna.project("app", RANDOM);
    let run = |args: &[&str]| anna.sandbox.run(&app, args);
    run(&["allow"]).success();
    run(&["env", "x"]).success();
    run(&["env", "y", "--force"]).success();
    assert_agreed(&anna.sandbox, &app);
    let owner = fs::metadata(&app).expect("it is there").uid();
    assert!(owned(&app).iter().all(|(_, uid, ..)| *uid == owner), "{:#?}", owned(&app));
    let herself = rustix::process::geteuid().as_raw();
    assert!(owned(&anna.sandbox.path("state")).iter().all(|(_, uid, ..)| *uid == herself));

    // Outside she has a home of her own, and the same project with the same name and ports.
    let ports = anna.sandbox.lockfile_ports(&app);
    for folder in ["state", "data"] {
        fs::remove_dir_all(anna.sandbox.path(folder)).expect("it is there");
        fs::create_dir(anna.sandbox.path(folder)).expect("the sandbox is writable");
        if is_root() {
            give(&anna.sandbox.path(folder), ANNA);
        }
    }
    anna.run(&app, ["env"]).success();
    assert_eq!((anna.sandbox.instance(&app), anna.sandbox.lockfile_ports(&app)), ("y".to_owned(), ports));

    // What she has in the state folder now is hers: root leaves it alone, sudo or not.
    if is_root() {
        let before = everything(&anna);
        run(&["env", "z"]).fails_naming(&[REFUSED, "/state/silo` belongs to user 54321"]);
        assert_eq!(everything(&anna), before);
    }
}
