//! `silo agent run`: run an agent to its end, and pass on how it ended.

use super::super::gate;
use crate::core::agents::names;
use crate::core::config::agents::Lifetime;
use crate::core::text::source::one_line;
use crate::core::text::suggest::{nearest, ticked};
use crate::failure::{Failure, code};
use crate::parts::agents::{self, Order};
use crate::parts::context::Context;
use crate::parts::scope::{Scope, Site};
use crate::store::ask::{Ask, Occasion};
use crate::sys::{random, signals};

pub(super) fn run(context: &Context, name: &str, task: Option<&str>, id: Option<&str>) -> Result<u8, Failure> {
    let project = context.project()?;
    let config = project.config()?;
    let ask = Ask { occasion: Occasion::Cd, up: true, ..Ask::default() };
    let scope = Scope::of(context, &project, &config, &ask)?;
    let Some(agent) = scope.settings.agents.get(name) else {
        let known: Vec<&str> = scope.settings.agents.keys().map(String::as_str).collect();
        let failure = Failure::new(format!("`silo.toml` has no agent `{}`", one_line(name)));
        let near = nearest(name, known.iter().copied());
        let failure = near.iter().fold(failure, |failure, near| failure.hint(format!("The nearest one is `{near}`")));
        return Err(match known.is_empty() {
            true => failure.hint("Add it below `[agents]`: `silo doc agents`"),
            false => failure.hint(format!("Its agents: {}", ticked(&known))),
        });
    };
    if agent.lifetime == Lifetime::Persistent {
        return Err(Failure::new(format!("The agent `{name}` is persistent: it is up while its instance is"))
            .hint("Start it with the rest: `silo up -d`")
            .hint(format!("Or give it `lifetime = \"transient\"` below `[agents.{name}]`")));
    }
    let id = match id {
        Some(id) if names::is_id(id) => id.to_owned(),
        Some(id) => {
            return Err(Failure::new(format!("`{}` cannot be the ID of a run", one_line(id)))
                .hint("Use up to 40 lower-case letters, digits, `-`, `_` and `.`: a branch is called by it")
                .code(code::USAGE));
        }
        None => format!("{name}-{}", random::suffix()),
    };
    signals::watch();
    if !agent.services.is_empty() {
        gate::services(context, &project, &config, &agent.services)?;
    }
    let site = Site::new(&scope, context.settle(&project, &config, &ask)?);
    let order = Order { site: &site, name, agent, id: &id, task };
    let run = agents::run(&order)?;
    Ok(run.end.map_or(code::FAILURE, |end| end.code))
}
