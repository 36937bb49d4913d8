//! `silo logs`: what the parts log while they run, and what one left that ran in the background.

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
    let with_logs = parts::ALL.iter().filter(|part| part.keeps_terminal()).map(|part| part.title());
    let titles = with_logs.collect::<Vec<_>>().join(" and no ");
    Err(Failure::new(format!("No {titles} runs here, and none has left a log")).hint("Run `silo up -d` first"))
}
