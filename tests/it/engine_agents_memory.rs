//! A persistent agent reaches a memory that is a server of the user's on this machine's loopback, through its relay, and nothing else of
//! that machine (D33, D35).

use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::engine::{until, until_is};
use crate::engine_agents::{Agents, agent};
use crate::gateway::own_file;
use crate::memory::{PASSWORD, Postgres, between, psql};
use crate::proxy::server;
use crate::sandbox::free_ports;

/// Asks a Postgres whether it speaks TLS, and prints the letter of its answer
/// (<https://www.postgresql.org/docs/current/protocol-message-formats.html>).
fn letter(host: &str, port: u16) -> String {
    format!("(printf '\\000\\000\\000\\010\\004\\322\\026\\057'; sleep 1) | nc -w 3 {host} {port} | head -c 1")
}

/// An instance with a persistent agent whose memory is the server `team` of this file.
fn scene(file: &str) -> (Agents, String) {
    let line = "echo up; while :; do sleep 1; done";
    let more = "lifetime = \"persistent\"\nrepository = false";
    let agents = Agents::new(&format!("[memory]\nserver = \"team\"\n{}", agent("keeper", line, more)));
    let [port] = free_ports();
    own_file(&agents.engine.sandbox, "config/silo/gateway.toml", format!("port = {port}\n"));
    own_file(&agents.engine.sandbox, "config/silo/memory.toml", file);
    agents.silo(&["allow"]).success();
    let up = agents.silo(&["up", "-d"]).success();
    (agents, up.stderr)
}

/// Passes bytes both ways between a connection and a unix socket.
fn lead(stream: &TcpStream, socket: &Path) {
    let other = UnixStream::connect(socket).expect("the gateway listens");
    between(stream, &other, |other| drop(other.shutdown(Shutdown::Write)));
}

fn down(agents: &Agents) {
    agents.silo(&["down"]).success();
    agents.silo(&["gateway", "down"]);
    assert_eq!(agents.left().trim(), "");
}

#[test]
fn engine_a_persistent_agent_is_led_to_the_users_server_with_a_role_of_its_own() {
    let postgres = Postgres::shared();
    let (agents, _) = scene(&postgres.file(&postgres.database()));
    let runs = agents.runs();
    let id = runs[0]["id"].as_str().expect("a text");
    until("it is up", || agents.engine.docker(&["logs", &format!("silo-agent-{id}")]).stdout.contains("up"));
    let inside = |line: &str| agents.silo(&["agent", "exec", id, "--", "sh", "-c", line]).stdout.trim().to_owned();
    let url = inside("cat /memory/url");
    assert!(url.contains("@silo-memory:5431/") && !url.contains(PASSWORD), "{url}");
    until_is(&"S".to_owned(), || inside(&letter("silo-memory", 5431)));
    for host in ["silo-memory", "127.0.0.1"] {
        assert_eq!(inside(&letter(host, postgres.port)), "", "{host} does not lead to the server's own port");
    }
    // The role opens it by that very socket.
    let socket = agents.engine.sandbox.path(format!("state/silo/agents/{id}/wall/silo-memory.5431.sock"));
    let relay = server(move |stream| lead(&stream, &socket));
    let address = url.replace("silo-memory:5431", &format!("127.0.0.1:{relay}"));
    let (_, told, succeeded) = psql(&address, "INSERT INTO silo_memory.findings (title, body) VALUES ('t', 'kept');");
    assert!(succeeded, "{told}");
    assert!(agents.silo(&["memory", "search", "kept"]).success().stdout.contains("keeper"));
    down(&agents);
}

#[test]
fn engine_a_server_that_wants_no_password_or_is_elsewhere_is_out_of_reach() {
    for url in ["postgres://postgres@127.0.0.1:1/d", "postgres://postgres:x@db.example.org/d"] {
        let (agents, said) = scene(&format!("[servers.team]\nurl = \"{url}\"\n"));
        assert!(said.contains("The agent starts without the memory: a persistent agent is led to"), "{said}");
        let runs = agents.runs();
        let id = runs[0]["id"].as_str().expect("a text");
        let ran = agents.silo(&["agent", "exec", id, "--", "sh", "-c", "ls /memory /sys/class/net"]);
        assert_eq!(ran.stdout.trim(), "/sys/class/net:\nlo", "{}", ran.stderr);
        down(&agents);
    }
}
