//! The vars for later steps of a CI job: appended to `$GITHUB_ENV`, in CI by itself or where it is asked for.

use std::path::Path;

use crate::core::formats::github;
use crate::core::text::secret;
use crate::failure::Failure;
use crate::parts::context::Context;
use crate::store::instances::Settled;
use crate::sys::random;
use crate::sys::writing;

/// Appends the vars of an instance where the CI system reads them.
pub(super) fn export(context: &Context, asked: bool, settled: &Settled) -> Result<(), Failure> {
    let in_ci = context.environment.text("CI").is_some();
    let file = context.environment.get("GITHUB_ENV").filter(|file| !file.is_empty());
    match (file, asked, in_ci) {
        (Some(file), true, _) | (Some(file), _, true) => {
            hide_secrets(context, &settled.known.vars);
            writing::append(Path::new(file), &github::render(&settled.known.vars, &random::suffix))?;
            context.ui.step("Appended the vars to $GITHUB_ENV");
            Ok(())
        }
        (None, true, _) => Err(Failure::new("--export-ci needs GITHUB_ENV, which is not set")
            .hint("It is set in GitHub Actions; elsewhere read the env file: `set -a; . ./.localnet.env`")),
        _ => Ok(()),
    }
}

/// Tells GitHub's runner what is secret before it is in the environment: the log of each later step lists the variables.
pub(super) fn hide_secrets(context: &Context, vars: &[(String, String)]) {
    if context.environment.text("GITHUB_ACTIONS") != Some("true") {
        return;
    }
    for (_, value) in vars.iter().filter(|(name, value)| secret::masked(name, value).is_some()) {
        context.ui.step(&github::mask(value));
    }
}
