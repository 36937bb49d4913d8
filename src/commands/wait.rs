//! `silo wait`: until every declared part is ready, each asked in its own way.

use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::parts;
use crate::parts::context::Context;
use crate::parts::ready;
use crate::parts::scope::Scope;
use crate::store::ask::{Ask, Occasion};
use crate::sys::signals;

pub(super) fn run(context: &Context, timeout: Duration) -> Result<u8, Failure> {
    let project = context.project()?;
    let config = project.config()?;
    let scope = Scope::of(context, &project, &config, &Ask { occasion: Occasion::Cd, ..Ask::default() })?;
    let declared = parts::declared(&scope.settings, &project.root);
    let checks = declared.iter().map(|part| part.readiness(&scope)).collect::<Result<Vec<_>, _>>()?;
    let asked = declared.iter().zip(&checks).filter(|(_, check)| check.is_some()).map(|(part, _)| part.title());
    let titles = asked.collect::<Vec<_>>().join(" and ");
    signals::watch();
    let start = Instant::now();
    let spinner = context.ui.spin(&format!("Waiting until all is ready: {titles}"));
    for mut check in checks.into_iter().flatten() {
        ready::until_ready(&mut check, start, timeout)?;
    }
    drop(spinner);
    if !titles.is_empty() {
        context.ui.step(&format!("Ready: {titles}"));
    }
    Ok(0)
}
