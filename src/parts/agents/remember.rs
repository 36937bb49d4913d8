//! What agents find goes into the project's memory (D35), and what is there is given to those who start.

use std::net::SocketAddr;
use std::path::Path;

use super::order::Order;
use crate::core::agents::arguments::Bind;
use crate::core::agents::names::{MEMORY, MEMORY_PORT, MEMORY_SERVER};
use crate::core::agents::record::Run;
use crate::core::config::agents::Lifetime;
use crate::core::config::memory::variable;
use crate::core::instance::lockfile::InstanceState;
use crate::core::memory::place::Memory;
use crate::core::memory::talk::Run as Found;
use crate::core::text::source::{counted, one_line};
use crate::failure::Failure;
use crate::parts::context::Context;
use crate::parts::memory::{self, export, roles, save};
use crate::parts::scope::Scope;
use crate::store::agents::Place;
use crate::store::ask::{Ask, Occasion};
use crate::store::memory::file;
use crate::store::project::Project;

/// Where a persistent agent finds the address of its role.
const ADDRESS: &str = "/memory/url";

/// How a persistent agent reaches the memory.
pub(super) struct Reached {
    /// The name by which its container knows it.
    pub(super) name: String,
    /// The port of that name.
    pub(super) port: u16,
    /// Where it listens, where it is a server of the user's; a service of the instance lies where its other services do.
    pub(super) server: Option<SocketAddr>,
}

/// How an agent reaches the memory; none for a transient one, and where the server is not on this machine's loopback.
pub(super) fn reached(order: &Order<'_>) -> Option<Reached> {
    let scope = order.site.scope;
    let settings = &scope.settings;
    if order.agent.lifetime != Lifetime::Persistent {
        return None;
    }
    match settings.memory.as_ref()? {
        Memory::Service(of) => {
            let published = settings.compose.as_ref()?.ports.get(variable(settings, of)?)?;
            Some(Reached { name: published.service.clone(), port: published.target, server: None })
        }
        Memory::Server(name) => {
            // Nobody is led to a server of the user's before the `silo.toml` that names it is trusted (D6).
            memory::of(scope).ok()?;
            let server = file::load(&scope.context.dirs).ok()?.get(name)?.loopback();
            Some(Reached { name: MEMORY_SERVER.to_owned(), port: MEMORY_PORT, server: Some(server?) })
        }
    }
}

/// What an agent is given of the memory: a transient one a copy of what was found, a persistent one a role of its own. Without it the
/// agent runs, too, and that is said.
pub(super) fn give(order: &Order<'_>, place: &Place) -> Option<Bind> {
    let scope = &settled(order);
    if !memory::is_declared(scope) {
        return None;
    }
    let given = match (order.agent.lifetime, reached(order)) {
        (Lifetime::Transient, _) => {
            let folder = place.work().join("memory");
            export::export_to(scope, &folder, export::FOR_AGENTS).map(|_| Bind::read(&folder, MEMORY))
        }
        (Lifetime::Persistent, Some(Reached { name, port, .. })) => {
            let run = found(&order.site.settled.known.name, order.name, order.id);
            roles::role_for(scope, &run, Some((&name, port))).map(|file| Bind::read(&file, ADDRESS))
        }
        (Lifetime::Persistent, None) => Err(Failure::new(
            "a persistent agent is led to a service of the instance, or to a port of this machine with a password",
        )),
    };
    given
        .map_err(|failure| scope.context.ui.step(&format!("The agent starts without the memory: {}", failure.what)))
        .ok()
}

/// The project with the ports that its instance has now: it may have been settled a moment ago, for the first time.
fn settled<'a>(order: &Order<'a>) -> Scope<'a> {
    let (scope, known) = (order.site.scope, &order.site.settled.known);
    let state = InstanceState { ports: known.ports.clone(), ..scope.state.clone().unwrap_or_default() };
    let (settings, folder, id) = (scope.settings.clone(), scope.folder.clone(), scope.id.clone());
    Scope { settings, state: Some(state), folder, id, ..*scope }
}

fn found(instance: &str, agent: &str, id: &str) -> Found {
    Found { instance: instance.to_owned(), agent: agent.to_owned(), run: id.to_owned() }
}

/// Saves what a run has found, where its project has a memory. What cannot be saved now waits on the disk. True where all of it is saved.
pub(super) fn keep(context: &Context, run: &Run) -> bool {
    let root = Path::new(&run.root);
    let inside = context.at(root);
    let saved = (|| -> Result<Option<save::Saved>, Failure> {
        let project = Project::load(root, None)?;
        let config = project.config()?;
        let scope = Scope::of(&inside, &project, &config, &Ask { occasion: Occasion::Cd, ..Ask::default() })?;
        if !memory::is_declared(&scope) {
            return Ok(None);
        }
        let place = Place::of(&context.dirs, &run.id);
        save::end_of_run(&scope, &found(&run.name, &run.agent, &run.id), place.folder()).map(Some)
    })();
    match saved {
        Ok(None) => false,
        Ok(Some(saved)) => {
            let number = usize::try_from(saved.added + saved.known).unwrap_or(usize::MAX);
            context.ui.step(&format!("Saved in the memory: {}", counted(number, "finding")));
            for (path, why) in &saved.left_out {
                context.ui.step(&format!("Not saved in the memory: `{}`, because {why}", one_line(path)));
            }
            saved.left_out.is_empty()
        }
        Err(failure) => {
            context.ui.step(&format!("What it found waits on the disk: {}", failure.what));
            context.ui.step("Hint: Save it later with `silo memory sync`");
            false
        }
    }
}
