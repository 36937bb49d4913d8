//! Which port is asked for: a number, what shows one, or a variable of this project or of any instance.

use std::path::Path;

use super::super::recorded::vars;
use crate::core::leases::{Leases, block};
use crate::core::text::address::{Typed, typed};
use crate::core::text::suggest::nearest;
use crate::failure::{Failure, code, shown};
use crate::parts::context::Context;
use crate::store::snapshot;

/// The port that was meant; all of them, if a variable has a block.
///
/// # Errors
/// A [`Failure`] for a command line that names none.
pub(super) fn ports(context: &Context, leases: &Leases, word: &str) -> Result<Vec<u16>, Failure> {
    match typed(word) {
        Typed::Port(port) => Ok(vec![port]),
        Typed::Name(name) => of_variable(context, leases, name),
        Typed::Nothing => Err(Failure::new(format!("`{word}` names no port"))
            .hint("A port is a number from 1 to 65535, alone or in an address: `silo who localhost:3000`")
            .code(code::USAGE)),
    }
}

/// A variable of the instance here; else of the one instance that has it.
fn of_variable(context: &Context, leases: &Leases, name: &str) -> Result<Vec<u16>, Failure> {
    let mut known: Vec<String> = Vec::new();
    let here = context.project().ok().and_then(|project| Some((project.config().ok()?, project)));
    let here = here.and_then(|(config, project)| {
        let recorded = snapshot::recorded(&context.dirs, &project, &config).ok().flatten()?;
        Some((vars(context, &project.root, &config, &recorded), recorded))
    });
    if let Some((vars, recorded)) = &here {
        if let Some(port) = recorded.ports.get(name) {
            return Ok(block::ports(name, *port, &recorded.blocks));
        }
        if let Some(value) = vars.get(name) {
            return match typed(value) {
                Typed::Port(port) => Ok(vec![port]),
                _ => Err(Failure::new(format!("The value of `{name}` names no port: `{value}`"))
                    .hint("`silo status` shows which port each variable has")
                    .code(code::USAGE)),
            };
        }
        known.extend(vars.iter().map(|(name, _)| name.to_owned()));
    }
    let all = leases.instances.iter().flat_map(|one| one.ports.iter().map(move |(name, port)| (one, name, *port)));
    let found: Vec<_> = all.filter(|(_, variable, _)| *variable == name).collect();
    match found[..] {
        [(one, _, port)] => Ok(block::ports(name, port, &one.blocks)),
        [] => {
            known.extend(leases.instances.iter().flat_map(|one| one.ports.keys().cloned()));
            let failure = Failure::new(format!("`{name}` is not a port, and no variable of an instance"));
            let near = nearest(name, known.iter().map(String::as_str));
            let failure = near.iter().fold(failure, |failure, near| failure.hint(format!("The nearest is `{near}`")));
            Err(failure.hint("Every leased port: `silo who`").code(code::USAGE))
        }
        _ => {
            let failure = Failure::new(format!("{} instances have a variable `{name}`", found.len()));
            let of = |(one, _, port): &(&crate::core::leases::Instance, &String, u16)| {
                format!("{port} is that of `{}` ({})", one.name, shown(Path::new(&one.root)))
            };
            Err(found.iter().fold(failure, |failure, one| failure.hint(of(one))).code(code::USAGE))
        }
    }
}
