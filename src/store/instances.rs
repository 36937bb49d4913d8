//! Settling an instance: from a `silo.toml`, what the project and the registry remember, and what was asked for, to
//! name, ports, files and stamp that agree (docs/architecture.md, "Lifecycle"; D1, D2, D4, D5, D10, D104).
//!
//! All of it happens under the registry's lock, in an order that a crash cannot turn against the user: the stamp goes
//! first, then the registry is written, then the files, and a new stamp last. Whatever is missing afterwards is made
//! again from the registry, which always knows of every port that was ever told to anybody.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::ask::{Case, Occasion};
use super::filled::{self, Fate};
use super::free;
use super::gates;
use super::gateway;
use super::give_way::{GaveWay, give_way};
use super::history;
use super::names;
use super::one_folder;
use super::placed;
use super::project::{EnvFile, Project};
use super::registry::{self, Locked};
use super::routes;
use super::shared;
use super::snapshot::{Snapshot, choose_name, choose_profile, settings, snapshot};
use super::stamp::{self, Known};
use super::trust;
use crate::core::config::Settings;
use crate::core::instance::envfile;
use crate::core::instance::identity::Identity;
use crate::core::instance::lockfile::{InstanceState, Lockfile};
use crate::core::instance::name;
use crate::core::instance::vars::{self, Vars};
use crate::core::leases::block::{self, Blocks};
use crate::core::leases::ports::{self, Given, Moved, Plan};
use crate::core::leases::{Instance, Leases};
use crate::core::routes::{self as planned, Route};
use crate::core::text::digest;
use crate::failure::{Failure, shown};
use crate::sys::dirs::Dirs;
use crate::sys::lock::Wait;
use crate::sys::unfinished;

/// A settled instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// What the shell hook and `exec` need.
    pub known: Known,
    /// The names of what the instance owns.
    pub identity: Identity,
    /// All vars, in the sections of the env file.
    pub vars: Vars,
    /// How many ports the blocks among the ports have.
    pub blocks: Blocks,
    /// The stamp's generation.
    pub generation: String,
    /// Ports that are not their declared default, and the instance or the variable here that has the default.
    pub moved: Vec<(Moved, Option<String>)>,
    /// Leases of other instances that gave way to this one's.
    pub gave_way: Vec<GaveWay>,
    /// The root this instance was copied from, when it was.
    pub copied_from: Option<String>,
    /// The root, now gone, whose name this instance has taken over.
    pub moved_from: Option<String>,
    /// The ports of a lockfile that the registry did not know, taken over: an older silo's, usually.
    pub adopted: Option<IndexMap<String, u16>>,
    /// The instance's name before, when it has another one now.
    pub renamed_from: Option<String>,
    /// What the registry said of it before.
    pub registered: Option<Instance>,
    /// Files that were written.
    pub written: Vec<PathBuf>,
    /// What became of the files that silo has filled.
    pub followed: Result<Vec<(PathBuf, Fate)>, Failure>,
}

/// Settles the instance of a project.
///
/// # Errors
/// A [`Failure`] when the profile, name or ports is not available, or a file cannot be read or written; leases that were
/// held before are held after. A transient one when nothing is held any more for [`Occasion::Inside`].
pub fn settle(case: &Case<'_>, wait: &Wait<'_>) -> Result<Settled, Failure> {
    let Case { dirs, project, ask, world, .. } = *case;
    registry::with_lock(dirs, wait, |locked| {
        if ask.occasion == Occasion::Inside && !free::is_held(&locked.leases, project) {
            return Err(Failure { transient: true, ..Failure::new("The instance was released meanwhile") });
        }
        // Asked again under the lock: another shell may have come by the other path meanwhile.
        if let Some(holder) = one_folder::holder(dirs, &locked.leases, project) {
            let failure = Failure::new(format!(
                "The folder `{}` is `{}` under another path, and has got its instance there meanwhile",
                shown(&project.root),
                shown(Path::new(&holder.root))
            ));
            return Err(Failure { transient: true, ..failure.hint("Run the command again") });
        }
        let gave_way = give_way(case, locked)?;
        let mut plan = decide(case, &locked.leases)?;
        if gateway::instance::grant(dirs, &project.root, &plan.target.name, &plan.settings)? {
            plan = decide(case, &locked.leases)?;
        }
        let InstancePlan { snapshot, settings, mut target, env_file, moved } = plan;
        let moved = with_holders(moved, &locked.leases, &block::spread(&target.ports, &target.blocks));
        unfinished::sweep(&env_file.path);
        unfinished::sweep(&project.lockfile_path());
        unfinished::sweep_folder(&dirs.instance(&project.root));
        let tools: Vec<&str> =
            settings.gates.keys().map(String::as_str).filter(|tool| (world.installed)(tool)).collect();
        target.gates = gates::ensure(dirs, &project.root, &tools, world.silo)?;
        let settled = write(case, &snapshot, target, &env_file, locked)?;
        Ok(Settled { moved, gave_way, ..settled })
    })
}

