//! `silo logs`: what the parts log while they run, and what one left that ran in the background.

use crate::core::text::source::one_line;
use crate::failure::Failure;
use crate::parts;
use crate::parts::context::Context;
use crate::parts::part::Log;
use crate::parts::scope::Scope;
use crate::store::ask::{Ask, Occasion};

pub(super) fn run(context: &Context, follow: bool, resource: Option<&str>) -> Result<u8, Failure> {
    let project = context.project()?;
    let config = project.config()?;
    let scope = Scope::of(context, &project, &config, &Ask { occasion: Occasion::Cd, ..Ask::default() })?;
    // What was started last knows most: it may show what the others log too.
    for part in parts::ALL.iter().rev() {
        if let Some(code) = part.logs(&scope, Log { follow, resource })? {
            return Ok(code);
        }
    }
    Err(match resource {
        Some(name) => Failure::new(format!("There is no log of `{}`", one_line(name)))
            .hint("See what runs: `silo status`; all of its logs: `silo logs`"),
        None => Failure::new("Nothing that logs runs here, and nothing has left a log").hint("Run `silo up -d` first"),
    })
}
