//! The addresses that the services of an instance have of their own, where `silo.toml` asks for that and this machine reaches them
//! (D26).

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;

use super::run::engine;
use crate::backend::engine::{Container, Engine};
use crate::core::config::{ComposeLayer, Network};
use crate::core::leases::Instance;
use crate::core::leases::subnet::{self, Addresses, Range};
use crate::core::services::{Layout, Model, numbered};
use crate::core::shell::environment::Environment;
use crate::core::text::digest;
use crate::failure::Failure;
use crate::parts::context::{COMMAND_WAIT, Context};
use crate::parts::names;
use crate::parts::scope::Site;
use crate::store::subnets::{self, Wish};
use crate::store::{registry, said};
use crate::sys::dirs::Dirs;
use crate::sys::lock::Wait;
use crate::sys::{clock, routes};

/// The layout of an instance's subnet, leased where it has none; none where its services are reached by ports alone.
pub(super) fn layout(site: &Site<'_>, model: &Model, said: &ComposeLayer) -> Result<Option<Layout>, Failure> {
    // A run apart has ports: the subnet is the instance's.
    if said.network != Some(Network::Subnet) || site.scope.is_apart {
        return Ok(None);
    }
    let (context, project) = (site.scope.context, site.scope.project);
    let engine = engine(site);
    if let Some(why) = engine.unreachable()? {
        tell(context, &project.root, why);
        return Ok(None);
    }
    let used = used(&engine, &site.settled.identity.compose_name)?;
    let numbers = |known: &Addresses| numbered(model, known);
    let wish = Wish {
        dirs: &context.dirs,
        project,
        pool: context.settings.network.pool,
        used: &used,
        place: digest::number(&[&rustix::process::geteuid().as_raw().to_le_bytes(), project.root_text().as_bytes()]),
        numbered: &numbers,
        now: &clock::now(),
    };
    let held = subnets::lease(&wish, &Wait { limit: COMMAND_WAIT, tell: &|text| context.ui.step(text) })?;
    if let Some(left) = held.left {
        let now = held.subnet;
        context
            .ui
            .warn(&format!("The subnet {left} is used by something else; the services have addresses of {now} now"));
    }
    Ok(Some(Layout::of(model, held.subnet, &held.addresses)))
}

/// What uses addresses on this machine, but for the instance's own networks: their routes are its own, too.
fn used(engine: &Engine<'_>, project: &str) -> Result<Vec<Range>, Failure> {
    let (own, others): (Vec<_>, Vec<_>) =
        engine.networks()?.into_iter().partition(|network| network.project == project);
    let own: Vec<Range> = own.into_iter().flat_map(|network| network.ranges).collect();
    let routes = routes::all(engine.environment).into_iter().filter(|route| !own.contains(route));
    Ok(others.into_iter().flat_map(|network| network.ranges).chain(routes).collect())
}

/// A subnet of the pool that is nobody's and nothing uses, for a network of silo's own.
///
/// # Errors
/// A [`Failure`] when there is none, or the engine does not answer.
pub(super) fn unused(site: &Site<'_>, but: &HashSet<Range>, place: u64) -> Result<Range, Failure> {
    let context = site.scope.context;
    let leases = registry::peek(&context.dirs)?;
    let held = leases.instances.iter().filter_map(|one| one.subnet);
    // No compose project has an empty name, so that every network counts.
    let taken: Vec<Range> = used(&engine(site), "")?.into_iter().chain(held).chain(but.iter().copied()).collect();
    let pool = context.settings.network.pool;
    subnet::choose(pool, &taken, place).ok_or_else(|| subnets::full(pool, leases.instances.len()))
}

/// Says once for each instance that its services have no addresses of their own.
fn tell(context: &Context, root: &Path, why: &str) {
    if !said::was_of(&context.dirs, root, "no-subnet", why) {
        said::note(&context.dirs, root, "no-subnet", why);
        context.ui.step(&format!(
            "This machine does not reach the addresses of containers: {why}; `network = \"subnet\"` means \"ports\" here"
        ));
    }
}

/// Writes where the names of the services lead, as the engine says.
pub(super) fn publish(site: &Site<'_>, containers: &[Container]) -> Result<(), Failure> {
    if site.scope.is_apart {
        return Ok(());
    }
    let (context, root) = (site.scope.context, site.scope.project.root_text());
    let leases = registry::peek(&context.dirs)?;
    let Some(entry) = leases.at(root).filter(|entry| entry.subnet.is_some()) else { return Ok(()) };
    // Two that want one name take turns, so that only one gets it.
    let wait = Wait { limit: COMMAND_WAIT, tell: &|text| context.ui.step(text) };
    let refused = registry::with_lock(&context.dirs, &wait, |_| names::publish(&context.dirs, entry, containers))?;
    for name in refused {
        let bears = |one: &&Instance| one.name == entry.name && one.root != root;
        let other = leases.instances.iter().find(bears).map_or_else(String::new, |one| format!(" (`{}`)", one.root));
        context
            .ui
            .warn(&format!("The name `{name}` is another instance's{other}; `silo env NAME` gives this one its own"));
    }
    Ok(())
}

/// What an override follows from besides files and variables, where services have addresses: what is leased, and which engine.
pub(super) fn record(dirs: &Dirs, root: &Path, said: &ComposeLayer, environment: &Environment) -> String {
    if said.network != Some(Network::Subnet) {
        return String::new();
    }
    let mut record = format!("{:?}", Engine::of(environment, root).socket());
    if let Ok(leases) = registry::peek(dirs)
        && let Some(entry) = leases.at(&root.to_string_lossy())
    {
        let _ = write!(record, "{:?} {:?}", entry.subnet, entry.addresses);
    }
    record
}
