//! The state chart of a run (docs/agents.md), edge by edge: `strace` kills silo just before and just after each write of the record. The
//! next call finishes the run: nothing of it is left, and every commit and finding is there (D33).

use std::fs;

use crate::engine::until;
use crate::engine_agents::{Agents, agent};
use crate::engine_agents_wall::Scene;
use crate::sandbox::SILO;

/// What an agent does: a commit, a file that lies open, a finding.
const WORK: &str = "echo two >> file; git -c user.name=a -c user.email=a@example.com commit -qam done; echo open > open.txt; \
                    echo x > /findings/a; echo committed";

/// One call of silo's that makes a record what it is next: renaming the new file over it, or writing its folder to the disk afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Moment {
    call: &'static str,
    /// Which of its kind it is in the whole command.
    number: usize,
    /// Which write of the record it is of.
    write: usize,
}

/// Runs silo below strace, which writes what it sees into a file.
fn traced(agents: &Agents, what: &[&str], words: &[&str]) -> String {
    let log = agents.engine.sandbox.path("trace");
    let mut strace = agents.engine.command("strace", "app");
    strace.args(["-qq", "-y", "-e", "signal=none"]).args(what).arg("-o").arg(&log).arg(SILO).args(words);
    // Usually it is killed.
    let _killed = agents.engine.sandbox.finish(strace);
    fs::read_to_string(log).expect("strace writes it: tests/run installs it")
}

/// The moments of a command: two for each write of the record of an agent's run.
fn moments(agents: &Agents, words: &[&str]) -> Vec<Moment> {
    let log = traced(agents, &["-e", "trace=rename,fsync"], words);
    let (mut found, mut counts, mut writes) = (Vec::new(), [0, 0], [0, 0]);
    for line in log.lines() {
        let at = usize::from(!line.starts_with("rename("));
        counts[at] += 1;
        let call = ["rename", "fsync"][at];
        // A record is renamed to its name; its folder is below that of all agents.
        let is_record = match at {
            0 => line.contains("/record\")"),
            _ => line.split_once("/silo/agents/").is_some_and(|(_, rest)| !rest.contains('/')),
        };
        if is_record {
            writes[at] += 1;
            found.push(Moment { call, number: counts[at], write: writes[at] });
        }
    }
    found
}

/// Kills silo as it is about to make a call. Where the run's ID is known, calls that write its folder to the disk are counted alone.
fn cut(agents: &Agents, moment: &Moment, words: &[&str], id: Option<&str>) {
    let folder =
        id.filter(|_| moment.call == "fsync").map(|id| agents.engine.sandbox.path(format!("state/silo/agents/{id}")));
    let number = if folder.is_some() { moment.write } else { moment.number };
    let trace = format!("trace={}", moment.call);
    let inject = format!("inject={}:signal=SIGKILL:when={number}", moment.call);
    let folder = folder.map(|folder| folder.to_string_lossy().into_owned());
    let only = folder.iter().flat_map(|folder| ["-P", folder]);
    let what: Vec<&str> = ["-e", &trace, "-e", &inject].into_iter().chain(only).collect();
    let log = traced(agents, &what, words);
    assert!(log.trim_end().ends_with("= ?"), "{moment:?} of {words:?}: {log}");
}

/// A scene whose agents take addresses that no other test's take: one that comes too late chooses others, which its record shows.
fn scene(toml: &str, pool: &str) -> Scene {
    let scene = Scene::new(toml);
    let path = scene.agents.engine.sandbox.path("config/silo/config.toml");
    fs::write(path, format!("network.pool = \"{pool}\"\n")).expect("the sandbox is writable");
    scene
}

/// How far the record of a run is: as the file says it.
fn stage(agents: &Agents, id: &str) -> String {
    let path = agents.engine.sandbox.path(format!("state/silo/agents/{id}/record"));
    let Ok(text) = fs::read(path) else { return "none".to_owned() };
    let record: serde_json::Value = serde_json::from_slice(&text).expect("a record is whole at any moment");
    record["stage"].as_str().expect("a text").to_owned()
}

/// The keys of the gateway that were ever made.
fn keys(agents: &Agents) -> Vec<serde_json::Value> {
    let Ok(text) = fs::read(agents.engine.sandbox.path("state/silo/gateway/keys.json")) else { return Vec::new() };
    let keys: serde_json::Value = serde_json::from_slice(&text).expect("it is whole at any moment");
    keys["keys"].as_array().expect("a list").clone()
}

