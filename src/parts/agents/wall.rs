//! What an agent reaches: a network of its own, one relay in it, and the sockets behind that (D33).

use std::time::{Duration, Instant};

use super::order::Order;
use super::outside::Outside;
use super::remember;
use super::variables::Variables;
use crate::backend::labels::LABEL as INSTANCE;
use crate::core::agents::arguments::{Bind, Lead, Relay};
use crate::core::agents::names::{EGRESS, EGRESS_PORT, GATEWAY, GATEWAY_PORT, PROGRAM, relay};
use crate::core::agents::record::Run;
use crate::core::agents::wall::{self as sockets, Peer, Service, Wall};
use crate::core::config::Network;
use crate::core::config::agents::Lifetime;
use crate::core::gateway::keys::NONE;
use crate::core::leases::subnet::{self, Range};
use crate::core::text::digest;
use crate::core::text::source::one_line;
use crate::failure::Failure;
use crate::parts::beside;
use crate::parts::context::Context;
use crate::parts::server;
use crate::store::agents::{self, wall};
use crate::store::gateway::{file, keys};
use crate::store::{registry, subnets};
use crate::sys::lock::{self, Wait};
use crate::sys::{routes, signals};

/// Where the relay finds the sockets.
const SOCKETS: &str = "/sockets";
/// How long the gateway may take to listen for an agent, and a relay to be ready.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long another run may take to choose its addresses.
const TURN: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);
/// How often addresses are chosen that another user of the engine takes first.
const TRIES: u32 = 20;

/// What an agent reaches, as far as it is known before its network is there.
pub(super) struct Way {
    /// Its network.
    network: Range,
    /// The names by which it reaches the relay.
    pub(super) hosts: Vec<String>,
    /// Where the ports of the relay lead.
    ports: Vec<Lead>,
    /// The port on which other agents reach it.
    listen: Option<u16>,
}

impl Way {
    /// The addresses of the agent and of its relay.
    pub(super) fn addresses(&self) -> (String, String) {
        (self.network.address(3).to_string(), self.network.address(2).to_string())
    }

    /// Words of silo's init: what must not answer.
    pub(super) fn probes(&self) -> Vec<String> {
        let gateway = self.network.address(1).to_string();
        vec!["--probe".into(), gateway, "--probe-resolver".into()]
    }
}

/// Whether an agent asks for anything outside of its container, or others may ask it.
fn is_asked(order: &Order<'_>, memory: Option<&remember::Reached>) -> bool {
    let agent = order.agent;
    let is_said = agent.wish.is_some() || !agent.services.is_empty() || !agent.egress.is_empty();
    is_said || !agent.agents.is_empty() || agent.listen.is_some() || memory.is_some()
}

/// Has the gateway listen for an agent, and chooses its network; none for one that asks for nothing. Its variables say what it reaches.
pub(super) fn open(
    order: &Order<'_>,
    outside: &Outside,
    run: &mut Run,
    variables: &mut Variables,
    has_memory: bool,
) -> Result<Option<Way>, Failure> {
    let memory = remember::reached(order).filter(|_| has_memory);
    if !is_asked(order, memory.as_ref()) {
        return Ok(None);
    }
    let context = order.site.scope.context;
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    let (services, subnet) = services(order, memory)?;
    for service in &services {
        if !hosts.contains(&service.name) {
            hosts.push(service.name.clone());
        }
        ports.push((service.port, service.socket()));
    }
    let agents = peers(order);
    hosts.extend(agents.iter().map(|peer| peer.name.clone()));
    let entrance = order.agent.listen.map(|port| Peer { name: order.name.to_owned(), port });
    let instance = if agents.is_empty() && entrance.is_none() { String::new() } else { run.instance.clone() };
    let mut held = None;
    if order.agent.wish.is_some() {
        let (id, text) = key(order)?;
        held = id;
        variables.set("LLM_GATEWAY_URL", &format!("http://{GATEWAY}:{GATEWAY_PORT}"));
        variables.set("LLM_GATEWAY_KEY", &text);
        hosts.push(GATEWAY.to_owned());
        ports.push((GATEWAY_PORT, sockets::GATEWAY.to_owned()));
    }
    let egress: Vec<String> = order.agent.egress.iter().map(|text| text.value.clone()).collect();
    if !egress.is_empty() {
        let direct: Vec<&str> = hosts.iter().map(String::as_str).chain(["localhost", "127.0.0.1"]).collect();
        let way = format!("http://{EGRESS}:{EGRESS_PORT}");
        // Programs know the one spelling or the other.
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
            variables.set(name, &way);
        }
        for name in ["NO_PROXY", "no_proxy"] {
            variables.set(name, &direct.join(","));
        }
        hosts.push(EGRESS.to_owned());
        ports.push((EGRESS_PORT, sockets::EGRESS.to_owned()));
    }
    distinct(order, &ports)?;
    let ports = leads(ports, &agents);
    let id = run.id.clone();
    wall::write(&context.dirs, &Wall { id, key: held, services, subnet, egress, instance, agents, listen: entrance })?;
    listen(context, &run.id)?;
    let network = choose(context, outside, run, 0)?;
    Ok(Some(Way { network, hosts, ports, listen: order.agent.listen }))
}

