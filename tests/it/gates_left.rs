//! Programs that put back a `PATH` of their own, as direnv and virtual environments do: gates of an instance that was left
//! come back with it, and those of the present one go.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::pty::{Session, Shell, each_shell, in_shells};
use crate::sandbox::{SILO, Sandbox, free_ports, program_from};
use crate::tools::{ALL, Tools};

each_shell!(gates_that_come_back_or_go_are_put_right_at_the_next_prompt);
// The others have no readonly variables of the user's that are exported.
in_shells!({ bash = BASH, zsh = ZSH }: a_path_that_cannot_be_changed_is_tried_once);

/// A trusted project whose `docker` has a gate that brings up nothing.
fn project(sandbox: &Sandbox, name: &str) -> PathBuf {
    let [web] = free_ports();
    sandbox.trusted(name, &format!("version = 1\n[ports]\nWEB_PORT = {web}\n[gates]\ndocker = \"env\"\n"))
}

fn gates_that_come_back_or_go_are_put_right_at_the_next_prompt(shell: Shell) {
    let sandbox = Sandbox::new();
    let _tools = Tools::install(&sandbox, ALL);
    project(&sandbox, "one");
    project(&sandbox, "two");
    let mut session = Session::start(&sandbox, shell, "");
    let before = session.run(&shell.save_path("outside")).var("PATH").expect("there is a PATH").to_owned();
    let one = session.run("cd one").var("PATH").expect("there is a PATH").to_owned();
    session.run(&shell.save_path("inside"));

    // Taken away, inside.
    session.run(&shell.path_from(None, "outside"));
    let seen = session.run(":");
    assert_eq!((seen.var("PATH"), seen.told.as_str()), (Some(one.as_str()), ""));
    // Brought along to another instance.
    let two = session.run("cd ../two").var("PATH").expect("there is a PATH").to_owned();
    session.run(&shell.path_from(None, "inside"));
    let seen = session.run(":");
    assert_eq!((seen.var("PATH"), seen.told.as_str()), (Some(two.as_str()), ""));
    // Brought along, outside.
    session.run("cd ../one");
    session.run("cd ..");
    session.run(&shell.path_from(None, "inside"));
    let seen = session.run(":");
    assert_eq!((seen.var("PATH"), seen.told.as_str()), (Some(before.as_str()), ""));
    // What the user adds stays.
    session.run("cd one");
    session.run(&shell.path_from(Some("/mine"), "outside"));
    let gates = one.strip_suffix(&before).expect("they stand in front");
    assert_eq!(session.run(":").var("PATH"), Some(format!("{gates}/mine:{before}").as_str()));
    assert_eq!(session.run("cd ..").var("PATH"), Some(format!("/mine:{before}").as_str()));
}

fn a_path_that_cannot_be_changed_is_tried_once(shell: Shell) {
    let sandbox = Sandbox::new();
    let _tools = Tools::install(&sandbox, ALL);
    project(&sandbox, "one");
    let mut session = Session::start(&sandbox, shell, "");
    session.run("outside=$PATH; cd one");
    session.run("PATH=$outside; readonly PATH");
    session.run(":");
    let quiet = session.run(":");
    assert_eq!(quiet.told, "");
}

#[test]
fn a_gate_that_was_left_is_the_tool_at_once() {
    let sandbox = Sandbox::new();
    let tools = Tools::install(&sandbox, ALL);
    let [web, api] = free_ports();
    let toml = format!("version = 1\n[ports]\nWEB_PORT = {web}\nK3D_API_PORT = {api}\n[k3d]\nenabled = true\n");
    let app = sandbox.trusted("app", &toml);
    sandbox.run(&app, ["env"]).success();
    let other = project(&sandbox, "other");
    let shown = sandbox.run(&app, ["exec", "sh", "-c", "command -v kubectl"]).success();
    let gate = PathBuf::from(String::from_utf8(shown.bytes).expect("it is a path in UTF-8").trim());
    let path = |gates: &Path| format!("{}:{}", gates.display(), sandbox.path("bin").display());
    let folder = gate.parent().expect("it lies in a folder");
    for (program, root) in [(gate.as_os_str(), None), ("kubectl".as_ref(), None), ("kubectl".as_ref(), Some(&other))] {
        let mut called = sandbox.command(program, "");
        called.args(["get", "nodes"]).env("PATH", path(folder));
        called.envs(root.map(|root| ("SILO_ROOT", root)));
        let ran = sandbox.finish(called).exit(1);
        ran.stderr(
            "The connection to the server localhost:8080 was refused - did you specify the right host or port?\n",
        );
    }
    assert_eq!(tools.calls(), ["kubectl get nodes"; 3]);
    fs::remove_file(sandbox.path("bin/kubectl")).expect("it was installed");
    let mut gone = sandbox.command("kubectl", "");
    gone.env("PATH", path(folder));
    sandbox.finish(gone).exit(127).stderr_has("Error: `kubectl` was not found behind its gate\n");
}

#[test]
fn silo_under_another_name_is_no_gate() {
    let sandbox = Sandbox::new();
    program_from(&sandbox.path("bin/silo-next"), File::open(SILO).expect("it was built"));
    let mut called = sandbox.command("silo-next", "");
    called.arg("version");
    sandbox.finish(called).success();
}
