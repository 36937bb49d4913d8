//! Lockfiles that are damaged, or that a stranger wrote (D5).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::machine::{assert_agreed, assert_sound, env_file, files_below, registry, value_in};
use crate::sandbox::{Sandbox, free_ports, toml_with_ports};

const RANDOM: &str = "version = 1\n[ports]\nA = 0\n";

/// A trusted project with an instance, its lockfile replaced by what `replace` makes.
fn damaged(sandbox: &Sandbox, replace: impl FnOnce(&Path)) -> PathBuf {
    let app = sandbox.trusted("app", RANDOM);
    sandbox.run(&app, ["env", "mine"]).success();
    let lockfile = app.join(".silo.lock");
    fs::remove_file(&lockfile).expect("it was written");
    replace(&lockfile);
    app
}

/// Every command names the lockfile and a way out, the hook goes on, and nothing is lost.
#[track_caller]
fn refused(sandbox: &Sandbox, app: &Path) {
    let before = (registry(sandbox), env_file(app), files_below(app));
    let part = ["`$SANDBOX/projects/app/.silo.lock`"];
    for args in [&["env"][..], &["env", "other", "--force"], &["exec", "true"], &["profiles"]] {
        sandbox.run(app, args).fails_naming(&part).stdout("");
    }
    sandbox.run(app, ["export", "bash"]).goes_on_telling(&part);
    sandbox.run(app, ["export", "bash"]).goes_on_telling(&part);
    assert_eq!((registry(sandbox), env_file(app), files_below(app)), before);
}

#[test]
fn text_that_is_no_lockfile_is_refused() {
    let deep = "[".repeat(200_000);
    let large = format!("{{\"version\":1,\"x\":\"{}\"}}", "x".repeat(5 * 1024 * 1024));
    let name = r#"{"version":1,"instance":{"name":7}}"#;
    for text in ["", "garbage", "{}", "null", "[]", "\0\0\0", "{\"version\":2}", name, &deep, &large] {
        let sandbox = Sandbox::new();
        let app = damaged(&sandbox, |lockfile| fs::write(lockfile, text).expect("the project is writable"));
        refused(&sandbox, &app);
    }
}

#[test]
fn a_folder_a_pipe_or_an_endless_device_is_refused() {
    let sandbox = Sandbox::new();
    let app = damaged(&sandbox, |lockfile| fs::create_dir(lockfile).expect("the project is writable"));
    refused(&sandbox, &app);
    let pipe = |lockfile: &Path| nix::unistd::mkfifo(lockfile, nix::sys::stat::Mode::S_IRWXU).expect("it is writable");
    let sandbox = Sandbox::new();
    let app = damaged(&sandbox, pipe);
    refused(&sandbox, &app);
    for target in ["/dev/zero", ".silo.lock"] {
        let sandbox = Sandbox::new();
        let app = damaged(&sandbox, |lockfile| symlink(target, lockfile).expect("the project is writable"));
        refused(&sandbox, &app);
    }
}

#[test]
fn a_lockfile_cut_at_any_byte_costs_neither_name_nor_ports() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", RANDOM);
    sandbox.run(&app, ["env", "mine"]).success();
    let path = app.join(".silo.lock");
    let whole = fs::read(&path).expect("it was written");
    let leases = registry(&sandbox);
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).expect("the project is writable");
        let ran = sandbox.run(&app, ["env"]);
        if cut + 1 < whole.len() {
            ran.fails_naming(&["`$SANDBOX/projects/app/.silo.lock`", "just being copied"]);
            assert_eq!(fs::read(&path).expect("it is there"), whole[..cut]);
        } else {
            ran.success();
        }
    }
    assert_eq!(registry(&sandbox), leases);
}

#[test]
fn a_link_is_read_but_never_written_through() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", RANDOM);
    sandbox.run(&app, ["env", "mine"]).success();
    let outside = sandbox.path("home/precious");
    fs::rename(app.join(".silo.lock"), &outside).expect("the sandbox is writable");
    let precious = fs::read(&outside).expect("it is there");
    symlink(&outside, app.join(".silo.lock")).expect("the project is writable");
    sandbox.run(&app, ["env"]).success().stderr("");
    sandbox.run(&app, ["env", "other"]).success();
    assert_eq!(fs::read(&outside).expect("it is there"), precious);
    assert_agreed(&sandbox, &app);
}

/// A clone whose stranger committed this lockfile.
fn cloned(sandbox: &Sandbox, toml: &str, lockfile: &serde_json::Value) -> PathBuf {
    let app = sandbox.project("clone", toml);
    fs::write(app.join(".silo.lock"), lockfile.to_string()).expect("the project is writable");
    app
}

