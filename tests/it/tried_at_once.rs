//! Whether a port is free is tried by taking it for a moment: two that try at once do not take each other for strangers.

use std::fs;
use std::process::Stdio;

use serde_json::json;

use crate::lifecycle_up::wait_until;
use crate::sandbox::{SILO, Sandbox, free_ports};

#[cfg(target_os = "linux")]
#[test]
fn two_instances_that_try_a_port_at_once_do_not_see_each_other() {
    let sandbox = Sandbox::new();
    let [port] = free_ports();
    let toml = format!("version = 1\n[ports]\nA = {port}\n");
    let [one, two] = ["one", "two"].map(|name| sandbox.project(name, &toml));
    // A lockfile that the registry does not know is looked at before anything is locked.
    let lockfile = json!({ "version": 1, "instance": { "name": "one", "ports": { "A": port } } });
    fs::write(one.join(".silo.lock"), lockfile.to_string()).expect("the project is writable");
    let trace = sandbox.path("trace");
    // The moment, stretched.
    let mut strace = sandbox.command("strace", &one);
    strace.args(["-f", "-qq", "-e", "signal=none", "-e", "trace=bind", "-e", "inject=bind:delay_exit=100000", "-o"]);
    strace.arg(&trace).arg(SILO).arg("env").stdout(Stdio::null()).stderr(Stdio::piped());
    let slow = strace.spawn().expect("tests/run installs it");
    let is_tried = || fs::read_to_string("/proc/net/udp").is_ok_and(|table| table.contains(&format!(":{port:04X} ")));
    wait_until("try of the port", is_tried);
    let told = sandbox.run(&two, ["env"]).success().stderr;
    let slow = slow.wait_with_output().expect("it is our child");
    let of_slow = String::from_utf8_lossy(&slow.stderr).into_owned();
    assert!(slow.status.success(), "{of_slow}");
    for told in [&told, &of_slow] {
        assert!(!told.contains("is in use"), "{told}");
    }
    let have = [one, two].map(|app| sandbox.lockfile_ports(&app)["A"]);
    assert_eq!(have.iter().filter(|have| **have == port).count(), 1, "{have:?}");
}
