//! The history of a root: which root an instance's folder in the state belongs to, every name the root has had, and the disk
//! it is on. Written where a registry entry is, and outliving it: from the histories a lost registry is made again, a folder
//! on an unmounted disk is told from one that is gone, and what an instance left in Docker is known to be silo's.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::core::text::digest;
use crate::failure::Failure;
use crate::sys::dirs::{Dirs, HISTORY};
use crate::sys::files;
use crate::sys::mounts;
use crate::sys::writing::{self, Writing};

/// The name under which older silos kept it; read where there is no other.
const OLDER: &str = "memo";
/// Largest history that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// What is remembered of one root.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct History {
    /// The canonical root.
    pub root: String,
    /// Every `{prefix}-{name}` its instance has had, the latest last.
    pub names: Vec<String>,
    /// Every cluster that was made for it and is not known to be gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
    /// The volumes of its services that no command removes, by their names in Docker.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<String>,
    /// The mount point of the disk the root is on.
    #[serde(default)]
    pub mount: Option<String>,
    /// Which disk that is, where another one might be mounted there later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
    /// The number of the folder on its disk: which other path may be the same folder. Disks and systems give numbers out again,
    /// so it is only ever a reason to look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<u64>,
    /// When the folder was made, where its disk keeps that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth: Option<u64>,
    /// The ids of roots that are gone and whose places this one took: what has them in Docker is its own now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heir_of: Vec<String>,
}

impl History {
    /// The ids of the root and of those whose heir it is.
    pub fn ids(&self) -> Vec<String> {
        std::iter::once(digest::root_id(self.root.as_bytes())).chain(self.heir_of.iter().cloned()).collect()
    }
}

/// Every id under which the instance of a root may have made things.
pub fn ids(dirs: &Dirs, root: &Path) -> Vec<String> {
    of(dirs, root).map_or_else(|| vec![digest::root_id(root.as_os_str().as_encoded_bytes())], |history| history.ids())
}

/// Remembers that the instance of a root has this name, took the places of roots that are `gone`, and made a cluster; writes
/// nothing when that is known.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn note(dirs: &Dirs, root: &str, qualified: &str, gone: &[String], cluster: Option<&str>) -> Result<(), Failure> {
    let path = dirs.history(Path::new(root));
    let old = load(&path);
    let mut names = old.as_ref().map_or_else(Vec::new, |history| history.names.clone());
    let mut heir_of = old.as_ref().map_or_else(Vec::new, |history| history.heir_of.clone());
    let mut clusters = old.as_ref().map_or_else(Vec::new, |history| history.clusters.clone());
    let mut kept = old.as_ref().map_or_else(Vec::new, |history| history.kept.clone());
    for gone in gone.iter().filter(|gone| *gone != root) {
        heir_of.extend(ids(dirs, Path::new(gone)));
        if let Some(theirs) = of(dirs, Path::new(gone)) {
            names.extend(theirs.names);
            clusters.extend(theirs.clusters);
            kept.extend(theirs.kept);
        }
    }
    clusters.extend(cluster.map(str::to_owned));
    clusters.sort();
    clusters.dedup();
    heir_of.sort();
    heir_of.dedup();
    kept.sort();
    kept.dedup();
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| name != qualified && seen.insert(name.clone()));
    names.push(qualified.to_owned());
    let history = History { names, clusters, kept, heir_of, ..as_it_is(root) };
    if old.as_ref() == Some(&history) { Ok(()) } else { save(&path, &history) }
}

/// Remembers that a cluster was made for a root, or is gone.
///
/// # Errors
/// A [`Failure`] that names the path.
pub(super) fn note_cluster(dirs: &Dirs, root: &Path, cluster: &str, is_there: bool) -> Result<(), Failure> {
    let path = dirs.history(root);
    let Some(mut history) = load(&path).filter(|old| old.clusters.iter().any(|known| known == cluster) != is_there)
    else {
        return Ok(());
    };
    history.clusters.retain(|known| known != cluster);
    history.clusters.extend(is_there.then(|| cluster.to_owned()));
    history.clusters.sort();
    save(&path, &history)
}

/// Remembers which volumes of a root's services are kept now; those of another name it had before stay remembered.
///
/// # Errors
/// A [`Failure`] that names the path.
pub(super) fn note_kept(dirs: &Dirs, root: &Path, project: &str, kept: &[String]) -> Result<(), Failure> {
    let path = dirs.history(root);
    let Some(mut history) = load(&path) else { return Ok(()) };
    let before = std::mem::take(&mut history.kept);
    let is_of_now = |name: &&String| name.strip_prefix(project).is_some_and(|rest| rest.starts_with('_'));
    let is_older = |name: &&String| {
        let is_of = |older: &String| name.strip_prefix(older.as_str()).is_some_and(|rest| rest.starts_with('_'));
        !is_of_now(name) && history.names.iter().any(is_of)
    };
    history.kept = before.iter().filter(is_older).chain(kept).cloned().collect();
    history.kept.sort();
    history.kept.dedup();
    if history.kept == before { Ok(()) } else { save(&path, &history) }
}

