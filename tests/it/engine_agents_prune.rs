//! What agents leave in the engine is found, named and removed with the instance they belong to (D33, D111): containers, networks, and the
//! images that were built for them.

use std::fs;

use crate::engine::until;
use crate::engine_agents::{Agents, agent};
use crate::gateway::own_file;
use crate::sandbox::{Ran, SILO, free_ports, program};

/// An agent that is built from a folder of the project.
fn built(name: &str, line: &str, more: &str) -> String {
    agent(name, line, more).replace("image = \"silo-test-agent\"", &format!("build = \"{name}\""))
}

/// Two agents with images of their own, one of them persistent and with a network.
fn scene() -> Agents {
    let keep = "echo kept > /findings/a.md; echo two >> file; git -c user.name=a -c user.email=a@example.com commit -qam done; echo up; \
                while :; do sleep 1; done";
    let agents = Agents::new(
        &[built("scout", "echo ran", ""), built("keeper", keep, "lifetime = \"persistent\"\nlisten = 8080")].concat(),
    );
    let [port] = free_ports();
    own_file(&agents.engine.sandbox, "config/silo/gateway.toml", format!("port = {port}\n"));
    for name in ["scout", "keeper"] {
        dockerfile(&agents, name, "1");
    }
    agents.git(&["add", "scout", "keeper"]).success();
    agents.commit("with images");
    agents.silo(&["allow"]).success();
    agents
}

/// A file of this test's own: what a step makes that is in another file, too, is one image, which goes with the other's.
fn dockerfile(agents: &Agents, name: &str, version: &str) {
    fs::create_dir_all(agents.path(name)).expect("the project is writable");
    let text = format!("FROM silo-test-agent\nENV VERSION={version} FOR={}\n", agents.instance());
    fs::write(agents.path(name).join("Dockerfile"), text).expect("the project is writable");
}

/// The images of an instance, those without a name included.
fn images(agents: &Agents, id: &str) -> Vec<String> {
    let filter = format!("label=silo.instance={id}");
    let ran = agents.engine.docker(&["image", "ls", "--filter", &filter, "--format", "{{.Repository}}"]).success();
    let mut all: Vec<String> = ran.stdout.lines().map(str::to_owned).collect();
    all.sort();
    all
}

fn silo_in(agents: &Agents, dir: &str, words: &[&str]) -> Ran {
    let mut command = agents.engine.command(SILO, dir);
    command.args(words);
    agents.engine.sandbox.finish(command)
}

fn wait_for_keeper(agents: &Agents) -> String {
    let runs = agents.runs();
    let run = runs.iter().rev().find(|run| run["agent"] == "keeper").expect("it was started");
    let id = run["id"].as_str().expect("a text").to_owned();
    until("it is up", || agents.engine.docker(&["logs", &format!("silo-agent-{id}")]).stdout.contains("up"));
    id
}

#[test]
fn engine_what_agents_of_a_removed_folder_left_is_shown_and_goes_and_their_work_is_kept() {
    let agents = scene();
    let id = agents.instance();
    agents.silo(&["up", "-d"]).success();
    agents.silo(&["agent", "run", "scout", "--as", "prune-1"]).success();
    let run = wait_for_keeper(&agents);
    let (keeper, scout) = (format!("silo-agent/{id}-keeper"), format!("silo-agent/{id}-scout"));
    assert_eq!(images(&agents, &id), [keeper.as_str(), &scout]);
    // Who only has the labels is nobody's to remove.
    let forged = [format!("silo.agent={run}"), format!("silo.instance={id}")];
    let name = format!("somebodys-{run}");
    let words = ["create", "--name", &name, "--label", &forged[0], "--label", &forged[1], "silo-test-box", "true"];
    agents.engine.docker(&words).success();
    fs::remove_dir_all(agents.path("")).expect("it was made");
    let prune = |words: &[&str]| silo_in(&agents, "", &[&["prune"], words].concat());
    let plan = prune(&["--dry-run"]).success();
    let container = format!("silo-agent-{run}");
    for line in [
        format!("  leaves containers {container}, {container}.relay\n"),
        format!("  leaves network {container}\n"),
        format!("  leaves images {keeper}, {scout}\n"),
    ] {
        assert!(plan.stdout.contains(&line), "{line}: {}", plan.stdout);
    }
    let plan = prune(&["--dry-run", "--all"]).success();
    assert!(plan.stdout.contains(&format!("  removes network {container}\n")), "{}", plan.stdout);
    let done = prune(&["--all", "--yes"]).success();
    assert!(done.stderr.contains(&format!("The run `{run}` was cut off: bringing home")), "{}", done.stderr);
    assert!(done.stderr.contains(&format!("Removing images {keeper}, {scout}")), "{}", done.stderr);
    assert_eq!(images(&agents, &id), [""; 0]);
    let names = agents.engine.docker(&["ps", "--all", "--format", "{{.Names}}"]).success().stdout;
    assert!(names.contains(&name) && !names.contains(&container), "{names}");
    agents.engine.docker(&["rm", &name]).success();
    let networks = agents.engine.docker(&["network", "ls", "--format", "{{.Name}}"]).success().stdout;
    assert!(!networks.contains(&container), "{networks}");
    // What it found, and what it committed, is there: the repository it came from is not.
    let listed = silo_in(&agents, "", &["agent", "list", "--json"]).success();
    let runs: Vec<serde_json::Value> = serde_json::from_slice(&listed.bytes).expect("it is JSON");
    let kept = runs.iter().find(|one| one["id"] == run.as_str()).expect("it is recorded");
    assert_eq!((kept["state"].as_str(), kept["end"]["findings"].as_u64()), (Some("ended"), Some(1)));
    let folder = std::path::PathBuf::from(kept["folder"].as_str().expect("a folder"));
    assert!(folder.join("findings/a.md").exists() && folder.join("agent.bundle").exists(), "{kept}");
    silo_in(&agents, "", &["gateway", "down"]);
    assert!(!prune(&["--all", "--yes"]).success().stdout.contains("silo-agent"));
}

