//! Blocks of neighbouring ports, for media servers: leased as one run, told by both ends, and moved as a whole.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;

use serde_json::{Value, json};

use crate::machine::{assert_agreed, assert_sound, env_file, registry, registry_path, value_in};
use crate::sandbox::{Sandbox, close, free_ports, toml_with_ports};

/// The first of eight free ports side by side, all of them this test's own.
pub(crate) fn free_run() -> u16 {
    loop {
        let ports = free_ports::<8>();
        let is_free = |port: &u16| UdpSocket::bind(("127.0.0.1", *port)).is_ok();
        if ports.iter().zip(ports[0]..).all(|(port, next)| *port == next) && ports.iter().all(is_free) {
            return ports[0];
        }
    }
}

fn toml(first: u16, count: u16) -> String {
    format!(
        "version = 1\n[ports]\nWEB_PORT = 0\nRTC_PORT = {{ default = {first}, count = {count} }}\n[urls]\n\
         RTC_RANGE = \"${{RTC_PORT}}-${{RTC_PORT_END}}\"\n"
    )
}

fn first(sandbox: &Sandbox, dir: &Path) -> u16 {
    sandbox.lockfile_ports(dir)["RTC_PORT"]
}

#[test]
fn a_block_is_leased_as_a_run_and_told_by_both_ends() {
    let sandbox = Sandbox::new();
    let run = free_run();
    let app = sandbox.trusted("app", &toml(run, 5));
    let planned = sandbox.run(&app, ["diff"]).success().stdout;
    assert!(
        planned.contains(&format!("+ RTC_PORT={run}-{}, or the next 5 free ports side by side\n", run + 4)),
        "{planned}"
    );
    let told = sandbox.run(&app, ["env", "x"]).success().stdout;
    assert!(told.contains(&format!("  RTC_PORT: {run}-{}\n", run + 4)), "{told}");
    let text = env_file(&app);
    for (name, value) in [
        ("RTC_PORT", run.to_string()),
        ("RTC_PORT_END", (run + 4).to_string()),
        ("RTC_RANGE", format!("{run}-{}", run + 4)),
    ] {
        assert_eq!(value_in(&text, name), Some(value.as_str()), "{name}");
        sandbox.run(&app, ["get", name]).success().stdout(&format!("{value}\n"));
    }
    assert_agreed(&sandbox, &app);
    let before = fs::read(registry_path(&sandbox)).expect("it is there");
    sandbox.run(&app, ["env"]).success().stderr("");
    assert_eq!(fs::read(registry_path(&sandbox)).expect("it is there"), before, "a second time nothing is written");

    let lease =
        format!("Leased to x as RTC_PORT {run}-{} ($SANDBOX/projects/app)\nNobody listens on it now\n", run + 4);
    sandbox.run("", ["who", &(run + 3).to_string()]).success().stdout(&lease);
    let all: Value = serde_json::from_slice(&sandbox.run("", ["who", "--json"]).success().bytes).expect("it is JSON");
    let found = all.as_array().expect("a list").iter().find(|one| one["port"] == json!(run)).expect("it is leased");
    assert_eq!(found["last"], json!(run + 4));
    let listed = sandbox.run("", ["list"]).success().stdout;
    assert!(listed.contains(&format!("RTC_PORT={run}-{}", run + 4)), "{listed}");
    for command in ["status", "env"] {
        let told: Value =
            serde_json::from_slice(&sandbox.run(&app, [command, "--json"]).success().bytes).expect("it is JSON");
        assert_eq!(
            (&told["ports"]["RTC_PORT"], &told["blocks"]),
            (&json!(run), &json!({ "RTC_PORT": 5 })),
            "{command}"
        );
    }
    // A stranger on any of them is named, for TCP and for UDP.
    let line = || {
        let told = sandbox.run(&app, ["status"]).success().stdout;
        told.lines().find(|line| line.contains("RTC_PORT:")).expect("it is told").to_owned()
    };
    assert_eq!(line(), format!("  RTC_PORT: {run}-{}", run + 4));
    let stranger = UdpSocket::bind(("127.0.0.1", run + 2)).expect("it is free");
    assert!(line().starts_with(&format!("  RTC_PORT: {run}-{} (taken by `", run + 4)), "{}", line());
    let warned = sandbox.run(&app, ["env"]).success().stderr;
    assert!(warned.starts_with(&format!("Warning: Port {} (RTC_PORT) is held by `", run + 2)), "{warned}");
    drop(stranger);
    // A lost registry is made again with the whole run.
    fs::remove_file(registry_path(&sandbox)).expect("it is there");
    let other = sandbox.project("other", &toml_with_ports(&[("A", run + 4)]));
    sandbox.run(&other, ["env", "y"]).success();
    assert_ne!(sandbox.lockfile_ports(&other)["A"], run + 4);
    assert_sound(&registry(&sandbox));
}

