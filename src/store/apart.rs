//! Runs apart (D30): `silo ci` runs services beside the developer's instance, under a name and leases of their own. Of the
//! project nothing is written: the lease is in the registry under a folder in silo's state, the run's place, which goes with
//! it. A run that was killed leaves its place behind, and nobody holds the place's lock.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::ask::{Ask, Case};
use super::project::Project;
use super::snapshot::{choose_name, snapshot};
use super::stamp::Known;
use super::{gates, gateway, registry};
use crate::core::config::profile::COMPOSE_TOOLS;
use crate::core::config::{ConfigFile, Settings};
use crate::core::instance::envfile;
use crate::core::instance::name;
use crate::core::instance::vars;
use crate::core::leases::block::Blocks;
use crate::core::leases::ports::{self, Given, PortSpec};
use crate::core::leases::{Instance, Leases};
use crate::core::shell::environment::Environment;
use crate::core::text::digest;
use crate::core::text::source::one_line;
use crate::failure::{Failure, shown};
use crate::store::instances::Settled;
use crate::sys::dirs::{Dirs, GATES};
use crate::sys::files;
use crate::sys::lock::{self, Wait};
use crate::sys::writing::{self, Writing};

/// The variable that names the run inside it.
pub const INSIDE: &str = "SILO_CI";
/// What the name of a run ends with.
const SUFFIX: &str = "ci";
/// The file in a run's place that names the project's root.
const OF: &str = "project";
/// Most of that file that is read, in bytes.
const LIMIT: u64 = 64 * 1024;

/// A run apart that the registry knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apart {
    /// Its entry; the root in it is its place.
    pub entry: Instance,
    /// The root of the project it is of; none where its place does not tell any more.
    pub project: Option<PathBuf>,
}

impl Apart {
    /// Its folder in silo's state.
    pub fn place(&self) -> &Path {
        Path::new(&self.entry.root)
    }

    /// Whether nobody runs it any more.
    pub fn is_cut_off(&self) -> bool {
        lock::holder(&lock_of(self.place())).is_none()
    }
}

/// Whether an entry of the registry is that of a run apart.
pub fn is_apart(dirs: &Dirs, entry: &Instance) -> bool {
    Path::new(&entry.root).starts_with(dirs.instances())
}

/// The instances that are no runs apart.
pub fn without(dirs: &Dirs, mut leases: Leases) -> Leases {
    leases.instances.retain(|entry| !is_apart(dirs, entry));
    leases
}

/// All runs apart.
pub fn all(dirs: &Dirs, leases: &Leases) -> Vec<Apart> {
    let runs = leases.instances.iter().filter(|entry| is_apart(dirs, entry));
    runs.map(|entry| Apart { entry: entry.clone(), project: project_of(Path::new(&entry.root)) }).collect()
}

fn project_of(place: &Path) -> Option<PathBuf> {
    let content = files::read(&place.join(OF), LIMIT).ok()??;
    Some(PathBuf::from(String::from_utf8(content.bytes).ok()?))
}

/// The run of a project that an environment is inside of; none where it is inside of none.
///
/// # Errors
/// A [`Failure`] when that run is over, or the registry cannot be read: the instance is not to be taken for it.
pub fn around(dirs: &Dirs, environment: &Environment, project: &Project) -> Result<Option<Instance>, Failure> {
    let is_here = environment.text("SILO_ROOT") == Some(project.root_text());
    let Some(name) = environment.text(INSIDE).filter(|_| is_here) else { return Ok(None) };
    let place = dirs.apart(project.root_text(), name);
    match registry::peek(dirs)?.at(&place.to_string_lossy()) {
        Some(run) => Ok(Some(run.clone())),
        None => Err(Failure::new(format!("The `silo ci` that was `{}` here is over", one_line(name)))
            .hint("Leave its shell, or go on in the project's own instance: `unset SILO_CI`")),
    }
}

/// What is held while a run lasts.
pub fn lock_of(place: &Path) -> PathBuf {
    place.join("up.lock")
}

/// The name of a project's run: that which was asked for, or the instance's, and `-ci` behind it.
///
/// # Errors
/// A [`Failure`] when no name can be made, or another instance has it.
pub fn choose(case: &Case<'_>) -> Result<String, Failure> {
    let Case { dirs, project, config, ask, .. } = *case;
    let leases = registry::peek(dirs)?;
    let base = match ask.name {
        Some(asked) if name::sanitize(asked).is_empty() => {
            return Err(Failure::new(format!("`{asked}` cannot name a run"))
                .hint("Use letters, digits and `-`, for example `silo ci feature-x -- CMD`"));
        }
        Some(asked) => name::sanitize(asked),
        None => choose_name(case, &snapshot(dirs, project, config, &leases)?, &leases)?.0,
    };
    let name = name::generated(&base, SUFFIX);
    match leases.named(&name::qualified(&config.prefix, &name)) {
        Some(holder) if Path::new(&holder.root) != dirs.apart(project.root_text(), &name) => {
            let of = match is_apart(dirs, holder) {
                true => project_of(Path::new(&holder.root)).unwrap_or_else(|| PathBuf::from(&holder.root)),
                false => PathBuf::from(&holder.root),
            };
            Err(Failure::new(format!("The name `{name}` belongs to `{}`", shown(&of)))
                .hint("Give the run another name: `silo ci OTHER-NAME -- CMD`"))
        }
        _ => Ok(name),
    }
}

