//! Every root silo knows, side by side, and what lies in silo's own folders beside them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::git;
use super::root::{self, Root};
use super::scene::{Here, Scene};
use crate::backend::engine::{Container, Engine};
use crate::core::leases::{Instance, Leases};
use crate::core::text::digest;
use crate::core::text::source::{counted, one_line};
use crate::failure::{quoted, shown};
use crate::parts::finding::Finding;
use crate::store::apart::{self, Apart};
use crate::store::{history, registry, trust};
use crate::sys::dirs::{Dirs, GATES, UP_LOCK};
use crate::sys::{files, lock, together, unfinished};

/// How long the disks may take to answer.
const DISKS: Duration = Duration::from_millis(2500);

/// What is asked side by side: a dead disk costs its own answer alone.
#[derive(Debug, Clone)]
enum Job {
    Root(Root),
    Git,
    LeftOver,
}

/// Everything about every root; the registry is read again, for a fix may have changed it.
pub(super) fn examine(scene: &Scene) -> Vec<Finding> {
    let leases = registry::peek(&scene.dirs);
    let roots = leases.as_ref().map(|leases| roots(scene, leases)).unwrap_or_default();
    let is_used = |root: &&Root| root.name.is_some() || root.is_here;
    let used = || roots.iter().filter(is_used).filter_map(|root| root.path.to_str().map(str::to_owned)).collect();
    let known: Option<Vec<String>> = leases.is_ok().then(used);
    let jobs: Vec<Job> = roots.into_iter().map(Job::Root).chain([Job::Git, Job::LeftOver]).collect();
    let asked = scene.clone();
    let answers = together::ask(jobs.clone(), DISKS, move |job| match job {
        Job::Root(root) => root::examine(&asked.dirs, root),
        Job::Git => git::examine(&asked),
        Job::LeftOver => left_over(&asked, known.as_deref()),
    });
    let told = |(job, answer): (&Job, Option<Vec<Finding>>)| match (answer, job) {
        (Some(found), _) => found,
        (None, Job::Root(root)) => vec![silent(&root.path)],
        (None, _) => Vec::new(),
    };
    let mut found: Vec<Finding> = jobs.iter().zip(answers).flat_map(told).collect();
    if let Ok(leases) = &leases {
        name_what_runs(scene, leases, &mut found);
    }
    found
}

/// Says of instances whose folder is gone that their services still run, where the engine of this machine says so.
fn name_what_runs(scene: &Scene, leases: &Leases, found: &mut [Finding]) {
    let mut gone = found.iter_mut().filter(|finding| finding.id == "root-gone").peekable();
    let engine = Engine::of(&scene.outside, Path::new("/")).soon();
    if gone.peek().is_none() || engine.is_absent() {
        return;
    }
    let Ok(containers) = engine.containers(None) else { return };
    for finding in gone {
        let is_it = |instance: &&Instance| finding.is_in(Path::new(&instance.root));
        let Some(instance) = leases.instances.iter().find(is_it) else { continue };
        let runs = |one: &&Container| one.instance == instance.id && one.state == "running";
        let mut services: Vec<String> =
            containers.iter().filter(runs).map(|one| one_line(&one.service)).filter(|name| !name.is_empty()).collect();
        services.sort();
        services.dedup();
        if !services.is_empty() {
            finding.what += &format!(", and its services still run: {}", services.join(", "));
            "silo prune --all".clone_into(&mut finding.remedy);
        }
    }
}

/// The roots of the registry, of the histories, and the one silo was called in.
fn roots(scene: &Scene, leases: &Leases) -> Vec<Root> {
    let mut roots: BTreeMap<PathBuf, Root> = BTreeMap::new();
    let mut note = |path: &Path, name: Option<&String>, here: Option<&Here>| {
        let root = Root { path: path.to_path_buf(), name: None, is_here: false, project: None };
        let root = roots.entry(path.to_path_buf()).or_insert(root);
        root.name = name.cloned().or(root.name.take());
        root.is_here |= here.is_some();
        root.project = here.and_then(|here| here.project.clone()).or(root.project.take());
    };
    for history in history::all(&scene.dirs) {
        note(Path::new(&history.root), None, None);
    }
    for instance in leases.instances.iter().filter(|instance| !apart::is_apart(&scene.dirs, instance)) {
        note(Path::new(&instance.root), Some(&instance.name), None);
    }
    if let Some(here) = &scene.here {
        note(&here.root, None, Some(here));
    }
    roots.into_values().collect()
}

