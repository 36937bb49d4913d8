//! Settling an instance: from a `silo.toml`, what the project and the registry remember, and what was asked for, to
//! name, ports, files and stamp that agree (spec, `silo env`, steps 2-7; design D1, D2, D4, D5, D10).
//!
//! All of it happens under the registry's lock, in an order that a crash cannot turn against the user: the stamp goes
//! first, then the registry is written, then the files, and a new stamp last. Whatever is missing afterwards is made
//! again from the registry, which always knows of every port that was ever told to anybody.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::project::{EnvFile, Project};
use super::registry::{self, Locked, Wait};
use super::stamp::{self, Known, Stamp};
use super::trust;
use crate::core::config::{ConfigFile, Settings};
use crate::core::envfile;
use crate::core::identity::{Identity, identity};
use crate::core::leases::{Instance, Leases};
use crate::core::lockfile::{InstanceState, Lockfile};
use crate::core::ports::{self, Given, Moved, Plan, Probe};
use crate::core::vars::{self, Vars};
use crate::core::{digest, name, profile};
use crate::failure::{Failure, shown};
use crate::sys::dirs::Dirs;
use crate::sys::files;

/// Why a template can always be filled here.
const CHECKED: &str = "`config::parse` has checked every template";

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
    /// A `cd` and not a typed command: `SILO_PROFILE` then decides only for a new instance, and only when the file
    /// has that profile, for nobody asked for a switch.
    pub on_cd: bool,
}

/// The world outside, passed in.
pub struct World<'a> {
    /// Now, RFC 3339.
    pub now: String,
    /// Four random characters at each call.
    pub suffix: &'a dyn Fn() -> String,
    /// Whether a port that no lease holds can be bound.
    pub probe: &'a dyn Fn(u16) -> Probe,
}

/// A settled instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// What the shell hook and `exec` need.
    pub known: Known,
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
    /// The instance's name before, when it has another one now.
    pub renamed_from: Option<String>,
    /// Files that were written.
    pub written: Vec<PathBuf>,
}

/// What the project and the registry know of this instance before anything is decided.
struct Past {
    lockfile: Option<Lockfile>,
    lockfile_digest: Option<String>,
    /// The registry's entry to go on from: this root's, or that of the root the folder was moved from.
    entry: Option<Instance>,
    moved_from: Option<String>,
    copied_from: Option<String>,
}

/// Settles the instance of a project.
///
/// # Errors
/// A [`Failure`] when the profile, name or ports cannot be had, or a file cannot be read or written; leases that were
/// held before are held after.
pub fn settle(
    dirs: &Dirs,
    project: &Project,
    config: &ConfigFile,
    ask: &Ask<'_>,
    world: &World<'_>,
    wait: &Wait<'_>,
) -> Result<Settled, Failure> {
    registry::with_lock(dirs, wait, |locked| {
        let past = past(project, config, &locked.leases)?;
        let profile = choose_profile(config, ask, &past)?.map(str::to_owned);
        let settings = config.settings(profile.as_deref()).expect("`choose` only names profiles of the file");
        let name = choose_name(project, config, ask, &past, &locked.leases, world)?;
        let moved_from = past.moved_from.clone().or_else(|| {
            // An explicit name whose holder is gone: two entries may not share it.
            let holder = locked.leases.named(&name::qualified(&config.prefix, &name))?;
            Some(holder.root.clone()).filter(|root| root != project.root_text() && !files::exists(Path::new(root)))
        });
        let plan = plan_ports(project, &settings, ask, &past, moved_from.as_deref(), &locked.leases, world)?;
        let mut identity = identity(&config.prefix, &name, settings.k3d, &dirs.home.to_string_lossy());
        identity.hosts = vars::hosts(&settings, &identity).expect(CHECKED);
        let vars = vars::vars(&settings, &identity, profile.as_deref(), &plan.ports).expect(CHECKED);
        let holders = locked.leases.holders();
        let chosen = Chosen { name, profile, identity, ports: plan.ports.clone(), vars, moved_from };
        let env_file = project.env_file(&config.output)?;
        files::sweep(&env_file.path);
        files::sweep(&project.lockfile_path());
        let mut settled = write(dirs, project, &past, chosen, &env_file, locked, &world.now)?;
        settled.moved = with_holders(plan.moved, &holders);
        Ok(settled)
    })
}

