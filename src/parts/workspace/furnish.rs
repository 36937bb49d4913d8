//! Filling a worktree (D30): what `[workspace]` copies, clones, renders and runs. Each step leaves what is there already, so that a
//! second call goes on where the first one ended. Nothing of it without trust (D6).

use std::path::Path;
use std::time::Duration;

use super::work::{How, Outcome, Work};
use super::{clone, copy, init, render};
use crate::core::instance::trust::Trust;
use crate::failure::{Failure, code, quoted, shown_from};
use crate::parts::context::Context;
use crate::store::ask::{Ask, Occasion};
use crate::store::placed::Placed;
use crate::store::project::Project;
use crate::store::trust;
use crate::sys::lock::{self, Wait};
use crate::sys::signals;

/// How long one call waits for another one in the same worktree: it may be running a project's commands.
const PATIENCE: Duration = Duration::from_mins(30);

/// Fills the worktree of a project with what its `[workspace]` says, from the checkout `source`.
///
/// # Errors
/// A [`Failure`] with exit code 3 where the `silo.toml` is not trusted: then nothing was done; or for the first step that failed:
/// what was done before stays, and another call goes on from there.
pub fn furnish(context: &Context, project: &Project, source: Option<&Path>, how: How) -> Result<Outcome, Failure> {
    may_act(context, project)?;
    let busy = |holder| {
        Failure::new(format!("This worktree is being filled by another call{holder}"))
            .hint("Wait until it has ended, or end it; then run `silo adopt` again")
    };
    let wait = Wait { limit: PATIENCE, tell: &|text| context.ui.step(text) };
    lock::hold(&context.dirs.workspace_lock(&project.root), "another `silo adopt` here", &wait, busy, || {
        signals::watch();
        let config = project.config()?;
        let settled = context.settle(project, &config, &Ask { occasion: Occasion::Cd, ..Ask::default() })?;
        let settings = config.settings(settled.known.profile.as_deref()).expect("settling has chosen one of the file");
        let placed = Placed::of(&context.dirs, &project.root)?;
        let outcome = Outcome { instance: settled.known.name.clone(), ..Outcome::default() };
        let outside = context.outside();
        let mut work = Work { context, project, source, settings, settled, outside, how, placed, outcome };
        let done = steps(&mut work);
        // What came before a failure is remembered, too.
        work.placed.save(&context.dirs, &project.root).and(done)?;
        Ok(work.outcome)
    })
}

/// Refuses a `silo.toml` that the user does not trust: being asked to fill a worktree is no consent (D6).
fn may_act(context: &Context, project: &Project) -> Result<(), Failure> {
    let why = match trust::judge(&context.dirs, project)? {
        Trust::Allowed => return Ok(()),
        Trust::Denied => "is denied",
        Trust::Changed => "has changed since it was trusted",
        Trust::Unknown => "is not trusted",
    };
    let file = shown_from(&context.dirs.home, &project.file);
    Err(Failure::new(format!("`{file}` {why}: nothing was copied, and nothing was run"))
        .hint(format!("Look at it, then `silo allow {0}` and `silo adopt {0}`", quoted(&project.root)))
        .code(code::NOT_TRUSTED))
}

fn steps(work: &mut Work<'_>) -> Result<(), Failure> {
    render::refuse_tracked(work)?;
    if work.source.is_none() {
        work.context.ui.detail("There is no other checkout here to copy or clone from");
    } else {
        copy::all(work)?;
        clone::all(work)?;
    }
    render::all(work)?;
    init::all(work)
}
