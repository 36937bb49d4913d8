//! `silo heal` with stand-ins (D31): Tilt and a cluster that went down, silo's own programs, a service of the session, and the layers:
//! intent is stored, observation is asked, and only `parts` and the command join them.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::docs::package;
use crate::sandbox::{Sandbox, free_ports, is_free, program, toml_with_ports};
use crate::tools::{ALL, Tools};

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "not so: {what}");
        std::thread::sleep(Duration::from_millis(30));
    }
}

#[test]
fn tilt_that_was_killed_comes_back_and_one_that_was_stopped_does_not() {
    let sandbox = Sandbox::new();
    let tools = Tools::install(&sandbox, ALL);
    tools.set("tilt.up.listen", "");
    let [web] = free_ports();
    let root = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    fs::write(root.join("Tiltfile"), "").expect("writable");
    sandbox.run("app", ["up", "-d"]).success();
    let name = sandbox.instance("app");
    let port = sandbox.lockfile_ports("app")["TILT_PORT"];
    sandbox.run("app", ["heal"]).success().stderr(&format!("{name}: all that is wanted is up\n"));
    let pid = tools.wait_for_tilt(port);
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it runs");
    fs::remove_file(tools.path(&format!("state/tilt/{port}"))).expect("it is there");
    until("it is down", || sandbox.run("app", ["list"]).success().stdout.contains("stopped, wanted: tilt"));
    until("its port is free", || is_free(port));
    let status = sandbox.run("app", ["status"]).success().stdout;
    assert!(status.contains("\nWanted and down: tilt (it is not there); `silo heal` brings it back\n"), "{status}");
    let doctor = || -> Option<Value> {
        let found: Vec<Value> = serde_json::from_slice(&sandbox.run("app", ["doctor", "--json"]).bytes).expect("JSON");
        found.into_iter().find(|one| one["id"] == "wanted-down")
    };
    let found = doctor().expect("the doctor reports it, too");
    assert_eq!(found["what"], format!("Wanted and down in `{name}`: tilt (it is not there)"));
    assert_eq!(found["fix"], format!("silo heal -C {}", root.display()));
    assert_eq!((&found["severity"], &found["fixable"]), (&Value::from("note"), &Value::from(false)));
    let told = sandbox.run("app", ["heal", "--json"]).success();
    let json: Value = serde_json::from_slice(&told.bytes).expect("it is JSON");
    assert_eq!(json["healed"], serde_json::json!(["tilt"]), "{told:?}");
    assert_ne!(tools.wait_for_tilt(port), pid);
    assert_eq!(doctor(), None);
    sandbox.run("app", ["down"]).success();
    sandbox.run("app", ["heal"]).success();
    let starts = tools.calls().iter().filter(|call| call.starts_with("tilt up")).count();
    assert_eq!(starts, 2, "{:?}", tools.calls());
}

#[test]
fn a_cluster_that_was_stopped_by_hand_is_started_and_a_silent_k3d_is_no_try() {
    let sandbox = Sandbox::new();
    let tools = Tools::install(&sandbox, ALL);
    tools.set("k3d.listen", "");
    let [web] = free_ports();
    let toml = format!("{}[k3d]\nenabled = true\n[tilt]\nenabled = false\n", toml_with_ports(&[("WEB_PORT", web)]));
    sandbox.trusted("app", &toml);
    sandbox.run("app", ["up", "-d"]).success();
    let name = sandbox.instance("app");
    let mut stop = sandbox.command("k3d", "app");
    stop.args(["cluster", "stop", &format!("localnet-{name}")]);
    sandbox.finish(stop).success();
    sandbox.run("app", ["heal", "-n"]).exit(1).stderr(&format!("{name}: would bring back cluster (it is stopped)\n"));
    tools.set("docker.down", "");
    sandbox.run("app", ["heal"]).exit(1).stderr(&format!("{name}: cluster is down: k3d does not answer\n"));
    tools.unset("docker.down");
    let ran = sandbox.run("", ["heal", "--all"]).success();
    assert!(ran.stderr.ends_with(&format!("{name}: brought back cluster\n")), "{ran:?}");
    assert_eq!(fs::read_to_string(sandbox.path("state/silo/heal.jsonl")).expect("there").matches("tried").count(), 1);
}

