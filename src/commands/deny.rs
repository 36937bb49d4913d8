//! `silo deny`: take the trust in this `silo.toml` back (D6).

use std::path::Path;

use crate::core::text::source::counted;
use crate::failure::{Failure, quoted, shown};
use crate::parts::context::Context;
use crate::store::trust;

pub(super) fn run(context: &Context, path: Option<&Path>) -> Result<u8, Failure> {
    let project = context.project_named(path)?;
    let (lost, others) = trust::deny(&context.dirs, &project)?;
    let allow = path.map_or_else(|| "silo allow".to_owned(), |path| format!("silo allow {}", quoted(path)));
    context.ui.step(&format!("Denied `{}`; its leases stay; `{allow}` undoes that", shown(&project.file)));
    if lost > 0 {
        let them = counted(lost, "other worktree");
        context.ui.step(&format!("The same content in {them} is not trusted any more either"));
    }
    if others.allowed > 0 {
        let (were, stay) = if others.allowed == 1 { ("was", "stays") } else { ("were", "stay") };
        let them = counted(others.allowed, "other worktree");
        context.ui.step(&format!("{them} {were} allowed separately and {stay} trusted: `silo deny` there"));
    }
    Ok(0)
}
