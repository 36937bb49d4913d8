//! The registry under load, under a held lock, and damaged (D1, D2).

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use silo::core::leases::{Instance, Leases};

use crate::machine::{assert_agreed, assert_sound, files_below, hold_registry, registry, registry_path};
use crate::sandbox::{SILO, Sandbox, free_ports, toml_with_ports};

const RANDOM: &str = "version = 1\n[ports]\nA = 0\n";

#[test]
fn sixty_four_first_runs_at_once_share_no_port() {
    let sandbox = Sandbox::new();
    let [web, api] = free_ports();
    let toml = toml_with_ports(&[("WEB_PORT", web), ("API_PORT", api), ("OTHER_PORT", 0)]);
    let clones: Vec<PathBuf> = (0..64).map(|n| sandbox.project(format!("clone-{n}"), &toml)).collect();
    let spawn = |dir: &PathBuf| {
        let mut silo = sandbox.command(SILO, dir);
        silo.arg("env").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("silo starts")
    };
    let running: Vec<_> = clones.iter().map(spawn).collect();
    for child in running {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let leases = registry(&sandbox);
    assert_eq!(leases.instances.len(), 64);
    assert_sound(&leases);
    let mut expected = vec!["registry.lock".to_owned(), "registry.toml".to_owned()];
    let files = |instance: &Instance| {
        let folder = format!("instances/{}", instance.id);
        let stamp = fs::read_link(sandbox.path(format!("state/silo/{folder}/stamp"))).expect("it is a link");
        ["history", "lockfile-time", "routes", "stamp", stamp.to_str().expect("it is text")]
            .map(|file| format!("{folder}/{file}"))
    };
    expected.extend(leases.instances.iter().flat_map(files));
    expected.sort();
    assert_eq!(files_below(&sandbox.path("state/silo")), expected);
    for clone in &clones {
        assert_eq!(files_below(clone), [".localnet.env", ".silo.lock", "silo.toml"]);
        assert_agreed(&sandbox, clone);
    }
    let took = |port: u16| leases.instances.iter().filter(|one| one.ports.values().any(|held| *held == port)).count();
    assert_eq!((took(web), took(api)), (1, 1), "somebody got each default");
}

#[test]
fn many_runs_in_one_project_settle_one_instance() {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", RANDOM);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| sandbox.run(&app, ["env"]).success());
            scope.spawn(|| sandbox.run(&app, ["export", "bash"]).success());
        }
    });
    assert_eq!(registry(&sandbox).instances.len(), 1);
    assert_agreed(&sandbox, &app);
}

#[test]
fn a_command_waits_for_the_registry_and_says_who_has_it() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", RANDOM);
    let lock = hold_registry(&sandbox);
    let mut silo = sandbox.command(SILO, &app);
    let mut child = silo.args(["env", "x"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("silo starts");
    let mut told = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut line = String::new();
    told.read_line(&mut line).expect("it tells");
    assert_eq!(line, format!("Waiting for the registry, held by process {}\n", std::process::id()));
    assert!(!app.join(".silo.lock").exists());
    drop(lock);
    let mut rest = String::new();
    told.read_to_string(&mut rest).expect("it tells");
    assert_eq!(rest, "Writing `.localnet.env`\nWriting `.silo.lock`\n");
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn a_prompt_waits_two_seconds_and_asks_again_at_the_next() {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", RANDOM);
    let lock = hold_registry(&sandbox);
    let started = Instant::now();
    let ran = sandbox.run(&app, ["export", "bash"]).success();
    let waited = started.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_secs(20)).contains(&waited), "{waited:?}");
    let pid = std::process::id();
    assert_eq!(
        ran.stderr,
        format!(
            "Error: The registry is busy, held by process {pid}\n\
             Hint: See who has it: `fuser -v $SANDBOX/state/silo/registry.lock`\n\
             silo: this is tried again at the next prompt\n"
        )
    );
    assert!(ran.stdout.contains("__silo_gen='again'") && !ran.stdout.contains("export"), "{ran:#?}");
    assert!(!app.join(".silo.lock").exists());
    drop(lock);
    assert!(sandbox.run(&app, ["export", "bash"]).success().stdout.contains(" A='"));
}