/// Leases ports for a run, all of them from the range: a default is left to the instances, which keep what they got. The
/// holder of the place's lock calls it.
///
/// # Errors
/// A [`Failure`] when no port is left, or a file cannot be written; nothing is leased then.
pub fn lease(
    case: &Case<'_>,
    settings: &Settings,
    run: (&str, Option<&str>),
    wait: &Wait<'_>,
) -> Result<Settled, Failure> {
    let Case { dirs, project, world, .. } = *case;
    let (name, profile) = run;
    let place = dirs.apart(project.root_text(), name);
    let text = place.to_string_lossy().into_owned();
    writing::replace(&place.join(OF), project.root_text().as_bytes(), Writing { durable: false, ..Writing::PRIVATE })?;
    let entry = registry::with_lock(dirs, wait, |locked| {
        let any = |spec: &PortSpec| match *spec {
            PortSpec::Block { count, .. } => PortSpec::Block { default: None, count },
            PortSpec::Default(_) | PortSpec::Random => PortSpec::Random,
        };
        let wanted: IndexMap<_, _> = settings.ports.iter().map(|(name, spec)| (name.clone(), any(spec))).collect();
        let leased = locked.leases.leased_to_others(&text);
        let (none, left) = (IndexMap::new(), std::collections::HashSet::new());
        let given = Given {
            wanted: &wanted,
            held: &none,
            held_blocks: &Blocks::new(),
            remembered: &none,
            leased: &leased,
            left: &left,
            source: &world.source(&text),
        };
        let plan = ports::plan(&given, &mut |port| (world.probe)(port)).map_err(|full| Failure::range_full(&full))?;
        let slot = settings.uses("slot").then(|| locked.leases.free_slot(&settings.prefix, &[&text]));
        let entry = Instance {
            id: digest::root_id(text.as_bytes()),
            root: text.clone(),
            name: name.to_owned(),
            prefix: settings.prefix.clone(),
            profile: profile.map(str::to_owned),
            slot,
            folder: None,
            created: world.now.clone(),
            changed: world.now.clone(),
            ports: plan.ports,
            blocks: ports::blocks(&settings.ports),
            ..Instance::default()
        };
        locked.leases.claim(entry.clone(), &[]);
        locked.save()?;
        Ok(entry)
    })?;
    let tools: Vec<&str> = COMPOSE_TOOLS.into_iter().filter(|tool| (world.installed)(tool)).collect();
    gates::fill(&place.join(GATES), &tools, world.silo)?;
    let settled = settled(dirs, project, settings, &entry);
    let env = envfile::render(&settled.vars, name, profile, &world.now);
    writing::replace(
        Path::new(&settled.known.env_file),
        env.as_bytes(),
        Writing { durable: false, ..Writing::PRIVATE },
    )?;
    Ok(settled)
}

/// The run of an entry, as an instance.
pub fn settled(dirs: &Dirs, project: &Project, settings: &Settings, entry: &Instance) -> Settled {
    let place = Path::new(&entry.root);
    let mut given = settings.clone();
    gateway::instance::fill(dirs, &project.root, &mut given);
    let settings = &given;
    let (profile, home) = (entry.profile.as_deref(), dirs.home.to_string_lossy());
    let (identity, vars) = vars::of_instance(settings, &entry.name, profile, &entry.ports, entry.slot, &home)
        .expect("`config::parse` has checked every template");
    let env_file = place.join("env").to_string_lossy().into_owned();
    let mut all = vars.for_processes(project.root_text(), &env_file);
    all.insert(0, (INSIDE.to_owned(), entry.name.clone()));
    let gates = place.join(GATES);
    let known = Known {
        gates: files::is_folder(&gates).then(|| gates.to_string_lossy().into_owned()),
        vars: all,
        name: entry.name.clone(),
        profile: entry.profile.clone(),
        ports: entry.ports.clone(),
        lockfile: String::new(),
        env_file,
        home: home.into_owned(),
    };
    Settled {
        registered: Some(entry.clone()),
        adopted: None,
        identity,
        blocks: entry.blocks.clone(),
        renamed_from: None,
        copied_from: None,
        moved_from: None,
        known,
        vars,
        generation: String::new(),
        moved: Vec::new(),
        gave_way: Vec::new(),
        written: Vec::new(),
        followed: Ok(Vec::new()),
    }
}

/// Frees what a run has leased, and removes its files; what it made in Docker is gone by then. The holder of the place's lock
/// calls it.
///
/// # Errors
/// A [`Failure`] when the registry cannot be written or a file not be removed.
pub fn free(dirs: &Dirs, place: &Path, wait: &Wait<'_>) -> Result<(), Failure> {
    registry::with_lock(dirs, wait, |locked| {
        locked.leases.release(&place.to_string_lossy());
        locked.save()
    })?;
    let gates = place.join(GATES);
    files::names_in(&gates).iter().try_for_each(|link| files::remove(link))?;
    files::remove_folder(&gates)?;
    files::names_in(place).iter().try_for_each(|file| files::remove(file))?;
    files::remove_folder(place)
}

/// The profile of a run: the one that is asked for, else the instance's. Nothing is switched by it.
pub fn ask<'a>(ask: &Ask<'a>, config: &ConfigFile) -> Ask<'a> {
    let asked = ask.profile.or(ask.profile_variable.filter(|name| !name.is_empty()));
    Ask { force: asked.is_some() && !config.profiles.is_empty(), up: false, ..*ask }
}
