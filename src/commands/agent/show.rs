//! What a run prints and found, and a command in its container.

use std::ffi::OsString;

use serde_json::json;

use crate::core::agents::record::{Run, Stage};
use crate::core::text::source::{one_line, size};
use crate::failure::{Failure, code, shown};
use crate::parts::agents;
use crate::parts::context::Context;
use crate::store::agents::Place;
use crate::sys::{cmd, files, signals, trees};

/// Largest log that is shown at once, in bytes.
const LOG: u64 = 64 << 20;

pub(super) fn logs(context: &Context, run: &Run, follow: bool) -> Result<u8, Failure> {
    signals::watch();
    if run.stage < Stage::Ended && agents::show_log(context, run, follow)? {
        return Ok(0);
    }
    let path = Place::of(&context.dirs, &run.id).log();
    let Some(kept) = files::read(&path, LOG)? else {
        return Err(
            Failure::new(format!("The run `{}` has left no log", run.id)).hint("See how it ended: `silo agent list`")
        );
    };
    agents::shown(context, &kept.bytes)?;
    Ok(0)
}

pub(super) fn exec(context: &Context, run: &Run, command: &[OsString]) -> Result<u8, Failure> {
    if command.is_empty() {
        return Err(Failure::new("`silo agent exec` needs a command")
            .hint(format!("Write it behind `--`: `silo agent exec {} -- sh`", run.id))
            .code(code::USAGE));
    }
    if run.stage != Stage::Running {
        return Err(Failure::new(format!("The run `{}` is {}", run.id, run.stage.word()))
            .hint("See what goes on: `silo agent list`"));
    }
    let is_terminal = context.ui.is_at_terminal();
    let (program, words, environment) = agents::exec_words(context, run, is_terminal, command);
    Err(cmd::exec(program.as_ref(), &words, &environment, None))
}

pub(super) fn findings(context: &Context, run: &Run, as_json: bool) -> Result<u8, Failure> {
    let place = Place::of(&context.dirs, &run.id);
    // Of one that goes on nothing is read: it may change below the reader.
    if run.stage < Stage::Kept {
        return Err(Failure::new(format!(
            "The run `{}` is {}; what it found is read when it has ended",
            run.id,
            run.stage.word()
        ))
        .hint(format!("End it: `silo agent stop {}`", run.id)));
    }
    let folder = place.findings();
    let mut all = trees::files_below(&folder);
    all.sort();
    let listed = all.iter().map(|path| {
        let name = path.strip_prefix(&folder).unwrap_or(path);
        (one_line(&shown(name)), files::look(path).map_or(0, |(_, size, _)| size))
    });
    if as_json {
        let entries: Vec<_> = listed.map(|(name, size)| json!({ "name": name, "bytes": size })).collect();
        context.ui.answer_json(&json!({ "folder": folder, "files": entries }))?;
        return Ok(0);
    }
    if all.is_empty() {
        context.ui.step(&format!("The run `{}` found nothing", run.id));
        return Ok(0);
    }
    let lines: Vec<String> = listed.map(|(name, bytes)| format!("{name}  ({})\n", size(bytes))).collect();
    context.ui.step(&format!("In `{}`:", shown(&folder)));
    context.ui.answer(&lines.concat())?;
    Ok(0)
}
