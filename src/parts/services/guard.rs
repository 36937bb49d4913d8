//! What is looked at before services start (D23): what of this machine another instance's services change too, and what they
//! mount that this worktree does not have.

use std::path::{Path, PathBuf};

use super::missing;
use crate::backend::engine::Engine;
use crate::backend::mounts::Holder;
use crate::core::services::{Binds, Inside, Kind, Outside};
use crate::core::text::source::one_line;
use crate::failure::{Failure, quoted, shown, shown_below};
use crate::parts::scope::Scope;
use crate::store::{registry, worktree};
use crate::sys::files;

/// Refuses a start that would take what is another instance's, or have Docker make folders in place of files.
///
/// # Errors
/// A [`Failure`] that names what it is, and how to go on.
pub(super) fn may_start(scope: &Scope<'_>, engine: Engine<'_>, binds: &Binds) -> Result<(), Failure> {
    let root = &scope.project.root;
    let (missing, elsewhere): (Vec<&Inside>, _) = missing(root, &binds.inside);
    if let Some(origin) = elsewhere {
        return Err(not_here(scope, &missing, &origin));
    }
    for one in binds.inside.iter().filter(|one| !files::exists(&one.path) && is_like_a_file(&one.path)) {
        scope.context.ui.step(&format!(
            "`{}` mounts `{}`, which is not there: Docker makes a folder of that name",
            one.service,
            shown_below(root, &one.path)
        ));
    }
    if binds.outside.is_empty() {
        return Ok(());
    }
    let leases = registry::peek(&scope.context.dirs)?;
    for holder in engine.others_of(&scope.id)? {
        let other = leases.instances.iter().find(|one| one.id == holder.instance);
        let root_of = other.map(|other| Path::new(&other.root));
        for what in &binds.outside {
            if is_sibling(root, root_of, &holder, what) && !is_socket(&what.path) && engine.has(&holder, what)? {
                let name = other.map_or_else(|| one_line(&holder.instance), |other| other.name.clone());
                return Err(taken(what, &holder, &name, root_of));
            }
        }
    }
    Ok(())
}

/// Whether a container is another instance's of this project: of a worktree of the same repository, or, without git, of the same
/// service.
fn is_sibling(root: &Path, other: Option<&Path>, holder: &Holder, what: &Outside) -> bool {
    let uid = rustix::process::geteuid().as_raw();
    let of = |root: &Path| worktree::membership(root, uid).map(|found| (found.common_dir, found.place));
    match (of(root), other.and_then(of)) {
        (Some(own), Some(others)) => own == others,
        _ => holder.service == what.service,
    }
}

/// A socket is somebody's who serves all.
fn is_socket(path: &str) -> bool {
    files::is_socket(Path::new(path))
}

/// Whether a name is rather a file's: what has an ending, but for `conf.d` and versions.
fn is_like_a_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    name.starts_with(".env") || ending.len() > 1 && !ending.chars().any(|c| c.is_ascii_digit())
}

fn taken(what: &Outside, holder: &Holder, name: &str, root: Option<&Path>) -> Failure {
    let path = one_line(&what.path);
    let has = match what.kind {
        Kind::Bind | Kind::Volume => "can write to",
        Kind::Device => "has the device",
    };
    let failure = Failure::new(format!(
        "`{}` {has} `{path}`, outside the project, and so does `{}` of the instance `{name}`, which runs",
        what.service,
        one_line(&holder.service)
    ));
    let failure = match root {
        Some(root) => failure.hint(format!("Stop that one first: `silo down -C {}`", quoted(root))),
        None => failure.hint(format!("Stop that one first: `docker stop {}`", one_line(&holder.container))),
    };
    failure.hint(format!(
        "Where they are to share it, add it to `keep` below `[compose]` in silo.toml: `keep = [\"{path}\"]`"
    ))
}

/// The mounted paths that are not here and are in another worktree, the main one first; and that one.
fn missing<'a>(root: &Path, inside: &'a [Inside]) -> (Vec<&'a Inside>, Option<PathBuf>) {
    let gone: Vec<&Inside> = inside.iter().filter(|one| !files::exists(&one.path)).collect();
    let paths: Vec<&Path> = gone.iter().map(|one| one.path.as_path()).collect();
    let Some((other, found)) = missing::elsewhere(root, &paths) else { return (Vec::new(), None) };
    (gone.into_iter().filter(|one| found.contains(&one.path.as_path())).collect(), Some(other))
}

fn not_here(scope: &Scope<'_>, missing: &[&Inside], origin: &Path) -> Failure {
    let root = &scope.project.root;
    let mut paths: Vec<&PathBuf> = missing.iter().map(|one| &one.path).collect();
    paths.sort();
    paths.dedup();
    let named: Vec<String> = paths.iter().map(|path| format!("`{}`", shown_below(root, path))).collect();
    let failure = Failure::new(format!(
        "`{}` mounts {}, which this worktree does not have and `{}` has",
        missing[0].service,
        named.join(", "),
        shown(origin)
    ));
    let failure = paths.iter().fold(failure, |failure, path| {
        let from = missing::of(origin, root, path);
        let copy = format!("Bring it along: `{}`", missing::bring(scope, origin, path));
        failure.hint(match files::is_folder(&from) {
            true => format!("{copy}; or begin with an empty one: `mkdir -p {}`", quoted(path)),
            false => copy,
        })
    });
    let failure = match paths.iter().all(|path| missing::is_adopted(scope, origin, path)) {
        true => failure,
        false => failure
            .hint("For every new worktree: `copy` or `clone` below `[workspace]` in silo.toml (`silo doc adopt`)"),
    };
    failure.hint("Docker would make a folder of that name, which belongs to root")
}
