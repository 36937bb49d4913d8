//! A port that another instance holds without using it, given to the instance that asks for it (`silo env --take`): under the
//! registry's lock the other one gets a port of the range instead, and is settled again at its next command or prompt.

use std::collections::HashSet;
use std::path::Path;

use indexmap::IndexMap;

use super::ask::Case;
use super::registry::Locked;
use super::stamp;
use crate::core::leases::block;
use crate::core::leases::ports::{self, Given, PortSpec};
use crate::failure::Failure;

/// A lease that was moved for somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GaveWay {
    /// The instance that held it.
    pub instance: String,
    /// The variable there.
    pub variable: String,
    /// The port it was.
    pub port: u16,
    /// The port it is now.
    pub now: u16,
}

/// Moves the leases of other instances on ports that are asked for. Nothing is written but what the asking instance writes
/// next, in one registry.
///
/// # Errors
/// A [`Failure`] when the range is full or a stamp cannot be removed.
pub(super) fn give_way(case: &Case<'_>, locked: &mut Locked) -> Result<Vec<GaveWay>, Failure> {
    let Case { dirs, project, config, ask, world } = *case;
    let mut gave = Vec::new();
    let specs = config.base.ports.iter().chain(config.profiles.values().flat_map(|profile| &profile.layer.ports));
    let counts: Vec<(&String, u16)> = specs.map(|(name, spec)| (name, spec.count())).collect();
    let count =
        |name: &String| counts.iter().filter(|(one, _)| *one == name).map(|(_, count)| *count).max().unwrap_or(1);
    let asked = ask.take.iter().flat_map(|(name, port)| *port..=block::last(*port, count(name)));
    // A port that is asked for is given to nobody else meanwhile.
    let asked: Vec<u16> = asked.collect();
    for port in &asked {
        let holder = locked.leases.holder(*port).filter(|holder| holder.root != project.root_text()).cloned();
        let held = holder.as_ref().and_then(|holder| holder.variable_of(*port));
        let (Some(holder), Some((variable, first))) = (&holder, held) else { continue };
        let leased: HashSet<u16> =
            locked.leases.leased_to_others("").into_iter().chain(asked.iter().copied()).collect();
        let spec = match holder.blocks.get(variable) {
            Some(count) => PortSpec::Block { default: None, count: *count },
            None => PortSpec::Random,
        };
        let (none, wanted) = (IndexMap::new(), IndexMap::from([(variable.to_owned(), spec)]));
        let (left, source) = (HashSet::new(), world.source(&holder.root));
        let given = Given {
            wanted: &wanted,
            held: &none,
            held_blocks: &none,
            remembered: &none,
            leased: &leased,
            left: &left,
            source: &source,
        };
        let now = ports::plan(&given, &mut |port| (world.probe)(port))
            .map_err(|full| Failure::range_full(&full))?
            .ports[variable];
        stamp::invalidate(dirs, Path::new(&holder.root))?;
        locked.leases.move_port(&holder.root, variable, now, &world.now);
        gave.push(GaveWay { instance: holder.name.clone(), variable: variable.to_owned(), port: first, now });
    }
    Ok(gave)
}