#[test]
fn no_other_instance_gets_a_port_of_a_block_and_a_block_avoids_their_ports() {
    let sandbox = Sandbox::new();
    let run = free_run();
    let single = sandbox.project("single", &toml_with_ports(&[("A", run + 5)]));
    sandbox.run(&single, ["env", "single"]).success();
    let one = sandbox.project("one", &toml(run, 5));
    sandbox.run(&one, ["env", "one"]).success();
    assert_eq!(first(&sandbox, &one), run);
    // A single port of another's.
    let other = sandbox.project("other", &toml_with_ports(&[("B", run + 2)]));
    let told = sandbox.run(&other, ["env", "other"]).success().stderr;
    let now = sandbox.lockfile_ports(&other)["B"];
    assert!(told.starts_with(&format!("Port {} is leased to `one`; B is {now}\n", run + 2)), "{told}");
    // Blocks that would meet: the one that says why it is elsewhere.
    for (name, start, count, met) in [("two", run + 4, 3, run + 4), ("three", run, 6, run)] {
        let dir = sandbox.project(name, &toml(start, count));
        let told = sandbox.run(&dir, ["env", name]).success().stderr;
        let now = first(&sandbox, &dir);
        assert!(now >= 49152, "{now}");
        assert!(told.contains(&format!("Port {met} is leased to `one`; RTC_PORT is {now}\n")), "{told}");
    }
    assert_sound(&registry(&sandbox));
    // UDP alone is in the way too.
    let run = free_run();
    let _datagrams = UdpSocket::bind(("127.0.0.1", run + 3)).expect("it is free");
    let four = sandbox.project("four", &toml(run, 4));
    let told = sandbox.run(&four, ["env", "four"]).success().stderr;
    assert!(told.contains(&format!("Port {} is held by `", run + 3)), "{told}");
    assert_sound(&registry(&sandbox));
}

#[test]
fn a_block_moves_as_a_whole_and_its_default_is_taken_as_a_whole() {
    let sandbox = Sandbox::new();
    let run = free_run();
    let [one, two] = ["one", "two"].map(|name| sandbox.project(name, &toml(run, 4)));
    sandbox.run(&one, ["env", "one"]).success();
    sandbox.run(&two, ["env", "two"]).success();
    let before = first(&sandbox, &two);
    sandbox.run(&two, ["env", "--move", "RTC_PORT"]).success();
    let now = first(&sandbox, &two);
    assert!(now >= before + 4 || now + 4 <= before, "{before} to {now}");
    assert_agreed(&sandbox, &two);
    let told = sandbox.run(&two, ["env", "--take", "RTC_PORT"]).success().stderr;
    assert_eq!(first(&sandbox, &two), run);
    assert!(told.starts_with(&format!("Took port {run} from `one`, whose RTC_PORT is ")), "{told}");
    let leases = registry(&sandbox);
    assert_sound(&leases);
    assert_eq!(leases.instances.iter().map(|one| one.held().count()).sum::<usize>(), 10, "nothing is lost on the way");
    // A server on any of them keeps the others from it.
    let stranger = TcpListener::bind(("127.0.0.1", run + 3)).expect("it is free");
    sandbox
        .run(&one, ["env", "--take", "RTC_PORT"])
        .exit(1)
        .stderr_has(&format!("Port {}, the default of `RTC_PORT`, is in use", run + 3));
    close(stranger);
    // Another count in silo.toml: what it has stays where that can be.
    sandbox.project("two", &toml(run, 2));
    sandbox.run(&two, ["env"]).success();
    assert_eq!(first(&sandbox, &two), run);
    assert_eq!(value_in(&env_file(&two), "RTC_PORT_END"), Some((run + 1).to_string().as_str()));
    sandbox.run(&two, ["down", "--clean"]).success();
    assert_eq!(registry(&sandbox).leased_to_others("").len(), 5, "all of it is free");
}