/// What settling comes to, before anything is written.
pub(super) struct InstancePlan {
    pub(super) snapshot: Snapshot,
    pub(super) settings: Settings,
    pub(super) target: Target,
    pub(super) env_file: EnvFile,
    pub(super) moved: Vec<Moved>,
}

/// Decides everything and writes nothing.
pub(super) fn decide(case: &Case<'_>, leases: &Leases) -> Result<InstancePlan, Failure> {
    let Case { dirs, project, config, ask, .. } = *case;
    let snapshot = snapshot(dirs, project, config, leases)?;
    let profile = choose_profile(project, config, ask, &snapshot)?.map(str::to_owned);
    let mut settings = settings(project, config, profile.as_deref(), ask.up, &snapshot);
    gateway::instance::fill(dirs, &project.root, &mut settings);
    let (name, taken_from) = choose_name(case, &snapshot, leases)?;
    let gone: Vec<String> = taken_from.into_iter().chain(snapshot.moved_from.clone()).collect();
    let plan = plan_ports(case, &settings, &snapshot, &gone, leases)?;
    let slot = slot(project, &settings, &snapshot, &gone, leases);
    let home = dirs.home.to_string_lossy();
    let (identity, vars) = vars::of_instance(&settings, &name, profile.as_deref(), &plan.ports, slot, &home)
        .expect("`config::parse` has checked every template");
    let env_file = project.env_file(&config.output)?;
    let blocks = ports::blocks(&settings.ports);
    let routes = planned::of(&settings, &vars);
    let target = Target { name, profile, identity, ports: plan.ports, blocks, slot, vars, routes, gone, gates: None };
    Ok(InstancePlan { snapshot, settings, target, env_file, moved: plan.moved })
}

fn with_holders(moved: Vec<Moved>, leases: &Leases, own: &IndexMap<String, u16>) -> Vec<(Moved, Option<String>)> {
    let holder = |moved: &Moved| match moved.reason {
        ports::Reason::Leased => leases.holder(moved.wanted).map(|holder| holder.name.clone()),
        ports::Reason::Taken => {
            own.iter().find(|(_, port)| **port == moved.wanted).map(|(name, _)| block::variable(name).to_owned())
        }
        _ => None,
    };
    moved.into_iter().map(|moved| (holder(&moved), moved)).map(|(holder, moved)| (moved, holder)).collect()
}

/// Changes the lockfile of a settled instance, under the registry's lock like every other writer.
///
/// # Errors
/// A [`Failure`] when the lockfile cannot be read or written.
pub fn note(
    dirs: &Dirs,
    project: &Project,
    wait: &Wait<'_>,
    change: impl FnOnce(&mut InstanceState),
) -> Result<(), Failure> {
    registry::with_lock(dirs, wait, |_| {
        let Some((mut lockfile, _)) = project.lockfile()? else { return Ok(()) };
        let before = lockfile.clone();
        change(&mut lockfile.instance);
        if lockfile == before {
            return Ok(());
        }
        let digest = project.save_lockfile(&lockfile)?;
        stamp::renew(dirs, &project.root, &digest)
    })
}

