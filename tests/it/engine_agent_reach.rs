//! Agent, relay and gateway together, as `silo agent run` puts them (D33, D34): what was named is reached from inside, by its name, and
//! nothing else answers.

use std::io::{Read as _, Write as _};
use std::path::Path;

use silo::core::agents::wall::{Service, Wall};
use silo::core::gateway::amount::Budget;
use silo::core::gateway::pace::Limits;
use silo::store::agents::wall;
use silo::store::gateway::keys;

use crate::engine::until;
use crate::engine_agents_wall::said_to;
use crate::engine_contained::{Contained, Network};
use crate::gateway::{Scene, message, own_file, small};
use crate::gateway_agents::{dirs, hold};
use crate::proxy::server;

/// A server that says its word and what it was sent, once its other end has said all.
fn word(word: &'static str) -> u16 {
    server(move |mut stream| {
        let mut said = String::new();
        let _ = stream.read_to_string(&mut said);
        let _ = stream.write_all(format!("{word}:{said}").as_bytes());
    })
}

/// Starts the relay of an agent: 80 for models, 5432 for a service, 3128 for the outside.
fn relay(stage: &Contained, network: &Network, folder: &Path, id: &str) {
    let name = stage.name(&format!("relay-{id}"));
    let user = format!("{}:{}", rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let volume = format!("{}:/wall:ro", folder.display());
    let options = ["--detach", "--name", &name, "--network", &network.name, "--network-alias", "silo", "--user", &user];
    let options = [&options[..], &["--volume", &volume]].concat();
    let listen = ["80=/wall/gateway.sock", "5432=/wall/db.5432.sock", "3128=/wall/egress.sock"];
    let words: Vec<&str> = std::iter::once("relay").chain(listen.iter().flat_map(|way| ["--listen", way])).collect();
    stage.run(&options, &words).success();
    until("the relay is ready", || stage.engine.docker(&["logs", &name]).stdout == "ready\n");
}

#[test]
fn an_agent_reaches_what_was_named_and_nothing_else() {
    let scene = Scene::saying(message(1, 1));
    let dirs = dirs(&scene.sandbox);
    let stage = Contained::new();
    let (db, outside, secret) = (word("db"), word("outside"), word("secret"));
    let settings = format!("[agents]\negress_private = [\"127.0.0.1:{outside}\"]\n");
    own_file(&scene.sandbox, "config/silo/config.toml", settings);
    let mut keys_of = Vec::new();
    let mut networks = Vec::new();
    for id in ["a-1", "a-2"] {
        let budget = Budget::parse("1").expect("a budget");
        let (key, text) = keys::make_for_agent(&dirs, id, &[], budget, Limits::default()).expect("it is writable");
        let services = vec![Service { name: "db".into(), port: 5432, to: ([127, 0, 0, 1], db).into() }];
        let egress = vec![format!("up.localhost:{outside}"), format!("secret.localhost:{secret}")];
        let services = if id == "a-1" { services } else { Vec::new() };
        hold(&dirs, &Wall { id: id.into(), key: Some(key), services, subnet: None, egress, ..Wall::default() });
        let network = stage.closed();
        relay(&stage, &network, &wall::sockets(&dirs, id), id);
        networks.push(network);
        keys_of.push(text);
    }
    let agent = |at: usize, line: &str| {
        let options = ["--network", &networks[at].name, "--env", &format!("KEY={}", keys_of[at])];
        stage.run(&options, &["init", "--probe", &networks[at].gateway, "--", "sh", "-c", line]).success().stdout
    };
    let body = small();
    let say = format!(
        "printf 'POST /v1/messages HTTP/1.1\\r\\nHost: silo\\r\\nx-api-key: %s\\r\\nContent-Type: application/json\\r\\nConnection: close\\r\\nContent-Length: {}\\r\\n\\r\\n%s' \"$KEY\" '{body}'",
        body.len()
    );
    let post = said_to(&say, "silo 80");
    for at in 0..2 {
        let said = agent(at, &post);
        assert!(said.starts_with("HTTP/1.1 200") && said.contains("hello"), "{said}");
    }
    let stolen = post.replace("$KEY", &keys_of[0]);
    assert!(agent(1, &stolen).contains("\"other_place\""), "another agent's key");
    assert_eq!(agent(0, "echo x | nc silo 5432"), "db:x\n");
    assert_eq!(agent(1, "echo x | nc silo 5432"), "", "a service that was not named");
    let tunnel = |name: &str, port: u16| format!("printf 'CONNECT {name}:{port} HTTP/1.1\\r\\n\\r\\nx' | nc silo 3128");
    let said = agent(0, &tunnel("up.localhost", outside));
    assert!(said.starts_with("HTTP/1.1 200") && said.ends_with("outside:x"), "{said}");
    for (name, port) in [("secret.localhost", secret), ("up.localhost", secret), ("example.com", 443)] {
        let said = agent(0, &tunnel(name, port));
        assert!(said.starts_with("HTTP/1.1 403"), "{name}: {said}");
    }
    // What is behind the relay is not beside it.
    let ports = [scene.port(), db, outside, secret];
    let tries = ports.map(|port| {
        format!(
            "for to in silo {}; do echo x | nc -w 1 $to {port} && echo reached $to {port}; done",
            networks[0].gateway
        )
    });
    assert_eq!(agent(0, &format!("{}; echo done", tries.join("; "))), "done\n");
    // Taken back, everything ends.
    wall::remove(&dirs, "a-1").expect("it is ours");
    until("the sockets are gone", || agent(0, &post).is_empty());
    assert!(agent(1, &post).starts_with("HTTP/1.1 200"), "the other's are there");
}
