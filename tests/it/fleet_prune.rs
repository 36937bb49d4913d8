//! `silo prune`: what is gone is released, and what is not is kept.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use silo::core::text::digest;

use crate::machine::{assert_agreed, files_below, hold_registry, registry};
use crate::pty::{Session, Shell};
use crate::sandbox::{SILO, Sandbox, free_ports, toml_with_ports};
use crate::tools::Tools;

pub(crate) const RANDOM: &str = "version = 1\n[ports]\nA = 0\nB = 0\n";

/// Instances named like their folders.
pub(crate) fn instances<const N: usize>(sandbox: &Sandbox, names: [&str; N]) -> [PathBuf; N] {
    names.map(|name| {
        let dir = sandbox.project(name, RANDOM);
        sandbox.run(&dir, ["env", name]).success();
        dir
    })
}

pub(crate) fn names(sandbox: &Sandbox) -> Vec<String> {
    registry(sandbox).instances.into_iter().map(|instance| instance.name).collect()
}

pub(crate) fn remove(dir: &PathBuf) {
    fs::remove_dir_all(dir).expect("it was made");
}

#[test]
fn the_leases_of_gone_roots_are_freed_and_no_others() {
    let sandbox = Sandbox::new();
    let _docker = Tools::install(&sandbox, &["docker"]);
    let [gone, stays] = instances(&sandbox, ["gone", "stays"]);
    sandbox.run("", ["prune", "--yes"]).success().stdout("Nothing to prune\n").stderr("");
    let ports: Vec<u16> = sandbox.lockfile_ports(&gone).values().copied().collect();
    remove(&gone);
    let plan = format!("gone: $SANDBOX/projects/gone is gone; frees {} {}\n", ports[0], ports[1]);
    sandbox.run("", ["prune", "--dry-run"]).success().stdout(&plan).stderr("");
    assert_eq!(names(&sandbox), ["gone", "stays"]);
    let refused = sandbox.run("", ["prune"]).exit(2).stdout(&plan);
    assert!(refused.stderr.contains("there is no terminal to ask on") && refused.stderr.contains("`silo prune --yes`"));
    assert_eq!(names(&sandbox), ["gone", "stays"]);
    sandbox.run("", ["prune", "--yes"]).success().stdout(&plan).stderr("Freed 2 ports\n");
    assert_eq!(names(&sandbox), ["stays"]);
    assert_agreed(&sandbox, &stays);
    let id = digest::root_id(stays.to_str().expect("it is UTF-8").as_bytes());
    let left = files_below(&sandbox.path("state/silo/instances"));
    assert!(left.iter().all(|file| file.starts_with(&id)), "{left:?}");
    let wanted: Vec<String> = ports.iter().enumerate().map(|(n, port)| format!("P{n} = {port}\n")).collect();
    let wanted = wanted.concat();
    let next = sandbox.project("next", &format!("version = 1\n[ports]\n{wanted}"));
    sandbox.run(&next, ["env", "next"]).success();
    let next: Vec<u16> = sandbox.lockfile_ports(&next).values().copied().collect();
    assert_eq!(next, ports, "what was freed is handed out again");
}