#[test]
fn a_prompt_in_a_settled_project_needs_no_lock() {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", RANDOM);
    sandbox.run(&app, ["env", "x"]).success();
    let _lock = hold_registry(&sandbox);
    let port = sandbox.lockfile_ports(&app)["A"];
    let ran = sandbox.run(&app, ["export", "bash", "--seen", ""]).success().stderr(&format!("silo: x · A={port}\n"));
    assert!(ran.stdout.contains(&format!(" A='{port}'")), "{ran:#?}");
    for args in [&["status"][..], &["profiles"], &["allow"], &["deny"]] {
        sandbox.run(&app, args).success();
    }
}

/// Every command fails with this, the hook says it and goes on, and the registry stays as it was.
#[track_caller]
fn refused(sandbox: &Sandbox, parts: &[&str]) {
    let app = sandbox.trusted("app", RANDOM);
    let path = registry_path(sandbox);
    // A link to /dev/zero would never be read to its end.
    let content = || path.is_file().then(|| fs::read(&path).expect("it is readable"));
    let before = content();
    for args in [&["env"][..], &["env", "x", "--force"], &["exec", "true"], &["status"]] {
        sandbox.run(&app, args).fails_naming(parts).stdout("");
    }
    let export = sandbox.run(&app, ["export", "bash"]).goes_on_telling(parts);
    assert!(!export.stdout.contains("export "), "{export:#?}");
    assert_eq!(content(), before);
    assert_eq!(files_below(&app), ["silo.toml"]);
}

#[test]
fn a_damaged_registry_is_named_with_a_way_out_and_left_alone() {
    for damage in [&b"version = 1\n[[instance]]\nid = "[..], b"\xff\xfe", b"{}", b"version = \"1\"\n", b"\0\0\0\0"] {
        let sandbox = Sandbox::new();
        fs::create_dir(sandbox.path("state/silo")).expect("the sandbox is writable");
        fs::write(registry_path(&sandbox), damage).expect("the sandbox is writable");
        let path = "$SANDBOX/state/silo/registry.toml";
        refused(&sandbox, &[&format!("Cannot read the registry `{path}`"), "`silo doctor --fix`"]);
    }
}

#[test]
fn a_registry_that_is_gone_is_made_again_from_the_lockfiles_of_all_known_roots() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let projects = ["one", "two", "three"].map(|name| sandbox.project(name, &toml_with_ports(&[("WEB_PORT", web)])));
    for project in &projects {
        sandbox.run(project, ["env"]).success();
    }
    let before = registry(&sandbox);
    fs::remove_file(registry_path(&sandbox)).expect("it was there");
    let newcomer = sandbox.project("four", &toml_with_ports(&[("WEB_PORT", web)]));
    sandbox
        .run(&newcomer, ["env"])
        .success()
        .stderr_has("The registry was gone; made again from lockfiles: 3 instances\n");
    let after = registry(&sandbox);
    assert_sound(&after);
    for instance in &before.instances {
        assert_eq!(
            after.at(&instance.root).map(|one| (&one.name, &one.ports)),
            Some((&instance.name, &instance.ports))
        );
    }
    for project in &projects {
        assert_agreed(&sandbox, project);
    }
}

#[test]
fn a_registry_of_a_newer_silo_is_not_touched() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("state/silo")).expect("the sandbox is writable");
    fs::write(registry_path(&sandbox), "version = 3\nsilo = \"9.1.0\"\n[routes]\n").expect("the sandbox is writable");
    refused(
        &sandbox,
        &[
            "Cannot read the registry `$SANDBOX/state/silo/registry.toml`: its version is 3, written by silo 9.1.0, and this silo (0.1.0) reads version 2",
            "Install the newer silo again: `silo doc install` says how",
        ],
    );
}

/// As silo 0.1.0 wrote it before there were subnets.
const OF_VERSION_1: &str = r#"# silo's registry: every instance of this user and the ports it holds. Written by silo; see `silo doctor`.
digest = "34b61877c37e9c82"
version = 1

