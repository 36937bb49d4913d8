//! What an agent sees of this machine beside its clone: folders of the project or the template, and what the user's settings grant.
//! Never the engine's socket, the home folder, or where silo and its keys are.

use std::path::{Path, PathBuf};

use super::order::Order;
use super::outside::Outside;
use crate::core::agents::arguments::Bind;
use crate::core::config::user_agents::Grant;
use crate::core::text::source::one_line;
use crate::failure::{Failure, shown};
use crate::sys::files;

/// What is mounted for an agent; `root` has its own folders.
pub(super) fn binds(order: &Order<'_>, outside: &Outside, root: &Path) -> Result<Vec<Bind>, Failure> {
    let (origin, root) = (order.origin, files::canonical(root)?);
    let mut binds = Vec::new();
    for mount in &order.agent.mounts {
        let path = files::canonical(&root.join(&mount.from))?;
        // A link in it may lead anywhere.
        if !path.starts_with(&root) {
            let (key, word) = (origin.key("mounts"), origin.word());
            let what = format!("`{key}` leads out of the {word}: `{}`", one_line(&mount.from));
            return Err(origin
                .misfit(&what, &mount.span)
                .hint("Your own settings alone can give an agent more: `silo doc agents`"));
        }
        binds.push(Bind::read(&path, &mount.to));
    }
    for (from, to) in grants(order).iter().flat_map(|grant| &grant.mounts) {
        let path = files::canonical(&at_home(order, from))?;
        if let Some(why) = forbidden(order, outside, &path) {
            return Err(Failure::new(format!("An agent never sees `{}`: {why}", shown(&path)))
                .hint("Name another folder in `[[agents.grants]]` of your settings: `silo doc agents`"));
        }
        binds.push(Bind::read(&path, to));
    }
    Ok(binds)
}

/// What the user's settings grant an agent of this project.
pub(super) fn grants<'a>(order: &'a Order<'_>) -> Vec<&'a Grant> {
    let root = &order.site.scope.project.root;
    let is_in = move |folder: &str| root.starts_with(at_home(order, folder));
    order.site.scope.context.settings.agents.of(order.name, is_in).collect()
}

fn at_home(order: &Order<'_>, path: &str) -> PathBuf {
    match path.strip_prefix("~/") {
        Some(rest) => order.site.scope.context.dirs.home.join(rest),
        None => PathBuf::from(path),
    }
}

/// Why no agent sees a path, whoever grants it.
fn forbidden(order: &Order<'_>, outside: &Outside, path: &Path) -> Option<&'static str> {
    let dirs = &order.site.scope.context.dirs;
    let real = |path: &Path| files::canonical(path).unwrap_or_else(|_| path.to_path_buf());
    let holds = |other: &Path| real(other).starts_with(path);
    if holds(&dirs.home) {
        return Some("it is the home folder, or one above it");
    }
    for own in [&dirs.state, &dirs.config, &dirs.data] {
        if holds(own) || path.starts_with(real(own)) {
            return Some("silo and its keys are there");
        }
    }
    let sockets = [outside.engine().socket(), Some("/var/run/docker.sock".into()), Some("/run/docker.sock".into())];
    let is_engine = sockets.into_iter().flatten().any(|socket| holds(&socket));
    (is_engine || files::is_socket(path)).then_some("a socket there gives away the whole machine")
}
