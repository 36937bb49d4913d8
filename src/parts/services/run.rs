//! Docker and compose, as the services of an instance call them.

use crate::backend::compose::Compose;
use crate::backend::docker::Docker;
use crate::backend::engine::Engine;
use crate::failure::Failure;
use crate::parts::scope::{Scope, Site};
use crate::sys::cmd::{Cmd, Ended};
use crate::sys::signals;

/// Docker in an instance's environment.
pub(super) fn docker<'a>(site: &'a Site<'_>) -> Docker<'a> {
    engine(site).docker()
}

/// The engine, in the same environment.
pub(super) fn engine<'a>(site: &'a Site<'_>) -> Engine<'a> {
    Engine::of(&site.environment, &site.scope.project.root)
}

/// The engine, before anything is settled.
pub(super) fn engine_of<'a>(scope: &'a Scope<'_>) -> Engine<'a> {
    Engine::of(&scope.context.environment, &scope.project.root)
}

/// Compose in an instance's environment, for its project.
pub(super) fn compose<'a>(site: &'a Site<'_>) -> Compose<'a> {
    let project = &site.settled.identity.compose_name;
    Compose { environment: &site.environment, folder: &site.scope.project.root, project }
}

/// Runs compose in silo's terminal.
pub(super) fn finish(cmd: &Cmd<'_>, word: &str) -> Result<(), Failure> {
    let line = format!("{} compose {word}", cmd.program);
    match (cmd.run(|_| Ok(()))?, signals::asked()) {
        (Ended::Code(0), _) => Ok(()),
        (_, Some(asked)) => Err(Failure::new(format!("Stopped by a signal during `{line}`")).code(asked.code())),
        (ended, None) => Err(Failure::new(format!("`{line}` failed with exit code {}", ended.code()))
            .hint("Its own words are above; `silo compose` prints the override it was given")),
    }
}
