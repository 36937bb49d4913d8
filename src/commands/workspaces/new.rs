//! `silo new`: make a workspace, and run a command in it.

use std::ffi::OsString;
use std::path::Path;

use serde_json::json;

use super::furnished::{self, Inside};
use super::origin::Origin;
use super::{copied, made, named, removal};
use crate::cli::NewArgs;
use crate::core::text::source::one_line;
use crate::core::workspaces::record::{Kind, Stage, Workspace};
use crate::failure::{Failure, shown};
use crate::parts::context::{COMMAND_WAIT, Context};
use crate::parts::enter;
use crate::store::workspaces;
use crate::sys::cmd;
use crate::sys::files;
use crate::sys::lock::{self, Wait};
use crate::sys::signals;

/// Which workspace is wanted.
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) from: Option<&'a str>,
    pub(super) copy: bool,
    pub(super) template: Option<&'a str>,
    /// Whether one that is there is an answer.
    pub(super) may_be_there: bool,
}

pub(in super::super) fn run(context: &Context, arguments: &NewArgs) -> Result<u8, Failure> {
    let NewArgs { name, from, copy, template, json, command } = arguments;
    signals::watch();
    let wanted =
        Wanted { name, from: from.as_deref(), copy: *copy, template: template.as_deref(), may_be_there: false };
    let (workspace, inside) = obtain(context, &wanted)?;
    if let Some((program, words)) = command.split_first() {
        tell(context, &workspace, &inside);
        return Err(run_in(&inside, program, words));
    }
    if *json {
        return context.ui.answer_json(&object(&workspace, &inside)).map(|()| 0);
    }
    let folder = shown(Path::new(&workspace.folder));
    let mut text = format!("Workspace: {}\nFolder: {folder}\n", one_line(&workspace.name));
    text.push_str(&format!("Instance: {}\n", inside.settled.known.name));
    context.ui.answer(&text)?;
    context.ui.step(&format!("Go there: `silo cd {}`", shell_words::quote(&one_line(&workspace.name))));
    Ok(0)
}

fn run_in(inside: &Inside, program: &OsString, words: &[OsString]) -> Failure {
    let environment = enter::inside(&inside.context, &inside.project, &inside.settled);
    cmd::exec(program, words, &environment, Some(&inside.project.root))
}

/// Says of a workspace that a command runs in where it is.
pub(super) fn tell(context: &Context, workspace: &Workspace, inside: &Inside) {
    let name = one_line(&workspace.name);
    context.ui.step(&format!("Workspace: {name}, in `{}`", shown(&inside.project.root)));
}

fn object(workspace: &Workspace, inside: &Inside) -> serde_json::Value {
    json!({
        "workspace": workspace.name,
        "kind": workspace.kind,
        "origin": workspace.origin,
        "folder": workspace.folder,
        "root": inside.project.root_text(),
        "branch": (workspace.kind == Kind::Worktree).then_some(&workspace.name),
        "base": workspace.base,
        "created": workspace.created,
        "instance": inside.settled.known.name,
        "ports": inside.settled.known.ports,
    })
}

/// Makes a workspace, finishes one that was half made, or takes the one that is there.
///
/// # Errors
/// A [`Failure`] of what is in the way, with exit code 3 where its `silo.toml` is not trusted.
pub(super) fn obtain(context: &Context, wanted: &Wanted<'_>) -> Result<(Workspace, Inside), Failure> {
    let origin = origin(context, wanted)?;
    let name = wanted.name;
    let place = workspaces::place(&context.dirs, origin.text()?, name);
    let wait = Wait { limit: COMMAND_WAIT, tell: &|text| context.ui.step(text) };
    let busy = |holder| {
        Failure::new(format!("The workspace `{}` is being made or removed{holder}", one_line(name)))
            .hint("Wait for it, then run this again")
    };
    lock::hold(&workspaces::lock_of(&place), "the other `silo`", &wait, busy, || {
        let done = held(context, wanted, &origin, &place);
        if workspaces::load(&place).is_ok_and(|record| record.is_none()) {
            // Nothing was made.
            let _ = workspaces::forget(&place);
        }
        done
    })
}

/// From what it is made: what silo was called in. Elsewhere one that is there already tells that itself.
pub(super) fn origin(context: &Context, wanted: &Wanted<'_>) -> Result<Origin, Failure> {
    if let Some(template) = wanted.template {
        return Ok(Origin::copy_of(Kind::Template, copied::template(context, template)?));
    }
    Origin::of(context, wanted.copy).or_else(|failure| match named::find(context, wanted.name) {
        Ok(known) if wanted.may_be_there => Ok(Origin::copy_of(known.kind, known.origin.into())),
        _ => Err(failure),
    })
}

fn held(context: &Context, wanted: &Wanted<'_>, origin: &Origin, place: &Path) -> Result<(Workspace, Inside), Failure> {
    let known = match workspaces::load(place)? {
        Some(known) => settle_stage(context, wanted, known)?,
        None => None,
    };
    let mut workspace = match known {
        Some(known) => known,
        None => made::make(context, origin, wanted.name, wanted.from)?,
    };
    let inside = furnished::furnish(context, &mut workspace, &origin.source)?;
    Ok((workspace, inside))
}

/// What becomes of one that is recorded: none where it is to be made again.
fn settle_stage(context: &Context, wanted: &Wanted<'_>, known: Workspace) -> Result<Option<Workspace>, Failure> {
    let name = one_line(&known.name);
    let folder = Path::new(&known.folder);
    match known.stage {
        Stage::Making => {
            context.ui.step(&format!("Making `{name}` again, which was half made"));
            made::take_back(context, &known).map(|()| None)
        }
        Stage::Removing => {
            context.ui.step(&format!("Removing what is left of `{name}`, which was half removed"));
            removal::finish(context, &known).map(|()| None)
        }
        Stage::Furnishing if files::exists(folder) => Ok(Some(known)),
        Stage::There if files::exists(folder) && wanted.may_be_there => Ok(Some(known)),
        Stage::There if files::exists(folder) => {
            let quoted = shell_words::quote(&name);
            Err(Failure::new(format!("The workspace `{name}` already exists, in `{}`", shown(folder)))
                .hint(format!("Go there: `silo cd {quoted}`"))
                .hint(format!("Or run something in it: `silo run {quoted} -- CMD`")))
        }
        Stage::There | Stage::Furnishing => {
            context.ui.step(&format!("The folder of `{name}` is gone; making it again"));
            removal::finish(context, &known).map(|()| None)
        }
    }
}
