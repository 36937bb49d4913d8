//! `clone`: ignored folders, such as `node_modules`, that share their blocks with those of the main checkout until one changes.

use std::path::Path;

use super::source::{Ignored, Wanted};
use super::work::Work;
use crate::core::text::glob::Globs;
use crate::core::text::source::counted;
use crate::failure::{Failure, shown};
use crate::store::project::leads_out;
use crate::sys::bring::{self, Arrival, Trip, Way};

/// How many paths of one folder that were left out are named.
const NAMED: usize = 5;

pub(super) fn all(work: &mut Work<'_>) -> Result<(), Failure> {
    let (Some(source), Some(globs)) = (work.source, &work.settings.workspace.clone) else { return Ok(()) };
    let globs = Globs::of(globs.iter().map(|text| text.value.as_str()));
    for found in Ignored::of(source, &work.outside)?.picked(&globs, Wanted::Folders) {
        one(work, source, &found.place)?;
    }
    Ok(())
}

fn one(work: &mut Work<'_>, source: &Path, place: &Path) -> Result<(), Failure> {
    let root = work.root().to_owned();
    let trip = Trip { from: source, to: &root };
    if crate::sys::files::exists(&root.join(place)) {
        return Ok(());
    }
    if leads_out(&root, root.join(place).parent().unwrap_or(&root))? {
        work.leave_out(place, "a link on the way to it leads out of the worktree");
        return Ok(());
    }
    bring::make_way(&trip, place)?;
    let ui = work.context.ui;
    let way = if work.how.slow { Way::Copy } else { Way::Clone };
    let spinner = ui.spin(&format!("Cloning `{}`", shown(place)));
    let arrival = trip.folder(place, way)?;
    drop(spinner);
    match arrival {
        Arrival::Here(skipped) => {
            for (path, why) in skipped.iter().take(NAMED) {
                work.leave_out(path, why);
            }
            if skipped.len() > NAMED {
                ui.warn(&format!("Left out {} more", counted(skipped.len() - NAMED, "path")));
            }
            work.placed.note(&root, place);
            work.outcome.cloned.push(place.to_owned());
            work.save()?;
        }
        Arrival::LeftOut(why) => work.leave_out(place, why),
        Arrival::CannotClone => {
            work.leave_out(
                place,
                "this disk cannot share blocks between two folders; `silo adopt --copy-slow` copies it",
            );
        }
        Arrival::There | Arrival::Gone => {}
    }
    Ok(())
}
