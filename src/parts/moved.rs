//! Why a port is not its default, in words: at the moment it is leased, and later as things are then.

use std::cell::LazyCell;
use std::path::Path;

use indexmap::IndexMap;

use super::holder::{by_process, on, said};
use crate::backend::publishers::{self, Owner};
use crate::core::leases::ports::{Moved, PortSpec, Probe, Reason, blocks};
use crate::core::leases::{Leases, block};
use crate::core::services::stop_line;
use crate::core::text::source::one_line;
use crate::sys::listeners::{self, Holder, Kind};
use crate::sys::{net, processes};

/// How many ports a line at a prompt names.
const MOST: usize = 3;

/// The container that publishes a port, where the engine may be asked; none on a `cd`.
pub type Container<'a> = &'a dyn Fn(u16) -> Option<String>;

/// A line on a default that could not be had; none where whoever asked for that says it.
pub fn line(moved: &Moved, holder: Option<&str>, root: &Path, container: Container<'_>) -> Option<String> {
    let why = of_moved(moved, holder, root, container)?;
    Some(format!("Port {} {why}; {} is {}", moved.wanted, moved.name, moved.got))
}

/// The same for few lines, below one that tells the ports: the defaults that could not be had for each reason.
pub fn by_reason(all: &[(Moved, Option<String>)], root: &Path) -> Vec<(String, String)> {
    let mut groups: IndexMap<String, Vec<&Moved>> = IndexMap::new();
    for (moved, holder) in all {
        if let Some(why) = of_moved(moved, holder.as_deref(), root, &|_| None) {
            groups.entry(why).or_default().push(moved);
        }
    }
    let line = |(why, moved): (String, Vec<&Moved>)| {
        let named = moved.iter().take(MOST).map(|one| format!("{} ({})", one.wanted, one.name));
        let named = named.collect::<Vec<_>>().join(", ");
        let why = if moved.len() == 1 { why } else { of_several(&why) };
        match moved.len().saturating_sub(MOST) {
            0 => (named, why),
            more => (format!("{named} and {more} more"), why),
        }
    };
    groups.into_iter().map(line).collect()
}

/// A reason as it follows several ports.
fn of_several(why: &str) -> String {
    let verbs = [("is ", "are "), ("needs ", "need ")];
    let (rest, plural) =
        verbs.iter().find_map(|(one, many)| Some((why.strip_prefix(one)?, *many))).unwrap_or((why, ""));
    format!("{plural}{rest}")
}

fn of_moved(moved: &Moved, holder: Option<&str>, root: &Path, container: Container<'_>) -> Option<String> {
    match moved.reason {
        Reason::Leased | Reason::Taken | Reason::Denied => Some(why(moved.reason, holder)),
        Reason::Busy => Some(busy(moved.wanted, root, container)),
        Reason::Left => None,
    }
}

/// Why each port that is not its default is another, as things are now: by variable, to stand behind its port.
pub fn reasons(
    leases: &Leases,
    root: &Path,
    wanted: &IndexMap<String, PortSpec>,
    ports: &IndexMap<String, u16>,
    container: Container<'_>,
) -> IndexMap<String, String> {
    let another = |(name, port): (&String, &u16)| {
        let spec = wanted.get(name)?;
        let default = spec.default().filter(|default| default != port)?;
        Some((name.clone(), default, spec.count()))
    };
    let all = block::spread(ports, &blocks(wanted));
    let told = ports.iter().filter_map(another).map(|(name, default, count)| {
        // A block of its own is in nobody's way but its own.
        let others = all.iter().filter(|(one, _)| block::variable(one) != name.as_str());
        let others = others.map(|(name, port)| (block::variable(name).to_owned(), *port)).collect::<Vec<_>>();
        let run = default..=block::last(default, count);
        let found = run.into_iter().find_map(|port| Some((port, reason(leases, root, &others, port, container)?)));
        let told = match found {
            Some((port, why)) => format!("not {port}, which {why}"),
            None => format!("not {default}, which is free now: `silo env --move {name}`"),
        };
        (name, told)
    });
    told.collect()
}

