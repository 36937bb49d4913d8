//! What is said of a run that has ended.

use crate::core::agents::record::Run;
use crate::core::text::source::{counted, one_line};
use crate::parts::context::Context;

/// Says how a run ended.
pub(super) fn tell(context: &Context, run: &Run) {
    let Some(end) = &run.end else { return };
    let why = if end.why.is_empty() { String::new() } else { format!(": {}", end.why) };
    context.ui.step(&format!("The agent `{}` ended with exit code {}{why}", run.id, end.code));
    if let Some(branch) = &end.branch {
        let commits = usize::try_from(end.commits).unwrap_or(usize::MAX);
        context.ui.step(&format!("Its work is on the branch `{branch}`: {}", counted(commits, "commit")));
    }
    if end.findings > 0 {
        let files = counted(end.findings, "file");
        context.ui.step(&format!("It found something, in {files}: `silo agent findings {}`", run.id));
    }
    for skipped in &end.skipped {
        context.ui.step(&format!("Not all of it came home: {}", one_line(skipped)));
    }
}
