//! `silo compose`: the override that isolates this instance's services, for the project's files or a list of others (D23).

use std::path::PathBuf;

use crate::failure::{Failure, shown};
use crate::parts::context::Context;
use crate::parts::scope::Scope;
use crate::parts::services;
use crate::store::ask::{Ask, Occasion};
use crate::sys::files;

pub(super) fn run(context: &Context, listed: &[PathBuf]) -> Result<u8, Failure> {
    let project = context.project()?;
    let config = project.config()?;
    let scope = Scope::of(context, &project, &config, &Ask { occasion: Occasion::Cd, ..Ask::default() })?;
    let site = scope.settle()?;
    let paths: Vec<PathBuf> = listed.iter().map(|file| context.folder.join(file)).collect();
    if let Some(missing) = paths.iter().find(|path| !files::is_file(path)) {
        return Err(Failure::new(format!("The compose file `{}` is not there", shown(missing)))
            .hint("Name files that are there, in the order in which compose merges them"));
    }
    let paths = if paths.is_empty() { services::files(&site)? } else { paths };
    let (text, notices) = services::override_text(&site, &paths)?;
    for notice in &notices {
        context.ui.step(notice);
    }
    context.ui.answer(text.trim_end()).map(|()| 0)
}