/// Lets go of everything the instance of a root holds, and of its stamp.
///
/// # Errors
/// A [`Failure`] when the registry cannot be read or written.
pub fn release(dirs: &Dirs, root: &Path, wait: &Wait<'_>) -> Result<(), Failure> {
    registry::with_lock(dirs, wait, |locked| {
        stamp::invalidate(dirs, root)?;
        locked.leases.release(&root.to_string_lossy());
        locked.save()
    })
}

fn with_holders(moved: Vec<Moved>, holders: &HashMap<u16, String>) -> Vec<(Moved, Option<String>)> {
    moved
        .into_iter()
        .map(|moved| {
            let holder = holders.get(&moved.wanted).filter(|_| moved.reason == ports::Reason::Leased).cloned();
            (moved, holder)
        })
        .collect()
}

/// Copies, moves and clones told apart (design D5).
fn past(project: &Project, config: &ConfigFile, leases: &Leases) -> Result<Past, Failure> {
    let (lockfile, lockfile_digest) = project.lockfile()?.unzip();
    let own = leases.at(project.root_text()).cloned();
    let mut past = Past { lockfile, lockfile_digest, entry: own, moved_from: None, copied_from: None };
    let remembered = past.lockfile.as_ref().map(|lockfile| lockfile.instance.name.as_str());
    let Some(remembered) = remembered.filter(|name| !name.is_empty()) else { return Ok(past) };
    let holder = leases.named(&name::qualified(&config.prefix, remembered));
    if let Some(holder) = holder.filter(|holder| holder.root != project.root_text()) {
        // With an entry of its own under that name it is no copy: the prefix has changed, and met another's name.
        let own = past.entry.as_ref().is_some_and(|entry| entry.name == remembered);
        if files::exists(Path::new(&holder.root)) {
            past.copied_from = (!own).then(|| holder.root.clone());
        } else if past.entry.is_none() {
            past.entry = Some(holder.clone());
            past.moved_from = Some(holder.root.clone());
        }
    }
    Ok(past)
}

fn choose_profile<'a>(config: &ConfigFile, ask: &Ask<'a>, past: &'a Past) -> Result<Option<&'a str>, Failure> {
    let lockfile = match (&past.lockfile, &past.entry) {
        (Some(lockfile), _) => Some(lockfile.instance.profile.as_deref()),
        (None, entry) => entry.as_ref().map(|entry| entry.profile.as_deref()),
    };
    let binds = |name: &&str| !ask.on_cd || (lockfile.is_none() && config.profiles.contains_key(*name));
    let variable = ask.profile_variable.filter(binds);
    let request = profile::Request { flag: ask.profile, variable, lockfile, force: ask.force };
    profile::choose(config, &request).map_err(|error| Failure::profile(&error))
}

fn choose_name(
    project: &Project,
    config: &ConfigFile,
    ask: &Ask<'_>,
    past: &Past,
    leases: &Leases,
    world: &World<'_>,
) -> Result<String, Failure> {
    let other = |name: &str| {
        let holder = leases.named(&name::qualified(&config.prefix, name))?;
        (holder.root != project.root_text()).then_some(holder)
    };
    if let Some(asked) = ask.name {
        let name = name::sanitize(asked);
        if name.is_empty() {
            return Err(Failure::new(format!("`{asked}` leaves nothing to name an instance by"))
                .hint("Use letters, digits and `-`, for example `silo env feature-x`"));
        }
        return match other(&name).filter(|holder| files::exists(Path::new(&holder.root))) {
            Some(holder) => {
                Err(Failure::new(format!("The name `{name}` belongs to `{}`", shown(Path::new(&holder.root))))
                    .hint("Choose another name, or run `silo env OTHER-NAME` there"))
            }
            None => Ok(name),
        };
    }
    let remembered = past.lockfile.as_ref().filter(|_| past.copied_from.is_none());
    let remembered = remembered.map(|lockfile| lockfile.instance.name.clone()).filter(|name| !name.is_empty());
    let remembered = remembered.or_else(|| past.entry.as_ref().map(|entry| entry.name.clone()));
    let living = |name: &String| other(name).is_some_and(|holder| files::exists(Path::new(&holder.root)));
    if let Some(name) = remembered.filter(|name| !living(name)) {
        return Ok(name);
    }
    let folder = project.root.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mut candidates = (0..1000).map(|_| name::generated(&folder, &(world.suffix)()));
    candidates
        .find(|name| leases.named(&name::qualified(&config.prefix, name)).is_none())
        .ok_or_else(|| Failure::new("No free name was found").hint("Give one: `silo env NAME`"))
}

