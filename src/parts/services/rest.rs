//! Stopping services that nobody uses (D31): their containers stay, and with them what no volume has.

use std::ffi::OsString;

use super::observe::Observed;
use super::prepare::{Prepared, files_for};
use super::run::{compose, engine, finish};
use super::{share, subnet};
use crate::backend::engine::Container;
use crate::core::text::source::one_line;
use crate::failure::Failure;
use crate::parts::scope::Site;

/// Stops the services, unless somebody is inside one of them, or reaches them by a link.
pub(super) fn rest(site: &Site<'_>) -> Result<Option<String>, Failure> {
    let there = Observed::of(site).containers()?;
    let up: Vec<&Container> = there.iter().filter(|one| one.state == "running").collect();
    if up.is_empty() {
        return Ok(None);
    }
    let engine = engine(site);
    for one in up {
        if engine.has_session(&one.id)? {
            return Ok(Some(format!("a program runs in {}", one_line(&one.service))));
        }
    }
    let links = engine.links()?;
    let mut links = links.iter().filter(|link| link.to == site.scope.id).peekable();
    if links.peek().is_some() {
        let all = engine.containers(None)?;
        let uses = |project: &str| all.iter().any(|one| one.project == project && one.state == "running");
        if let Some(link) = links.find(|link| uses(&link.project)) {
            return Ok(Some(format!("`{}` is linked to it, and runs", one_line(&link.project))));
        }
    }
    let files = files_for(site.scope, &site.environment).and_then(|files| Prepared::of(site, files, &[]));
    let files = files.map(|prepared| prepared.files).unwrap_or_default();
    let words: &[&str] = if files.is_empty() { &["stop"] } else { &["--profile", "*", "stop"] };
    let words: Vec<OsString> = words.iter().map(Into::into).collect();
    share::disconnect(site)?;
    finish(&compose(site).with_files(&files, &words), "stop")?;
    share::retire(site)?;
    subnet::publish(site, &[])?;
    Ok(None)
}
