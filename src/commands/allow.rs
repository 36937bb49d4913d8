//! `silo allow`: trust this `silo.toml` as it is now (design D6).

use similar::TextDiff;

use super::Context;
use crate::core::source::printable;
use crate::failure::{Failure, shown};
use crate::store::trust;

pub(super) fn run(context: &Context) -> Result<u8, Failure> {
    let project = context.project()?;
    project.config()?;
    if let Some(last) = trust::last_allowed(&context.dirs, &project)?.filter(|last| *last != project.content) {
        let (old, new) = (String::from_utf8_lossy(&last), String::from_utf8_lossy(&project.content));
        let diff = TextDiff::from_lines(old.as_ref(), new.as_ref());
        let unified = diff.unified_diff().context_radius(1).header("last allowed", "now").to_string();
        unified.lines().for_each(|line| context.ui.step(&printable(line)));
    }
    let others = trust::allow(&context.dirs, &project)?;
    let also = match others {
        0 => String::new(),
        1 => " (and the same content in 1 other worktree)".to_owned(),
        many => format!(" (and the same content in {many} other worktrees)"),
    };
    context.ui.step(&format!("Allowed `{}`{also}", shown(&project.file)));
    Ok(0)
}
