//! What agents find goes into the project's memory (D35), and what is there is given to those who start.

use std::path::Path;

use super::order::Order;
use crate::core::agents::arguments::Bind;
use crate::core::agents::names::MEMORY;
use crate::core::agents::record::Run;
use crate::core::config::agents::Lifetime;
use crate::core::config::memory::variable;
use crate::core::memory::place::Memory;
use crate::core::memory::talk::Run as Found;
use crate::core::text::source::{counted, one_line};
use crate::failure::Failure;
use crate::parts::context::Context;
use crate::parts::memory::{self, export, roles, save};
use crate::parts::scope::Scope;
use crate::store::agents::Place;
use crate::store::ask::{Ask, Occasion};
use crate::store::project::Project;

/// Where a persistent agent finds the address of its role.
const ADDRESS: &str = "/memory/url";

/// The service and port by which a persistent agent reaches the memory; none where that is no service of the instance.
pub(super) fn service(order: &Order<'_>) -> Option<(String, u16)> {
    let settings = &order.site.scope.settings;
    let Some(Memory::Service(of)) = &settings.memory else { return None };
    let name = variable(settings, of).filter(|_| order.agent.lifetime == Lifetime::Persistent)?;
    let published = settings.compose.as_ref()?.ports.get(name)?;
    Some((published.service.clone(), published.target))
}

/// What an agent is given of the memory: a transient one a copy of what was found, a persistent one a role of its own. Without it the
/// agent runs, too, and that is said.
pub(super) fn give(order: &Order<'_>, place: &Place) -> Option<Bind> {
    let scope = order.site.scope;
    if !memory::is_declared(scope) {
        return None;
    }
    let given = match (order.agent.lifetime, service(order)) {
        (Lifetime::Transient, _) => {
            let folder = place.work().join("memory");
            export::export_to(scope, &folder, export::FOR_AGENTS).map(|_| Bind::read(&folder, MEMORY))
        }
        (Lifetime::Persistent, Some((host, port))) => {
            let run = found(&order.site.settled.known.name, order.name, order.id);
            roles::role_for(scope, &run, Some((&host, port))).map(|file| Bind::read(&file, ADDRESS))
        }
        (Lifetime::Persistent, None) => return None,
    };
    given
        .map_err(|failure| scope.context.ui.step(&format!("The agent starts without the memory: {}", failure.what)))
        .ok()
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
