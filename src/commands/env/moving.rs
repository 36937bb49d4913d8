//! `silo env --move` and `--take`: which leases are to move, and whether they may.

use std::path::Path;

use crate::cli::EnvArgs;
use crate::core::config::ConfigFile;
use crate::core::instance::identity::{K3dParts, identity};
use crate::core::leases::block;
use crate::core::leases::ports::Probe;
use crate::core::text::suggest::nearest;
use crate::failure::{Failure, code, quoted};
use crate::parts::context::Context;
use crate::parts::holder::foreign;
use crate::store::ask::Ask;
use crate::store::project::Project;
use crate::store::{registry, snapshot};
use crate::sys::net;

/// What is to move.
#[derive(Default)]
pub(super) struct Moving {
    /// Variables that get another port than they have.
    pub(super) lost: Vec<String>,
    /// Variables that get their default, whoever holds a lease on it.
    pub(super) take: Vec<(String, u16)>,
}

pub(super) fn of(
    context: &Context,
    (project, config): (&Project, &ConfigFile),
    arguments: &EnvArgs,
    ask: &Ask<'_>,
) -> Result<Moving, Failure> {
    if arguments.moves.is_empty() && arguments.take.is_empty() {
        return Ok(Moving::default());
    }
    let (settings, _) = snapshot::preview(&context.dirs, project, config, ask)?;
    let spec = |name: &String| {
        settings.ports.get(name).copied().ok_or_else(|| {
            let failure = Failure::new(format!("`{name}` is not a port of this instance"));
            let near = nearest(name, settings.ports.keys().map(String::as_str));
            let failure = near.iter().fold(failure, |failure, near| failure.hint(format!("The nearest is `{near}`")));
            failure.hint("List them: `silo env`")
        })
    };
    arguments.moves.iter().try_for_each(|name| spec(name).map(|_| ()))?;
    if let Some(both) = arguments.moves.iter().find(|name| arguments.take.contains(name)) {
        return Err(Failure::new(format!("`{both}` cannot move away and take its default at once"))
            .code(code::USAGE)
            .hint(format!("Only one of the two: `silo env --move {both}`, or `silo env --take {both}`")));
    }
    let recorded = snapshot::recorded(&context.dirs, project, config)?;
    let mut take = Vec::new();
    for name in &arguments.take {
        let spec = spec(name)?;
        let Some(port) = spec.default() else {
            return Err(Failure::new(format!("`{name}` has no default port to take"))
                .hint(format!("Give it one in `silo.toml`: `{name} = 3000` below `[ports]`")));
        };
        for port in port..=block::last(port, spec.count()) {
            may_take(context, (project, config), recorded.as_ref().map_or("", |one| &one.name), (name, port))?;
        }
        take.push((name.clone(), port));
    }
    Ok(Moving { lost: arguments.moves.clone(), take })
}

/// Refuses a port on which somebody else listens: the lease would be useless, and theirs.
fn may_take(
    context: &Context,
    (project, config): (&Project, &ConfigFile),
    own_name: &str,
    (name, port): (&str, u16),
) -> Result<(), Failure> {
    let leases = registry::peek(&context.dirs)?;
    let holder = leases.holder(port).filter(|holder| holder.root != project.root_text());
    let refused = match net::probe(port) {
        Probe::Free => return Ok(()),
        Probe::Denied => {
            return Err(Failure::new(format!("Port {port}, the default of `{name}`, needs more rights (below 1024)"))
                .hint("Choose a default from 1024 on in `silo.toml`"));
        }
        Probe::Busy => {
            let own = identity(&config.prefix, own_name, K3dParts { cluster: true, registry: true }, "");
            foreign(&context.outside(), &project.root, &own, port)
        }
    };
    let Some(who) = refused else { return Ok(()) };
    Err(match holder {
        Some(holder) => Failure::new(format!(
            "Port {port}, the default of `{name}`, is in use: `{}` has the lease, and {who} listens on it",
            holder.name
        ))
        .hint(format!("Stop that first, as with `silo down -C {}`", quoted(Path::new(&holder.root)))),
        None => Failure::new(format!("Port {port}, the default of `{name}`, is held by {who}"))
            .hint("End that program, and run this again"),
    })
}
