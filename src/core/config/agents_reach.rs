//! What agents name of their instance: services with a port, and other agents that listen (D33).

use super::agent::{Agent, Lifetime};
use super::agents_problem::AgentsProblem as Wrong;
use super::memory::variable;
use super::model::Settings;
use super::problem::{ConfigError, Problem};
use super::table::Table;
use super::text::Text;
use crate::core::agents::names::{EGRESS, EGRESS_PORT, GATEWAY, GATEWAY_PORT, MEMORY_PORT, MEMORY_SERVER};
use crate::core::memory::place::Memory;

/// Names that lead elsewhere in an agent.
const TAKEN: [&str; 4] = [GATEWAY, EGRESS, MEMORY_SERVER, "localhost"];

/// The port on which an agent takes connections of others.
pub(super) fn listen(table: &Table<'_>, name: &str, lifetime: Lifetime) -> Result<Option<u16>, ConfigError> {
    let Some(value) = table.find("listen") else { return Ok(None) };
    let toml::de::DeValue::Integer(number) = value.get() else { return Err(value.wrong("a port, such as 8080")) };
    let read = number.as_str().parse::<u16>().ok().filter(|port| number.radix() == 10 && *port > 0);
    let fail = |wrong| Err(value.fail(Problem::Agents(wrong)));
    match (read, lifetime) {
        (None, _) => {
            let (key, value) = (value.path.clone(), number.as_str().to_owned());
            fail(Wrong::Amount { key, value, why: "a port is 1 to 65535".to_owned() })
        }
        (_, Lifetime::Transient) => fail(Wrong::Fleeting(name.to_owned())),
        (_, Lifetime::Persistent) if TAKEN.contains(&name) => fail(Wrong::Taken(name.to_owned())),
        (Some(port), Lifetime::Persistent) => Ok(Some(port)),
    }
}

/// Makes sure that what agents name is there, and that each name and port leads to one place.
pub(super) fn check(settings: &Settings) -> Result<(), ConfigError> {
    settings.agents.iter().try_for_each(|(name, agent)| check_one(settings, name, agent))
}

/// The same for one agent, which may be one of a template.
pub(super) fn check_one(settings: &Settings, name: &str, agent: &Agent) -> Result<(), ConfigError> {
    let mut known: Vec<String> =
        settings.compose.iter().flat_map(|compose| compose.ports.values()).map(|port| port.service.clone()).collect();
    known.sort();
    known.dedup();
    if let Some(text) = agent.services.iter().find(|text| !known.contains(&text.value)) {
        let (key, service) = (format!("agents.{name}.services"), text.value.clone());
        let problem = Problem::Agents(Wrong::Service { key, service, known });
        return Err(ConfigError { problem, span: text.span.clone() });
    }
    agents(settings, name, agent)
}

/// Those that one agent names.
fn agents(settings: &Settings, name: &str, asks: &Agent) -> Result<(), ConfigError> {
    let ports = ports(settings, asks);
    let services: Vec<String> = ports.iter().map(|(other, _)| other.clone()).collect();
    for Text { value, span } in &asks.agents {
        let fail = |problem| Err(ConfigError { problem: Problem::Agents(problem), span: span.clone() });
        let (key, agent) = (format!("agents.{name}.agents"), value.clone());
        // An agent of a template is none of the file's.
        if value == name && settings.agents.get(name).is_some_and(|own| std::ptr::eq(own, asks)) {
            return fail(Wrong::Itself { key });
        }
        let Some(port) = settings.agents.get(value).and_then(|other| other.listen) else {
            let is_agent = settings.agents.contains_key(value);
            let listening = settings.agents.iter().filter(|(other, agent)| agent.listen.is_some() && *other != name);
            let known = listening.map(|(other, _)| other.clone()).collect();
            return fail(Wrong::Peer { key, agent, is_agent, known });
        };
        if services.contains(value) {
            return fail(Wrong::Both { key, agent });
        }
        // Agents on one port are told apart by the names they are asked by; a service may be asked by anything.
        if let Some((other, _)) = ports.iter().find(|(_, taken)| *taken == port) {
            return fail(Wrong::SamePort { key, agent, port, other: other.clone() });
        }
    }
    Ok(())
}