fn save(path: &Path, history: &History) -> Result<(), Failure> {
    let text = serde_json::to_string(history).expect("strings always serialise") + "\n";
    files::make_folder(path.parent().expect("a history lies in a folder"))?;
    writing::replace(path, text.as_bytes(), Writing { durable: false, ..Writing::PRIVATE })
}

/// What is seen of a root's folder now.
fn as_it_is(root: &str) -> History {
    let folder = Path::new(root);
    let mount = mounts::of(folder);
    let disk = mount.as_deref().and_then(mounts::disk);
    let mount = mount.and_then(|mount| mount.to_str().map(str::to_owned));
    let (folder, birth) = (files::number(folder), files::birth(folder));
    History { root: root.to_owned(), mount, disk, folder, birth, ..History::default() }
}

/// The names that the instances of this very folder have had, the latest last: not those of another folder that was at the same
/// path before. None where the disk does not tell when a folder was made.
pub fn names_of_folder(dirs: &Dirs, root: &Path) -> Vec<String> {
    let Some((history, text)) = of(dirs, root).zip(root.to_str()) else { return Vec::new() };
    let now = as_it_is(text);
    let is_same = history.birth.is_some()
        && (history.birth, history.folder) == (now.birth, now.folder)
        && (&history.mount, &history.disk) == (&now.mount, &now.disk);
    if is_same { history.names } else { Vec::new() }
}

/// Whether another folder is at this path than the one that was settled last. False where the disk does not tell when a folder was
/// made, or nothing is remembered.
pub fn was_another_folder(dirs: &Dirs, root: &Path) -> bool {
    let Some(then) = of(dirs, root).and_then(|history| history.birth.zip(history.folder)) else { return false };
    files::birth(root).zip(files::number(root)).is_some_and(|now| now != then)
}

/// The history of a root, when there is a whole one.
pub fn of(dirs: &Dirs, root: &Path) -> Option<History> {
    load(&dirs.history(root))
}

/// The mount point of the disk a root was on, when that disk is not mounted there now.
pub fn unmounted(dirs: &Dirs, root: &Path) -> Option<PathBuf> {
    let history = of(dirs, root)?;
    let mount = PathBuf::from(history.mount?);
    let is_another = || history.disk.is_some_and(|disk| mounts::disk(&mount).as_ref() != Some(&disk));
    (!mounts::is_mounted(&mount) || is_another()).then_some(mount)
}

/// Whether a root is there, or on a disk that only is not mounted: its name and leases are nobody else's then.
pub fn lives(dirs: &Dirs, root: &Path) -> bool {
    files::exists(root) || unmounted(dirs, root).is_some()
}

/// All histories, sorted by root; damaged ones, and those of another root than their folder's, are left out.
pub fn all(dirs: &Dirs) -> Vec<History> {
    let folders = files::names_in(&dirs.instances());
    let mut histories: Vec<History> = folders.iter().filter_map(|folder| load(&folder.join(HISTORY))).collect();
    histories.sort_by(|one, other| one.root.cmp(&other.root));
    histories
}

/// Forgets a root: removes the files silo keeps for its instance outside the project.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn forget(dirs: &Dirs, root: &Path) -> Result<(), Failure> {
    let (folder, history, gates) = (dirs.instance(root), dirs.history(root), dirs.gates(root));
    files::names_in(&gates).iter().try_for_each(|link| files::remove(link))?;
    files::remove_folder(&gates)?;
    // The history goes last: until then the rest is known to be this root's.
    let others = files::names_in(&folder).into_iter().filter(|path| *path != history);
    others.collect::<Vec<_>>().iter().try_for_each(|path| files::remove(path))?;
    files::remove(&history)?;
    files::remove_folder(&folder)
}

fn load(path: &Path) -> Option<History> {
    let content = match files::read(path, LIMIT).ok()? {
        None => files::read(&path.with_file_name(OLDER), LIMIT).ok()??,
        Some(content) => content,
    };
    let history: History = serde_json::from_slice(&content.bytes).ok()?;
    let folder = path.parent()?.file_name()?.to_str()?;
    (folder == digest::root_id(history.root.as_bytes())).then_some(history)
}
