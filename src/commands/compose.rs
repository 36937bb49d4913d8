//! `silo compose`: the override that isolates this instance's services, for the project's files or a list of others (D23).

use std::ffi::OsString;
use std::path::PathBuf;

use crate::cli::ComposeArgs;
use crate::failure::{Failure, shown};
use crate::parts::context::Context;
use crate::parts::scope::Scope;
use crate::parts::services;
use crate::store::ask::{Ask, Occasion};
use crate::sys::files;

pub(super) fn run(context: &Context, arguments: &ComposeArgs) -> Result<u8, Failure> {
    let project = context.project()?;
    let config = project.config()?;
    let scope = Scope::of(context, &project, &config, &Ask { occasion: Occasion::Cd, ..Ask::default() })?;
    if arguments.pass_on && scope.settings.compose.is_none() {
        return Ok(0);
    }
    let site = scope.settle()?;
    let there = |file: &PathBuf| {
        let path = context.folder.join(file);
        match files::is_file(&path) {
            true => Ok(path),
            false => Err(Failure::new(format!("The compose file `{}` is not there", shown(&path)))
                .hint("Name files that are there, in the order in which compose merges them")),
        }
    };
    let paths = arguments.files.iter().map(there).collect::<Result<Vec<_>, _>>()?;
    let paths = if paths.is_empty() { services::files(&site)? } else { paths };
    let env_files = arguments.env_files.iter();
    let flags: Vec<OsString> =
        env_files.flat_map(|file| ["--env-file".into(), context.folder.join(file).into_os_string()]).collect();
    let made = services::override_of(&site, &paths, &flags, arguments.pass_on)?;
    for notice in &made.notices {
        context.ui.step(notice);
    }
    context.ui.answer(made.text.trim_end()).map(|()| 0)
}