/// The agents that one names; a transient one may come where they are not up, and that is said.
fn peers(order: &Order<'_>) -> Vec<Peer> {
    let scope = order.site.scope;
    let all = agents::all(&scope.context.dirs);
    let root = scope.project.root_text();
    let mut peers: Vec<Peer> = Vec::new();
    for name in order.agent.agents.iter().map(|text| &text.value) {
        let Some(port) = scope.settings.agents.get(name).and_then(|other| other.listen) else { continue };
        let peer = Peer { name: name.clone(), port };
        if peers.contains(&peer) {
            continue;
        }
        let is_up = |run: &Run| run.is_persistent && run.root == root && run.agent == *name && run.end.is_none();
        if order.agent.lifetime == Lifetime::Transient && !all.iter().any(is_up) {
            let words = format!("The agent `{name}`, which `{}` names, is not up: `silo up -d` starts it", order.name);
            scope.context.ui.step(&words);
        }
        peers.push(peer);
    }
    peers
}

/// Where the ports lead, with the other agents': those on one port are told apart by their names.
fn leads(ports: Vec<(u16, String)>, agents: &[Peer]) -> Vec<Lead> {
    let is_shared = |port: u16| agents.iter().filter(|peer| peer.port == port).count() > 1;
    let to_agents = agents.iter().map(|peer| {
        let name = is_shared(peer.port).then(|| peer.name.clone());
        (peer.port, name, peer.socket())
    });
    let all = ports.into_iter().map(|(port, socket)| (port, None, socket)).chain(to_agents);
    all.map(|(port, name, socket)| Lead { port, name, socket: format!("{SOCKETS}/{socket}") }).collect()
}

/// Two services on one port cannot both be reached: there is one relay.
fn distinct(order: &Order<'_>, ports: &[(u16, String)]) -> Result<(), Failure> {
    for (at, (port, socket)) in ports.iter().enumerate() {
        if let Some((_, other)) = ports[..at].iter().find(|(other, _)| other == port) {
            let of = |socket: &str| socket.split('.').next().unwrap_or_default().to_owned();
            return Err(Failure::new(format!(
                "The agent `{}` cannot reach `{}` and `{}`, which have one port: {port}",
                order.name,
                of(other),
                of(socket)
            ))
            .hint("Name one of them in `services`, or give one of them another port in its container"));
        }
    }
    Ok(())
}

/// Has a gateway run, and waits until it listens for an agent.
pub(super) fn listen(context: &Context, id: &str) -> Result<(), Failure> {
    server::gateway_up(context, true)?;
    wall::wait_until_listening(&context.dirs, id, PATIENCE)
}

/// The key that the user's file allows for what an agent asks: its id and its text, or no id and one that opens nothing.
fn key(order: &Order<'_>) -> Result<(Option<String>, String), Failure> {
    let context = order.site.scope.context;
    let wish = order.agent.wish.as_ref().expect("it was asked before");
    let allowance = file::load(&context.dirs)?.and_then(|file| file.instances);
    let Some((models, budget)) = allowance.as_ref().and_then(|allowance| keys::granted(wish, allowance)) else {
        context.ui.step(&format!(
            "The agent `{}` asks for models, and `[instances]` of your gateway.toml gives it none (`silo doc gateway`)",
            order.name
        ));
        return Ok((None, NONE.to_owned()));
    };
    let limits = allowance.map(|allowance| allowance.limits).unwrap_or_default();
    let (id, text) = keys::make_for_agent(&context.dirs, order.id, &models, budget, limits)?;
    Ok((Some(id), text))
}

/// Where the services are that an agent names, and the subnet where they have addresses of their own.
fn services(order: &Order<'_>, memory: Option<remember::Reached>) -> Result<(Vec<Service>, Option<Range>), Failure> {
    let site = order.site;
    let leases = registry::peek(&site.scope.context.dirs)?;
    let entry = leases.at(site.scope.project.root_text());
    let compose = site.scope.settings.compose.as_ref();
    let is_subnet = compose.is_some_and(|compose| compose.network == Some(Network::Subnet));
    let subnet = entry.and_then(|entry| entry.subnet).filter(|_| is_subnet);
    let address = |service: &str, target: u16| {
        let number = entry.and_then(|entry| entry.addresses.get(service));
        subnet.zip(number).map(|(subnet, number)| (subnet.address(*number), target).into())
    };
    let mut services = Vec::new();
    let is_memory = |service: &str, port: u16| memory.as_ref().is_some_and(|at| at.name == service && at.port == port);
    for (variable, published) in compose.iter().flat_map(|compose| &compose.ports) {
        let is_named = order.agent.services.iter().any(|text| text.value == published.service);
        if published.udp || !is_named && !is_memory(&published.service, published.target) {
            continue;
        }
        let lease = site.settled.known.ports.get(variable).copied();
        let loopback = || lease.map(|port| ([127, 0, 0, 1], port).into());
        if let Some(to) = address(&published.service, published.target).or_else(loopback) {
            services.push(Service { name: published.service.clone(), port: published.target, to });
        }
    }
    if let Some(remember::Reached { name, port, server: Some(to) }) = memory {
        services.push(Service { name, port, to });
    }
    Ok((services, subnet))
}