/// Makes sure that nothing of a run is left but what is kept.
fn assert_nothing_left(agents: &Agents, id: &str, what: &str) {
    let format = "{{.Names}}";
    let left =
        agents.engine.docker(&["ps", "--all", "--filter", &format!("label=silo.agent={id}"), "--format", format]);
    assert_eq!(left.success().stdout, "", "{what}");
    let left = agents.engine.docker(&["network", "ls", "--quiet", "--filter", &format!("label=silo.agent={id}")]);
    assert_eq!(left.success().stdout, "", "{what}");
    let folder = agents.engine.sandbox.path(format!("state/silo/agents/{id}"));
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|one| one.file_name());
    let kept = ["record", "lock", "log", "findings"];
    let other: Vec<_> = names.filter(|name| !kept.iter().any(|kept| name == kept)).collect();
    assert!(other.is_empty(), "{what}: {other:?}");
    for key in keys(agents).iter().filter(|key| key["agent"] == id) {
        assert!(key["revoked"].is_string(), "{what}: {key}");
    }
}

fn assert_home(agents: &Agents, id: &str, what: &str) {
    let show = |path: &str| agents.git(&["show", &format!("agent/{id}:{path}")]).stdout;
    assert_eq!((show("file").as_str(), show("open.txt").as_str()), ("one\ntwo\n", "open\n"), "{what}");
    assert!(agents.findings(id).join("a").exists(), "{what}");
}

/// Cuts a transient run at each moment, and gives how far its record was then.
fn cut_everywhere(agents: &Agents, prefix: &str) -> Vec<String> {
    agents.silo(&["agent", "run", "scout", "--as", &format!("{prefix}-0")]).success();
    let all = moments(agents, &["agent", "run", "scout", "--as", &format!("{prefix}-whole")]);
    let mut stages = Vec::new();
    for (at, moment) in all.iter().enumerate() {
        let id = format!("{prefix}-{at}");
        let id = if at == 0 { format!("{prefix}-first") } else { id };
        cut(agents, moment, &["agent", "run", "scout", "--as", &id], Some(&id));
        let (was, container) = (stage(agents, &id), format!("silo-agent-{id}"));
        let what = format!("{moment:?}, {was}");
        let state = || agents.engine.docker(&["inspect", "--format", "{{.State.Status}}", &container]).stdout;
        until("the agent ends with its silo", || !matches!(state().trim(), "running" | "restarting"));
        let never_ran = state().trim() == "created";
        let listed = agents.silo(&["agent", "list"]).success();
        assert_nothing_left(agents, &id, &format!("{what}: {}", listed.stderr));
        match was.as_str() {
            "none" | "making" => assert_eq!(stage(agents, &id), "none", "{what}"),
            "running" if never_ran => assert_eq!(stage(agents, &id), "ended", "{what}"),
            _ => {
                assert_eq!(stage(agents, &id), "ended", "{what}");
                assert_home(agents, &id, &what);
            }
        }
        stages.push(was);
    }
    stages
}

/// Each stage that a record gets is what it is just after that write, and just before the next one.
fn twice(stages: &[&str]) -> Vec<String> {
    let pairs = stages.windows(2).flat_map(|pair| [pair[0], pair[1]]);
    pairs.map(str::to_owned).collect()
}

#[test]
fn engine_a_silo_killed_at_each_edge_of_a_run_leaves_nothing_and_loses_nothing() {
    let agents = Agents::new(&agent("scout", WORK, ""));
    let stages = cut_everywhere(&agents, "edge");
    let expected = ["none", "making", "making", "running", "stopped", "bundled", "kept", "ended"];
    assert_eq!(stages, twice(&expected));
    assert_eq!(agents.left().trim(), "");
}

#[test]
fn engine_a_silo_killed_at_each_edge_of_a_run_behind_a_wall_leaves_no_way_in() {
    let scene = scene(&agent("scout", WORK, "services = [\"web\"]\nmodels = [\"small\"]"), "10.225.1.0/24");
    let stages = cut_everywhere(&scene.agents, "wall-edge");
    // Its addresses are written before its network is made.
    let expected = ["none", "making", "making", "making", "running", "stopped", "bundled", "kept", "ended"];
    assert_eq!(stages, twice(&expected));
    assert_eq!(scene.agents.left().trim(), "");
    assert!(keys(&scene.agents).len() >= stages.len() / 2, "they had keys: {:?}", keys(&scene.agents));
}

/// The persistent agent of [`scene`], and that it has done its work.
fn keeper(agents: &Agents) -> String {
    let runs = agents.runs();
    let run = runs.iter().rev().find(|run| run["state"] == "running").expect("it was started");
    let id = run["id"].as_str().expect("a text").to_owned();
    let container = format!("silo-agent-{id}");
    until("it has committed", || agents.engine.docker(&["logs", &container]).stdout.contains("committed"));
    id
}

