//! Workspaces that are copies of a folder: of a project without git, or with `--copy`, and of a template. Where the disk can, both
//! share their blocks until one changes.

use std::path::{Path, PathBuf};

use super::furnished;
use super::origin::Origin;
use crate::backend::worktrees::Git;
use crate::core::instance::trust::Trust;
use crate::core::text::source::one_line;
use crate::core::workspaces::record::{Kind, Workspace};
use crate::failure::{Failure, code, quoted, shown};
use crate::parts::context::Context;
use crate::store::project::{CONFIG_NAME, Project};
use crate::store::{templates, trust, workspaces};
use crate::sys::bring::{self, Arrival, Trip, Way};
use crate::sys::{cmd, files, trees};

/// Copies the folder, and gives the copy the trust that its origin has.
///
/// # Errors
/// A [`Failure`] with exit code 3 where the origin is not trusted: a copy has all of its files, secrets too.
pub(super) fn copy(context: &Context, origin: &Origin, workspace: &mut Workspace) -> Result<(), Failure> {
    let file = origin.top.join(&origin.place).join(CONFIG_NAME);
    let project = Project::read(&file)?;
    if workspace.kind == Kind::Copy && trust::judge(&context.dirs, &project)? != Trust::Allowed {
        return Err(Failure::new(format!(
            "`{}` is not trusted, so no copy is made of what lies beside it",
            shown(&file)
        ))
        .code(code::NOT_TRUSTED)
        .hint(format!("Read it, then `silo allow {}`", quoted(&project.root))));
    }
    workspaces::save(&context.dirs, workspace)?;
    let to = PathBuf::from(&workspace.folder);
    let _spinner = context.ui.spin(&format!("Copying `{}` to `{}`", shown(&origin.top), shown(&to)));
    let left_out = left_out(context, origin, &project);
    if let Err(failure) = bring_all(context, (&origin.top, &to), &left_out) {
        trees::remove(&to)?;
        workspaces::forget(&workspaces::place_of(&context.dirs, workspace))?;
        return Err(failure);
    }
    workspace.whole = bring::changed(&to).and_then(|time| i64::try_from(time).ok());
    let copy = Project::read(&furnished::root(workspace).join(CONFIG_NAME))?;
    if copy.content == project.content {
        trust::allow(&context.dirs, &copy)?;
    }
    Ok(())
}

/// What is not copied: silo's own files of the project, and the repository's other worktrees, which would be taken for those.
fn left_out(context: &Context, origin: &Origin, project: &Project) -> Vec<PathBuf> {
    let output = project.config().ok().and_then(|config| project.env_file(&config.output).ok());
    let mut all = vec![project.lockfile_path(), origin.top.join(".git/worktrees")];
    all.extend(output.map(|file| file.path));
    let outside = context.outside();
    if files::exists(&origin.top.join(".git")) && cmd::find("git", &outside).is_some() {
        let checkouts = Git::of(&outside, &origin.top).checkouts().unwrap_or_default();
        all.extend(checkouts.into_iter().skip(1).map(|one| PathBuf::from(one.folder)));
    }
    all
}

/// Copies what lies in a folder; folders above what is left out are gone through by themselves.
fn bring_all(context: &Context, (from, to): (&Path, &Path), left_out: &[PathBuf]) -> Result<(), Failure> {
    files::make_folder_like(to, from)?;
    let entries = bring::entries(from).ok_or_else(|| {
        Failure::new(format!("Cannot read the folder `{}`", shown(from)))
            .hint(format!("See who owns it: `ls -ld {}`", quoted(from)))
    })?;
    for (path, is_folder) in entries {
        let Some(name) = path.file_name().map(Path::new) else { continue };
        if left_out.contains(&path) {
            continue;
        }
        if is_folder && left_out.iter().any(|out| out.starts_with(&path)) {
            match bring_all(context, (&path, &to.join(name)), left_out) {
                // Somebody removed it meanwhile.
                Err(_) if !files::exists(&path) => files::remove_folder(&to.join(name))?,
                done => done?,
            }
            continue;
        }
        let trip = Trip { from, to };
        let arrival = if is_folder { trip.folder(name, Way::Copy)? } else { trip.file(name, None, false)? };
        let skipped = match arrival {
            Arrival::Here(skipped) => skipped,
            Arrival::LeftOut(why) => vec![(name.to_path_buf(), why)],
            Arrival::There | Arrival::Gone | Arrival::CannotClone => Vec::new(),
        };
        for (place, why) in skipped {
            context.ui.warn(&format!("Left out `{}`: {why}", shown(&from.join(place))));
        }
    }
    Ok(())
}

/// The template of a name, in the user's own folder of them.
///
/// # Errors
/// A [`Failure`] where there is none, or a link in it leads out.
pub(super) fn template(context: &Context, name: &str) -> Result<PathBuf, Failure> {
    if let Some(folder) = templates::find(&context.dirs, name)? {
        return Ok(folder);
    }
    let failure = Failure::new(format!("There is no template `{}`", one_line(name)));
    Err(match &templates::names(&context.dirs)[..] {
        [] => {
            failure.hint(format!("A template is a folder with a `silo.toml` in `{}`", shown(&context.dirs.templates())))
        }
        all => failure.hint(format!("There are: {}", all.join(", "))),
    })
}

/// What of a copy has changed since it was made, or is new.
pub(super) fn changed(workspace: &Workspace) -> Vec<PathBuf> {
    let whole = workspace.whole.map_or(i128::MIN, i128::from);
    let folder = Path::new(&workspace.folder);
    // git writes its index again when it only looks.
    let index = folder.join(".git/index");
    // One that is gone by now is none to lose.
    let is_later = |path: &PathBuf| bring::changed(path).map_or_else(|| files::exists(path), |time| time > whole);
    let is_changed = |path: &PathBuf| *path != index && is_later(path);
    trees::files_below(folder).into_iter().filter(is_changed).collect()
}
