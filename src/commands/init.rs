//! `silo init`: a first `silo.toml` that fits what is there, trusted, with silo's own files git-ignored.

mod there;

use std::path::Path;

use crate::backend::engine::Engine;
use crate::core::config::DEFAULT_OUTPUT;
use crate::core::config::starter::Starter;
use crate::core::formats::{compose, dotenv};
use crate::core::instance::lockfile;
use crate::core::text::source::one_line;
use crate::failure::{Failure, quoted, shown};
use crate::parts::context::Context;
use crate::parts::part::Stage;
use crate::parts::services::Former;
use crate::parts::{self, extension, moved};
use crate::store::project::{CONFIG_NAME, Project};
use crate::store::{registry, trust};
use crate::sys::files;
use crate::sys::writing::{self, Writing};

const TEMPLATE: &str = include_str!("init/template.toml");
const BANNER: &str = include_str!("init/banner.txt");
/// What of the template says how to have a cluster.
const COMMENTED: &str = "# Optional k3d integration (uncomment to enable)\n# [k3d]\n# enabled = true\n";

pub(super) fn run(context: &Context, extension: bool) -> Result<u8, Failure> {
    let path = context.folder.join(context.config.as_deref().unwrap_or(Path::new(CONFIG_NAME)));
    if path.file_name().is_none() {
        return Err(
            Failure::new(format!("`{}` names no file", shown(&path))).hint("Name one: `silo init -c silo.toml`")
        );
    }
    if extension && files::exists(&path) {
        return extension::extend(context, &files::canonical(path.parent().unwrap_or(&context.folder))?).map(|()| 0);
    }
    if files::exists(&path) {
        return Err(
            Failure::new(format!("`{}` already exists", shown(&path))).hint("Edit it, or remove it to start over")
        );
    }
    let is_first = trust::is_new(&context.dirs);
    let folder = path.parent().and_then(|folder| files::canonical(folder).ok());
    let (starter, shared) = folder.map(|folder| there::look(&folder, &context.environment)).unwrap_or_default();
    writing::replace(&path, text(&starter).as_bytes(), Writing::SHARED)?;
    let project = Project::read(&path)?;
    let config = context.config.as_ref().map_or_else(String::new, |file| format!(" -c {}", quoted(file)));
    // A command that came with the project is a stranger's, perhaps: the user has not seen it.
    if let Some(act) = starter.cilo.as_ref().and_then(|cilo| cilo.init.as_ref()) {
        context.ui.step(&format!("Writing `{}`, not trusted yet", shown(&path)));
        context.ui.step(&format!(
            "`silo adopt` would run `{}`, which `.cilo/config.yml` says; look at it, then: `silo allow{config}`",
            one_line(act)
        ));
    } else {
        let untrusted = |failure: Failure| failure.hint("`silo.toml` is written; trust it with `silo allow`");
        trust::allow(&context.dirs, &project).map_err(untrusted)?;
        context.ui.step(&format!("Writing `{}`, trusted as it is (after an edit: `silo allow{config}`)", shown(&path)));
    }
    let by_hand = |failure: Failure| {
        let names = [lockfile::FILE_NAME, DEFAULT_OUTPUT].map(|name| format!("`{name}`")).join(" and ");
        failure.hint(format!("`silo.toml` is written and trusted; add {names} to `.gitignore` by hand"))
    };
    if ignore(&project.root, &[lockfile::FILE_NAME, DEFAULT_OUTPUT]).map_err(by_hand)? {
        context.ui.step("Adding silo's own files to `.gitignore`");
    }
    if extension {
        extension::extend(context, &project.root)?;
    }
    for one in &shared {
        context.ui.step(one);
    }
    if path.ends_with(CONFIG_NAME) && files::canonical(&context.dirs.home).is_ok_and(|home| home == project.root) {
        context.ui.warn(&format!(
            "This is the home folder: all below it is in this instance, but for projects of their own; `rm {}` ends that",
            quoted(&path)
        ));
    }
    if is_first && context.ui.width(&context.environment).is_some() {
        context.ui.answer(BANNER)?;
    }
    let settings = project.config()?.settings(None).expect("the base is always there");
    // A registry that cannot be read is for the command that needs it to say.
    let leases = registry::peek(&context.dirs).unwrap_or_default();
    let outside = context.outside();
    let engine = Engine::of(&outside, &project.root).soon();
    let published = || engine.publishers(None).unwrap_or_default();
    for line in moved::beforehand(&leases, &project.root, &settings.ports, published) {
        context.ui.step(&line);
    }
    if settings.compose.is_some() {
        match Former::of(&context.dirs, &project.root, &settings, &outside) {
            Ok(former) => former.lines().iter().for_each(|line| context.ui.step(line)),
            Err(failure) => context.ui.detail(&failure.what),
        }
    }
    context.ui.answer(&next(&project, &starter)?)?;
    Ok(0)
}

