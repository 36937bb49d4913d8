//! `silo profiles`: the names below `[profiles]`.

use serde_json::json;

use crate::failure::Failure;
use crate::parts::context::Context;

pub(super) fn run(context: &Context, json: bool) -> Result<u8, Failure> {
    let project = context.project()?;
    let config = project.config()?;
    let active = project.lockfile()?.and_then(|(lockfile, _)| lockfile.instance.profile);
    if json {
        let profiles: Vec<_> = config.profiles.keys().collect();
        context.ui.answer_json(&json!({ "profiles": profiles, "active": active }))?;
        return Ok(0);
    }
    if config.profiles.is_empty() {
        context.ui.answer("No profiles defined\n")?;
        return Ok(0);
    }
    let mut text = String::from("Available profiles:\n");
    for name in config.profiles.keys() {
        let mark = if active.as_deref() == Some(name) { " (active)" } else { "" };
        text.push_str(&format!("  {name}{mark}\n"));
    }
    context.ui.answer(&text)?;
    Ok(0)
}