fn plan_ports(
    case: &Case<'_>,
    settings: &Settings,
    snapshot: &Snapshot,
    gone: &[String],
    leases: &Leases,
) -> Result<Plan, Failure> {
    let Case { project, ask, world, .. } = *case;
    let none = IndexMap::new();
    let mut others = leases.leased_to_others(project.root_text());
    let freed = gone.iter().filter_map(|root| leases.at(root)).flat_map(Instance::held);
    freed.for_each(|port| {
        others.remove(&port);
    });
    let mut held =
        snapshot.entry.as_ref().filter(|_| !ask.force).map_or_else(IndexMap::new, |entry| entry.ports.clone());
    let mut held_blocks = snapshot.entry.as_ref().map_or_else(Blocks::new, |entry| entry.blocks.clone());
    let left = block::spread(&held, &held_blocks).into_iter();
    let is_left = |name: &str| ask.lost.iter().any(|lost| lost == block::variable(name));
    let left = left.filter(|(name, _)| is_left(name)).map(|(_, port)| port).collect();
    held.retain(|name, _| !ask.lost.contains(name));
    let remembered = snapshot.lockfile.as_ref().filter(|_| !ask.force && snapshot.copied_from.is_none());
    let remembered = remembered.map_or(&none, |lockfile| &lockfile.instance.ports);
    if snapshot.entry.is_none() {
        let own = remembered.iter().filter(|(_, port)| world.own.contains(port));
        held.extend(own.map(|(name, port)| (name.clone(), *port)));
    }
    held.extend(ask.found.iter().chain(ask.take).cloned());
    let own = (project.root.as_path(), snapshot.entry.as_ref());
    shared::join(settings, own, leases, ask.lost, (&mut others, &mut held));
    // What gave way is free as a whole.
    let taken = ask.take.iter().filter_map(|(name, _)| Some((name.clone(), settings.ports.get(name)?.count())));
    held_blocks.extend(taken);
    let source = world.source(project.root_text());
    let given = Given {
        wanted: &settings.ports,
        held: &held,
        held_blocks: &held_blocks,
        remembered,
        leased: &others,
        left: &left,
        source: &source,
    };
    ports::plan(&given, &mut |port| (world.probe)(port)).map_err(|full| Failure::range_full(&full))
}

/// The instance's number: the one it has, else the smallest that is free once a template uses one.
fn slot(project: &Project, settings: &Settings, snapshot: &Snapshot, gone: &[String], leases: &Leases) -> Option<u16> {
    let but: Vec<&str> = gone.iter().map(String::as_str).chain([project.root_text()]).collect();
    let lockfile = snapshot.lockfile.as_ref().filter(|_| snapshot.copied_from.is_none());
    let known = snapshot.entry.as_ref().and_then(|entry| entry.slot);
    let known = known.or_else(|| lockfile.and_then(|lockfile| lockfile.instance.slot));
    known
        .filter(|slot| !leases.has_slot(&settings.prefix, *slot, &but))
        .or_else(|| settings.uses("slot").then(|| leases.free_slot(&settings.prefix, &but)))
}

/// What an instance is to be.
pub(super) struct Target {
    pub(super) name: String,
    pub(super) profile: Option<String>,
    pub(super) identity: Identity,
    pub(super) ports: IndexMap<String, u16>,
    pub(super) blocks: Blocks,
    pub(super) slot: Option<u16>,
    pub(super) vars: Vars,
    routes: Vec<Route>,
    /// Roots that are gone and whose places this instance takes.
    gone: Vec<String>,
    gates: Option<PathBuf>,
}

