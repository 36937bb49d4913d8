//! `silo adopt`: fill a worktree that others made (D30).

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::failure::{Failure, shown};
use crate::parts::context::Context;
use crate::parts::workspace::furnish::furnish;
use crate::parts::workspace::source;
use crate::parts::workspace::work::{How, Outcome};
use crate::sys::files;

pub(super) fn run(context: &Context, folder: Option<&Path>, slow: bool, json: bool) -> Result<u8, Failure> {
    let folder =
        folder.map_or_else(|| Ok(context.folder.clone()), |folder| files::canonical(&context.folder.join(folder)))?;
    let project = context.project_in(&folder)?;
    let source = source::of(&project.root);
    let done = furnish(context, &project, source.as_deref(), How { slow })?;
    if json {
        let paths = |paths: &[PathBuf]| paths.iter().map(|path| json!(path.to_string_lossy())).collect::<Vec<_>>();
        let left_out: Vec<_> =
            done.left_out.iter().map(|(path, why)| json!({ "path": path.to_string_lossy(), "why": why })).collect();
        context.ui.answer_json(&json!({
            "instance": done.instance,
            "root": project.root_text(),
            "source": source.as_deref().map(Path::to_string_lossy),
            "copied": paths(&done.copied),
            "cloned": paths(&done.cloned),
            "rendered": paths(&done.rendered),
            "ran": done.ran,
            "leftOut": left_out,
        }))?;
        return Ok(0);
    }
    let Outcome { copied, cloned, rendered, ran, .. } = &done;
    if copied.is_empty() && cloned.is_empty() && rendered.is_empty() && ran.is_empty() {
        context.ui.step("Everything is there already");
    }
    context.ui.answer(&format!("Instance: {} in {}\n", done.instance, shown(&project.root)))?;
    Ok(0)
}
