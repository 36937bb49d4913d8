//! Ending a run, and removing what is left of one.

use crate::core::agents::record::{Run, Stage};
use crate::core::leases::Wish;
use crate::core::text::source::counted;
use crate::failure::Failure;
use crate::parts::agents;
use crate::parts::context::{COMMAND_WAIT, Context};
use crate::store::wanted;
use crate::sys::lock::Wait;
use crate::sys::signals;

pub(super) fn stop(context: &Context, run: &Run) -> Result<u8, Failure> {
    if run.stage == Stage::Ended {
        context.ui.step(&format!("The run `{}` has ended already", run.id));
        return Ok(0);
    }
    signals::watch();
    unwant(context, run)?;
    agents::stop(context, run)?;
    Ok(0)
}

/// What the user has stopped is no longer wanted (D31).
fn unwant(context: &Context, run: &Run) -> Result<(), Failure> {
    if !run.is_persistent {
        return Ok(());
    }
    let wait = Wait { limit: COMMAND_WAIT, tell: &|text| context.ui.step(text) };
    let own = Wish::of(agents::COLUMN, &run.agent);
    wanted::drop_if(&context.dirs, &run.root, &wait, |wish| *wish == own)
}

pub(super) fn rm(context: &Context, run: &Run, force: bool) -> Result<u8, Failure> {
    signals::watch();
    let mut run = run.clone();
    if run.stage != Stage::Ended {
        if !force {
            return Err(Failure::new(format!("The run `{}` is {}", run.id, run.stage.word()))
                .hint(format!("End it first: `silo agent stop {}`", run.id)));
        }
        unwant(context, &run)?;
        agents::stop(context, &run)?;
        if let Some(now) = crate::store::agents::load(&context.dirs, &run.id)? {
            run = now;
        }
    }
    let end = run.end.clone().unwrap_or_default();
    let left = end.others.is_some() || end.skipped.iter().any(|line| line.contains("what is left of it is in"));
    let findings = if end.is_saved { 0 } else { end.findings };
    if !force && (findings > 0 || left) {
        let what = match (findings, left) {
            (0, _) => "commits that are nowhere else".to_owned(),
            (files, false) => format!("{} that it found", counted(files, "file")),
            (files, true) => format!("{} that it found, and commits that are nowhere else", counted(files, "file")),
        };
        return Err(Failure::new(format!("With the run `{}` would go {what}", run.id))
            .hint(format!("Look first: `silo agent findings {}`", run.id))
            .hint(format!("Then remove it anyway: `silo agent rm --force {}`", run.id)));
    }
    agents::forget(context, &run.id)?;
    context.ui.step(&format!("Removed the record of the run `{}`", run.id));
    Ok(0)
}
