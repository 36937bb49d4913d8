//! The port plan (docs/ports.md; D2, D3): default first, then one of a range, in declared order.

use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;

use super::block::{self, Blocks};
use super::source::Source;

/// What `silo.toml` asks for one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortSpec {
    /// This port when it is available, else one from the range.
    Default(u16),
    /// `"random"` or `0`: always from the range.
    Random,
    /// So many neighbouring ports, from this one on or from the range.
    Block {
        /// The first, when it is available with all others.
        default: Option<u16>,
        /// How many.
        count: u16,
    },
}

impl PortSpec {
    /// The port that is tried first.
    pub fn default(self) -> Option<u16> {
        match self {
            Self::Default(port) => Some(port),
            Self::Random => None,
            Self::Block { default, .. } => default,
        }
    }

    /// How many ports it stands for.
    pub fn count(self) -> u16 {
        if let Self::Block { count, .. } = self { count } else { 1 }
    }
}

/// How many ports each block among the declared ones has.
pub fn blocks(wanted: &IndexMap<String, PortSpec>) -> Blocks {
    wanted.iter().filter(|(_, spec)| spec.count() > 1).map(|(name, spec)| (name.clone(), spec.count())).collect()
}

/// What the operating system says of a port that no instance holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// It can be bound.
    Free,
    /// Something else holds it.
    Busy,
    /// The user may not bind it (below 1024).
    Denied,
}

/// Why a port is not the declared default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Another instance holds a lease on it.
    Leased,
    /// An earlier variable of the same project took it.
    Taken,
    /// A program on this machine has it.
    Busy,
    /// It is below 1024 and needs more rights.
    Denied,
    /// It is the one that is to be left.
    Left,
}

/// One port that was given out in place of its default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The variable.
    pub name: String,
    /// What was wanted.
    pub wanted: u16,
    /// What it got.
    pub got: u16,
    /// Why.
    pub reason: Reason,
}

/// Ports for an instance, and what was moved on the way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Every declared port, in declared order.
    pub ports: IndexMap<String, u16>,
    /// Defaults that could not be had.
    pub moved: Vec<Moved>,
}

/// No port is left in the range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeFull {
    /// The variable that found none.
    pub name: String,
    /// Leases of other instances.
    pub leases: usize,
}

/// What the plan starts from.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// Declared ports in order.
    pub wanted: &'a IndexMap<String, PortSpec>,
    /// This instance's own leases: kept without asking whether they are busy, for it may be this instance that runs.
    pub held: &'a IndexMap<String, u16>,
    /// How many ports the blocks among them have.
    pub held_blocks: &'a Blocks,
    /// Ports a lockfile names without a lease: kept when nobody else has them.
    pub remembered: &'a IndexMap<String, u16>,
    /// Ports leased to other instances.
    pub leased: &'a HashSet<u16>,
    /// Ports of this instance that are to be left for others.
    pub left: &'a HashSet<u16>,
    /// Where ports come from when a default is not available.
    pub source: &'a Source,
}

/// Plans every declared port; `probe` is asked only about ports that no lease holds.
///
/// # Errors
/// [`RangeFull`] when the range has no port left.
pub fn plan(given: &Given<'_>, probe: &mut dyn FnMut(u16) -> Probe) -> Result<Plan, RangeFull> {
    let mut planner = Planner { given, probe, kept: HashMap::new(), taken: HashSet::new(), rest: None };
    for (name, spec) in given.wanted {
        let run = given.held.get(name).into_iter().flat_map(|first| *first..=block::last(*first, spec.count()));
        planner.kept.extend(run.map(|port| (port, name.as_str())));
    }
    let mut plan = Plan::default();
    for (name, spec) in given.wanted {
        let count = spec.count();
        let port = match (planner.kept(name, count), spec.default()) {
            (Some(port), _) => port,
            (None, None) => planner.next_of_range(name, count)?,
            (None, Some(wanted)) => match planner.refusal_of_run(wanted, count, None) {
                None => wanted,
                Some((at, reason)) => {
                    let got = planner.next_of_range(name, count)?;
                    plan.moved.push(Moved { name: name.clone(), wanted: at, got, reason });
                    got
                }
            },
        };
        planner.taken.extend(port..=block::last(port, count));
        plan.ports.insert(name.clone(), port);
    }
    Ok(plan)
}

