//! Agents of an instance reach one another by name, and nothing that they did not name (D33): real containers, two relays between them.

use std::time::{Duration, Instant};

use crate::engine::{until, until_is};
use crate::engine_agents::{Agents, agent};
use crate::engine_agents_wall::page;
use crate::gateway::own_file;
use crate::sandbox::free_ports;

/// What a persistent agent says once it is there, and then waits.
const WAIT: &str = "echo up; while :; do sleep 1; done";

/// Two ports with a page each, of which others may reach the first one.
fn research() -> String {
    let line = "mkdir /tmp/a /tmp/b; echo from-research > /tmp/a/index.html; echo secret > /tmp/b/index.html; \
                httpd -p 8081 -h /tmp/b; echo up; exec httpd -f -p 8080 -h /tmp/a";
    agent("research", line, "lifetime = \"persistent\"\nrepository = false\nlisten = 8080")
}

struct Scene(Agents);

impl Scene {
    fn new(toml: &[String]) -> Self {
        let agents = Agents::new(&toml.concat());
        let [port] = free_ports();
        own_file(&agents.engine.sandbox, "config/silo/gateway.toml", format!("port = {port}\n"));
        agents.silo(&["allow"]).success();
        agents.silo(&["up", "-d"]).success();
        Self(agents)
    }

    /// The run of a persistent agent that goes on.
    fn id(&self, agent: &str) -> String {
        let runs = self.0.runs();
        let run = runs.iter().rev().find(|run| run["agent"] == agent && run["state"] == "running");
        run.expect("it is up")["id"].as_str().expect("a text").to_owned()
    }

    fn wait_for(&self, agent: &str) {
        let container = format!("silo-agent-{}", self.id(agent));
        until("it is up", || self.0.engine.docker(&["logs", &container]).stdout.contains("up"));
    }

    /// What a line of a shell prints in an agent, without its last line end.
    fn inside(&self, agent: &str, line: &str) -> String {
        let ran = self.0.silo(&["agent", "exec", &self.id(agent), "--", "sh", "-c", line]);
        ran.stdout.trim_end().to_owned()
    }

    fn address(&self, container: &str) -> String {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        self.0.engine.docker(&["inspect", "--format", format, container]).success().stdout.trim().to_owned()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.0.silo(&["down", "--volumes"]);
        self.0.silo(&["gateway", "down"]);
    }
}

#[test]
fn engine_agents_reach_those_they_name_and_no_others() {
    let persistent = "lifetime = \"persistent\"\nrepository = false\n";
    let scout = format!("{}; {}; {}", page("research", 8080), page("research", 8081), page("strategic", 9000));
    let scene = Scene::new(&[
        agent("strategic", WAIT, &format!("{persistent}listen = 9000\nagents = [\"research\"]")),
        agent("security", WAIT, &format!("{persistent}listen = 9001")),
        research(),
        agent("scout", &scout, "repository = false\nagents = [\"research\"]"),
    ]);
    for name in ["research", "strategic", "security"] {
        scene.wait_for(name);
    }
    until_is(&"from-research".to_owned(), || scene.inside("strategic", &page("research", 8080)));
    assert_eq!(scene.inside("strategic", &page("research", 8081)), "none", "another port leads nowhere");
    let named = scene.inside("strategic", "cat /etc/hosts");
    assert!(named.contains("research") && !named.contains("security"), "{named}");
    // Who did not name it knows no way: not its name, nor its address, nor that of its relay, nor of the one who did.
    let id = scene.id("research");
    let addresses = [format!("silo-agent-{id}"), format!("silo-agent-{id}.relay")].map(|name| scene.address(&name));
    let own = scene.address(&format!("silo-agent-{}.relay", scene.id("strategic")));
    for address in ["research", &addresses[0], &addresses[1], &own] {
        for port in [8080, 8081] {
            assert_eq!(scene.inside("security", &page(address, port)), "none", "{address}:{port}");
        }
    }
    // Nor does the one who is named know one back.
    assert_eq!(scene.inside("research", &page("strategic", 9000)), "none");
    // Through its relay nothing of the target but that port answers, and no socket of the relay's is in reach.
    assert_eq!(scene.inside("research", &page(&addresses[1], 8080)), "none");
    let ran = scene.0.silo(&["agent", "run", "scout", "--as", "peer-1"]).success();
    assert_eq!(ran.stdout, "from-research\nnone\nnone\n", "{}", ran.stderr);
    scene.0.silo(&["down"]).success();
    assert_eq!(scene.0.left().trim(), "");
    // Where it is not up, a transient one is told, and hears nothing.
    let ran = scene.0.silo(&["agent", "run", "scout", "--as", "peer-2"]).success();
    assert_eq!(ran.stdout, "none\nnone\nnone\n", "{}", ran.stderr);
    assert!(ran.stderr.contains("The agent `research`, which `scout` names, is not up"), "{}", ran.stderr);
}

