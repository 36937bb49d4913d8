//! `silo agent`: programs in containers of their own, behind a wall (D33).

mod list;
mod named;
mod run;
mod show;
mod stop;

use crate::cli::{AgentAction, AgentArgs};
use crate::failure::{Failure, code};
use crate::parts::agents;
use crate::parts::context::Context;

pub(super) fn run(context: &Context, arguments: &AgentArgs) -> Result<u8, Failure> {
    let AgentArgs { action, name, task, id, follow, force, json, command } = arguments;
    let is = |wanted: &[AgentAction]| wanted.contains(action);
    let misplaced = [
        ("TASK", task.is_some() && !is(&[AgentAction::Run])),
        ("--as", id.is_some() && !is(&[AgentAction::Run])),
        ("-f", *follow && !is(&[AgentAction::Logs])),
        ("--force", *force && !is(&[AgentAction::Rm])),
        ("--json", *json && !is(&[AgentAction::List, AgentAction::Findings])),
        ("NAME", name.is_some() && is(&[AgentAction::List])),
        ("CMD", !command.is_empty() && !is(&[AgentAction::Exec])),
    ];
    if let Some((flag, _)) = misplaced.into_iter().find(|(_, is)| *is) {
        let failure = Failure::new(format!("`{flag}` does not go with this action of `silo agent`"));
        return Err(failure.hint("See `silo agent --help`").code(code::USAGE));
    }
    // Whatever was cut off comes to its end first.
    agents::finish_all(context);
    let named = || {
        name.as_deref().ok_or_else(|| {
            Failure::new("`silo agent` needs the name of an agent or the ID of a run for this")
                .hint("See what there is: `silo agent list`")
                .code(code::USAGE)
        })
    };
    match action {
        AgentAction::Run => run::run(context, named()?, task.as_deref(), id.as_deref()),
        AgentAction::List => list::list(context, *json),
        AgentAction::Logs => show::logs(context, &named::find(context, named()?)?, *follow),
        AgentAction::Exec => show::exec(context, &named::find(context, named()?)?, command),
        AgentAction::Findings => show::findings(context, &named::find(context, named()?)?, *json),
        AgentAction::Stop => stop::stop(context, &named::find(context, named()?)?),
        AgentAction::Rm => stop::rm(context, &named::find(context, named()?)?, *force),
    }
}
