//! Lifecycle hooks of an instance (docs/hooks.md), with the environment they get.

use super::enter;
use super::scope::{Scope, Site};
use crate::backend::hooks::{self, Point};
use crate::failure::Failure;

/// Runs the hooks of one point in order. Plain `docker compose` in them acts on the instance, and gates bring up nothing: what
/// they would wait for waits for the hook.
///
/// # Errors
/// As [`hooks::run`].
pub fn run(site: &Site<'_>, point: Point) -> Result<(), Failure> {
    let Scope { context, project, settings, .. } = site.scope;
    let environment = enter::in_hook(&site.environment, point.key(), &site.settled);
    hooks::run(point, point.of(&settings.hooks), &environment, &project.root, context.ui)
}