/// What else an agent reaches, each by its name and its port: one relay listens for all of it.
fn ports(settings: &Settings, agent: &Agent) -> Vec<(String, u16)> {
    let published = settings.compose.iter().flat_map(|compose| &compose.ports).filter(|(_, port)| !port.udp);
    let of_memory = match &settings.memory {
        Some(Memory::Service(memory)) if agent.lifetime == Lifetime::Persistent => variable(settings, memory),
        _ => None,
    };
    let is_named = |service: &str| agent.services.iter().any(|text| text.value == service);
    let services = published.filter(|(name, port)| is_named(&port.service) || of_memory == Some(name.as_str()));
    let is_server = matches!(settings.memory, Some(Memory::Server(_))) && agent.lifetime == Lifetime::Persistent;
    let own = [
        (GATEWAY, GATEWAY_PORT, agent.wish.is_some()),
        (EGRESS, EGRESS_PORT, !agent.egress.is_empty()),
        (MEMORY_SERVER, MEMORY_PORT, is_server),
    ];
    let own = own.into_iter().filter(|(_, _, is_asked)| *is_asked).map(|(name, port, _)| (name.to_owned(), port));
    services.map(|(_, port)| (port.service.clone(), port.target)).chain(own).collect()
}

#[cfg(test)]
mod tests {
    use crate::core::config::parse;

    /// Two persistent agents, what else the file says, and what the first one says.
    fn of(first: &str, second: &str, rest: &str) -> Result<(), String> {
        let file = format!(
            "version = 1\n{rest}\n[agents.strategic]\nimage = 'a'\nlifetime = 'persistent'\n{first}\n\
             [agents.research]\nimage = 'a'\nlifetime = 'persistent'\n{second}\n"
        );
        parse(&file).map(drop).map_err(|error| error.problem.to_string())
    }

    #[test]
    fn an_agent_names_others_that_listen() {
        let both = "listen = 8080\nagents = ['research']";
        assert_eq!(of(both, "listen = 8080\nagents = ['strategic']", ""), Ok(()));
        let file = parse(
            "version = 1\n[agents.a]\nimage = 'a'\nagents = ['b']\n[agents.b]\nimage = 'b'\nlifetime = 'persistent'\nlisten = 80\n",
        );
        let file = file.expect("it is valid");
        assert_eq!((file.agents["a"].agents[0].value.as_str(), file.agents["b"].listen), ("b", Some(80)));
    }

    #[test]
    fn agents_on_one_port_can_all_be_named() {
        let other = "[agents.security]\nimage = 'a'\nlifetime = 'persistent'\nlisten = 8080\n";
        assert_eq!(of("listen = 8080\nagents = ['research', 'security']", "listen = 8080", other), Ok(()));
    }

    #[test]
    fn what_leads_nowhere_or_to_two_places_is_refused() {
        let db = "[compose.ports]\nDB_PORT = 'db:5432'\nRESEARCH_PORT = 'research:80'\n";
        let memory = "[memory]\nservice = 'research'\n[compose.ports]\nRESEARCH_PORT = 'research:5432'\n";
        for (first, second, rest, why) in [
            ("listen = 0", "", "", "`agents.strategic.listen` cannot be `0`: a port is 1 to 65535"),
            ("listen = 65536", "", "", "`agents.strategic.listen` cannot be `65536`: a port is 1 to 65535"),
            ("listen = '80'", "", "", "`agents.strategic.listen` must be a port, such as 8080, not a string"),
            ("agents = ['research']", "", "", "`agents.strategic.agents` names `research`, which has no `listen`"),
            ("agents = ['reserch']", "listen = 80", "", "`agents.strategic.agents` names `reserch`, which is no agent"),
            ("listen = 80\nagents = ['strategic']", "", "", "`agents.strategic.agents` names the agent itself"),
            (
                "agents = ['research']\nservices = ['research']",
                "listen = 8080",
                db,
                "`agents.strategic.agents` names `research`, which is a service that it reaches, too",
            ),
            (
                "agents = ['research']",
                "listen = 8080",
                memory,
                "`agents.strategic.agents` names `research`, which is a service that it reaches, too",
            ),
            (
                "agents = ['research']\nservices = ['db']",
                "listen = 5432",
                db,
                "`agents.strategic.agents` names `research`, whose port 5432 is that of `db`, too",
            ),
            (
                "agents = ['research']\nmodels = ['m']",
                "listen = 4000",
                "",
                "`agents.strategic.agents` names `research`, whose port 4000 is that of `llm-gateway`, too",
            ),
        ] {
            assert_eq!(of(first, second, rest).expect_err(why), why);
        }
        for (agent, why) in [
            ("[agents.a]\nimage = 'a'\nlisten = 80", "`agents.a.listen` is for persistent agents"),
            ("[agents.egress]\nimage = 'a'\nlifetime = 'persistent'\nlisten = 80", "The agent `egress` cannot listen"),
        ] {
            let error = parse(&format!("version = 1\n{agent}\n")).expect_err("it is refused");
            assert_eq!(error.problem.to_string(), why);
        }
    }
}
