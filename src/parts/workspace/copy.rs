//! `copy`: ignored files, such as `.env`, from the main checkout.

use std::path::{Path, PathBuf};

use super::source::{Ignored, Wanted};
use super::work::Work;
use crate::core::config::WorkspaceLayer;
use crate::core::config::workspace::DEFAULT_COPY;
use crate::core::text::glob::Globs;
use crate::core::text::source::counted;
use crate::failure::Failure;
use crate::store::placed::{self, Kind, Placed};
use crate::store::project::leads_out;
use crate::sys::bring::{self, Arrival, Trip};
use crate::sys::files;

/// What other tools read for the same (<https://code.claude.com/docs/en/common-workflows>).
const INCLUDE: &str = ".worktreeinclude";
/// Largest such file that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;

pub(super) fn all(work: &mut Work<'_>) -> Result<(), Failure> {
    let Some(source) = work.source else { return Ok(()) };
    let (globs, wanted) = globs(&work.settings.workspace, work.root(), source)?;
    if globs.is_empty() {
        return Ok(());
    }
    let theirs = Placed::of(&work.context.dirs, source)?;
    let found = Ignored::of(source, &work.outside)?.picked(&globs, wanted);
    for found in found.into_iter().filter(|found| !work.is_own(&found.place)).collect::<Vec<_>>() {
        match found.is_folder {
            true if !files::exists(&source.join(&found.place)) => {}
            true => work.leave_out(&found.place, "it cannot be read"),
            false => one(work, source, &theirs, &found.place)?,
        }
    }
    if !work.outcome.copied.is_empty() {
        let from = crate::failure::shown_from(&work.context.dirs.home, source);
        work.context.ui.step(&format!("Copied {} from `{from}`", counted(work.outcome.copied.len(), "file")));
    }
    Ok(())
}

/// What is to be copied: what `copy` says, else `.worktreeinclude`, else the env files.
fn globs(workspace: &WorkspaceLayer, root: &Path, source: &Path) -> Result<(Globs, Wanted), Failure> {
    if let Some(globs) = &workspace.copy {
        return Ok((Globs::of(globs.iter().map(|text| text.value.as_str())), Wanted::FilesBelow));
    }
    for folder in [root, source] {
        if let Some(content) = files::read(&folder.join(INCLUDE), LIMIT)? {
            return Ok((Globs::of_lines(&content.bytes), Wanted::FilesBelow));
        }
    }
    Ok((Globs::of([DEFAULT_COPY]), Wanted::Files))
}

/// Whether something at this place of the main checkout comes along: by `copy`, or, a folder, by `clone`.
pub fn brings(workspace: &WorkspaceLayer, root: &Path, source: &Path, place: &Path) -> bool {
    let bytes = place.as_os_str().as_encoded_bytes();
    if files::is_folder(&source.join(place)) {
        let clone = Globs::of(workspace.clone.iter().flatten().map(|text| text.value.as_str()));
        return clone.picks(bytes, true)
            || workspace.copy.is_some() && copied(workspace, root, source).picks(bytes, true);
    }
    copied(workspace, root, source).picks(bytes, false)
}

/// As [`globs`]; where a file of them cannot be read, nothing.
fn copied(workspace: &WorkspaceLayer, root: &Path, source: &Path) -> Globs {
    globs(workspace, root, source).map(|(globs, _)| globs).unwrap_or_default()
}

fn one(work: &mut Work<'_>, source: &Path, theirs: &Placed, place: &Path) -> Result<(), Failure> {
    let root = work.root().to_owned();
    let trip = Trip { from: source, to: &root };
    if files::exists(&root.join(place)) {
        // A copy that was made before and not written down, or by hand.
        if work.placed.at(place).is_none() && is_same(&root.join(place), &source.join(place)) {
            work.placed.note(&root, place);
        }
        return Ok(());
    }
    if leads_out(&root, root.join(place).parent().unwrap_or(&root))? {
        work.leave_out(place, "a link on the way to it leads out of the worktree");
        return Ok(());
    }
    bring::make_way(&trip, place)?;
    // A file that was filled there comes as it was before, to be filled with this instance's values.
    let unfilled = unfilled(work, source, theirs, place);
    match trip.file(place, unfilled.as_deref(), is_secret(place))? {
        Arrival::Here(_) => {
            work.placed.note(&root, place);
            work.outcome.copied.push(place.to_owned());
        }
        Arrival::LeftOut(why) => work.leave_out(place, why),
        Arrival::There | Arrival::Gone | Arrival::CannotClone => {}
    }
    Ok(())
}

fn unfilled(work: &Work<'_>, source: &Path, theirs: &Placed, place: &Path) -> Option<PathBuf> {
    let Some(Kind::Filled { digest, .. }) = theirs.at(place) else { return None };
    let is_as_filled = placed::content(&source.join(place)).as_ref() == Some(digest);
    let kept = placed::unfilled(&work.context.dirs, source, place);
    (is_as_filled && files::is_file(&kept)).then_some(kept)
}

fn is_same(one: &Path, other: &Path) -> bool {
    placed::content(one).is_some_and(|content| placed::content(other) == Some(content))
}

/// Whether a file is likely to hold a secret, by its name.
fn is_secret(place: &Path) -> bool {
    let name = place.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let ends = [".pem", ".key", ".p12", ".pfx", ".jks", ".env"];
    name.starts_with(".env")
        || ends.iter().any(|end| name.ends_with(end))
        || ["secret", "credential", "password", "token", "id_rsa", "id_ed25519"].iter().any(|word| name.contains(word))
        || [".npmrc", ".netrc", ".pypirc", ".pgpass"].contains(&name.as_str())
}
