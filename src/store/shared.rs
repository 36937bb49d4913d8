//! What instances of one repository have in common (D28): the compose project of their shared services, and one lease for each of
//! their ports. Every instance that has such a variable holds that lease, with the same number, so that it stays while one of them is
//! there; the one that was made first has the word on it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::worktree;
use crate::core::config::Settings;
use crate::core::instance::name;
use crate::core::leases::{Instance, Leases};
use crate::core::text::digest;
use crate::sys::dirs::Dirs;

/// What the compose projects of shared services are called before the repository's name.
pub const PREFIX: &str = "silo-shared-";

/// The repository whose instances share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// What tells it from others.
    pub id: String,
    /// The compose project of its shared services.
    pub project: String,
}

impl Repository {
    /// That of a root: the git repository and the place in it; without git the folder alone.
    pub fn of(root: &Path) -> Self {
        let member = worktree::membership(root, rustix::process::geteuid().as_raw());
        let (folder, place) = match &member {
            Some(member) => (member.common_dir.as_path(), member.place.as_path()),
            None => (root, Path::new("")),
        };
        let text = [folder.as_os_str().as_encoded_bytes(), b"\0", place.as_os_str().as_encoded_bytes()].concat();
        let id = digest::of(&text)[..16].to_owned();
        // `app/.git` is that of `app`.
        let named = if folder.ends_with(".git") { folder.parent().unwrap_or(folder) } else { folder };
        let named = named.file_name().map_or_else(String::new, |name| name::compose(&name.to_string_lossy()));
        let dash = if named.is_empty() { "" } else { "-" };
        Self { project: format!("{PREFIX}{named}{dash}{}", &id[..8]), id }
    }

    /// The lock that is held while its shared services are started or stopped.
    pub fn lock(&self, dirs: &Dirs) -> PathBuf {
        lock(dirs, &self.id)
    }
}

/// The lock of a repository, by its id.
pub fn lock(dirs: &Dirs, id: &str) -> PathBuf {
    dirs.state.join(format!("shared-{id}.lock"))
}

/// Whether two roots may have one lease: it is that of the same repository.
pub fn is_one(one: &str, other: &str) -> bool {
    Repository::of(Path::new(one)) == Repository::of(Path::new(other))
}

/// For the ports of shared services: takes from `others` what the other instances of the repository hold, and puts what the first of
/// them holds among what is `held`; `lost` variables keep neither.
pub(super) fn join(
    settings: &Settings,
    (root, own): (&Path, Option<&Instance>),
    leases: &Leases,
    lost: &[String],
    (others, held): (&mut HashSet<u16>, &mut IndexMap<String, u16>),
) {
    let Some(compose) = settings.compose.as_ref().filter(|compose| compose.share.is_some()) else { return };
    let share = compose.shared();
    let mut repository = None;
    for (variable, _) in compose.ports.iter().filter(|(_, port)| share.contains(&port.service)) {
        let has = |one: &&Instance| Path::new(&one.root) != root && one.ports.contains_key(variable);
        let repository = repository.get_or_insert_with(|| Repository::of(root));
        let of_it: Vec<&Instance> = leases
            .instances
            .iter()
            .filter(has)
            .filter(|one| Repository::of(Path::new(&one.root)) == *repository)
            .collect();
        let age = |one: &Instance| (one.created.clone(), one.root.clone());
        let first = of_it.iter().copied().min_by_key(|one| age(one));
        let is_first =
            own.is_some_and(|own| own.ports.contains_key(variable) && first.is_none_or(|one| age(own) < age(one)));
        for port in of_it.iter().map(|one| one.ports[variable]) {
            let is_strangers =
                |one: &&Instance| of_it.iter().all(|other| other.root != one.root) && Path::new(&one.root) != root;
            if !leases.instances.iter().filter(is_strangers).any(|one| one.held().any(|held| held == port)) {
                others.remove(&port);
            }
        }
        if let Some(first) = first.filter(|_| !is_first && !lost.contains(variable)) {
            held.insert(variable.clone(), first.ports[variable]);
        }
    }
}
