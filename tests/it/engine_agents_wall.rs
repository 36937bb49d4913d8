//! What an agent of `silo agent run` reaches, and that nothing else answers (D33, D36): real containers, listeners of the test all around.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use crate::engine_agents::{Agents, agent};
use crate::gateway::{REAL, message, request};
use crate::proxy::server;
use crate::sandbox::free_ports;

/// An instance with a service, a gateway and a provider behind it.
pub(crate) struct Scene {
    pub(crate) agents: Agents,
    /// The heads of requests that reached the provider.
    log: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    pub(crate) fn new(toml: &str) -> Self {
        // Ports of its own: who has another registry would find the same ones free.
        let [port, web, api] = free_ports();
        let compose = format!(
            "[compose]\nnetwork = \"ports\"\n[compose.ports]\nWEB_PORT = \"{web}:web:80\"\nAPI_PORT = \"{api}:api:80\"\n"
        );
        let agents = Agents::new(&format!("{compose}{toml}"));
        let web = "services:\n  web:\n    image: silo-test-box\n    command: sh -c 'echo from-web > /tmp/index.html && httpd -f -p 80 -h /tmp'\n    ports: [\"80\"]\n    stop_grace_period: 0s\n";
        let api = web.replace("web", "api").replace("services:\n", "");
        fs::write(agents.path("compose.yaml"), format!("{web}{api}")).expect("written");
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&log);
        let provider = server(move |mut stream| {
            while let Some((head, _)) = request(&mut stream) {
                seen.lock().expect("nobody panics with it").push(head);
                let _ = stream.write_all(message(3, 2).as_bytes());
            }
        });
        let file = format!(
            "port = {port}\n[instances]\nbudget = 1\n[providers.test]\nshape = \"anthropic\"\nurl = \"http://127.0.0.1:{provider}\"\n\
             key = \"{REAL}\"\nmodels.small = {{ input = 1, output = 1, window = 1000, max_output = 100 }}\n"
        );
        let path = agents.engine.sandbox.path("config/silo/gateway.toml");
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, file).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("ours");
        Self { agents, log }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.agents.silo(&["gateway", "down"]);
        self.agents.silo(&["down", "--volumes"]);
    }
}

/// A request to the gateway, as a line of a shell.
fn ask(key: &str) -> String {
    let body = r#"{"model":"small","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#;
    let say = format!(
        "printf 'POST /v1/messages HTTP/1.1\\r\\nHost: llm-gateway:4000\\r\\nx-api-key: %s\\r\\nContent-Type: application/json\\r\\n\
         Content-Length: {}\\r\\nConnection: close\\r\\n\\r\\n%s' \"{key}\" \"$B\"",
        body.len()
    );
    format!("B='{body}'; {} | head -n 1", said_to(&say, "llm-gateway 4000"))
}

/// What says something to an address and is there until the answer has come, once in a container: who hangs up gets none.
pub(crate) fn said_to(say: &str, address: &str) -> String {
    let until = "i=0; until [ -e /dev/shm/said ] || [ $i = 300 ]; do sleep 0.1; i=$((i+1)); done";
    format!("({say}; {until}) | (nc {address}; : >/dev/shm/said)")
}

/// Asks a web server for its page, as a line of a shell; what fails says so.
pub(crate) fn page(address: &str, port: u16) -> String {
    format!(
        "(printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {address} {port} 2>/dev/null | tail -n 1 | grep . || echo none)"
    )
}

/// The same of a server that may have been started just now.
fn page_soon(address: &str, port: u16) -> String {
    let page = page(address, port);
    format!("N=0; until A=$( {page} ) && [ $A != none ] || [ $N = 20 ]; do sleep 0.3; N=$((N+1)); done; echo $A")
}

