//! What is known of an instance before it is settled: what the lockfile and the registry remember, whether the folder is
//! a copy or was moved (D5), and the profile, settings and name that follow.

use std::path::Path;

use indexmap::IndexMap;

use super::ask::{Ask, Case, Occasion};
use super::history;
use super::project::Project;
use super::registry;
use super::worktree::{self, WorktreeName};
use crate::core::config::profile;
use crate::core::config::{ConfigFile, Settings};
use crate::core::instance::lockfile::{InstanceState, Lockfile};
use crate::core::instance::name;
use crate::core::leases::block::Blocks;
use crate::core::leases::subnet::{Addresses, Range};
use crate::core::leases::{Instance, Leases};
use crate::failure::{Failure, shown};
use crate::sys::dirs::Dirs;
use crate::sys::files;

/// What the project and the registry know of this instance before anything is decided.
pub(super) struct Snapshot {
    pub(super) lockfile: Option<Lockfile>,
    pub(super) lockfile_digest: Option<String>,
    /// The registry's entry to go on from: this root's, or that of the root the folder was moved from.
    pub(super) entry: Option<Instance>,
    pub(super) moved_from: Option<String>,
    pub(super) copied_from: Option<String>,
}

impl Snapshot {
    /// The full name the instance has had until now.
    pub(super) fn name(&self, prefix: &str) -> Option<String> {
        let lockfile = self.lockfile.as_ref().filter(|_| self.copied_from.is_none());
        let remembered = lockfile.map(|lockfile| &lockfile.instance.name).filter(|name| !name.is_empty());
        let entry = self.entry.as_ref().map(Instance::qualified);
        entry.or_else(|| remembered.map(|name| name::qualified(prefix, name)))
    }

    /// The cluster that the lockfile says was made for it under that name.
    pub(super) fn cluster_made(&self, prefix: &str) -> Option<String> {
        let lockfile = self.lockfile.as_ref().filter(|_| self.copied_from.is_none());
        lockfile.filter(|lockfile| lockfile.instance.k3d_cluster_created)?;
        self.name(prefix).map(|name| name::k3d(&name))
    }
}

/// Copies, moves and clones told apart (D5).
pub(super) fn snapshot(
    dirs: &Dirs,
    project: &Project,
    config: &ConfigFile,
    leases: &Leases,
) -> Result<Snapshot, Failure> {
    let (lockfile, lockfile_digest) = project.lockfile()?.unzip();
    let own =
        leases.at(project.root_text()).filter(|own| !is_of_removed_worktree(dirs, project, own, lockfile.as_ref()));
    let own = own.cloned();
    let mut snapshot = Snapshot { lockfile, lockfile_digest, entry: own, moved_from: None, copied_from: None };
    let remembered = snapshot.lockfile.as_ref().map(|lockfile| lockfile.instance.name.as_str());
    let Some(remembered) = remembered.filter(|name| !name.is_empty()) else { return Ok(snapshot) };
    let remembered_ports = snapshot.lockfile.as_ref().map(|lockfile| &lockfile.instance.ports);
    let holder = leases.named(&name::qualified(&config.prefix, remembered));
    if let Some(holder) = holder.filter(|holder| holder.root != project.root_text()) {
        // With an entry of its own under that name it is not a copy: the prefix has changed, and met another's name.
        let own = snapshot.entry.as_ref().is_some_and(|entry| entry.name == remembered);
        // A renaming that was cut off before it got to the lockfile: the ports are still those of the entry. An entry with
        // other ports is that of a folder that was here before this one was moved here.
        let cut_off = snapshot.entry.as_ref().is_some_and(|entry| Some(&entry.ports) == remembered_ports);
        if history::lives(dirs, holder.root.as_ref()) {
            snapshot.copied_from = (!own).then(|| holder.root.clone());
        } else if !own && !cut_off {
            snapshot.entry = Some(holder.clone());
            snapshot.moved_from = Some(holder.root.clone());
        }
    }
    Ok(snapshot)
}