#[test]
fn engine_an_image_goes_when_a_newer_one_takes_its_name_and_is_named_when_the_instance_is_freed() {
    let agents = scene();
    let id = agents.instance();
    agents.silo(&["agent", "run", "scout", "--as", "image-1"]).success();
    dockerfile(&agents, "scout", "2");
    agents.silo(&["agent", "run", "scout", "--as", "image-2"]).success();
    assert_eq!(images(&agents, &id), [format!("silo-agent/{id}-scout")]);
    // One that a container is made from goes with that.
    agents.silo(&["up", "-d"]).success();
    wait_for_keeper(&agents);
    agents.engine.docker(&["image", "tag", "silo-test-agent", &format!("silo-agent/{id}-keeper")]).success();
    let keeper = "<none>".to_owned();
    assert_eq!(images(&agents, &id), [keeper, format!("silo-agent/{id}-scout")]);
    agents.silo(&["down"]).success();
    assert_eq!(images(&agents, &id), [format!("silo-agent/{id}-scout")]);
    agents.engine.docker(&["image", "rm", &format!("silo-agent/{id}-keeper")]).success();
    let freed = agents.silo(&["down", "--clean"]).success();
    assert!(freed.stderr.contains(&format!("Left in Docker: image silo-agent/{id}-scout; ")), "{}", freed.stderr);
    agents.silo(&["gateway", "down"]);
    agents.engine.docker(&["image", "rm", &format!("silo-agent/{id}-scout")]).success();
}

