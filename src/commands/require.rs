//! `silo require`: for whatever must not run outside an instance.

use crate::core::text::source::one_line;
use crate::failure::{Failure, code};
use crate::parts::context::Context;

pub(super) fn run(context: &Context) -> Result<u8, Failure> {
    // Outside every project no instance is active either.
    let project = context.project().map_err(|failure| failure.code(code::NOT_ACTIVE))?;
    let active = context.environment.text("SILO_ACTIVE") == Some("1");
    let here = context.environment.text("SILO_ROOT") == Some(project.root_text());
    match (active, here) {
        (true, true) => Ok(0),
        (true, false) => Err(Failure::new(format!(
            "The active instance belongs to `{}`",
            one_line(context.environment.text("SILO_ROOT").unwrap_or("another project"))
        ))
        .hint("Run `silo exec -- COMMAND` here")
        .code(code::NOT_ACTIVE)),
        (false, _) => Err(Failure::new("Not inside an active instance")
            .hint("Run `silo exec -- COMMAND`, or `silo shell`, or load the shell hook: `silo hook --help`")
            .code(code::NOT_ACTIVE)),
    }
}