/// Why a port cannot be an instance's; none when it can.
fn reason(leases: &Leases, root: &Path, own: &[(String, u16)], port: u16, container: Container<'_>) -> Option<String> {
    if let Some((name, _)) = own.iter().find(|(_, held)| *held == port) {
        return Some(why(Reason::Taken, Some(name)));
    }
    let holder = leases.holder(port).filter(|holder| Path::new(&holder.root) != root);
    if let Some(holder) = holder {
        return Some(why(Reason::Leased, Some(&holder.name)));
    }
    match net::probe(port) {
        Probe::Free => None,
        Probe::Busy => Some(busy(port, root, container)),
        Probe::Denied => Some(why(Reason::Denied, None)),
    }
}

fn why(reason: Reason, holder: Option<&str>) -> String {
    match (reason, holder) {
        (Reason::Leased, Some(holder)) => format!("is leased to `{holder}`"),
        (Reason::Leased, None) => "is leased to another instance".to_owned(),
        (Reason::Taken, Some(variable)) => format!("is that of {variable}"),
        (Reason::Taken, None) => "is taken by another variable here".to_owned(),
        (Reason::Denied, _) => "needs more rights (below 1024)".to_owned(),
        (Reason::Busy | Reason::Left, _) => "is in use".to_owned(),
    }
}

/// Who holds a port that cannot be bound. The engine's own program says nothing of whose container it serves.
fn busy(port: u16, root: &Path, container: Container<'_>) -> String {
    if !listeners::IS_READ {
        return format!("is in use (by whom: `silo who {port}`)");
    }
    let mut holders = listeners::holders(|one| one == port);
    if holders.iter().any(|one| one.socket.kind != Kind::Connection) {
        holders.retain(|one| one.socket.kind != Kind::Connection);
    }
    let is_seen = |one: &Holder| one.process.as_ref().is_some_and(|process| !publishers::is_engines(&process.name));
    let container = if holders.iter().all(is_seen) && !holders.is_empty() { None } else { container(port) };
    holders.retain(|one| container.is_none() || is_seen(one));
    let told = by_process(&holders).into_iter().map(|(first, addresses)| {
        let own = first.process.as_ref().is_some_and(|process| processes::belongs_to(process, root));
        let here = if own { ", which was started in this folder" } else { "" };
        format!("{}{}{here}", said(first), on(&addresses))
    });
    let told: Vec<String> =
        container.iter().map(|name| format!("the container `{}`", one_line(name))).chain(told).collect();
    format!("is held by {}", if told.is_empty() { listeners::UNSEEN.to_owned() } else { told.join(" and ") })
}

/// A folder's defaults that are not available, before any is leased: a line each. `published` tells the containers that
/// publish ports, and is asked only where one is busy: what plain compose started from this very folder is in the way only until it
/// is stopped.
pub fn beforehand(
    leases: &Leases,
    root: &Path,
    wanted: &IndexMap<String, PortSpec>,
    published: impl FnOnce() -> Vec<Owner>,
) -> Vec<String> {
    let publishers = LazyCell::new(published);
    let of_container =
        |port: u16| publishers.iter().find(|one| one.publishes(port)).filter(|_| leases.holder(port).is_none());
    let line = |(name, spec): (&String, &PortSpec)| {
        let first = spec.default()?;
        let run = first..=block::last(first, spec.count());
        let busy = run.clone().filter(|port| net::probe(*port) == Probe::Busy);
        let published = busy.into_iter().find_map(|port| Some((port, of_container(port)?)));
        if let Some((port, owner)) = published {
            return Some(match Path::new(&owner.folder).starts_with(root) && owner.instance.is_empty() {
                true => format!(
                    "Port {port} is held by the service `{}`, which plain compose started here; {name} will be another, \
                     unless it is stopped first: `{}` (later: `silo env --move {name}`)",
                    one_line(&owner.service),
                    stop_line(&one_line(&owner.compose))
                ),
                false => {
                    format!(
                        "Port {port} is held by the container `{}`; {name} will be another",
                        one_line(&owner.container)
                    )
                }
            });
        }
        let (port, why) = run.into_iter().find_map(|port| Some((port, reason(leases, root, &[], port, &|_| None)?)))?;
        Some(format!("Port {port} {why}; {name} will be another"))
    };
    wanted.iter().filter_map(line).collect()
}