#[test]
fn an_engine_that_hangs_on_every_call_costs_each_command_its_time_limit_alone() {
    let sandbox = Sandbox::new();
    let socket = sandbox.path("run/engine");
    let listener = std::os::unix::net::UnixListener::bind(&socket).expect("writable");
    std::thread::spawn(move || {
        // Each call is taken, and never answered.
        let mut held = Vec::new();
        for stream in listener.incoming() {
            held.push(stream);
        }
    });
    sandbox.trusted("app", "version = 1\n[compose]\n[compose.ports]\nDB_PORT = \"5432:db:5432\"\n");
    sandbox.run("app", ["env", "app"]).success();
    let registry = sandbox.path("state/silo/registry.toml");
    want(&registry, "services:db");
    let host = format!("unix://{}", socket.display());
    for words in [&["list"][..], &["status"], &["heal"], &["heal", "--all"]] {
        let mut command = sandbox.command(crate::sandbox::SILO, "app");
        command.args(words).env("DOCKER_HOST", &host);
        let start = Instant::now();
        let ran = sandbox.finish(command);
        assert!(start.elapsed() < Duration::from_secs(20), "{words:?}: {:?}", start.elapsed());
        if words[0] == "heal" {
            assert!(ran.stderr.contains("app: db is down: The container engine at"), "{ran:?}");
            assert_eq!(ran.code(), Some(1));
        }
    }
    assert!(!sandbox.path("state/silo/heal.jsonl").exists(), "that was no try");
}

/// Writes into the registry that something is wanted, as an instance's first.
fn want(registry: &Path, wish: &str) {
    let text = fs::read_to_string(registry).expect("it is there");
    let body = text.split_once("digest = ").and_then(|(_, rest)| rest.split_once('\n')).expect("it has a digest").1;
    let body = format!("{body}\n[instance.wanted]\nup = [\"{wish}\"]\n");
    let leases: silo::core::leases::Leases = toml::from_str(&body).expect("it is a registry");
    fs::write(registry, leases.render()).expect("writable");
}

#[test]
fn silos_own_name_server_comes_back_after_a_kill_and_not_after_down() {
    let sandbox = Sandbox::new();
    let [port] = free_ports();
    fs::create_dir_all(sandbox.path("config/silo")).expect("writable");
    fs::write(sandbox.path("config/silo/config.toml"), format!("[network]\ndns_port = {port}\n")).expect("writable");
    sandbox.run("", ["dns", "up"]).success();
    let pid = || -> Option<i32> {
        let answer: Value = serde_json::from_slice(&sandbox.run("", ["dns", "status", "--json"]).bytes).ok()?;
        i32::try_from(answer["pid"].as_i64()?).ok()
    };
    let before = pid().expect("it runs");
    sandbox.run("", ["heal", "--all"]).success().stderr("silo: all that is wanted is up\n");
    kill(Pid::from_raw(before), Signal::SIGKILL).expect("it runs");
    until("it is down", || pid().is_none());
    sandbox.run("", ["heal", "--all"]).success().stderr("silo: brought back dns\n");
    assert!(pid().is_some_and(|now| now != before));
    sandbox.run("", ["dns", "down"]).success();
    sandbox
        .run("", ["heal", "--all"])
        .success()
        .stderr("Nothing is wanted up; `silo up -d` in a project says what is\n");
    assert_eq!(pid(), None);
}

