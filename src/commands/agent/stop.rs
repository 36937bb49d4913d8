//! Ending a run, and removing what is left of one.

use crate::core::agents::record::{Run, Stage};
use crate::core::text::source::counted;
use crate::failure::Failure;
use crate::parts::agents;
use crate::parts::context::Context;
use crate::sys::signals;

pub(super) fn stop(context: &Context, run: &Run) -> Result<u8, Failure> {
    if run.stage == Stage::Ended {
        context.ui.step(&format!("The run `{}` has ended already", run.id));
        return Ok(0);
    }
    signals::watch();
    agents::stop(context, run)?;
    Ok(0)
}

pub(super) fn rm(context: &Context, run: &Run, force: bool) -> Result<u8, Failure> {
    signals::watch();
    let mut run = run.clone();
    if run.stage != Stage::Ended {
        if !force {
            return Err(Failure::new(format!("The run `{}` is {}", run.id, run.stage.word()))
                .hint(format!("End it first: `silo agent stop {}`", run.id)));
        }
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