#[test]
fn engine_an_agent_reaches_what_is_named_and_nothing_else() {
    // Listeners of this machine: on loopback, and on every address it has.
    let (own, all) = (TcpListener::bind("127.0.0.1:0").expect("free"), TcpListener::bind("0.0.0.0:0").expect("free"));
    let [own, all] = [&own, &all].map(|one| one.local_addr().expect("it has one").port());
    let line = [
        page_soon("web", 80),
        page("api", 80),
        ask("$LLM_GATEWAY_KEY"),
        "env | grep -c sk-REAL; cat /proc/net/route | grep -c '00000000.*00000000' ".to_owned(),
        "for at in 127.0.0.1 $(ip route | sed -n 's|^\\([0-9.]*\\)\\..*|\\1.1|p') 172.17.0.1 10.199.0.1 169.254.169.254 10.0.0.1; do".to_owned(),
        format!("for port in {own} {all} 80 2375; do nc -w 1 $at $port </dev/null 2>/dev/null && echo \"$at:$port answers\"; done; done"),
        "nslookup example.com 127.0.0.11 2>/dev/null | grep -c 'Address.*: [1-9]' ; echo end".to_owned(),
    ]
    .join("\n")
    .replace('\n', "; ")
    .replace("do;", "do");
    let scene = Scene::new(&agent("scout", &line, "services = [\"web\"]\nmodels = [\"small\"]\nbudget = 1"));
    let ran = scene.agents.silo(&["agent", "run", "scout", "--as", "wall"]);
    assert_eq!(ran.code(), Some(0), "{}{}", ran.stdout, ran.stderr);
    let lines: Vec<&str> = ran.stdout.lines().map(str::trim_end).collect();
    assert_eq!(lines[..3], ["from-web", "none", "HTTP/1.1 200 OK"], "{}{}", ran.stdout, ran.stderr);
    assert!(!ran.stdout.contains("answers"), "{}", ran.stdout);
    assert_eq!(lines[3], "0", "the real key is nowhere: {}", ran.stdout);
    let log = scene.log.lock().expect("nobody panics with it").join("\n");
    assert!(log.contains(REAL) && !log.contains("sk-silo-"), "{log}");
    assert_eq!(scene.agents.left().lines().filter(|line| !line.is_empty()).count(), 0, "{}", scene.agents.left());
    // Its key opens nothing any more, nor anything else but its own socket did.
    let keys = scene.agents.silo(&["key", "list"]).success().stdout;
    assert!(keys.contains("revoked"), "{keys}");
    let spent = scene.agents.silo(&["gateway", "spend"]).success().stdout;
    assert!(spent.contains("wall"), "{spent}");
}

#[test]
fn engine_agents_at_once_have_walls_of_their_own() {
    // Each leaves its key and address where the other, who runs longer, finds nothing of it.
    let line = format!("{}; ip addr show dev eth0 | grep -o 'inet [0-9.]*'; sleep 2", ask("$LLM_GATEWAY_KEY"));
    let scene = Scene::new(&agent("scout", &line, "models = [\"small\"]"));
    let started: Vec<_> =
        ["wall-1", "wall-2", "wall-3"].map(|id| scene.agents.spawn(&["scout", "--as", id])).into_iter().collect();
    let mut addresses = Vec::new();
    for silo in started {
        let ended = silo.wait_with_output().expect("it ran");
        let (out, err) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert!(out.contains("HTTP/1.1 200 OK"), "{out}{err}");
        addresses.extend(out.lines().filter(|line| line.starts_with("inet ")).map(str::to_owned));
    }
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 3, "{addresses:?}");
    assert_eq!(scene.agents.left().trim(), "");
}

#[test]
fn engine_a_killed_silo_leaves_no_network_no_key_and_no_relay() {
    let scene = Scene::new(&agent("scout", "echo up; sleep 1000", "models = [\"small\"]"));
    let mut silo = scene.agents.spawn(&["scout", "--as", "wall-cut"]);
    let is_up = || scene.agents.engine.docker(&["logs", "silo-agent-wall-cut"]).stdout.contains("up");
    crate::engine::until("the agent is up", is_up);
    silo.kill().expect("it runs");
    silo.wait().expect("it ran");
    scene.agents.silo(&["agent", "list"]).success();
    assert_eq!(scene.agents.left().trim(), "");
    let keys = scene.agents.silo(&["key", "list"]).success().stdout;
    assert!(keys.contains("revoked") && !keys.contains("open"), "{keys}");
    let folder = scene.agents.engine.sandbox.path("state/silo/agents/wall-cut");
    assert!(!folder.join("wall.json").exists() && !folder.join("wall").exists() && !folder.join("work").exists());
}