#[test]
fn engine_agents_on_one_port_are_told_apart_by_the_host_that_is_asked_for() {
    let persistent = |more: &str| format!("lifetime = \"persistent\"\nrepository = false\nlisten = 8080\n{more}");
    let security = "mkdir /tmp/a; echo from-security > /tmp/a/index.html; echo up; exec httpd -f -p 8080 -h /tmp/a";
    let scene = Scene::new(&[
        agent("strategic", WAIT, &persistent("agents = [\"research\", \"security\"]")),
        research(),
        agent("security", security, &persistent("agents = [\"research\"]")),
    ]);
    for name in ["research", "strategic", "security"] {
        scene.wait_for(name);
    }
    let get = |agent: &str, host: &str| {
        let request = format!("printf 'GET / HTTP/1.0\\r\\nHost: {host}:8080\\r\\n\\r\\n'");
        scene.inside(agent, &format!("{request} | nc -w 2 {host} 8080 | tail -n 1"))
    };
    for name in ["research", "security"] {
        until_is(&format!("from-{name}"), || get("strategic", name));
    }
    // One that names a single one needs no such request.
    assert_eq!(scene.inside("security", &page("research", 8080)), "from-research");
    // A request that names nobody, or somebody who was not named, leads nowhere, and neither does what is no request.
    let say = |words: &str| {
        let line = format!("(printf '{words}'; sleep 1) | timeout 10 nc research 8080 | grep -c from");
        scene.inside("strategic", &line)
    };
    assert_eq!(say("GET / HTTP/1.1\\r\\nHost: SECURITY:8080\\r\\nConnection: close\\r\\n\\r\\n"), "1");
    for words in ["GET / HTTP/1.1\\r\\nHost: strategic\\r\\n\\r\\n", "GET / HTTP/1.0\\r\\n\\r\\n", "\\0\\0\\0"] {
        assert_eq!(say(words), "0", "{words}");
    }
}

#[test]
fn engine_an_agent_that_was_killed_or_started_again_is_reached_again_by_its_name() {
    let persistent = "lifetime = \"persistent\"\nrepository = false\nagents = [\"research\"]";
    let scene = Scene::new(&[agent("strategic", WAIT, persistent), research()]);
    for name in ["research", "strategic"] {
        scene.wait_for(name);
    }
    let ask = || scene.inside("strategic", &page("research", 8080));
    until_is(&"from-research".to_owned(), ask);
    let container = format!("silo-agent-{}", scene.id("research"));
    let relay = format!("{container}.relay");
    for killed in [vec![container.clone()], vec![container.clone(), relay.clone()], vec![relay.clone()]] {
        for container in &killed {
            scene.0.engine.docker(&["kill", container]).success();
        }
        let start = Instant::now();
        assert_eq!(ask(), "none");
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        // One whose relay alone is gone reaches nobody either.
        assert!(scene.0.silo(&["list"]).success().stdout.contains("1 of 2 up"));
        scene.0.silo(&["heal"]).success();
        until("it is reached again", || ask() == "from-research");
    }
    // A relay that somebody has removed comes with a run of its own.
    scene.0.engine.docker(&["rm", "--force", &relay]).success();
    scene.0.silo(&["heal"]).success();
    assert_ne!(format!("silo-agent-{}", scene.id("research")), container);
    until("it is reached again", || ask() == "from-research");
    // The gateway is the way: killed and started again it is one again.
    scene.0.silo(&["gateway", "down"]).success();
    assert_eq!(ask(), "none");
    scene.0.silo(&["gateway", "up", "-d"]).success();
    until("it is reached again", || ask() == "from-research");
    let before = scene.id("research");
    scene.0.silo(&["agent", "stop", "research"]).success();
    assert_eq!(ask(), "none");
    scene.0.silo(&["up", "-d"]).success();
    assert_ne!(scene.id("research"), before);
    until("it is reached by its name", || ask() == "from-research");
}
