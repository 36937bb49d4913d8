//! `silo env --move` and `--take`: one lease goes elsewhere, and a default comes from an instance that does not use it; and a
//! stranger on a leased port is named.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use crate::machine::{assert_agreed, assert_sound, registry, registry_path};
use crate::sandbox::{Sandbox, close, free_ports, toml_with_ports};

fn port(sandbox: &Sandbox, dir: &Path, name: &str) -> u16 {
    sandbox.lockfile_ports(dir)[name]
}

#[test]
fn a_lease_moves_alone_and_never_to_the_port_it_leaves() {
    let sandbox = Sandbox::new();
    let [web, api] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web), ("API_PORT", api)]));
    sandbox.run(&app, ["env", "x"]).success();
    let ran = sandbox.run(&app, ["env", "--move", "WEB_PORT"]).success();
    let now = port(&sandbox, &app, "WEB_PORT");
    assert_ne!(now, web);
    assert_eq!(port(&sandbox, &app, "API_PORT"), api);
    ran.stderr(&format!(
        "Writing `.localnet.env`\nWriting `.silo.lock`\nMoved WEB_PORT from {web} to {now}; start what uses it again\n"
    ));
    sandbox.run(&app, ["env"]).success().stderr("");
    assert_eq!(port(&sandbox, &app, "WEB_PORT"), now, "it stays where it went");
    assert_agreed(&sandbox, &app);
    sandbox.run(&app, ["env", "--move", "WEB_PORT", "--move", "API_PORT"]).success();
    assert_eq!(port(&sandbox, &app, "WEB_PORT"), web, "its default comes first again");
    assert_ne!(port(&sandbox, &app, "API_PORT"), api);
    assert_sound(&registry(&sandbox));
    sandbox.run(&app, ["env", "--move", "WEB_PROT"]).exit(1).stdout("").stderr(
        "Error: `WEB_PROT` is not a port of this instance\nHint: The nearest is `WEB_PORT`\nHint: List them: `silo env`\n",
    );
    sandbox.run(&app, ["env", "--force", "--move", "WEB_PORT"]).exit(2);
    let both =
        sandbox.run(&app, ["env", "--move", "WEB_PORT", "--take", "API_PORT", "--take", "WEB_PORT"]).exit(2).stdout("");
    both.stderr(
        "Error: `WEB_PORT` cannot move away and take its default at once\nHint: Only one of the two: `silo env --move WEB_PORT`, or `silo env --take WEB_PORT`\n",
    );
    assert_eq!(port(&sandbox, &app, "WEB_PORT"), web);
}

#[test]
fn a_default_that_a_stopped_instance_holds_is_taken_and_that_one_moves() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let [one, two] = ["one", "two"].map(|name| sandbox.trusted(name, &toml_with_ports(&[("WEB_PORT", web)])));
    sandbox.run(&one, ["env", "one"]).success();
    sandbox.run(&two, ["env", "two"]).success();
    let ran = sandbox.run(&two, ["env", "--take", "WEB_PORT"]).success();
    assert_eq!(port(&sandbox, &two, "WEB_PORT"), web);
    assert_agreed(&sandbox, &two);
    let leases = registry(&sandbox);
    assert_sound(&leases);
    let moved = leases.at(one.to_str().expect("it is UTF-8")).expect("it is still there").ports["WEB_PORT"];
    ran.stderr(&format!(
        "Took port {web} from `one`, whose WEB_PORT is {moved} now\nWriting `.localnet.env`\nWriting `.silo.lock`\n"
    ));
    // A shell that is in the other one follows at its next prompt.
    let shell = sandbox.run(&one, ["export", "json", "--seen", ""]).success().stdout;
    assert!(shell.contains(&format!("\"WEB_PORT\": \"{moved}\"")), "{shell}");
    assert_agreed(&sandbox, &one);
    let before = fs::read(registry_path(&sandbox)).expect("it is there");
    sandbox.run(&two, ["env", "--take", "WEB_PORT"]).success().stderr("");
    assert_eq!(fs::read(registry_path(&sandbox)).expect("it is there"), before, "it has it already");
}

#[test]
fn a_default_on_which_somebody_listens_is_not_taken() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let toml = toml_with_ports(&[("WEB_PORT", web), ("ANY_PORT", 0)]);
    let [one, two] = ["one", "two"].map(|name| sandbox.project(name, &toml));
    sandbox.run(&one, ["env", "one"]).success();
    sandbox.run(&two, ["env", "two"]).success();
    let before = fs::read(registry_path(&sandbox)).expect("it is there");
    let listener = TcpListener::bind(("127.0.0.1", web)).expect("it is free");
    let refused = sandbox.run(&two, ["env", "--take", "WEB_PORT"]).exit(1).stdout("").stderr;
    let start = format!("Error: Port {web}, the default of `WEB_PORT`, is in use: `one` has the lease, and `");
    let end = format!(
        "(pid {}) on 127.0.0.1 listens on it\nHint: Stop that first, as with `silo down -C $SANDBOX/projects/one`\n",
        std::process::id()
    );
    assert!(refused.starts_with(&start) && refused.ends_with(&end), "{refused}");
    assert_eq!(fs::read(registry_path(&sandbox)).expect("it is there"), before);
    fs::remove_dir_all(&one).expect("it was made");
    sandbox.run("", ["prune", "--yes"]).success();
    let refused = sandbox.run(&two, ["env", "--take", "WEB_PORT"]).exit(1).stderr;
    assert!(refused.starts_with(&format!("Error: Port {web}, the default of `WEB_PORT`, is held by `")), "{refused}");
    sandbox.run(&two, ["env", "--take", "ANY_PORT"]).exit(1).stderr(
        "Error: `ANY_PORT` has no default port to take\nHint: Give it one in `silo.toml`: `ANY_PORT = 3000` below `[ports]`\n",
    );
    close(listener);
    sandbox.run(&two, ["env", "--take", "WEB_PORT"]).success();
    assert_eq!(port(&sandbox, &two, "WEB_PORT"), web);
}

#[test]
fn a_stranger_on_a_leased_port_is_named_with_the_way_out() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.project("app", &toml_with_ports(&[("WEB_PORT", web)]));
    sandbox.run(&app, ["env", "x"]).success();
    let _stranger = TcpListener::bind(("127.0.0.1", web)).expect("it is free");
    let end = format!("(pid {}) on 127.0.0.1; `silo env --move WEB_PORT` moves it\n", std::process::id());
    for words in [&["env"][..], &["exec", "--", "true"]] {
        let told = sandbox.run(&app, words).success().stderr;
        let start = format!("Warning: Port {web} (WEB_PORT) is held by `");
        assert!(told.starts_with(&start) && told.ends_with(&end) && told.lines().count() == 1, "{words:?}: {told}");
    }
    sandbox.run(&app, ["env", "--move", "WEB_PORT"]).success();
    sandbox.run(&app, ["exec", "true"]).success().stderr("");
}
