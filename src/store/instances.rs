//! Settling an instance: from a `silo.toml`, what the project and the registry remember, and what was asked for, to
//! name, ports, files and stamp that agree (spec, `silo env`, steps 2-7; design D1, D2, D4, D5, D10).
//!
//! All of it happens under the registry's lock, in an order that a crash cannot turn against the user: the stamp goes
//! first, then the registry is written, then the files, and a new stamp last. Whatever is missing afterwards is made
//! again from the registry, which always knows of every port that was ever told to anybody.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::gates;
use super::memo;
use super::past::{Past, choose_name, choose_profile, past, settings};
use super::project::{EnvFile, Project};
use super::registry::{self, Locked};
use super::release;
use super::stamp::{self, Known};
use super::trust;
use crate::core::config::{ConfigFile, Settings};
use crate::core::instance::envfile;
use crate::core::instance::identity::Identity;
use crate::core::instance::lockfile::{InstanceState, Lockfile};
use crate::core::instance::vars::{self, Vars};
use crate::core::leases::ports::{self, Given, Moved, Plan, Probe};
use crate::core::leases::{Instance, Leases};
use crate::core::text::digest;
use crate::failure::Failure;
use crate::sys::dirs::Dirs;
use crate::sys::lock::Wait;
use crate::sys::unfinished;

/// What brings silo to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Occasion {
    /// A typed command.
    #[default]
    Typed,
    /// A `cd`, or a program that acts as if: `SILO_PROFILE` then decides only for a new instance, and only when the file
    /// has that profile, for nobody asked for a switch.
    Cd,
    /// The same in a shell that is in the instance: where it was let go of, none is made under its hands.
    Inside,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ask<'a> {
    /// A name typed by the user.
    pub name: Option<&'a str>,
    /// `--profile`.
    pub profile: Option<&'a str>,
    /// `SILO_PROFILE` as the user set it.
    pub profile_variable: Option<&'a str>,
    /// `--force`: plan the ports anew, and allow another profile.
    pub force: bool,
    /// What brings silo here.
    pub occasion: Occasion,
    /// Tilt, and a cluster where there is one, are about to start: they need ports of their own even where `silo.toml`
    /// declares none.
    pub up: bool,
    /// Ports that turned out to be others than planned: what is already bound counts.
    pub found: &'a [(String, u16)],
    /// Variables whose leased port somebody else holds: they get another one (design D3).
    pub lost: &'a [String],
}

/// The world outside, passed in.
pub struct World<'a> {
    /// Now, RFC 3339.
    pub now: String,
    /// Four random characters at each call.
    pub suffix: &'a dyn Fn() -> String,
    /// silo's own path, for the gates.
    pub silo: &'a Path,
    /// Whether a tool is installed.
    pub installed: &'a dyn Fn(&str) -> bool,
    /// Where ports come from when a default cannot be had.
    pub port_range: &'a RangeInclusive<u16>,
    /// Whether a port that no lease holds can be bound.
    pub probe: &'a dyn Fn(u16) -> Probe,
    /// Ports that a lockfile without a lease remembers and this very instance holds: they stay.
    pub own: &'a [u16],
}

/// What is to be settled, as asked for, in which world.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The user's folders.
    pub dirs: &'a Dirs,
    /// The project.
    pub project: &'a Project,
    /// Its config.
    pub config: &'a ConfigFile,
    /// What was asked for.
    pub ask: &'a Ask<'a>,
    /// The world outside.
    pub world: &'a World<'a>,
}

/// A settled instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// What the shell hook and `exec` need.
    pub known: Known,
    /// The names of what the instance owns.
    pub identity: Identity,
    /// All vars, in the sections of the env file.
    pub vars: Vars,
    /// The stamp's generation.
    pub generation: String,
    /// Ports that are not their declared default, and the holder of the default where silo knows it.
    pub moved: Vec<(Moved, Option<String>)>,
    /// The root this instance was copied from, when it was.
    pub copied_from: Option<String>,
    /// The root, now gone, whose name this instance has taken over.
    pub moved_from: Option<String>,
    /// The ports of a lockfile that the registry did not know, taken over: an older silo's, mostly.
    pub adopted: Option<IndexMap<String, u16>>,
    /// The instance's name before, when it has another one now.
    pub renamed_from: Option<String>,
    /// Files that were written.
    pub written: Vec<PathBuf>,
}