/// Whether an entry is that of a worktree that was removed, and a later worktree is at its path now: that one may be for something
/// else. A branch that is the same gives its name again. A lockfile of that name came along with the folder.
fn is_of_removed_worktree(dirs: &Dirs, project: &Project, own: &Instance, lockfile: Option<&Lockfile>) -> bool {
    let is_known = lockfile.is_some_and(|lockfile| lockfile.instance.name == own.name);
    let name = || worktree::instance_name(&project.root, rustix::process::geteuid().as_raw());
    !is_known
        && history::was_another_folder(dirs, &project.root)
        && match name() {
            Some(WorktreeName::Branch(name)) => name != own.name,
            Some(WorktreeName::Folder(_)) => true,
            None => false,
        }
}

pub(super) fn choose_profile<'a>(
    project: &Project,
    config: &ConfigFile,
    ask: &Ask<'a>,
    snapshot: &'a Snapshot,
) -> Result<Option<&'a str>, Failure> {
    let lockfile = match (&snapshot.lockfile, &snapshot.entry) {
        (Some(lockfile), _) => Some(lockfile.instance.profile.as_deref()),
        (None, entry) => entry.as_ref().map(|entry| entry.profile.as_deref()),
    };
    let binds =
        |name: &&str| ask.occasion == Occasion::Typed || (lockfile.is_none() && config.profiles.contains_key(*name));
    let variable = ask.profile_variable.filter(binds);
    let request = profile::Request { flag: ask.profile, variable, lockfile, force: ask.force };
    let chosen = profile::choose(config, &request).map_err(|error| Failure::profile(&error))?;
    match chosen.and_then(|name| config.broken.get(name)) {
        Some(error) => Err(project.config_failure(error)),
        None => Ok(chosen),
    }
}

/// The settings of a profile, with ports for the parts where they are about to start or ever had one.
pub(super) fn settings(
    project: &Project,
    config: &ConfigFile,
    profile: Option<&str>,
    up: bool,
    snapshot: &Snapshot,
) -> Settings {
    let mut settings = config.settings(profile).expect("`choose` only names profiles of the file");
    let had = |name: &str| snapshot.entry.as_ref().is_some_and(|entry| entry.ports.contains_key(name));
    settings.lease_own_ports(|name| up || had(name), |file| files::is_file(&project.root.join(file)));
    settings
}

/// What a command can know before it settles: the profile that will hold, its settings, and the lockfile.
///
/// # Errors
/// A [`Failure`] when the profile is not available or a file cannot be read.
pub fn preview(
    dirs: &Dirs,
    project: &Project,
    config: &ConfigFile,
    ask: &Ask<'_>,
) -> Result<(Settings, Option<Lockfile>), Failure> {
    let snapshot = snapshot(dirs, project, config, &registry::peek(dirs)?)?;
    let profile = choose_profile(project, config, ask, &snapshot)?;
    Ok((settings(project, config, profile, ask.up, &snapshot), snapshot.lockfile))
}

/// The profile that will hold, as for [`preview`].
///
/// # Errors
/// As [`preview`].
pub fn profile_of(
    dirs: &Dirs,
    project: &Project,
    config: &ConfigFile,
    ask: &Ask<'_>,
) -> Result<Option<String>, Failure> {
    let snapshot = snapshot(dirs, project, config, &registry::peek(dirs)?)?;
    Ok(choose_profile(project, config, ask, &snapshot)?.map(str::to_owned))
}

/// What is recorded of an instance; nothing is settled or written.
pub struct Recorded {
    /// Its name.
    pub name: String,
    /// Its profile.
    pub profile: Option<String>,
    /// Its ports in declared order: the registry's, for its leases are what others avoid; else the lockfile's.
    pub ports: IndexMap<String, u16>,
    /// How many ports the blocks among them have.
    pub blocks: Blocks,
    /// The addresses it holds.
    pub subnet: Option<Range>,
    /// The numbers of its services' addresses in it.
    pub addresses: Addresses,
    /// Its number, where it has one.
    pub slot: Option<u16>,
    /// What the lockfile says; empty without one that is this instance's.
    pub state: InstanceState,
}

