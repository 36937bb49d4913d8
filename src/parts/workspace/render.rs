//! `render`: ignored files in which `${VAR}` is filled with the instance's vars.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::source::{Ignored, Wanted, in_git};
use super::work::Work;
use crate::backend::ignored;
use crate::core::text::glob::Globs;
use crate::failure::{Failure, shown};
use crate::store::filled::{self, Fate};

/// Refuses a glob that picks a file which git tracks: it would be changed for everybody.
///
/// # Errors
/// A [`Failure`] at the place of the first such glob.
pub(super) fn refuse_tracked(work: &mut Work<'_>) -> Result<(), Failure> {
    let Some(globs) = work.settings.workspace.render.clone().filter(|globs| !globs.is_empty()) else { return Ok(()) };
    if !in_git(work.root()) {
        return Ok(());
    }
    let all = Globs::of(globs.iter().map(|text| text.value.as_str()));
    for (place, is_tracked) in ignored::others(work.root(), &work.outside)? {
        let bytes = place.as_os_str().as_bytes();
        if !all.picks(bytes, false) {
            continue;
        }
        if !is_tracked {
            work.leave_out(&place, "git does not ignore it; add it to `.gitignore` to have it filled");
            continue;
        }
        let picks = |glob: &str| Globs::of([glob]).picks(bytes, false);
        let span = globs.iter().rev().find(|text| picks(&text.value)).map(|text| text.span.clone()).unwrap_or_default();
        let tracked = Failure::new(format!("`workspace.render` picks `{}`, which git tracks", shown(&place)));
        return Err(work.project.misfit(&tracked.what, &span).hint(
            "Track a file of another name, such as `.env.example`, and ignore the one that is filled; or leave it out with `!` before its path",
        ));
    }
    Ok(())
}

pub(super) fn all(work: &mut Work<'_>) -> Result<(), Failure> {
    let Some(globs) = &work.settings.workspace.render else { return Ok(()) };
    let globs = Globs::of(globs.iter().map(|text| text.value.as_str()));
    let root = work.root().to_owned();
    let picked = Ignored::of(&root, &work.outside)?.picked(&globs, Wanted::FilesBelow);
    for found in picked.into_iter().filter(|found| !found.is_folder && !work.is_own(&found.place)).collect::<Vec<_>>() {
        one(work, &root, &found.place)?;
    }
    Ok(())
}

fn one(work: &mut Work<'_>, root: &Path, place: &Path) -> Result<(), Failure> {
    match filled::fill_first(&work.context.dirs, root, place, &work.settled.vars, &mut work.placed)? {
        Fate::Filled => {
            work.context.ui.step(&format!("Filled `{}`", shown(place)));
            work.outcome.rendered.push(place.to_owned());
        }
        Fate::LeftOut(why) => work.leave_out(place, why),
        // What was edited was said when the instance was settled.
        Fate::Edited | Fate::Same => {}
    }
    Ok(())
}