/// Settles the instance of a project.
///
/// # Errors
/// A [`Failure`] when the profile, name or ports cannot be had, or a file cannot be read or written; leases that were
/// held before are held after. A transient one when nothing is held any more for [`Occasion::Inside`].
pub fn settle(case: &Case<'_>, wait: &Wait<'_>) -> Result<Settled, Failure> {
    let Case { dirs, project, ask, world, .. } = *case;
    registry::with_lock(dirs, wait, |locked| {
        if ask.occasion == Occasion::Inside && !release::is_held(&locked.leases, project) {
            return Err(Failure { transient: true, ..Failure::new("The instance was let go of meanwhile") });
        }
        let Decided { past, settings, mut chosen, env_file, moved } = decide(case, &locked.leases)?;
        let moved = with_holders(moved, &locked.leases);
        unfinished::sweep(&env_file.path);
        unfinished::sweep(&project.lockfile_path());
        unfinished::sweep_folder(&dirs.instance(&project.root));
        let tools: Vec<&str> =
            settings.gates.keys().map(String::as_str).filter(|tool| (world.installed)(tool)).collect();
        chosen.gates = gates::ensure(dirs, &project.root, &tools, world.silo)?;
        let settled = write(case, &past, chosen, &env_file, locked)?;
        Ok(Settled { moved, ..settled })
    })
}

/// What settling comes to, before anything is written.
pub(super) struct Decided {
    pub(super) past: Past,
    pub(super) settings: Settings,
    pub(super) chosen: Chosen,
    pub(super) env_file: EnvFile,
    pub(super) moved: Vec<Moved>,
}

/// Decides everything and writes nothing.
pub(super) fn decide(case: &Case<'_>, leases: &Leases) -> Result<Decided, Failure> {
    let Case { dirs, project, config, ask, .. } = *case;
    let past = past(dirs, project, config, leases)?;
    let profile = choose_profile(config, ask, &past)?.map(str::to_owned);
    let settings = settings(config, profile.as_deref(), ask.up, &past);
    let (name, taken_from) = choose_name(case, &past, leases)?;
    let gone: Vec<String> = taken_from.into_iter().chain(past.moved_from.clone()).collect();
    let plan = plan_ports(case, &settings, &past, &gone, leases)?;
    let home = dirs.home.to_string_lossy();
    let (identity, vars) = vars::of_instance(&settings, &name, profile.as_deref(), &plan.ports, &home)
        .expect("`config::parse` has checked every template");
    let env_file = project.env_file(&config.output)?;
    let chosen = Chosen { name, profile, identity, ports: plan.ports, vars, gone, gates: None };
    Ok(Decided { past, settings, chosen, env_file, moved: plan.moved })
}

