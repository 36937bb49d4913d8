//! Whether all that is stored of an instance agrees: registry, lockfile, env file, stamp and history, with each other and with
//! what `silo.toml` asks for. Decided by the very code that settles, without writing, so that what is called stale here
//! is what settling would write, and nothing else.

use std::path::Path;

use indexmap::IndexMap;

use super::ask::{Ask, Case, Occasion, World};
use super::instances::{InstancePlan, decide, new_lockfile, registry_entry};
use super::project::Project;
use super::{history, stamp, trust};
use crate::core::config::ConfigFile;
use crate::core::instance::envfile;
use crate::core::instance::lockfile::InstanceState;
use crate::core::leases::ports::Probe;
use crate::core::leases::source::RANGE;
use crate::core::leases::{Instance, Leases};
use crate::failure::Failure;
use crate::sys::dirs::Dirs;

/// One thing that does not agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drift {
    /// The lockfile names an instance that the registry does not have at this root.
    Unregistered {
        /// Its name there.
        name: String,
        /// The root, still there, that has this name: this one is a copy of it.
        copied_from: Option<String>,
        /// The root, now gone, that had this name: it was moved here.
        moved_from: Option<String>,
    },
    /// There is no lockfile.
    NoLockfile,
    /// There is no env file.
    NoEnvFile,
    /// Records that do not say what settling would write, each by its word.
    Stale {
        /// `registry`, `lockfile`, `env file`.
        records: Vec<&'static str>,
        /// The first thing on which registry and lockfile differ.
        difference: Option<String>,
    },
    /// The stamp, from which shells are answered, reports other vars.
    Stamp,
    /// There is no history of this root and name: a lost registry could not be made again from it.
    NoHistory,
}

/// What was found at one root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judged {
    /// What does not agree.
    pub drift: Vec<Drift>,
    /// Whether settling would take nothing away: name, prefix, profile and every port stay.
    pub harmless: bool,
}

/// Judges the instance of a root against a registry that was read before. Writes nothing and takes no lock; `probe` is
/// asked only of ports that no lease holds.
///
/// # Errors
/// The [`Failure`] settling would end with.
pub fn judge(
    dirs: &Dirs,
    project: &Project,
    config: &ConfigFile,
    leases: &Leases,
    probe: &dyn Fn(u16) -> Probe,
) -> Result<Judged, Failure> {
    let own = leases.at(project.root_text());
    let recorded = project.lockfile()?.map(|(lockfile, _)| lockfile.instance);
    if own.is_none() && recorded.is_none() {
        return Ok(Judged { drift: Vec::new(), harmless: true });
    }
    let world = World {
        now: String::new(),
        suffix: &|| "new".to_owned(),
        silo: Path::new("/"),
        installed: &|_| false,
        // Which port a new variable would get does not matter here.
        port_range: &RANGE,
        outgoing: RANGE,
        user: 0,
        probe,
        own: &[],
    };
    let ask = Ask { occasion: Occasion::Cd, ..Ask::default() };
    let plan = decide(&Case { dirs, project, config, ask: &ask, world: &world }, leases)?;
    let entry = registry_entry(project.root_text(), &plan.snapshot, &plan.target, "");
    let Some(own) = own else {
        let recorded = recorded.unwrap_or_default();
        let harmless = entry.name == recorded.name && keeps(&entry, &recorded.ports);
        let InstancePlan { snapshot, .. } = plan;
        let drift = Drift::Unregistered {
            name: recorded.name,
            copied_from: snapshot.copied_from,
            moved_from: snapshot.moved_from,
        };
        return Ok(Judged { drift: vec![drift], harmless });
    };
    let harmless = (&own.name, &own.prefix, &own.profile) == (&entry.name, &entry.prefix, &entry.profile)
        && keeps(&entry, &own.ports);
    let mut drift = missing_or_stale(own, &entry, recorded.as_ref(), &plan);
    if drift.is_empty() && is_misleading(dirs, project, &plan)? {
        drift.push(Drift::Stamp);
    }
    if history::of(dirs, &project.root).is_none_or(|history| history.names.last() != Some(&own.qualified())) {
        drift.push(Drift::NoHistory);
    }
    Ok(Judged { drift, harmless })
}

/// Whether every port stays what it was; one that is no longer asked for would be released.
fn keeps(entry: &Instance, ports: &IndexMap<String, u16>) -> bool {
    ports.iter().all(|(name, port)| entry.ports.get(name) == Some(port))
}

fn missing_or_stale(
    own: &Instance,
    entry: &Instance,
    recorded: Option<&InstanceState>,
    plan: &InstancePlan,
) -> Vec<Drift> {
    let InstancePlan { snapshot, target, env_file, .. } = plan;
    let mut drift = Vec::new();
    let mut records = Vec::new();
    // Times change with every settlement, and the id follows from the root.
    let bare =
        |one: &Instance| Instance { id: String::new(), created: String::new(), changed: String::new(), ..one.clone() };
    if bare(own) != bare(entry) {
        records.push("registry");
    }
    match &snapshot.lockfile {
        None => drift.push(Drift::NoLockfile),
        Some(lockfile) if !lockfile.same_but_time(&new_lockfile(snapshot, target, "")) => records.push("lockfile"),
        Some(_) => {}
    }
    match &env_file.content {
        None => drift.push(Drift::NoEnvFile),
        Some(_) if env_file.differs(&envfile::render(&target.vars, &target.name, target.profile.as_deref(), "")) => {
            records.push("env file");
        }
        Some(_) => {}
    }
    if !records.is_empty() {
        drift.push(Drift::Stale { records, difference: recorded.and_then(|recorded| difference(own, recorded)) });
    }
    drift
}

/// The first thing on which registry and lockfile differ.
fn difference(own: &Instance, recorded: &InstanceState) -> Option<String> {
    let said = |what: &str, registry: &str, lockfile: &str| {
        (registry != lockfile)
            .then(|| format!("{what} is `{registry}` in the registry and `{lockfile}` in the lockfile"))
    };
    let profile = |profile: &Option<String>| profile.clone().unwrap_or_else(|| "none".to_owned());
    let port = |(name, port): (&String, &u16)| said(name, &port.to_string(), &recorded.ports.get(name)?.to_string());
    said("The name", &own.name, &recorded.name)
        .or_else(|| said("The profile", &profile(&own.profile), &profile(&recorded.profile)))
        .or_else(|| own.ports.iter().find_map(port))
}

/// Whether shells would be answered from a stamp that reports something else than what is to be.
fn is_misleading(dirs: &Dirs, project: &Project, plan: &InstancePlan) -> Result<bool, Failure> {
    let Some((stamp, _)) = stamp::load(dirs, &project.root) else { return Ok(false) };
    let Some(known) = &stamp.instance else { return Ok(false) };
    let is_believed = stamp.config == project.digest()
        && stamp.trust == trust::judge(dirs, project)?.word()
        && Some(&known.lockfile) == plan.snapshot.lockfile_digest.as_ref()
        && *known.home == *dirs.home.to_string_lossy();
    let target = &plan.target;
    let env_file = plan.env_file.path.to_string_lossy();
    Ok(is_believed
        && ((&known.name, &known.profile, &known.ports) != (&target.name, &target.profile, &target.ports)
            || known.vars != target.vars.for_processes(project.root_text(), &env_file)))
}