fn silent(root: &Path) -> Finding {
    Finding::note("root-silent", "The disk of this folder did not answer in time")
        .at(root)
        .why("Nothing is known about its instance; every command in it will hang too")
        .remedy(format!("ls -ld {}", quoted(root)))
}

/// What killed runs and instances of old left in silo's own folders; the latter only where it is known which roots live.
fn left_over(scene: &Scene, known: Option<&[String]>) -> Vec<Finding> {
    let dirs = &scene.dirs;
    let mut folders = vec![dirs.state.clone()];
    folders.extend(trust::folders(dirs));
    let instances = files::names_in(&dirs.instances());
    folders.extend(instances.iter().flat_map(|folder| [folder.clone(), folder.join(GATES)]));
    let left = folders.iter().flat_map(|folder| unfinished::files_in(folder));
    let mut found: Vec<Finding> = left.map(|(path, _)| root::temporary(&path)).collect();
    let runs = apart::all(dirs, &scene.leases);
    found.extend(runs.iter().filter(|run| run.is_cut_off()).map(cut_off));
    let Some(known) = known else { return found };
    let ids: Vec<String> = known.iter().map(|root| digest::root_id(root.as_bytes())).collect();
    let histories: BTreeMap<String, String> = history::all(dirs)
        .into_iter()
        .map(|history| (digest::root_id(history.root.as_bytes()), history.root))
        .collect();
    let (mut gone, mut unknown): (Vec<&str>, Vec<PathBuf>) = Default::default();
    for folder in instances {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match histories.get(&name) {
            _ if ids.contains(&name) || runs.iter().any(|run| run.place() == folder) => {}
            Some(root) if files::exists(Path::new(root)) => {}
            Some(root) if history::unmounted(dirs, Path::new(root)).is_some() => {}
            Some(root) => gone.push(root),
            None => unknown.push(folder),
        }
    }
    found.extend(still_unknown(dirs, unknown).iter().map(|folder| {
        Finding::note("state-left-over", "silo has a folder for an instance nobody knows")
            .at(folder)
            .why("It holds a stamp and gates that nothing uses any more")
            .remedy(format!("rm -r {}", quoted(folder)))
    }));
    // One for all of them: as long as Docker does not answer, their number grows with each worktree.
    gone.sort_unstable();
    if let Some(first) = gone.first() {
        let more = gone.len() - 1;
        let and = if more > 0 { format!(" and {}", counted(more, "other root")) } else { String::new() };
        let are = if more > 0 { "are gone and have no leases" } else { "is gone and has no lease" };
        found.push(
            Finding::note("state-left-over", format!("silo still remembers `{first}`{and}, which {are}"))
                .at(&dirs.instances())
                .why("Something of theirs may lie in Docker, which has to answer before they are forgotten")
                .remedy("silo prune"),
        );
    }
    found
}

/// Of the folders of instances that nobody knows, those that are no instance's that is just being made or forgotten.
fn still_unknown(dirs: &Dirs, mut folders: Vec<PathBuf>) -> Vec<PathBuf> {
    if folders.is_empty() {
        return folders;
    }
    std::thread::sleep(root::MOMENT);
    let Ok(leases) = registry::peek(dirs) else { return Vec::new() };
    let runs = apart::all(dirs, &leases);
    let roots = leases.instances.into_iter().map(|one| one.root);
    let roots = roots.chain(history::all(dirs).into_iter().map(|history| history.root));
    let ids: Vec<String> = roots.map(|root| digest::root_id(root.as_bytes())).collect();
    let is_known = |folder: &Path| folder.file_name().is_some_and(|name| ids.iter().any(|id| name == id.as_str()));
    folders.retain(|folder| {
        let is_run = runs.iter().any(|run| run.place() == folder);
        files::exists(folder) && !is_known(folder) && !is_run && lock::holder(&folder.join(UP_LOCK)).is_none()
    });
    folders
}

/// A `silo ci` that was killed, and what it holds.
fn cut_off(run: &Apart) -> Finding {
    let name = &run.entry.name;
    let of = run.project.as_ref().map_or_else(String::new, |root| format!(" of `{}`", shown(root)));
    Finding::note("ci-cut-off", format!("The `silo ci` `{name}`{of} was cut off"))
        .at(run.place())
        .why("Its containers, networks, volumes and leases are still there")
        .remedy("silo prune")
}