/// A plan in the making.
struct Planner<'a> {
    given: &'a Given<'a>,
    probe: &'a mut dyn FnMut(u16) -> Probe,
    /// Ports this instance keeps, set aside first, so that no earlier variable takes a later one's lease.
    kept: HashMap<u16, &'a str>,
    /// Ports that variables before this one have got.
    taken: HashSet<u16>,
    /// What has not been tried yet of the range, for single ports.
    rest: Option<std::vec::IntoIter<u16>>,
}

impl Planner<'_> {
    /// What a variable has already: its lease, or else its remembered port where that is still available. A block that has grown
    /// keeps its place where its new ports are available.
    fn kept(&mut self, name: &str, count: u16) -> Option<u16> {
        let Some(first) = self.given.held.get(name).copied() else {
            let first = self.given.remembered.get(name).copied()?;
            return self.refusal_of_run(first, count, None).is_none().then_some(first);
        };
        let had = self.given.held_blocks.get(name).copied().unwrap_or(1).min(count);
        let is_free = |port: u16| !self.taken.contains(&port) && !self.given.leased.contains(&port);
        if !(first..=block::last(first, had)).all(is_free) {
            return None;
        }
        if had == count {
            return Some(first);
        }
        let more = first.checked_add(had)?;
        self.refusal_of_run(more, count - had, Some(name)).is_none().then_some(first)
    }

    /// The first port of a run that cannot be given out, and why; what `own` keeps is no reason.
    fn refusal_of_run(&mut self, first: u16, count: u16, own: Option<&str>) -> Option<(u16, Reason)> {
        if first.checked_add(count - 1).is_none() {
            return Some((first, Reason::Denied));
        }
        (first..=block::last(first, count)).find_map(|port| Some((port, self.refusal(port, own)?)))
    }

    /// Why a port cannot be given out.
    fn refusal(&mut self, port: u16, own: Option<&str>) -> Option<Reason> {
        if self.taken.contains(&port) || self.kept.get(&port).is_some_and(|name| Some(*name) != own) {
            return Some(Reason::Taken);
        }
        if self.given.leased.contains(&port) {
            return Some(Reason::Leased);
        }
        match (self.probe)(port) {
            Probe::Free => self.given.left.contains(&port).then_some(Reason::Left),
            Probe::Busy => Some(Reason::Busy),
            Probe::Denied => Some(Reason::Denied),
        }
    }

    /// The next port of the range that can be given out, or the first of so many neighbours.
    fn next_of_range(&mut self, name: &str, count: u16) -> Result<u16, RangeFull> {
        let full = RangeFull { name: name.to_owned(), leases: self.given.leased.len() };
        if count > 1 {
            return self.run_of_range(count).ok_or(full);
        }
        let mut rest = self.rest.take().unwrap_or_else(|| self.given.source.ports().into_iter());
        let found = rest.find(|port| self.refusal(*port, None).is_none());
        self.rest = Some(rest);
        found.ok_or(full)
    }

    /// So many neighbours of the range; each port is asked about once for all the runs it could be in.
    fn run_of_range(&mut self, count: u16) -> Option<u16> {
        let (mut start, mut length): (u16, u16) = (0, 0);
        for port in self.given.source.ports() {
            let goes_on = length > 0 && start.checked_add(length) == Some(port);
            if self.refusal(port, None).is_some() {
                length = 0;
                continue;
            }
            (start, length) = if goes_on { (start, length + 1) } else { (port, 1) };
            if length == count {
                return Some(start);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