/// Eight addresses that are nobody's, remembered in the record: those who choose take turns.
fn choose(context: &Context, outside: &Outside, run: &mut Run, tried: u32) -> Result<Range, Failure> {
    let wait = Wait { limit: TURN, tell: &|text| context.ui.step(text) };
    let busy = |holder| Failure::new(format!("Another agent chooses its network{holder}")).hint("Run it again");
    lock::hold(&context.dirs.agents().join("networks.lock"), "another agent", &wait, busy, || {
        let leases = registry::peek(&context.dirs)?;
        let held = leases.instances.iter().filter_map(|one| one.subnet);
        let others = agents::all(&context.dirs).into_iter().filter(|other| other.id != run.id);
        let taken: Vec<Range> = held
            .chain(others.filter(|other| other.end.is_none()).filter_map(|other| other.network))
            .chain(outside.engine().networks()?.into_iter().flat_map(|network| network.ranges))
            .chain(routes::all(&outside.environment))
            .collect();
        let pool = context.settings.network.pool;
        // Another user's runs do not take turns with this one's, and may have the same names.
        let own = context.dirs.agents();
        let place = digest::number(&[own.as_os_str().as_encoded_bytes(), run.id.as_bytes(), &tried.to_le_bytes()]);
        let network = subnet::small(pool, &taken, place).ok_or_else(|| subnets::full(pool, leases.instances.len()))?;
        run.network = Some(network);
        agents::save(&context.dirs, run)?;
        Ok(network)
    })
}

/// Makes the network and starts the relay in it, until that is ready.
pub(super) fn raise(order: &Order<'_>, outside: &Outside, run: &mut Run, way: &mut Way) -> Result<(), Failure> {
    let context = order.site.scope.context;
    let mut tries = 1;
    while !outside.docker().make_wall(&run.id, &run.instance, way.network)? {
        if tries == TRIES {
            let network = way.network;
            return Err(Failure::new(format!(
                "The addresses {network} of an agent's network were taken in the meantime"
            ))
            .hint("Run it again"));
        }
        way.network = choose(context, outside, run, tries)?;
        tries += 1;
    }
    let program = beside::proxy(context)?;
    let folder = wall::sockets(&context.dirs, &run.id);
    let entrance = way.listen.map(|port| {
        let (agent, _) = way.addresses();
        (format!("{SOCKETS}/{}", sockets::LISTEN), format!("{agent}:{port}"))
    });
    let listen = entrance.as_ref().map(|(socket, to)| (socket.as_str(), to.as_str()));
    outside.docker().start_relay(&Relay {
        id: &run.id,
        instance: (INSTANCE, &run.instance),
        image: &run.image,
        user: run.user,
        address: &way.addresses().1,
        binds: [Bind::read(&program, PROGRAM), Bind::read(&folder, SOCKETS)],
        ports: &way.ports,
        entrance: listen,
    })?;
    ready(outside, &run.id)
}

/// Has the relay of a run up again that is to go on; false where somebody has removed it.
pub(super) fn reopen(context: &Context, outside: &Outside, run: &Run) -> Result<bool, Failure> {
    if run.network.is_none() {
        return Ok(true);
    }
    let container = relay(&run.id);
    match outside.engine().state(&container)? {
        None => Ok(false),
        Some(state) if state.is_up() => Ok(true),
        Some(_) => {
            listen(context, &run.id)?;
            outside.docker().start(&container)?;
            ready(outside, &run.id).map(|()| true)
        }
    }
}

/// Waits until the relay of an agent listens.
pub(super) fn ready(outside: &Outside, id: &str) -> Result<(), Failure> {
    let (container, start) = (relay(id), Instant::now());
    loop {
        let said = outside.docker().last_lines(&container, 1);
        if said.lines().any(|line| line == "ready") {
            return Ok(());
        }
        signals::check()?;
        if start.elapsed() > PATIENCE {
            return Err(Failure::new(format!("The relay of the agent `{id}` is not ready: {}", one_line(said.trim())))
                .hint("Run it again; the wall of an agent needs it"));
        }
        std::thread::sleep(LOOK);
    }
}
