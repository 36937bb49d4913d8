//! The services of a compose file by what can be told without compose: what they run, and what of this machine they hold.

use crate::core::formats::yaml::{Id, ROOT, Tree};

/// The sockets by which a container has the engine.
pub const SOCKETS: [&str; 3] = ["/docker.sock", "/podman.sock", "/containerd.sock"];

/// A service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its name.
    pub name: String,
    /// `image`, as it is written.
    pub image: Option<String>,
    /// `network_mode`, as it is written.
    pub mode: Option<String>,
    /// The engine's socket, where it has that.
    pub socket: Option<String>,
}

impl Seen {
    /// Those of a file.
    pub(super) fn all(tree: &Tree) -> Vec<Self> {
        let one = |(name, body): (String, Id)| {
            let text = |key: &str| tree.get(body, key).and_then(|id| tree.text(id)).map(str::to_owned);
            let source = |item: Id| {
                let short = || tree.text(item).and_then(|text| text.split(':').next());
                tree.get(item, "source").map_or_else(short, |id| tree.text(id)).map(str::to_owned)
            };
            let mounts = tree.get(body, "volumes").map(|list| tree.items(list)).unwrap_or_default();
            let is_socket = |source: &String| SOCKETS.iter().any(|socket| source.ends_with(socket));
            let socket = mounts.into_iter().filter_map(source).find(is_socket);
            Self { image: text("image"), mode: text("network_mode"), socket, name }
        };
        tree.children(ROOT, "services").into_iter().map(one).collect()
    }

    /// Whether it is in the network of something else, and so publishes nothing itself.
    pub fn is_elsewhere(&self) -> bool {
        self.mode.as_ref().is_some_and(|mode| ["host", "none"].contains(&mode.as_str()) || mode.contains(':'))
    }
}