fn with_holders(moved: Vec<Moved>, leases: &Leases) -> Vec<(Moved, Option<String>)> {
    let holder = |moved: &Moved| match moved.reason {
        ports::Reason::Leased => leases.holder(moved.wanted).map(Instance::qualified),
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
    past: &Past,
    gone: &[String],
    leases: &Leases,
) -> Result<Plan, Failure> {
    let Case { project, ask, world, .. } = *case;
    let none = IndexMap::new();
    let mut others = leases.leased_to_others(project.root_text());
    let freed = gone.iter().filter_map(|root| leases.at(root)).flat_map(|gone| gone.ports.values());
    freed.for_each(|port| {
        others.remove(port);
    });
    let mut held = past.entry.as_ref().filter(|_| !ask.force).map_or_else(IndexMap::new, |entry| entry.ports.clone());
    held.retain(|name, _| !ask.lost.contains(name));
    let remembered = past.lockfile.as_ref().filter(|_| !ask.force && past.copied_from.is_none());
    let remembered = remembered.map_or(&none, |lockfile| &lockfile.instance.ports);
    if past.entry.is_none() {
        let own = remembered.iter().filter(|(_, port)| world.own.contains(port));
        held.extend(own.map(|(name, port)| (name.clone(), *port)));
    }
    held.extend(ask.found.iter().cloned());
    let given = Given { wanted: &settings.ports, held: &held, remembered, leased: &others, range: world.port_range };
    ports::plan(&given, &mut |port| (world.probe)(port)).map_err(|full| {
        Failure::new(format!("No port is left for `{}`: other instances hold {} leases", full.name, full.leases))
            .hint("Run `silo prune` to free the leases of projects that are gone")
    })
}

/// What an instance is to be.
pub(super) struct Chosen {
    pub(super) name: String,
    pub(super) profile: Option<String>,
    pub(super) identity: Identity,
    pub(super) ports: IndexMap<String, u16>,
    pub(super) vars: Vars,
    /// Roots that are gone and whose places this instance takes.
    gone: Vec<String>,
    gates: Option<PathBuf>,
}

fn write(
    case: &Case<'_>,
    past: &Past,
    chosen: Chosen,
    env_file: &EnvFile,
    locked: &mut Locked,
) -> Result<Settled, Failure> {
    let Case { dirs, project, .. } = *case;
    let (root, now) = (project.root_text(), case.world.now.as_str());
    let entry = registry_entry(root, past, &chosen, now);
    let lockfile = new_lockfile(past, &chosen, now);
    let env_text = envfile::render(&chosen.vars, &chosen.name, chosen.profile.as_deref(), now);
    let same = |old: &Instance| Instance { changed: entry.changed.clone(), ..old.clone() } == entry;
    let same_entry = chosen.gone.is_empty() && locked.leases.at(root).is_some_and(same);
    let keep_lockfile = past.lockfile.as_ref().is_some_and(|old| old.same_but_time(&lockfile));
    let mut written = Vec::new();
    if !same_entry || !keep_lockfile {
        stamp::invalidate(dirs, &project.root)?;
    }
    // A folder that comes back to one of them must not be taken for the instance it was.
    chosen.gone.iter().try_for_each(|gone| stamp::invalidate(dirs, Path::new(gone)))?;
    memo::note(dirs, root, &entry.qualified(), &chosen.gone)?;
    if !same_entry {
        locked.leases.claim(entry, &chosen.gone);
        locked.save()?;
        // Theirs is this root's now, as its memo says.
        chosen.gone.iter().try_for_each(|gone| memo::forget(dirs, Path::new(gone)))?;
    }
    if env_file.differs(&env_text) {
        env_file.save(&env_text)?;
        written.push(env_file.path.clone());
    }
    let lockfile_digest = match &past.lockfile_digest {
        Some(digest) if keep_lockfile => digest.clone(),
        _ => {
            written.push(project.lockfile_path());
            project.save_lockfile(&lockfile)?
        }
    };
    let env_path = env_file.path.to_string_lossy().into_owned();
    let known = Known {
        gates: chosen.gates.map(|folder| folder.to_string_lossy().into_owned()),
        vars: chosen.vars.for_processes(root, &env_path),
        name: chosen.name,
        profile: chosen.profile,
        ports: chosen.ports,
        lockfile: lockfile_digest,
        env_file: env_path,
        home: dirs.home.to_string_lossy().into_owned(),
    };
    // Without a stamp, or a word on trust to put into it, the next prompt asks again, no more.
    let stamped = trust::judge(dirs, project).and_then(|word| trust::seal(dirs, project, word, Some(known.clone())));
    let generation = stamped.unwrap_or_default();
    let before = past.entry.as_ref().map(|entry| entry.name.clone());
    let adopted = past
        .lockfile
        .as_ref()
        .filter(|lockfile| past.entry.is_none() && past.copied_from.is_none() && !lockfile.instance.name.is_empty());
    Ok(Settled {
        adopted: adopted.map(|lockfile| lockfile.instance.ports.clone()),
        identity: chosen.identity,
        renamed_from: before.filter(|before| *before != known.name),
        copied_from: past.copied_from.clone(),
        moved_from: chosen.gone.into_iter().next(),
        known,
        vars: chosen.vars,
        generation,
        moved: Vec::new(),
        written,
    })
}

pub(super) fn registry_entry(root: &str, past: &Past, chosen: &Chosen, now: &str) -> Instance {
    let created = past.entry.as_ref().map(|entry| entry.created.clone()).filter(|created| !created.is_empty());
    Instance {
        id: digest::root_id(root.as_bytes()),
        root: root.to_owned(),
        name: chosen.name.clone(),
        prefix: chosen.identity.prefix.clone(),
        profile: chosen.profile.clone(),
        created: created.unwrap_or_else(|| now.to_owned()),
        changed: now.to_owned(),
        ports: chosen.ports.clone(),
    }
}

/// The lockfile goes on from the old one, so that keys of other versions stay; a copy starts anew.
pub(super) fn new_lockfile(past: &Past, chosen: &Chosen, now: &str) -> Lockfile {
    let old = past.lockfile.clone().filter(|_| past.copied_from.is_none());
    let mut lockfile = old.unwrap_or_else(|| {
        let created_at = past.entry.as_ref().map_or_else(|| now.to_owned(), |entry| entry.created.clone());
        Lockfile::new(InstanceState { created_at, ..InstanceState::default() }, now)
    });
    now.clone_into(&mut lockfile.generated_at);
    lockfile.instance.name.clone_from(&chosen.name);
    lockfile.instance.profile.clone_from(&chosen.profile);
    lockfile.instance.ports.clone_from(&chosen.ports);
    lockfile.instance.identity = chosen.identity.clone();
    lockfile
}
