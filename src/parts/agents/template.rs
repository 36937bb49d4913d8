//! Agents that are made from a template (D32): the user's own folder, trusted by its place. What is filled for a run is a copy of it.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::order::Order;
use super::origin::Origin;
use super::variables::Variables;
use crate::core::config::agent_template::{self, Template};
use crate::core::config::agents::{Agent, Lifetime, is_name};
use crate::core::config::{Settings, Text};
use crate::core::instance::fill;
use crate::core::text::glob::Globs;
use crate::core::text::source::one_line;
use crate::core::text::suggest::ticked;
use crate::failure::{Failure, shown, shown_from};
use crate::parts::context::Context;
use crate::store::agents::Place;
use crate::store::project::{CONFIG_NAME, Project};
use crate::store::templates;
use crate::sys::bring::{self, Arrival, Trip, Way};
use crate::sys::dirs::Dirs;
use crate::sys::writing;
use crate::sys::{files, trees};

/// Largest file that is filled, in bytes.
const LIMIT: u64 = 16 << 20;

/// The agent of a template, for a project with these settings; none where there is no template of that name.
///
/// # Errors
/// A [`Failure`] when the template has no such agent, is wrong, or asks for what the project does not have.
pub fn of_template(context: &Context, settings: &Settings, name: &str) -> Result<Option<(Agent, Origin)>, Failure> {
    let Some(folder) = templates::find(&context.dirs, name)? else { return Ok(None) };
    let file = Project::read(&folder.join(CONFIG_NAME))?;
    let shown_file = shown_from(&context.dirs.home, &file.file);
    let text = Failure::unless_text(&shown_file, &file.content)?;
    let wrong = |error| Failure::config(&error, &shown_file, text);
    if !is_name(name) {
        return Err(Failure::new(format!(
            "The template `{}` cannot be run: no agent can have this name",
            one_line(name)
        ))
        .hint("Rename its folder: 1 to 24 lower-case letters, digits and `-`, a letter first"));
    }
    let template = agent_template::read(text).map_err(wrong)?;
    let Some((table, agent)) = template.agent(name) else {
        let known: Vec<&str> = template.agents.keys().map(String::as_str).collect();
        return Err(match &known[..] {
            [] => Failure::new(format!("The template `{name}` has no agent"))
                .hint(format!("Add `[agents.{name}]` to `{shown_file}`: `silo doc agents`")),
            known => Failure::new(format!("The template `{name}` has several agents, and none is called `{name}`"))
                .hint(format!("Rename the one that is meant in `{shown_file}`: {}", ticked(known))),
        });
    };
    if agent.lifetime == Lifetime::Persistent {
        return Err(Failure::new(format!("The agent of the template `{name}` is persistent; only a project has such"))
            .hint(format!(
                "Copy `[agents.{table}]` of `{shown_file}` and its folders into the project, then `silo up -d`"
            ))
            .hint("Or remove its `lifetime`"));
    }
    agent_template::check(text, table, agent, settings).map_err(wrong)?;
    let (agent, table) = (agent.clone(), table.to_owned());
    let render = template.render.into_iter().map(|Text { value, .. }| value).collect();
    let origin = Origin::template(file, &table, render, shown_file);
    Ok(Some((agent, origin)))
}

/// The names of the templates that have an agent to run.
pub fn names(dirs: &Dirs) -> Vec<String> {
    templates::names(dirs).into_iter().filter(|name| is_runnable(dirs, name)).collect()
}

/// Whether a template has an agent that can be run by the template's name.
pub fn is_runnable(dirs: &Dirs, name: &str) -> bool {
    let read = || -> Option<Template> {
        let file = Project::read(&dirs.templates().join(name).join(CONFIG_NAME)).ok()?;
        agent_template::read(std::str::from_utf8(&file.content).ok()?).ok()
    };
    let is_transient = |agent: &Agent| agent.lifetime == Lifetime::Transient;
    is_name(name) && read().is_some_and(|template| template.agent(name).is_some_and(|(_, agent)| is_transient(agent)))
}

/// The folder in which `build` and `mounts` lie for a run: the project or the template as it is, or a copy that belongs to the run, where
/// files are filled. The template itself is never written to.
pub(super) fn folder(order: &Order<'_>, place: &Place, variables: &Variables) -> Result<PathBuf, Failure> {
    let origin = order.origin;
    if origin.render.is_empty() {
        return Ok(origin.root.clone());
    }
    let copy = place.work().join("template");
    files::make_folder(&copy)?;
    let ui = order.site.scope.context.ui;
    let left_out = |path: &Path, why: &str| ui.step(&format!("Left out of the template: `{}`: {why}", shown(path)));
    let trip = Trip { from: &origin.root, to: &copy };
    for (path, is_folder) in bring::entries(&origin.root).unwrap_or_default() {
        let Some(name) = path.file_name().map(Path::new) else { continue };
        match if is_folder { trip.folder(name, Way::Copy)? } else { trip.file(name, None, false)? } {
            Arrival::Here(skipped) => skipped.iter().for_each(|(path, why)| left_out(path, why)),
            Arrival::LeftOut(why) => left_out(name, why),
            Arrival::There | Arrival::Gone | Arrival::CannotClone => {}
        }
    }
    let globs = Globs::of(origin.render.iter().map(String::as_str));
    for path in trees::files_below(&copy).into_iter().filter(|path| !files::is_link(path)) {
        let name = path.strip_prefix(&copy).unwrap_or(&path);
        if name == Path::new(CONFIG_NAME) || is_of_build(name) || !globs.picks(name.as_os_str().as_bytes(), false) {
            continue;
        }
        let Ok(Some(content)) = files::read(&path, LIMIT) else {
            ui.step(&format!("Not filled: `{}`: it cannot be read, or is larger than 16 MiB", shown(name)));
            continue;
        };
        let filled = fill::fill(&content.bytes, |name| variables.fills(order, name));
        if filled.bytes != content.bytes {
            writing::replace_alike(&path, &filled.bytes)?;
        }
    }
    Ok(copy)
}

/// Whether a file says how an image is built: filled with a task of somebody else's words it would run what those say, outside of every
/// wall.
fn is_of_build(name: &Path) -> bool {
    let file = name.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    file.contains("dockerfile") || file.contains("containerfile") || file.ends_with(".dockerignore")
}