[[instance]]
id = "f9852f0164a82439"
root = "/home/user/src/app"
name = "feature-x"
prefix = "localnet"
profile = "e2e"
slot = 0
folder = 1016225
created = "2026-01-15T10:30:47Z"
changed = "2026-01-15T10:30:47Z"

[instance.ports]
WEB_PORT = 62875
RTC_PORT = 50000

[instance.blocks]
RTC_PORT = 3

[[instance]]
id = "6fb73aa4ce662baa"
root = "/home/user/src/other"
name = "other-1qxn"
prefix = "localnet"
folder = 1016241
created = "2026-01-15T10:30:48Z"
changed = "2026-01-15T10:30:48Z"

[instance.ports]
A = 61636
"#;

#[test]
fn a_registry_of_version_1_is_kept_whole_and_written_anew_with_the_next_change() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("state/silo")).expect("the sandbox is writable");
    let path = registry_path(&sandbox);
    fs::write(&path, OF_VERSION_1).expect("the sandbox is writable");
    sandbox.run("", ["list"]).success();
    assert_eq!(fs::read_to_string(&path).expect("it is there"), OF_VERSION_1, "to look writes nothing");

    let app = sandbox.project("app", "version = 1\n[ports]\nRTC_PORT = { default = 50000, count = 3 }\n");
    sandbox.run(&app, ["env", "fresh"]).success();
    let text = fs::read_to_string(&path).expect("it is there");
    assert!(text.contains("\nversion = 2\nsilo = \"0.1.0\"\n"), "{text}");
    let before = OF_VERSION_1.split_once("[[instance]]").expect("it has some").1;
    assert!(text.contains(before.trim_end()), "nothing of it is lost or changed: {text}");
    assert_ne!(sandbox.lockfile_ports(&app)["RTC_PORT"], 50000, "a block of it is nobody else's");
    assert_sound(&registry(&sandbox));
}

#[test]
fn a_registry_that_cannot_be_read_is_named() {
    let place = |sandbox: &Sandbox| {
        fs::create_dir(sandbox.path("state/silo")).expect("the sandbox is writable");
        registry_path(sandbox)
    };
    let sandbox = Sandbox::new();
    fs::create_dir(place(&sandbox)).expect("the sandbox is writable");
    refused(&sandbox, &["`$SANDBOX/state/silo/registry.toml`", "not a plain file"]);
    let sandbox = Sandbox::new();
    std::os::unix::fs::symlink("registry.toml", place(&sandbox)).expect("the sandbox is writable");
    refused(&sandbox, &["`$SANDBOX/state/silo/registry.toml`"]);
    let sandbox = Sandbox::new();
    std::os::unix::fs::symlink("/dev/zero", place(&sandbox)).expect("the sandbox is writable");
    refused(&sandbox, &["`$SANDBOX/state/silo/registry.toml`", "not a plain file"]);
}

#[test]
fn a_lock_that_is_a_folder_is_named() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("state/silo/registry.lock")).expect("the sandbox is writable");
    let app = sandbox.trusted("app", RANDOM);
    sandbox.run(&app, ["env"]).fails_naming(&["$SANDBOX/state/silo/registry.lock"]);
    sandbox.run(&app, ["export", "fish"]).goes_on_telling(&["$SANDBOX/state/silo/registry.lock"]);
}

#[test]
fn a_full_range_says_how_many_leases_there_are_and_names_prune() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", RANDOM);
    let ports = (49152..=u16::MAX).map(|port| (format!("P{port}"), port)).collect();
    let holder =
        Instance { root: "/".into(), name: "all".into(), prefix: "localnet".into(), ports, ..Instance::default() };
    fs::create_dir(sandbox.path("state/silo")).expect("the sandbox is writable");
    let leases = Leases::of(vec![holder]);
    fs::write(registry_path(&sandbox), leases.render()).expect("the sandbox is writable");
    sandbox.run(&app, ["env"]).exit(1).stdout("").stderr(
        "Error: No port is left for `A`: other instances hold 16384 leases\n\
         Hint: Run `silo prune` to free the leases of projects that are gone\n",
    );
    assert_eq!(registry(&sandbox), leases);
}