#[test]
fn a_strangers_name_and_identity_are_computed_anew() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let toml = format!("{}[k3d]\nenabled = true\n", toml_with_ports(&[("WEB_PORT", web)]));
    let lockfile = serde_json::json!({
        "version": 1,
        "instance": {
            "name": "../../X $(id)",
            "identity": {
                "name": "evil", "prefix": "evil", "composeName": "evil", "dockerNetwork": "evil",
                "volumePrefix": "evil", "containerPrefix": "evil", "hosts": { "APP_HOST": "evil.example.com" },
                "k3dClusterName": "evil", "k3dRegistryName": "evil", "kubeconfigPath": "/etc/passwd"
            },
            "tiltPid": 1
        }
    });
    let app = cloned(&sandbox, &toml, &lockfile);
    sandbox.run(&app, ["env"]).success();
    assert_eq!(sandbox.instance(&app), "x-id");
    let identity = sandbox.lockfile(&app)["instance"]["identity"].to_string();
    for text in [env_file(&app), identity, registry(&sandbox).render()] {
        assert!(!text.contains("evil") && !text.contains("passwd") && !text.contains(".."), "{text}");
    }
    let home = sandbox.path("home/.kube/localnet-x-id").display().to_string();
    assert_eq!(value_in(&env_file(&app), "KUBECONFIG"), Some(home.as_str()));
    assert_agreed(&sandbox, &app);
}

#[test]
fn a_strangers_name_of_nothing_is_made_anew() {
    let sandbox = Sandbox::new();
    let lockfile = serde_json::json!({ "version": 1, "instance": { "name": "../.." } });
    let app = cloned(&sandbox, RANDOM, &lockfile);
    sandbox.run(&app, ["env"]).success();
    assert!(sandbox.instance(&app).starts_with("clone-"), "{}", sandbox.instance(&app));
    assert_agreed(&sandbox, &app);
}

#[test]
fn a_strangers_ports_are_checked() {
    let [web, leased, busy] = free_ports();
    let _foreign = std::net::TcpListener::bind(("127.0.0.1", busy)).expect("it is free");
    for port in [0, i64::from(leased), i64::from(busy), -1, 70000, i64::MAX] {
        let sandbox = Sandbox::new();
        let other = sandbox.project("other", &toml_with_ports(&[("A", leased)]));
        sandbox.run(&other, ["env"]).success();
        let ports = serde_json::json!({ "WEB_PORT": port, "EVIL_PORT": web });
        let lockfile = serde_json::json!({ "version": 1, "instance": { "name": "x", "ports": ports } });
        let app = cloned(&sandbox, &toml_with_ports(&[("WEB_PORT", web)]), &lockfile);
        sandbox.run(&app, ["env"]).success();
        let held = sandbox.lockfile_ports(&app);
        assert_eq!(held.into_iter().collect::<Vec<_>>(), [("WEB_PORT".to_owned(), web)], "{port}");
        assert_sound(&registry(&sandbox));
        assert_agreed(&sandbox, &app);
    }
}

#[test]
fn a_strangers_two_equal_ports_become_two() {
    let sandbox = Sandbox::new();
    let [web, api] = free_ports();
    let ports = serde_json::json!({ "WEB_PORT": web, "API_PORT": web });
    let lockfile = serde_json::json!({ "version": 1, "instance": { "name": "x", "ports": ports } });
    let app = cloned(&sandbox, &toml_with_ports(&[("WEB_PORT", 0), ("API_PORT", api)]), &lockfile);
    sandbox.run(&app, ["env"]).success();
    assert_eq!(sandbox.lockfile_ports(&app).into_values().collect::<Vec<_>>(), [web, api]);
}

#[test]
fn a_strangers_lockfile_does_not_take_a_living_instances_name_or_ports() {
    let sandbox = Sandbox::new();
    let mine = sandbox.project("mine", RANDOM);
    sandbox.run(&mine, ["env", "mine"]).success();
    let before = registry(&sandbox);
    let lockfile = serde_json::json!({
        "version": 1, "instance": { "name": "Mine", "ports": { "A": sandbox.lockfile_ports(&mine)["A"] } }
    });
    let app = cloned(&sandbox, RANDOM, &lockfile);
    sandbox.run(&app, ["env"]).success();
    assert!(sandbox.instance(&app).starts_with("clone-"), "{}", sandbox.instance(&app));
    let after = registry(&sandbox);
    assert_sound(&after);
    assert_eq!(after.instances[0], before.instances[0]);
}

#[test]
fn a_strangers_words_cannot_drive_the_terminal() {
    let sandbox = Sandbox::new();
    let words = "\u{1b}[2J\u{7}\nState: running\r";
    let lockfile = serde_json::json!({
        "version": 1, "instance": { "name": words, "profile": words, "ports": { words: 80 } }
    });
    let app = cloned(&sandbox, &format!("{RANDOM}[profiles.p]\n"), &lockfile);
    for args in [&["status"][..], &["env"], &["env", "-p", "p"], &["profiles"], &["export", "bash"]] {
        let ran = sandbox.run(&app, args);
        for text in [ran.stdout, ran.stderr] {
            let drives = text.chars().any(|c| c.is_control() && c != '\n');
            assert!(!drives && !text.contains("\nState: running"), "{args:?}: {text:?}");
        }
    }
}
