//! `silo agent run`: run an agent to its end, and pass on how it ended.

use super::super::gate;
use crate::core::agents::names;
use crate::core::config::agents::Lifetime;
use crate::core::text::source::one_line;
use crate::core::text::suggest::{nearest, ticked};
use crate::failure::{Failure, code, shown_from};
use crate::parts::agents::{self, Order, Origin, template};
use crate::parts::context::Context;
use crate::parts::scope::{Scope, Site};
use crate::store::ask::{Ask, Occasion};
use crate::sys::{random, signals};

pub(super) fn run(context: &Context, name: &str, task: Option<&str>, id: Option<&str>) -> Result<u8, Failure> {
    let project = context.project()?;
    let config = project.config()?;
    let ask = Ask { occasion: Occasion::Cd, up: true, ..Ask::default() };
    let scope = Scope::of(context, &project, &config, &ask)?;
    let (agent, origin) = match scope.settings.agents.get(name) {
        Some(agent) => {
            if template::is_runnable(&context.dirs, name) {
                context.ui.step(&format!("The project's own agent `{name}` runs, not your template of that name"));
            }
            (agent.clone(), Origin::project(&project, name))
        }
        None => template::of_template(context, &scope.settings, name)?.ok_or_else(|| unknown(&scope, name))?,
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
    let order = Order { site: &site, name, agent: &agent, origin: &origin, id: &id, task };
    let run = agents::run(&order)?;
    Ok(run.end.map_or(code::FAILURE, |end| end.code))
}

/// Neither the project nor a template has the agent.
fn unknown(scope: &Scope<'_>, name: &str) -> Failure {
    let dirs = &scope.context.dirs;
    let own: Vec<&str> = scope.settings.agents.keys().map(String::as_str).collect();
    let templates = template::names(dirs);
    let of_templates: Vec<&str> = templates.iter().map(String::as_str).collect();
    let failure = Failure::new(format!("Neither `silo.toml` nor a template has the agent `{}`", one_line(name)));
    let near = nearest(name, own.iter().chain(&of_templates).copied());
    let failure = near.iter().fold(failure, |failure, near| failure.hint(format!("The nearest one is `{near}`")));
    let failure = match &own[..] {
        [] => failure.hint("Add it below `[agents]` of `silo.toml`: `silo doc agents`"),
        own => failure.hint(format!("Agents of `silo.toml`: {}", ticked(own))),
    };
    let folder = shown_from(&dirs.home, &dirs.templates());
    failure.hint(match &of_templates[..] {
        [] => format!("There is no template with an agent in `{folder}`"),
        all => format!("Templates in `{folder}`: {}", ticked(all)),
    })
}
