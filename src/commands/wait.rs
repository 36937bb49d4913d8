//! `silo wait`: until every resource is ready, judged from what Tilt itself says of each.

use std::time::{Duration, Instant};

use super::running;
use crate::backend::tilt;
use crate::core::text::source::one_line;
use crate::failure::Failure;
use crate::parts::context::Context;
use crate::sys::signals;

/// How often Tilt is asked.
const PAUSE: Duration = Duration::from_millis(300);

pub(super) fn run(context: &Context, timeout: u64) -> Result<u8, Failure> {
    let project = context.project()?;
    let Some((environment, _)) = running(context, &project)? else {
        return Err(Failure::new("No Tilt runs here").hint("Run `silo up -d` first"));
    };
    signals::watch();
    let start = Instant::now();
    let _spinner = context.ui.spin("Waiting for every resource to be ready");
    let mut before = Vec::new();
    loop {
        let waiting = match tilt::resources(&environment, &project.root) {
            Ok(resources) => {
                let waiting = tilt::unready(&resources, &before);
                before = resources;
                waiting
            }
            // Just started, it may not answer yet.
            Err(failure) if start.elapsed() > Duration::from_secs(timeout) => return Err(failure),
            Err(_) => {
                if super::running(context, &project)?.is_none() {
                    return Err(
                        Failure::new("Tilt has ended").hint("Look why: `silo logs`; start it again with `silo up -d`")
                    );
                }
                pause()?;
                continue;
            }
        };
        let Some(waiting) = waiting else { return Ok(0) };
        if start.elapsed() > Duration::from_secs(timeout) {
            return Err(Failure::new(format!("Not ready after {timeout} s: {}", one_line(&waiting)))
                .hint("Look why: `silo logs NAME`"));
        }
        pause()?;
    }
}

fn pause() -> Result<(), Failure> {
    std::thread::sleep(PAUSE);
    signals::check()
}
