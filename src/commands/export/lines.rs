//! The lines that a shell gets with a change.

use std::path::Path;

use super::super::activation_line::activation_line;
use super::visit::{Fate, Visit};
use crate::core::shell::activation::Undo;
use crate::core::shell::environment::Environment;
use crate::core::text::source::one_line;
use crate::failure::shown;
use crate::parts::context::{Context, copy_line};
use crate::store::project;

/// One line on a change, for somebody at a prompt: a script that evaluates this has an output of its own. And a second
/// one where `SILO_PROFILE` asks for what a `cd` may not do. Returns what was said.
pub(super) fn say(context: &Context, visit: &Visit, undo: Option<&Undo>, at_prompt: bool) -> Vec<String> {
    let (ui, mut lines) = (context.ui, Vec::new());
    match &visit.fate {
        Fate::Enter(known) => {
            if at_prompt {
                lines.extend(ui.hook(&activation_line(&known.name, &known.ports)));
                for (ports, why) in &visit.moved {
                    lines.extend(ui.hook(&format!("not {ports}, which {why}")));
                }
                let root = Path::new(known.get("SILO_ROOT").unwrap_or_default());
                if let Some(found) = &visit.found {
                    lines.extend(ui.hook(&format!(
                        "`{}` is `{}` under another path: one folder, one instance",
                        shown(found),
                        shown(root)
                    )));
                }
                if let Some(top) = context.worktree_without_config(root) {
                    lines.extend(ui.hook(&format!(
                        "`{}` has no `silo.toml`: this is the instance of `{}`; for one of its own: `{}`",
                        shown(&top),
                        shown(root),
                        copy_line(&root.join(project::CONFIG_NAME), &top)
                    )));
                }
            }
            // What is not set here is not set outside either.
            let outside = context.environment.get("SILO_PROFILE").map(|_| context.outside());
            let asked = outside
                .as_ref()
                .and_then(|outside| outside.text("SILO_PROFILE"))
                .filter(|asked| known.profile.as_deref() != Some(asked));
            if let Some(asked) = asked {
                let current = known.profile.as_deref().unwrap_or("none");
                lines.extend(ui.hook(&format!(
                    "SILO_PROFILE={} is not this instance's profile ({current}); `silo env --force` switches",
                    one_line(asked)
                )));
            }
        }
        Fate::Leave if at_prompt => lines.extend(ui.hook(&format!("left {}", name_in(&context.environment, undo)))),
        Fate::LetGo if at_prompt => {
            let name = name_in(&context.environment, undo);
            lines.extend(ui.hook(&format!(
                "left {name}, whose leases are free; `silo env` or the next `cd` into it takes new ones"
            )));
        }
        Fate::Leave | Fate::LetGo | Fate::Stay => {}
    }
    lines
}

/// The name of the instance that an activation made hold.
pub(super) fn name_in(environment: &Environment, undo: Option<&Undo>) -> String {
    let given = undo.and_then(|undo| undo.entries.iter().find(|entry| entry.name == "SILO_WORKSPACE"));
    let name = given.filter(|entry| entry.holds(environment)).and_then(|entry| environment.get(&entry.name));
    one_line(&name.map_or_else(|| "the instance".into(), |name| name.to_string_lossy()))
}
