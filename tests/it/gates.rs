//! Gates in real shells: the first call of a tool brings up what it needs, once, and then is the tool.

use std::fs;

use crate::lifecycle_up::Stage;
use crate::machine::run_with;
use crate::pty::{Session, Setup, Shell, each_shell};
use crate::sandbox::{SILO, Sandbox, free_ports};
use crate::tools::{ALL, Tools};

each_shell!(path_gets_and_loses_only_its_own_entry);

/// A trusted project with a cluster, and the stand-ins; running clusters really listen.
fn project(sandbox: &Sandbox) -> (std::path::PathBuf, Tools) {
    let tools = Tools::install(sandbox, ALL);
    tools.set("k3d.listen", "");
    let [web, api] = free_ports();
    let toml = format!("version = 1\n[ports]\nWEB_PORT = {web}\nK3D_API_PORT = {api}\n[k3d]\nenabled = true\n");
    (sandbox.trusted("app", &toml), tools)
}

fn ten_calls_at_once_make_one_cluster(shell: Shell) {
    let sandbox = Sandbox::new();
    let (app, tools) = project(&sandbox);
    let env = [("FAKES", sandbox.path("fakes"))];
    let env: Vec<_> = env.iter().map(|(name, path)| (*name, path.as_os_str())).collect();
    let mut session = Session::with(&sandbox, shell, "", &Setup { env: &env, ..Setup::default() });
    session.run("cd app").assert_active(&sandbox, &app);
    let all = (0..10).map(|n| format!("kubectl version >out{n} 2>&1 &")).collect::<Vec<_>>().join(" ");
    session.run(&format!("{all} wait"));
    for n in 0..10 {
        let out = fs::read_to_string(app.join(format!("out{n}"))).expect("the shell wrote it");
        assert!(out.contains("Client Version"), "{out}");
    }
    let calls = tools.calls();
    let made = calls.iter().filter(|call| call.starts_with("k3d cluster create")).count();
    let asked = calls.iter().filter(|call| *call == "kubectl version").count();
    assert_eq!((made, asked), (1, 10), "{calls:#?}");

    // All is up: no question to k3d any more.
    let before = tools.calls().len();
    assert_eq!(session.run("kubectl version >out").status, "0");
    assert_eq!(tools.calls()[before..], ["kubectl version"]);
    sandbox.run(&app, ["down", "--delete-cluster"]).success();
}

#[test]
fn ten_calls_at_once_make_one_cluster_in_bash() {
    ten_calls_at_once_make_one_cluster(Shell::BASH);
}

#[test]
fn ten_calls_at_once_make_one_cluster_in_zsh() {
    ten_calls_at_once_make_one_cluster(Shell::ZSH);
}

#[test]
fn ten_calls_at_once_make_one_cluster_in_fish() {
    ten_calls_at_once_make_one_cluster(Shell::FISH);
}

fn path_gets_and_loses_only_its_own_entry(shell: Shell) {
    let sandbox = Sandbox::new();
    let (_, _tools) = project(&sandbox);
    let mut session = Session::start(&sandbox, shell, "");
    let before = session.run(":").var("PATH").expect("there is a PATH").to_owned();
    let inside = session.run("cd app").var("PATH").expect("there is a PATH").to_owned();
    let (gates, rest) = inside.split_once(':').expect("there are several folders");
    assert_eq!(rest, before);
    assert!(gates.starts_with(sandbox.path("state/silo/instances").to_str().expect("it is ASCII")), "{gates}");
    // The list is the shell's own, where it has one.
    let edit = shell.edit_path();
    session.run(edit);
    let left = session.run("cd ..");
    assert_eq!(left.var("PATH"), Some(format!("/mine:{before}:/late").as_str()));
}

#[test]
fn a_gate_acts_only_on_a_trusted_file_and_runs_the_tool_all_the_same() {
    let sandbox = Sandbox::new();
    let (app, tools) = project(&sandbox);
    sandbox.run(&app, ["env"]).success();
    sandbox.run(&app, ["deny"]).success();
    let ran = sandbox.run(&app, ["exec", "kubectl", "get", "nodes"]).exit(1);
    let ran = ran.stderr_has("is not trusted as it is; `silo allow` lets gates act on it");
    ran.stderr_has("The connection to the server localhost:8080 was refused");
    assert_eq!(tools.calls(), ["kubectl get nodes"]);
}

