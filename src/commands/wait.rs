//! `silo wait`: until every declared part is ready, each asked in its own way.

use std::time::{Duration, Instant};

use crate::core::text::source::one_line;
use crate::failure::Failure;
use crate::parts;
use crate::parts::context::Context;
use crate::parts::part::{Readiness, ReadyCheck};
use crate::parts::scope::Scope;
use crate::store::ask::{Ask, Occasion};
use crate::sys::signals;

/// How often a part is asked.
const PAUSE: Duration = Duration::from_millis(300);

pub(super) fn run(context: &Context, timeout: u64) -> Result<u8, Failure> {
    let project = context.project()?;
    let config = project.config()?;
    let scope = Scope::of(context, &project, &config, &Ask { occasion: Occasion::Cd, ..Ask::default() })?;
    let declared = parts::declared(&scope.settings, &project.root);
    let checks = declared.iter().map(|part| part.readiness(&scope)).collect::<Result<Vec<_>, _>>()?;
    signals::watch();
    let start = Instant::now();
    let _spinner = context.ui.spin("Waiting for every resource to be ready");
    for mut check in checks.into_iter().flatten() {
        until_ready(&mut check, start, timeout)?;
    }
    Ok(0)
}

/// Asks again and again; `timeout` in seconds counts from `start`, for all parts together.
fn until_ready(check: &mut ReadyCheck<'_>, start: Instant, timeout: u64) -> Result<(), Failure> {
    let is_over = || start.elapsed() > Duration::from_secs(timeout);
    loop {
        match check()? {
            Readiness::Ready => return Ok(()),
            Readiness::Silent(failure) if is_over() => return Err(failure),
            Readiness::Waiting(waiting) if is_over() => {
                return Err(Failure::new(format!("Not ready after {timeout} s: {}", one_line(&waiting)))
                    .hint("Look why: `silo logs NAME`"));
            }
            Readiness::Silent(_) | Readiness::Waiting(_) => {}
        }
        std::thread::sleep(PAUSE);
        signals::check()?;
    }
}
