//! `silo templates`: from what `silo new NAME --template T` makes a workspace.

use serde_json::{Value, json};

use super::copied;
use crate::core::text::source::one_line;
use crate::failure::{Failure, shown_from};
use crate::parts::context::Context;

pub(in super::super) fn run(context: &Context, as_json: bool) -> Result<u8, Failure> {
    let all = copied::templates(context);
    let folder = context.dirs.templates();
    if as_json {
        let object = |name: &String| json!({ "template": name, "folder": folder.join(name) });
        context.ui.answer_json(&Value::Array(all.iter().map(object).collect()))?;
        return Ok(0);
    }
    let names: Vec<String> = all.iter().map(|name| one_line(name)).collect();
    let text = match &names[..] {
        [] => {
            let folder = shown_from(&context.dirs.home, &folder);
            format!("No template yet. A template is a folder with a `silo.toml` in `{folder}`.")
        }
        names => names.join("\n"),
    };
    context.ui.answer(&format!("{text}\n"))?;
    Ok(0)
}