/// What is written: the template, where nothing was found.
fn text(starter: &Starter) -> String {
    let (head, _) = TEMPLATE.split_once("\nversion").expect("the template has one");
    match (starter.names().next().is_none() && starter.compose.is_none(), starter.cluster) {
        (true, false) => TEMPLATE.to_owned(),
        (true, true) => TEMPLATE.replace(COMMENTED, "[k3d]\nenabled = true\n"),
        (false, _) => {
            let (first, rest) = head.split_once('\n').expect("its head has several lines");
            starter.render(&format!("{first} from {}\n{rest}", starter.places.join(", ")))
        }
    }
}

/// Three lines: the ports and where they come from, what to look at next, and how to use them.
fn next(project: &Project, starter: &Starter) -> Result<String, Failure> {
    let settings = project.config()?.settings(None).expect("the base is always there");
    let ports: Vec<&str> = settings.ports.keys().map(String::as_str).collect();
    let list = if ports.is_empty() { "none is published".to_owned() } else { ports.join(", ") };
    let from = match starter.places.is_empty() {
        true => "examples; put the project's own there, then `silo allow`".to_owned(),
        false => {
            format!("from {}", starter.places.iter().map(|place| format!("`{place}`")).collect::<Vec<_>>().join(", "))
        }
    };
    let looked_into = compose::NAMES.iter().chain(&dotenv::NAMES);
    let there: Vec<String> =
        looked_into.filter(|name| files::exists(&project.root.join(name))).map(|name| format!("`{name}`")).collect();
    let look = match there.is_empty() {
        _ if starter.compose.is_some() => {
            "`silo compose` shows how each instance gets its own services, without an edit of the compose files"
                .to_owned()
        }
        true => "`silo env` leases them and shows them".to_owned(),
        false => format!("`silo doctor` says what every instance would share of {}", there.join(", ")),
    };
    // Nothing of it needs a terminal.
    let all_go_on = || parts::declared(&settings, &project.root).iter().all(|part| part.stage() == Stage::Foundation);
    let run = match parts::can_run(&settings, &project.root) {
        true if all_go_on() => "`silo up -d` starts what the project runs",
        true => "`silo up` starts what the project runs",
        false => "`cd` here with the shell hook (`silo hook --help`), or `silo exec -- CMD`",
    };
    Ok(format!("Ports: {list} ({from})\nNext: {look}\nThen: {run}\n"))
}

/// Adds silo's own files to `.gitignore` in a git work tree; true when something was added.
pub(super) fn ignore(root: &Path, names: &[&str]) -> Result<bool, Failure> {
    if !root.ancestors().any(|folder| files::exists(&folder.join(".git"))) {
        return Ok(false);
    }
    let path = root.join(".gitignore");
    // It may lead anywhere.
    if files::is_link(&path) {
        return Ok(false);
    }
    let old = files::read(&path, 1024 * 1024)?.map(|content| content.bytes).unwrap_or_default();
    let old = String::from_utf8_lossy(&old);
    let has = |name: &str| old.lines().any(|line| line.trim().trim_start_matches('/') == name);
    let missing: Vec<&str> = names.iter().copied().filter(|name| !has(name)).collect();
    if missing.is_empty() {
        return Ok(false);
    }
    let start = if old.is_empty() || old.ends_with('\n') { "" } else { "\n" };
    writing::append(&path, &format!("{start}{}\n", missing.join("\n")))?;
    Ok(true)
}
