//! What everything of a run is called. Each name follows from the run's ID, so that what was left is found again.

/// Longest ID: container names and branches are made from it.
const MOST: usize = 40;
/// The label of everything in the engine that is an agent's; its value is the run's ID.
pub const LABEL: &str = "silo.agent";
/// The label of an agent's own container, with the agent's name.
pub const NAME: &str = "silo.agent.name";
/// The label of the container of a persistent agent.
pub const PERSISTENT: &str = "silo.agent.persistent";
/// What agents reach the gateway by.
pub const GATEWAY: &str = "llm-gateway";
/// The port of the gateway in an agent's network.
pub const GATEWAY_PORT: u16 = 4000;
/// What agents reach the hosts outside by.
pub const EGRESS: &str = "egress";
/// The port of that.
pub const EGRESS_PORT: u16 = 3128;
/// What persistent agents reach a memory by that is a server of the user's.
pub const MEMORY_SERVER: &str = "silo-memory";
/// The port of that.
pub const MEMORY_PORT: u16 = 5431;
/// Where silo's own program lies in an agent.
pub const PROGRAM: &str = "/.silo/silo-proxy";
/// Where an agent finds its clone.
pub const WORK: &str = "/work";
/// Where an agent leaves what it found.
pub const FINDINGS: &str = "/findings";
/// Where a transient agent finds what others found before.
pub const MEMORY: &str = "/memory";
/// The variable with what an agent is asked to do.
pub const TASK: &str = "SILO_TASK";
/// The home folder of an agent.
pub const HOME: &str = "/home/agent";
/// Who commits in an agent that says nothing else, and what it left open: a name and an address that is nobody's.
pub const COMMITTER: (&str, &str) = ("silo agent", "agent@silo.invalid");

/// Whether a text can be the ID of a run: it is part of names of containers, networks, branches and files.
pub fn is_id(text: &str) -> bool {
    let is_plain = text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-_.".contains(&c));
    // Names of branches end in none of these.
    let is_ref = !text.contains("..") && ![".", ".lock"].iter().any(|end| text.ends_with(end));
    let starts = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    is_plain && is_ref && starts && text.len() <= MOST
}

/// Its container.
pub fn container(id: &str) -> String {
    format!("silo-agent-{id}")
}

/// The container that is its way out.
pub fn relay(id: &str) -> String {
    format!("silo-agent-{id}.relay")
}

/// The container that reads its repository.
pub fn bundler(id: &str) -> String {
    format!("silo-agent-{id}.bundle")
}

/// Its network.
pub fn network(id: &str) -> String {
    format!("silo-agent-{id}")
}

/// The branch with what it committed.
pub fn branch(id: &str) -> String {
    format!("agent/{id}")
}

/// The image that is built for an agent of an instance.
pub fn image(instance: &str, agent: &str) -> String {
    format!("silo-agent/{instance}-{agent}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_branch_and_a_container_and_no_path() {
        for good in ["scout", "scout-a1b2", "7", "a_b.c"] {
            assert!(is_id(good), "{good}");
        }
        let long = "a".repeat(41);
        for bad in ["", "a/b", "..", "a..b", "-a", ".a", "a.", "a.lock", "A", "a b", "a\n", "ä", "a:b", &long] {
            assert!(!is_id(bad), "{bad:?}");
        }
    }
}