#[test]
fn a_server_that_was_left_running_is_named_with_what_ends_it() {
    let sandbox = Sandbox::new();
    let _docker = Tools::install(&sandbox, &["docker"]);
    let [a, b, c, d] = free_ports();
    let [gone, stays] = [("gone", [a, b]), ("stays", [c, d])].map(|(name, [a, b])| {
        let dir = sandbox.project(name, &toml_with_ports(&[("A", a), ("B", b)]));
        sandbox.run(&dir, ["env", name]).success();
        dir
    });
    let serve = "import os, socket\n\
                 held = [socket.create_server((\"127.0.0.1\", int(os.environ[name]))) for name in \"AB\"]\n\
                 print(\"up\", flush=True)\ninput()";
    let server = |dir: &PathBuf| {
        let mut command = sandbox.command(SILO, dir);
        command.args(["exec", "--", "python3", "-c", serve]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = command.spawn().expect("silo starts");
        let mut line = String::new();
        BufReader::new(server.stdout.as_mut().expect("it is piped")).read_line(&mut line).expect("it can be read");
        assert_eq!(line, "up\n");
        server
    };
    let mut servers = [server(&gone), server(&stays)];
    let pid = servers[0].id();
    remove(&gone);
    let left = format!("(pid {pid}) still listens on {a} {b}; `kill {pid}` ends it\n");
    let ran = sandbox.run("", ["prune", "--dry-run"]).success();
    assert!(ran.stderr.starts_with("gone: `python") && ran.stderr.ends_with(&left), "{ran:#?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:#?}");
    for server in &mut servers {
        server.kill().expect("it runs");
        server.wait().expect("it has ended");
    }
    sandbox.run("", ["prune", "--yes"]).success().stderr("Freed 2 ports\n");
}

#[test]
fn on_a_terminal_it_asks_and_no_is_no() {
    let sandbox = Sandbox::new();
    let [gone] = instances(&sandbox, ["gone"]);
    remove(&gone);
    let mut shell = Session::start(&sandbox, Shell::BASH, sandbox.dir(""));
    let no = shell.run("silo prune\nn");
    assert_eq!(no.status, "1", "{no:?}");
    assert_eq!(names(&sandbox), ["gone"]);
    let yes = shell.run("silo prune\ny");
    assert_eq!(yes.status, "0", "{yes:?}");
    assert_eq!(names(&sandbox), [""; 0]);
}

#[test]
fn a_root_on_an_unmounted_disk_is_said_and_kept_until_it_is_named() {
    let sandbox = Sandbox::new();
    let [away, stays] = instances(&sandbox, ["away", "stays"]);
    let id = digest::root_id(away.to_str().expect("it is UTF-8").as_bytes());
    let history = sandbox.path(format!("state/silo/instances/{id}/history"));
    let mut told: Value = serde_json::from_slice(&fs::read(&history).expect("it was written")).expect("it is JSON");
    let mounted = told["mount"].as_str().expect("every folder is on some disk").to_owned();
    assert!(away.starts_with(mounted));
    told["mount"] = json!(sandbox.path("disk"));
    fs::write(&history, told.to_string()).expect("the sandbox is writable");
    remove(&away);
    sandbox.run("", ["prune", "--yes"]).success().stdout("Nothing to prune\n").stderr(
        "Kept: `away` in `$SANDBOX/projects/away`, for its disk is not mounted at `$SANDBOX/disk`. \
         When that disk is gone for good: `silo prune away`\n",
    );
    assert_eq!(names(&sandbox), ["away", "stays"]);
    let refused = sandbox.run("", ["prune", "--yes", "away", "stays"]).exit(1);
    assert!(refused.stderr.contains("`stays` is not gone: its folder is `$SANDBOX/projects/stays`"), "{refused:#?}");
    // Another disk at the same place is not the one it was on.
    let system = if cfg!(target_os = "linux") { "/proc" } else { "/dev" };
    for (disk, kept) in [(json!("another"), true), (Value::Null, false)] {
        (told["mount"], told["disk"]) = (json!(system), disk);
        fs::write(&history, told.to_string()).expect("the sandbox is writable");
        let ran = sandbox.run("", ["prune", "--dry-run"]).success();
        assert_eq!(ran.stderr.contains(&format!("its disk is not mounted at `{system}`")), kept, "{ran:#?}");
        assert_eq!(ran.stdout.starts_with("away: "), !kept, "{ran:#?}");
    }
    (told["mount"], told["disk"]) = (json!(sandbox.path("disk")), Value::Null);
    fs::write(&history, told.to_string()).expect("the sandbox is writable");
    sandbox.run("", ["prune", "--yes", "localnet-away"]).success();
    assert_eq!(names(&sandbox), ["stays"]);
    assert_agreed(&sandbox, &stays);
    sandbox.run("", ["prune", "--yes", "awya"]).exit(1).stderr_has("No instance is named `awya`");
}

#[test]
fn two_at_once_both_end_well() {
    let sandbox = Sandbox::new();
    let [gone, _stays] = instances(&sandbox, ["gone", "stays"]);
    remove(&gone);
    let lock = hold_registry(&sandbox);
    let both = [(); 2].map(|()| {
        let mut prune = sandbox.command(SILO, "");
        prune.args(["prune", "--yes"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut prune = prune.spawn().expect("silo starts");
        let mut told = BufReader::new(prune.stderr.take().expect("it is piped")).lines().map(Result::unwrap_or_default);
        let waits = told.next().expect("it tells");
        assert!(waits.starts_with("Waiting for the registry"), "{waits}");
        (prune, told)
    });
    drop(lock);
    let mut told: Vec<String> = Vec::new();
    for (mut prune, rest) in both {
        told.extend(rest);
        assert!(prune.wait().expect("it ends").success(), "{told:?}");
    }
    told.sort();
    assert_eq!(told, ["Freed 0 ports", "Freed 2 ports"]);
    assert_eq!(names(&sandbox), ["stays"]);
}

#[test]
fn one_that_is_being_started_is_named_and_kept() {
    let sandbox = Sandbox::new();
    let _docker = Tools::install(&sandbox, &["docker"]);
    let [gone, other] = instances(&sandbox, ["gone", "other"]);
    let id = digest::root_id(gone.to_str().expect("it is UTF-8").as_bytes());
    let lock = File::create(sandbox.path(format!("state/silo/instances/{id}/up.lock"))).expect("its folder is there");
    lock.lock().expect("nobody else has it");
    remove(&gone);
    remove(&other);
    sandbox
        .run("", ["prune", "--yes"])
        .exit(1)
        .stderr("Freed 2 ports\nError: `$SANDBOX/projects/gone` is being started\n");
    assert_eq!(names(&sandbox), ["gone"]);
    drop(lock);
    sandbox.run("", ["prune", "--yes"]).success();
    assert_eq!(files_below(&sandbox.path("state/silo/instances")), [""; 0]);
}