fn write(
    case: &Case<'_>,
    snapshot: &Snapshot,
    target: Target,
    env_file: &EnvFile,
    locked: &mut Locked,
) -> Result<Settled, Failure> {
    let Case { dirs, project, .. } = *case;
    let (root, now) = (project.root_text(), case.world.now.as_str());
    let entry = registry_entry(root, snapshot, &target, now);
    let lockfile = new_lockfile(snapshot, &target, now);
    let env_text = envfile::render(&target.vars, &target.name, target.profile.as_deref(), now);
    let same = |old: &Instance| Instance { changed: entry.changed.clone(), ..old.clone() } == entry;
    let same_entry = target.gone.is_empty() && locked.leases.at(root).is_some_and(same);
    let keep_lockfile = snapshot.lockfile.as_ref().is_some_and(|old| old.same_but_time(&lockfile));
    let mut written = Vec::new();
    if !same_entry || !keep_lockfile {
        stamp::invalidate(dirs, &project.root)?;
    }
    // A folder that comes back to one of them must not be taken for the instance it was.
    target.gone.iter().try_for_each(|gone| stamp::invalidate(dirs, Path::new(gone)))?;
    let made = snapshot.cluster_made(&entry.prefix);
    history::note(dirs, root, &entry.qualified(), &target.gone, made.as_deref())?;
    if !same_entry {
        locked.leases.claim(entry, &target.gone);
        locked.save()?;
        if let Some(moved) = &snapshot.moved_from {
            placed::move_along(dirs, Path::new(moved), &project.root)?;
        }
        // Theirs is this root's now, as its history says.
        for gone in target.gone.iter().map(Path::new) {
            names::publish(dirs, gone, "")?;
            history::forget(dirs, gone)?;
        }
    }
    routes::save(dirs, root, &target.routes)?;
    if env_file.differs(&env_text) {
        env_file.save(&env_text)?;
        written.push(env_file.path.clone());
    }
    // One that cannot be filled is no reason to be without variables.
    let followed = filled::follow(dirs, &project.root, &target.vars);
    let lockfile_digest = match &snapshot.lockfile_digest {
        Some(digest) if keep_lockfile => digest.clone(),
        _ => {
            written.push(project.lockfile_path());
            project.save_lockfile(&lockfile)?
        }
    };
    let env_path = env_file.path.to_string_lossy().into_owned();
    let known = Known {
        gates: target.gates.map(|folder| folder.to_string_lossy().into_owned()),
        vars: target.vars.for_processes(root, &env_path),
        name: target.name,
        profile: target.profile,
        ports: target.ports,
        lockfile: lockfile_digest,
        env_file: env_path,
        home: dirs.home.to_string_lossy().into_owned(),
    };
    // Without a stamp, or a word on trust to put into it, the next prompt asks again, no more.
    let stamped = trust::judge(dirs, project).and_then(|word| trust::seal(dirs, project, word, Some(known.clone())));
    let generation = stamped.unwrap_or_default();
    let before = snapshot.entry.as_ref().map(|entry| entry.name.clone());
    let adopted = snapshot.lockfile.as_ref().filter(|lockfile| {
        snapshot.entry.is_none() && snapshot.copied_from.is_none() && !lockfile.instance.name.is_empty()
    });
    Ok(Settled {
        registered: snapshot.entry.clone(),
        adopted: adopted.map(|lockfile| lockfile.instance.ports.clone()),
        identity: target.identity,
        blocks: target.blocks,
        renamed_from: before.filter(|before| *before != known.name),
        copied_from: snapshot.copied_from.clone(),
        moved_from: target.gone.into_iter().next(),
        known,
        vars: target.vars,
        generation,
        moved: Vec::new(),
        gave_way: Vec::new(),
        written,
        followed,
    })
}

pub(super) fn registry_entry(root: &str, snapshot: &Snapshot, target: &Target, now: &str) -> Instance {
    let held = snapshot.entry.clone().unwrap_or_default();
    let created = Some(held.created).filter(|created| !created.is_empty());
    Instance {
        id: digest::root_id(root.as_bytes()),
        root: root.to_owned(),
        name: target.name.clone(),
        prefix: target.identity.prefix.clone(),
        profile: target.profile.clone(),
        slot: target.slot,
        folder: registry::number(root),
        created: created.unwrap_or_else(|| now.to_owned()),
        changed: now.to_owned(),
        ports: target.ports.clone(),
        blocks: target.blocks.clone(),
        // What is leased when it is needed stays until the instance goes.
        subnet: held.subnet,
        addresses: held.addresses,
        wanted: held.wanted,
    }
}

/// The lockfile goes on from the old one, so that keys of other versions stay; a copy starts again.
pub(super) fn new_lockfile(snapshot: &Snapshot, target: &Target, now: &str) -> Lockfile {
    let old = snapshot.lockfile.clone().filter(|_| snapshot.copied_from.is_none());
    let mut lockfile = old.unwrap_or_else(|| {
        let created_at = snapshot.entry.as_ref().map_or_else(|| now.to_owned(), |entry| entry.created.clone());
        Lockfile::new(InstanceState { created_at, ..InstanceState::default() }, now)
    });
    let prefix = &target.identity.prefix;
    if snapshot.name(prefix).is_some_and(|before| before != name::qualified(prefix, &target.name)) {
        // That one has the old name; the history of the root knows it.
        lockfile.instance.k3d_cluster_created = false;
    }
    now.clone_into(&mut lockfile.generated_at);
    lockfile.instance.name.clone_from(&target.name);
    lockfile.instance.profile.clone_from(&target.profile);
    lockfile.instance.ports.clone_from(&target.ports);
    lockfile.instance.blocks.clone_from(&target.blocks);
    lockfile.instance.slot = target.slot;
    if let Some(held) = snapshot.entry.as_ref().filter(|held| held.subnet.is_some()) {
        lockfile.instance.subnet = held.subnet;
        lockfile.instance.addresses.clone_from(&held.addresses);
    }
    lockfile.instance.identity = target.identity.clone();
    lockfile
}
