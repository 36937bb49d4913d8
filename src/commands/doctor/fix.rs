//! What `--fix` does: each act says what it did, and one that finds nothing to do any more says so. All of them work
//! under the registry's lock, or on what no other run of silo touches.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::init;
use super::root;
use crate::backend::engine::Engine;
use crate::core::instance::lockfile::FILE_NAME;
use crate::core::text::digest;
use crate::core::text::source::counted;
use crate::failure::{Failure, shown};
use crate::parts::context::Context;
use crate::parts::finding::{Fix, Outcome};
use crate::parts::{dns, names};
use crate::store::ask::{Ask, Occasion};
use crate::store::instances::{self};
use crate::store::project::{self, CONFIG_NAME, Project};
use crate::store::registry;
use crate::sys::files;
use crate::sys::lock::Wait;
use crate::sys::processes;

/// How long each act waits for the registry.
const PATIENCE: Duration = Duration::from_secs(2);

/// Does what is to be done, and tells it.
pub(super) fn apply(context: &Context, here: Option<&Project>, fix: &Fix) -> Result<Outcome, Failure> {
    let wait = Wait { limit: PATIENCE, tell: &|text| context.ui.step(text) };
    // The project here may have another config file than its root's usual one.
    let project = |root: &Path| match here.filter(|here| here.root == root) {
        Some(here) => Ok(here.clone()),
        None => Project::read(&root.join(CONFIG_NAME)),
    };
    let done = match fix {
        Fix::Repair => repair(context, &wait)?,
        Fix::Rewrite => registry::with_lock(&context.dirs, &wait, |locked| {
            for instance in &mut locked.leases.instances {
                instance.id = digest::root_id(instance.root.as_bytes());
            }
            locked.save()?;
            Ok(format!("wrote it again with {}", counted(locked.leases.instances.len(), "instance")))
        })?,
        Fix::Private(path) => {
            files::make_private(path);
            if files::mode(path) != Some(0o600) {
                return Ok(Outcome::Failed("its permissions could not be changed".to_owned()));
            }
            "only its owner can read and write it now".to_owned()
        }
        Fix::Settle(root) => settle(context, &project(root)?, &wait)?,
        Fix::PutAside(root) => {
            let lockfile = root.join(FILE_NAME);
            let moved = registry::with_lock(&context.dirs, &wait, |_| {
                root::is_damaged(&lockfile).then(|| files::put_aside(&lockfile)).transpose()
            })?;
            match moved.flatten() {
                Some(aside) => format!("moved it to `{}`", shown(&aside)),
                None if project::lockfile_of(root).is_ok() => "it can be read again, or is gone".to_owned(),
                None => return Ok(Outcome::Failed("it is out of reach now, and stays where it is".to_owned())),
            }
        }
        Fix::ForgetProcess(root, pid) => {
            let project = project(root)?;
            // Looked at before the registry's lock is taken: on macOS a program tells.
            let gone = project.lockfile()?.and_then(|(lockfile, _)| lockfile.instance.process());
            let gone = gone.filter(|record| record.pid == *pid && processes::recorded(record, root).is_none());
            instances::note(&context.dirs, &project, &wait, |state| {
                if gone.is_some() && state.process() == gone {
                    state.record(None);
                }
            })?;
            "the lockfile no longer names it".to_owned()
        }
        Fix::Names(root) => {
            let outside = context.outside();
            let containers = Engine::of(&outside, Path::new("/")).containers(None)?;
            registry::with_lock(&context.dirs, &wait, |locked| match locked.leases.at(&root.to_string_lossy()) {
                Some(instance) => names::publish(&context.dirs, instance, &containers).map(|_| ()),
                None => Ok(()),
            })?;
            "wrote where they lead now".to_owned()
        }
        Fix::Dns => {
            dns::up(&context.dirs, &context.settings.network, &context.outside())?;
            "started it".to_owned()
        }
        Fix::Remove(path) => files::remove(path).map(|()| "removed it".to_owned())?,
        Fix::Ignore(root, names) => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            if !init::ignore(root, &names)? {
                return Ok(Outcome::Failed("`.gitignore` is a link, or names it and takes it back".to_owned()));
            }
            "added to `.gitignore`".to_owned()
        }
    };
    Ok(Outcome::Done(done))
}

fn settle(context: &Context, project: &Project, wait: &Wait<'_>) -> Result<String, Failure> {
    let ask = Ask { occasion: Occasion::Cd, ..Ask::default() };
    let settled = context.settle_with(project, &project.config()?, &ask, wait)?;
    let name = |path: &PathBuf| format!("`{}`", shown(path.strip_prefix(&project.root).unwrap_or(path)));
    let written: Vec<String> = settled.written.iter().map(name).collect();
    let files = if written.is_empty() { String::new() } else { format!(", wrote {}", written.join(" and ")) };
    Ok(format!("settled `{}`{files}", settled.known.name))
}

fn repair(context: &Context, wait: &Wait<'_>) -> Result<String, Failure> {
    let Some(repaired) = registry::repair(&context.dirs, wait)? else { return Ok("it can be read again".to_owned()) };
    let many = counted(repaired.rebuilt.leases.instances.len(), "instance");
    let Some(aside) = &repaired.aside else { return Ok(format!("it can be read again: {many}")) };
    let made = format!("moved it to `{}` and made it again from it and from lockfiles: {many}", shown(aside));
    Ok(std::iter::once(made).chain(repaired.rebuilt.disputed).collect::<Vec<_>>().join("; "))
}
