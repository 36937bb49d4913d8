//! `silo templates`: what workspaces and agents are made from.

use serde_json::{Value, json};

use crate::core::text::columns::{Cell, table};
use crate::core::text::source::one_line;
use crate::failure::{Failure, shown_from};
use crate::parts::agents::template;
use crate::parts::context::Context;
use crate::store::project::{CONFIG_NAME, Project};
use crate::store::templates;

const HEADS: [&str; 2] = ["TEMPLATE", "MAKES"];

pub(in super::super) fn run(context: &Context, as_json: bool) -> Result<u8, Failure> {
    let folder = context.dirs.templates();
    let all: Vec<(String, Vec<&str>)> =
        templates::names(&context.dirs).into_iter().map(|name| (name.clone(), makes(context, &name))).collect();
    if as_json {
        let object = |(name, makes): &(String, Vec<&str>)| json!({ "template": name, "folder": folder.join(name), "makes": makes });
        context.ui.answer_json(&Value::Array(all.iter().map(object).collect()))?;
        return Ok(0);
    }
    if all.is_empty() {
        let folder = shown_from(&context.dirs.home, &folder);
        context.ui.answer(&format!("No template yet. A template is a folder with a `silo.toml` in `{folder}`.\n"))?;
        return Ok(0);
    }
    let row = |(name, makes): &(String, Vec<&str>)| {
        let makes =
            if makes.is_empty() { "nothing: its `silo.toml` has a mistake".to_owned() } else { makes.join(", ") };
        vec![Cell::plain(&one_line(name)), Cell::plain(&makes)]
    };
    let rows: Vec<Vec<Cell>> = all.iter().map(row).collect();
    context.ui.lines(&table(&HEADS, &rows, context.ui.width(&context.environment)))?;
    Ok(0)
}

/// What can be made from a template: a workspace where its `silo.toml` can stand alone, an agent where it has one.
fn makes(context: &Context, name: &str) -> Vec<&'static str> {
    let file = context.dirs.templates().join(name).join(CONFIG_NAME);
    let stands_alone = Project::read(&file).and_then(|project| project.config()).is_ok();
    let is_runnable = template::is_runnable(&context.dirs, name);
    [("workspaces", stands_alone), ("agents", is_runnable)]
        .into_iter()
        .filter(|(_, is)| *is)
        .map(|(word, _)| word)
        .collect()
}