#[test]
fn silos_own_proxy_comes_back_after_a_kill_and_not_after_down() {
    let sandbox = Sandbox::new();
    let [port] = free_ports();
    fs::create_dir_all(sandbox.path("config/silo")).expect("writable");
    fs::write(sandbox.path("config/silo/config.toml"), format!("proxy.port = {port}\n")).expect("writable");
    let link = sandbox.path("bin/silo-proxy");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_silo-proxy"), link).expect("the sandbox is empty");
    sandbox.run("", ["proxy", "up", "-d"]).success();
    let pid = || -> Option<i32> {
        let answer: Value = serde_json::from_slice(&sandbox.run("", ["proxy", "status", "--json"]).bytes).ok()?;
        i32::try_from(answer["pid"].as_i64()?).ok()
    };
    let before = pid().expect("it runs");
    kill(Pid::from_raw(before), Signal::SIGKILL).expect("it runs");
    until("it is down", || pid().is_none());
    let found = sandbox.run("", ["doctor"]).stdout;
    assert!(found.contains("silo's proxy is wanted up, and does not run"), "{found}");
    sandbox.run("", ["heal", "--all"]).success().stderr("silo: brought back proxy\n");
    assert!(pid().is_some_and(|now| now != before));
    sandbox.run("", ["proxy", "down"]).success();
    sandbox.run("", ["heal", "--all"]).success();
    assert_eq!(pid(), None);
}

/// A stand-in that notes how it is called, and answers by what it is asked.
fn manager(sandbox: &Sandbox, name: &str, script: &str) {
    let calls = sandbox.path("manager.calls");
    let text = format!("#!/bin/sh\necho \"{name} $*\" >>'{}'\n{script}\n", calls.display());
    program(&sandbox.path("bin").join(name), &text);
}

/// Runs silo where only the stand-ins can be managers of services.
fn heal(sandbox: &Sandbox, word: &str) -> crate::sandbox::Ran {
    let mut command = sandbox.command(crate::sandbox::SILO, "");
    command.args(["heal", word]).env("PATH", sandbox.path("bin"));
    sandbox.finish(command)
}

#[test]
fn a_service_of_the_session_is_installed_once_and_taken_back() {
    let sandbox = Sandbox::new();
    let calls = || fs::read_to_string(sandbox.path("manager.calls")).unwrap_or_default();
    let ran = heal(&sandbox, "--install").exit(1);
    assert!(
        ran.stderr.contains("neither systemd nor launchd; nothing was changed")
            && ran.stderr.contains("silo heal --watch --all"),
        "{ran:?}"
    );
    heal(&sandbox, "--uninstall").success().stderr("No service of silo's is installed\n");

    manager(&sandbox, "systemctl", "case \"$*\" in *show-environment*) exit 1;; esac");
    heal(&sandbox, "--install").exit(1).stderr_has("systemd has no bus for this user; nothing was changed");
    let unit = sandbox.path("config/systemd/user/silo-heal.service");
    assert!(!unit.exists() && calls() == "systemctl --user show-environment\n", "{}", calls());

    manager(&sandbox, "systemctl", "");
    manager(&sandbox, "loginctl", "echo Linger=no");
    heal(&sandbox, "--install")
        .success()
        .stderr_has("to have it from the machine's start on: `loginctl enable-linger`");
    let text = sandbox.redact(&fs::read(&unit).expect("it was written"));
    for line in [
        "ExecStart=\"$SILO\" \"heal\" \"--watch\" \"--all\"",
        "Environment=\"PATH=$SANDBOX/bin\"",
        "Environment=\"DOCKER_HOST=unix:///nowhere\"",
        "KillMode=process",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}: {text}");
    }
    assert!(calls().ends_with(&format!(
        "systemctl --user daemon-reload\nsystemctl --user enable silo-heal.service\nsystemctl --user restart silo-heal.service\n\
         loginctl show-user {} --property=Linger\n",
        rustix::process::geteuid().as_raw()
    )), "{}", calls());
    manager(&sandbox, "loginctl", "echo Linger=yes");
    let again = heal(&sandbox, "--install").success();
    assert!(!again.stderr.contains("Wrote") && !again.stderr.contains("enable-linger"), "{again:?}");
    heal(&sandbox, "--uninstall").success();
    assert!(!unit.exists() && calls().contains("systemctl --user disable --now silo-heal.service\n"), "{}", calls());

    fs::write(&unit, "[Service]\nExecStart=/bin/true\n").expect("writable");
    heal(&sandbox, "--install").exit(1).stderr_has("is not silo's; it was left as it is");
    heal(&sandbox, "--uninstall").exit(1);
    assert!(unit.exists());

    // Where there is launchd alone.
    fs::remove_file(&unit).expect("it is there");
    fs::remove_file(sandbox.path("bin/systemctl")).expect("it is there");
    manager(&sandbox, "launchctl", "");
    heal(&sandbox, "--install").success();
    let list = sandbox.path("home/Library/LaunchAgents/silo.heal.plist");
    assert!(fs::read_to_string(&list).expect("it was written").contains("<string>--watch</string>"));
    assert!(
        calls().contains(&format!("launchctl bootstrap gui/{} ", rustix::process::geteuid().as_raw())),
        "{}",
        calls()
    );
    heal(&sandbox, "--uninstall").success();
    assert!(!list.exists());
}