fn plan_ports(
    project: &Project,
    settings: &Settings,
    ask: &Ask<'_>,
    past: &Past,
    moved_from: Option<&str>,
    leases: &Leases,
    world: &World<'_>,
) -> Result<Plan, Failure> {
    let none = IndexMap::new();
    let mut others = leases.leased_to_others(project.root_text());
    if let Some(gone) = moved_from.and_then(|root| leases.at(root)) {
        gone.ports.values().for_each(|port| {
            others.remove(port);
        });
    }
    let held = past.entry.as_ref().filter(|_| !ask.force).map_or(&none, |entry| &entry.ports);
    let remembered = past.lockfile.as_ref().filter(|_| !ask.force && past.copied_from.is_none());
    let remembered = remembered.map_or(&none, |lockfile| &lockfile.instance.ports);
    let given = Given { wanted: &settings.ports, held, remembered, leased: &others };
    ports::plan(&given, &mut |port| (world.probe)(port)).map_err(|full| {
        Failure::new(format!("No port is left for `{}`: other instances hold {} leases", full.name, full.leases))
            .hint("Run `silo prune` to free the leases of projects that are gone")
    })
}

/// Everything decided, before anything is written.
struct Chosen {
    name: String,
    profile: Option<String>,
    identity: Identity,
    ports: IndexMap<String, u16>,
    vars: Vars,
    moved_from: Option<String>,
}

fn write(
    dirs: &Dirs,
    project: &Project,
    past: &Past,
    chosen: Chosen,
    env_file: &EnvFile,
    locked: &mut Locked,
    now: &str,
) -> Result<Settled, Failure> {
    let root = project.root_text();
    let entry = registry_entry(root, past, &chosen, now);
    let lockfile = new_lockfile(past, &chosen, now);
    let env_text = envfile::render(&chosen.vars, &chosen.name, chosen.profile.as_deref(), now);
    let same_entry =
        locked.leases.at(root).is_some_and(|old| Instance { changed: entry.changed.clone(), ..old.clone() } == entry);
    let keep_lockfile = past.lockfile.as_ref().is_some_and(|old| old.same_but_time(&lockfile));
    let mut written = Vec::new();
    if !same_entry || !keep_lockfile {
        stamp::invalidate(dirs, &project.root)?;
    }
    if !same_entry {
        locked.leases.claim(entry, chosen.moved_from.as_deref());
        locked.save()?;
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
        vars: chosen.vars.for_processes(root, &env_path),
        name: chosen.name,
        profile: chosen.profile,
        ports: chosen.ports,
        lockfile: lockfile_digest,
        env_file: env_path,
        home: dirs.home.to_string_lossy().into_owned(),
    };
    let stamp = Stamp {
        config: project.digest(),
        trust: trust::judge(dirs, project)?.word().to_owned(),
        instance: Some(known.clone()),
    };
    // Without a stamp the next prompt asks again, no more.
    let generation = stamp::save(dirs, &project.root, &stamp, project.modified).unwrap_or_default();
    let before = past.entry.as_ref().map(|entry| entry.name.clone());
    Ok(Settled {
        renamed_from: before.filter(|before| *before != known.name),
        copied_from: past.copied_from.clone(),
        moved_from: chosen.moved_from,
        known,
        vars: chosen.vars,
        generation,
        moved: Vec::new(),
        written,
    })
}

fn registry_entry(root: &str, past: &Past, chosen: &Chosen, now: &str) -> Instance {
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
fn new_lockfile(past: &Past, chosen: &Chosen, now: &str) -> Lockfile {
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
