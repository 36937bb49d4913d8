//! `silo logs`: what Tilt logs while it runs, and what it left when it ran in the background.

use super::running;
use crate::failure::Failure;
use crate::parts::context::Context;
use crate::sys::{cmd, files};

/// Longest log that is shown after Tilt has ended, in bytes.
const LIMIT: u64 = 64 * 1024 * 1024;

pub(super) fn run(context: &Context, follow: bool, resource: Option<&str>) -> Result<u8, Failure> {
    let project = context.project()?;
    let log = context.dirs.tilt_log(&project.root);
    match running(context, &project)? {
        Some((environment, _)) => {
            let mut words = vec!["logs".into()];
            words.extend(follow.then(|| "-f".into()));
            words.extend(resource.map(Into::into));
            Err(cmd::exec("tilt".as_ref(), &words, &environment, Some(&project.root)))
        }
        None => match files::read(&log, LIMIT)?.filter(|_| resource.is_none()) {
            Some(old) => context.ui.answer_bytes(&old.bytes).map(|()| 0),
            None => Err(Failure::new("No Tilt runs here, and none has left a log").hint("Run `silo up -d` first")),
        },
    }
}