#[test]
fn a_denial_counts_for_gates_in_a_shell_that_was_opened_before_too() {
    let sandbox = Sandbox::new();
    let (app, tools) = project(&sandbox);
    let script = sandbox.path("home/script");
    fs::write(&script, "silo deny\nkubectl get nodes\n").expect("HOME is writable");
    let mut shell = sandbox.command(SILO, &app);
    shell.arg("shell").env("SHELL", "/bin/sh").stdin(fs::File::open(&script).expect("it was written"));
    let ran = sandbox.finish(shell).exit(1);
    ran.stderr_has("is not trusted as it is; `silo allow` lets gates act on it");
    assert_eq!(tools.calls(), ["kubectl get nodes"]);
}

#[test]
fn calls_that_need_no_cluster_are_the_tool_at_once_and_warn_of_nothing() {
    let sandbox = Sandbox::new();
    let (app, tools) = project(&sandbox);
    sandbox.run(&app, ["env"]).success();
    let calls = ["completion zsh", "__complete get ''", "help", "get --help", "version --client"];
    for state in ["allow", "deny"] {
        sandbox.run(&app, [state]).success();
        for call in calls {
            let line = format!("kubectl {call}");
            sandbox.run(&app, ["exec", "sh", "-c", &line]).success().stderr("");
        }
    }
    assert_eq!(tools.calls(), calls.repeat(2).iter().map(|call| format!("kubectl {call}")).collect::<Vec<_>>());
}

#[test]
fn a_tool_that_is_not_gated_and_silo_itself_pass_no_gate() {
    let sandbox = Sandbox::new();
    let (app, tools) = project(&sandbox);
    sandbox.run(&app, ["exec", "docker", "version"]).success();
    sandbox.run(&app, ["exec", "true"]).success().stdout("");
    assert_eq!(tools.calls(), ["docker version"]);
}

#[test]
fn the_level_in_the_file_decides() {
    let sandbox = Sandbox::new();
    let tools = Tools::install(&sandbox, ALL);
    tools.set("tilt.up.listen", "");
    let app = sandbox.trusted("app", "version = 1\n[ports]\nTILT_PORT = \"random\"\n[gates]\ndocker = \"tilt\"\n");
    fs::write(app.join("Tiltfile"), "").expect("the project is writable");
    sandbox.run(&app, ["exec", "docker", "version"]).success();
    let mut calls = tools.calls();
    let first = calls.len();
    calls.dedup();
    assert_eq!(calls, ["tilt up", "tilt get uiresources -o json", "docker version"]);
    sandbox.run(&app, ["exec", "docker", "version"]).success();
    assert_eq!(tools.calls()[first..], ["docker version"], "Tilt runs already");
    sandbox.run(&app, ["down"]).success();
}

#[test]
fn a_shell_below_what_silo_starts_gets_no_gate_when_it_enters_by_itself() {
    let note = "bash -c 'command -v kubectl >>../../fakes/seen'";
    let stage = Stage::with_cluster(&format!("[hooks]\npre-up = [\"{note}\"]\npost-up = [\"{note}\"]\n"));
    stage.tilt_ends("0");
    let inside = stage.sandbox.path("home/inside.sh");
    fs::write(&inside, "eval \"$(silo export bash)\"\n").expect("HOME is writable");
    stage.run("allow").success();
    let variables = [("BASH_ENV", inside.to_str().expect("it is ASCII"))];
    run_with(&stage.sandbox, &stage.app, &variables, ["up"]).success();
    let kubectl = stage.sandbox.path("bin/kubectl");
    let seen = fs::read_to_string(stage.tools.path("seen")).expect("the hooks wrote it");
    assert_eq!(seen, format!("{0}\n{0}\n", kubectl.display()));
    // Elsewhere the same shell has them.
    let ran = run_with(&stage.sandbox, &stage.app, &variables, ["exec", "bash", "-c", "command -v kubectl"]).success();
    assert!(ran.stdout.ends_with("/gates/kubectl\n"), "{ran:#?}");
}