/// The runs that have a folder, in the state of silo.
fn recorded(agents: &Agents) -> Vec<String> {
    let folders = fs::read_dir(agents.engine.sandbox.path("state/silo/agents")).into_iter().flatten().flatten();
    let folders = folders.filter(|one| one.path().join("record").exists());
    folders.map(|one| one.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn engine_a_persistent_agent_comes_up_and_home_wherever_its_silo_is_killed() {
    let line = format!("{WORK}; while :; do sleep 1; done");
    let keeper_toml = agent("keeper", &line, "lifetime = \"persistent\"\nmodels = [\"small\"]\nlisten = 8080");
    let scene = scene(&keeper_toml, "10.225.2.0/24");
    let agents = &scene.agents;
    agents.silo(&["allow"]).success();
    agents.silo(&["up", "-d"]).success();
    agents.silo(&["down"]).success();
    let up = moments(agents, &["up", "-d"]);
    keeper(agents);
    let mut stages = Vec::new();
    for moment in &up {
        agents.silo(&["down"]).success();
        let before = recorded(agents);
        cut(agents, moment, &["up", "-d"], None);
        let new: Vec<String> = recorded(agents).into_iter().filter(|id| !before.contains(id)).collect();
        let was = new.first().map_or_else(|| "none".to_owned(), |id| stage(agents, id));
        let listed = agents.silo(&["agent", "list"]).success();
        for id in new.iter().filter(|id| stage(agents, id) != "running") {
            assert_nothing_left(agents, id, &format!("{moment:?}, {was}: {}", listed.stderr));
        }
        // Which write a folder's is, is not known before its run has an ID.
        stages.extend(Some(was).filter(|_| moment.call == "rename"));
        // It comes up as if nothing had been.
        agents.silo(&["up", "-d"]).success();
        keeper(agents);
    }
    assert_eq!(stages, ["none", "making", "making", "making"]);
    let id = keeper(agents);
    let down = moments(agents, &["down"]);
    assert_home(agents, &id, "down");
    let mut stages = Vec::new();
    for moment in &down {
        agents.silo(&["up", "-d"]).success();
        let id = keeper(agents);
        cut(agents, moment, &["down"], Some(&id));
        let was = stage(agents, &id);
        let listed = agents.silo(&["agent", "list"]).success();
        let what = format!("{moment:?}, {was}: {}", listed.stderr);
        assert_nothing_left(agents, &id, &what);
        assert_home(agents, &id, &what);
        stages.push(was);
    }
    assert_eq!(stages, twice(&["running", "stopped", "bundled", "kept", "ended"]));
    assert_eq!(agents.left().trim(), "");
}

#[test]
fn engine_a_container_killed_while_its_agent_runs_is_brought_home_or_back() {
    let line = format!("{WORK}; while :; do sleep 1; done");
    let plain = agent("scout", &line, "");
    let walled = agent("walled", &line, "models = [\"small\"]");
    let keeper_toml = agent("keeper", &line, "lifetime = \"persistent\"\nmodels = [\"small\"]");
    let scene = Scene::new(&[plain, walled, keeper_toml].concat());
    let agents = &scene.agents;
    for (name, id) in [("scout", "killed-1"), ("walled", "killed-2")] {
        let silo = agents.spawn(&[name, "--as", id]);
        let container = format!("silo-agent-{id}");
        until("it has committed", || agents.engine.docker(&["logs", &container]).stdout.contains("committed"));
        agents.engine.docker(&["kill", &container]).success();
        let ended = silo.wait_with_output().expect("it ran");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(137), "{said}");
        assert_nothing_left(agents, id, &said);
        assert_home(agents, id, &said);
    }
    agents.silo(&["allow"]).success();
    agents.silo(&["up", "-d"]).success();
    let id = keeper(agents);
    agents.engine.docker(&["kill", &format!("silo-agent-{id}")]).success();
    // What is wanted is healed, with what it had done, and is not ended by who looks.
    agents.silo(&["agent", "list"]).success();
    agents.silo(&["heal"]).success();
    assert_eq!(keeper(agents), id);
    agents.engine.docker(&["kill", &format!("silo-agent-{id}")]).success();
    agents.silo(&["down"]).success();
    assert_nothing_left(agents, &id, "down");
    let file = agents.git(&["show", &format!("agent/{id}:file")]).success().stdout;
    assert!(file.starts_with("one\ntwo\n"), "{file}");
    assert!(agents.findings(&id).join("a").exists());
}