/// What is recorded of a project's instance; none when there is none yet, as in a copy of another one.
///
/// # Errors
/// A [`Failure`] when the registry or the lockfile cannot be read.
pub fn recorded(dirs: &Dirs, project: &Project, config: &ConfigFile) -> Result<Option<Recorded>, Failure> {
    let Snapshot { lockfile, entry, copied_from, .. } = snapshot(dirs, project, config, &registry::peek(dirs)?)?;
    // In a copy the lockfile names the origin, and its ports are the origin's.
    let state = lockfile.filter(|_| copied_from.is_none()).map(|lockfile| lockfile.instance);
    let blocks = match (&entry, &state) {
        (Some(entry), _) => entry.blocks.clone(),
        (None, state) => state.as_ref().map(|state| state.blocks.clone()).unwrap_or_default(),
    };
    let (subnet, addresses) = entry.as_ref().map(|entry| (entry.subnet, entry.addresses.clone())).unwrap_or_default();
    let (name, profile, ports, slot) = match (entry, &state) {
        (Some(entry), _) => (entry.name, entry.profile, entry.ports, entry.slot),
        (None, Some(state)) => (state.name.clone(), state.profile.clone(), state.ports.clone(), state.slot),
        (None, None) => return Ok(None),
    };
    Ok(Some(Recorded { name, profile, ports, blocks, subnet, addresses, slot, state: state.unwrap_or_default() }))
}

/// The instance's name, and the other root, now gone, that bore it. Whether a root is gone is asked once: it may come
/// back between two questions, and the name then have two holders.
pub(super) fn choose_name(
    case: &Case<'_>,
    snapshot: &Snapshot,
    leases: &Leases,
) -> Result<(String, Option<String>), Failure> {
    let Case { dirs, project, config, ask, world } = *case;
    let other = |name: &str| {
        let holder = leases.named(&name::qualified(&config.prefix, name))?;
        (holder.root != project.root_text()).then_some(holder)
    };
    let lives = |holder: &Instance| {
        snapshot.moved_from.as_ref() != Some(&holder.root) && history::lives(dirs, holder.root.as_ref())
    };
    if let Some(asked) = ask.name {
        let name = name::sanitize(asked);
        if name.is_empty() {
            return Err(Failure::new(format!("`{asked}` cannot name an instance"))
                .hint("Use letters, digits and `-`, for example `silo env feature-x`"));
        }
        return match other(&name) {
            Some(holder) if lives(holder) => {
                Err(Failure::new(format!("The name `{name}` belongs to `{}`", shown(Path::new(&holder.root))))
                    .hint("Choose another name, or run `silo env OTHER-NAME` there"))
            }
            holder => Ok((name, holder.map(|holder| holder.root.clone()))),
        };
    }
    let remembered = snapshot.lockfile.as_ref().filter(|_| snapshot.copied_from.is_none());
    let remembered = remembered.map(|lockfile| lockfile.instance.name.clone()).filter(|name| !name.is_empty());
    let remembered = remembered.or_else(|| snapshot.entry.as_ref().map(|entry| entry.name.clone()));
    // Nobody's, or that of a root which is gone.
    let to_be_had = |name: &String| {
        let holder = other(name);
        (!holder.is_some_and(lives)).then(|| (name.clone(), holder.map(|holder| holder.root.clone())))
    };
    if let Some(found) = remembered.as_ref().and_then(to_be_had) {
        return Ok(found);
    }
    // The name of a gone root is taken over for the same branch alone: of a worktree without one nothing tells that it is
    // the same again.
    let base = match worktree::instance_name(&project.root, rustix::process::geteuid().as_raw()) {
        Some(WorktreeName::Branch(name)) => match to_be_had(&name) {
            Some(found) => return Ok(found),
            None => name,
        },
        Some(WorktreeName::Folder(base)) => base,
        None => project.root.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
    };
    // The four characters that an instance of this very folder had: its address may be a bookmark.
    let before = history::names_of_folder(dirs, &project.root).into_iter().rev().find_map(|before| {
        let before = before.strip_prefix(&format!("{}-", config.prefix))?;
        name::is_generated(before, &base).then(|| before.to_owned())
    });
    if let Some(found) = before.filter(|name| other(name).is_none()) {
        return Ok((found, None));
    }
    let mut candidates = (0..1000).map(|_| name::generated(&base, &(world.suffix)()));
    let free = candidates.find(|name| leases.named(&name::qualified(&config.prefix, name)).is_none());
    free.map(|name| (name, None))
        .ok_or_else(|| Failure::new("No free name was found").hint("Give one: `silo env NAME`"))
}