#[test]
fn engine_a_build_that_loses_a_cached_image_begins_again_and_no_other_failure_does() {
    let agents = scene();
    let docker = agents.engine.docker_path();
    let log = agents.engine.sandbox.path("builds");
    let fail = |times: usize, said: &str| {
        let script = format!(
            "#!/bin/sh
if [ \"$1\" = build ]; then
  echo >>'{log}'
  [ $(cat '{log}' | wc -l) -gt {times} ] || {{ echo '{said}' >&2; exit 1; }}
fi
exec '{docker}' \"$@\"
",
            log = log.display(),
        );
        let _ = fs::remove_file(&log);
        program(&agents.engine.sandbox.path("bin/docker"), &script);
    };
    let builds = || fs::read_to_string(&log).expect("it was called").lines().count();
    // As an engine says it, whose other builds of the same file are removed at that moment.
    fail(2, "failed to get digest sha256:46a9: open /var/lib/docker/image/overlay2/46a9: no such file or directory");
    let ran = agents.silo(&["agent", "run", "scout", "--as", "again-1"]).success();
    assert_eq!((builds(), ran.stderr.matches("building it again").count()), (3, 2), "{}", ran.stderr);
    fail(9, "No such image: sha256:46a9");
    agents.silo(&["agent", "run", "scout", "--as", "again-2"]).exit(1);
    assert_eq!(builds(), 4);
    fail(9, "unknown instruction: FORM");
    agents.silo(&["agent", "run", "scout", "--as", "again-3"]).exit(1);
    assert_eq!(builds(), 1);
    fs::remove_file(agents.engine.sandbox.path("bin/docker")).expect("it is ours");
    agents.engine.docker(&["image", "rm", &format!("silo-agent/{}-scout", agents.instance())]).success();
}

#[test]
fn engine_a_workspace_that_is_removed_takes_its_agents_and_their_images_along() {
    let agents = scene();
    agents.silo(&["new", "side"]).success();
    let side = "app.side";
    silo_in(&agents, side, &["allow"]).success();
    silo_in(&agents, side, &["up", "-d"]).success();
    let run = wait_for_keeper(&agents);
    let root = fs::canonicalize(agents.engine.sandbox.dir(side)).expect("it was made");
    let id = silo::core::text::digest::root_id(root.as_os_str().as_encoded_bytes());
    assert_eq!(images(&agents, &id), [format!("silo-agent/{id}-keeper")]);
    agents.silo(&["rm", "side"]).success();
    assert_eq!(images(&agents, &id), [""; 0]);
    let names = agents.engine.docker(&["ps", "--all", "--format", "{{.Names}}"]).success().stdout;
    assert!(!names.contains(&run), "{names}");
    assert_eq!(agents.git(&["show", &format!("agent/{run}:file")]).success().stdout, "one\ntwo\n");
    // Where `silo down` may not act, its work is still brought into the repository, before the folder goes.
    agents.silo(&["new", "other"]).success();
    silo_in(&agents, "app.other", &["allow"]).success();
    silo_in(&agents, "app.other", &["up", "-d"]).success();
    let run = wait_for_keeper(&agents);
    let file = agents.engine.sandbox.dir("app.other").join("silo.toml");
    let text = fs::read_to_string(&file).expect("it is there") + "# Changed.\n";
    fs::write(&file, text).expect("it is writable");
    agents.silo(&["rm", "--force", "--yes", "other"]).success();
    assert_eq!(agents.git(&["show", &format!("agent/{run}:file")]).success().stdout, "one\ntwo\n");
    let names = agents.engine.docker(&["ps", "--all", "--format", "{{.Names}}"]).success().stdout;
    assert!(!names.contains(&run), "{names}");
    agents.silo(&["gateway", "down"]);
}

#[test]
fn engine_what_another_users_agent_runs_with_stays_though_its_root_has_the_same_path() {
    let agents = Agents::line("echo ran", "");
    let id = agents.instance();
    agents.silo(&["agent", "run", "scout", "--as", "prune-3"]).success();
    // Another user's silo has a record of it, and this one's has not.
    let labels = ["silo.agent=prune-4".to_owned(), "silo.agent.name=scout".to_owned(), format!("silo.instance={id}")];
    let mut words = vec!["run", "--detach", "--name", "silo-agent-prune-4"];
    words.extend(labels.iter().flat_map(|label| ["--label", label]));
    words.extend(["silo-test-box", "sh", "-c", "while :; do sleep 1; done"]);
    agents.engine.docker(&words).success();
    fs::remove_dir_all(agents.path("")).expect("it was made");
    silo_in(&agents, "", &["prune", "--all", "--yes"]).success();
    let state = || agents.engine.docker(&["inspect", "--format", "{{.State.Status}}", "silo-agent-prune-4"]).stdout;
    assert_eq!(state().trim(), "running");
    agents.engine.docker(&["rm", "--force", "silo-agent-prune-4"]).success();
}

#[test]
fn engine_a_run_that_goes_on_is_left_alone_though_its_folder_is_gone() {
    let agents = Agents::line("echo up; sleep 1000", "");
    let mut silo = agents.spawn(&["scout", "--as", "prune-2"]);
    until("it is up", || agents.engine.docker(&["logs", "silo-agent-prune-2"]).stdout.contains("up"));
    fs::remove_dir_all(agents.path("")).expect("it was made");
    let pruned = silo_in(&agents, "", &["prune", "--all", "--yes"]).exit(1);
    assert!(pruned.stderr.contains("The run `prune-2` goes on"), "{}", pruned.stderr);
    let state = agents.engine.docker(&["inspect", "--format", "{{.State.Status}}", "silo-agent-prune-2"]).stdout;
    assert_eq!(state.trim(), "running");
    silo.kill().expect("it runs");
    silo.wait().expect("it ran");
    silo_in(&agents, "", &["prune", "--all", "--yes"]).success();
    let names = agents.engine.docker(&["ps", "--all", "--format", "{{.Names}}"]).success().stdout;
    assert!(!names.contains("silo-agent-prune-2"), "{names}");
}