/// What the registry of an instance has, and no more: a word of how something runs would be believed one day.
#[test]
fn the_registry_holds_intent_and_never_a_state() {
    let read = |path: &str| fs::read_to_string(package().join(path)).expect("it is there");
    let fields = |text: &str, of: &str| -> Vec<String> {
        let body = text.split_once(&format!("pub struct {of} {{")).expect("it is declared").1;
        let body = body.split_once("\n}").expect("it ends").0;
        let field = |line: &str| line.trim().strip_prefix("pub ")?.split_once(':').map(|(name, _)| name.to_owned());
        body.lines().filter_map(field).collect()
    };
    let entry = read("src/core/leases/entry.rs");
    let known = "id root name prefix profile slot folder subnet created changed ports blocks addresses wanted";
    assert_eq!(fields(&entry, "Instance").join(" "), known, "a state is asked, never stored (D101)");
    assert_eq!(fields(&read("src/core/leases/wanted.rs"), "Wanted").join(" "), "up gates boot");
}

/// Who changes what is wanted: what takes the user's decision. What observes does not, and no label of a container holds it.
#[test]
fn only_what_takes_the_users_word_changes_what_is_wanted() {
    let mut writers = Vec::new();
    let mut left = vec![package().join("src")];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(&path).expect("readable").map(|entry| entry.expect("readable").path()));
            continue;
        }
        let text = fs::read_to_string(&path).expect("it is text");
        let name = path.strip_prefix(package()).expect("below").to_string_lossy().into_owned();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let words = ["wanted::add", "wanted::drop_if", "wanted::server", "wanted::note(", "wanted::forget("];
        if words.iter().any(|word| code.contains(word)) {
            writers.push(name.clone());
        }
        for layer in ["src/parts/look.rs", "src/parts/gaps.rs", "src/parts/seen.rs", "src/backend/"] {
            let acts = ["store::wanted", "store::healing", "bring_back(", "with_lock("];
            assert!(!name.starts_with(layer) || acts.iter().all(|act| !code.contains(act)), "{name} only observes");
        }
    }
    writers.sort();
    let expected = [
        "src/commands/agent/stop.rs",
        "src/commands/dns.rs",
        "src/commands/down.rs",
        "src/commands/gate.rs",
        "src/commands/heal/rest.rs",
        "src/commands/heal/watch.rs",
        "src/commands/proxy.rs",
        "src/commands/up.rs",
        "src/parts/services/word.rs",
        "src/parts/wanted.rs",
    ];
    assert_eq!(writers, expected);
}
