//! What of this machine a compose file gives its services: the host's network, the engine's socket, paths and devices.

use super::seen::SOCKETS;
use crate::core::formats::yaml::{Id, Over, ROOT, Tree};

/// One place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its line, from 1.
    pub line: usize,
    /// The service.
    pub service: String,
    /// What it is given.
    pub what: Given,
}

/// What a service is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// `network_mode: host`.
    Network,
    /// The engine's socket.
    Socket(String),
    /// A path that it can write to, as it is written.
    Path(String),
    /// A device.
    Device(String),
}

impl Machine {
    /// What a file gives; what a variable says is not known.
    pub(super) fn all(tree: &Tree) -> Vec<Self> {
        let mut found = Vec::new();
        for (service, body) in tree.children(ROOT, "services") {
            let mut add = |id: Id, what: Given| {
                found.push(Self { line: tree.line(id), service: service.clone(), what });
            };
            if let Some(mode) = tree.get(body, "network_mode").filter(|id| tree.text(*id) == Some("host")) {
                add(mode, Given::Network);
            }
            let list = |key: &str| {
                let list = tree.get(body, key).filter(|list| tree.over(*list) != Over::Reset);
                list.map(|list| tree.items(list)).unwrap_or_default()
            };
            for item in list("volumes") {
                let Some(source) = written(tree, item) else { continue };
                match SOCKETS.iter().any(|socket| source.ends_with(socket)) {
                    true => add(item, Given::Socket(source)),
                    false => add(item, Given::Path(source)),
                }
            }
            for item in list("devices") {
                let short = tree.text(item).and_then(|text| text.split(':').next());
                let long = || tree.get(item, "source").and_then(|id| tree.text(id));
                let device = short.or_else(long).filter(|text| text.starts_with('/') && !text.contains('$'));
                if let Some(device) = device {
                    add(item, Given::Device(device.to_owned()));
                }
            }
        }
        found
    }
}

/// The path of a mount that can be written to; none for a volume. The socket of the engine counts read-only, too.
fn written(tree: &Tree, item: Id) -> Option<String> {
    let (source, is_read_only) = if let Some(text) = tree.text(item) {
        let mut parts = text.split(':');
        let source = parts.next()?;
        parts.next()?;
        (source, parts.next().is_some_and(|options| options.split(',').any(|option| option == "ro")))
    } else {
        let text = |key: &str| tree.get(item, key).and_then(|id| tree.text(id));
        (text("source").filter(|_| text("type") == Some("bind"))?, text("read_only") == Some("true"))
    };
    let is_socket = SOCKETS.iter().any(|socket| source.ends_with(socket));
    let is_path = source.starts_with(['/', '~', '.']) && !source.contains('$');
    (is_path && (!is_read_only || is_socket)).then(|| source.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_is_given_of_the_machine_is_told_with_its_line() {
        let text = "services:\n  a:\n    network_mode: host\n    volumes:\n      - /srv/x:/x\n      - /srv/y:/y:ro\n      - data:/z\n      \
                    - /var/run/docker.sock:/s:ro\n      - /anonymous\n      - ${HOME}/x:/x\n      - { type: bind, source: ../up, target: /u }\n      \
                    - { type: bind, source: /ro, target: /u, read_only: true }\n    devices: ['/dev/ttyUSB0:/dev/x', '$D']\n  b: {}\n";
        let tree = Tree::parse(text).expect("it is YAML").expect("it is not empty");
        let told: Vec<String> =
            Machine::all(&tree).iter().map(|one| format!("{} {} {:?}", one.line, one.service, one.what)).collect();
        assert_eq!(
            told,
            [
                "3 a Network",
                "5 a Path(\"/srv/x\")",
                "8 a Socket(\"/var/run/docker.sock\")",
                "11 a Path(\"../up\")",
                "13 a Device(\"/dev/ttyUSB0\")"
            ]
        );
    }
}
