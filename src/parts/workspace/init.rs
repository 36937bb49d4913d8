//! `init`: commands that run once inside the instance. What they print is the user's alone: silo keeps none of it.

use super::source::Ignored;
use super::work::Work;
use crate::core::text::digest;
use crate::failure::{Failure, quoted};
use crate::sys::cmd::{Cmd, Ended};
use crate::sys::signals;

pub(super) fn all(work: &mut Work<'_>) -> Result<(), Failure> {
    let acts: Vec<String> = work.settings.workspace.init.iter().flatten().map(|text| text.value.clone()).collect();
    let is_due = |work: &Work<'_>, act: &String| !work.placed.done.contains(&digest::of(act.as_bytes()));
    if !acts.iter().any(|act| is_due(work, act)) {
        return Ok(());
    }
    let root = work.root().to_owned();
    let before = Ignored::of(&root, &work.outside)?;
    let mut done = Ok(());
    for act in acts {
        if is_due(work, &act) {
            done = one(work, &act);
            if done.is_err() {
                break;
            }
            work.placed.done.push(digest::of(act.as_bytes()));
            work.save()?;
            work.outcome.ran.push(act);
        }
    }
    // What they made can be made again: it does not keep the worktree from being removed.
    let now = Ignored::of(&root, &work.outside)?;
    for place in now.new_since(&before) {
        if !work.is_own(place) {
            work.placed.note(&root, place);
        }
    }
    done
}

fn one(work: &Work<'_>, act: &str) -> Result<(), Failure> {
    work.context.ui.step(&format!("Running {act}"));
    let environment = work.inside();
    // Their answers are the story here: standard output is silo's own.
    let arguments = vec!["-c".into(), "exec sh -c \"$1\" >&2".into(), "sh".into(), act.into()];
    let cmd = Cmd { program: "sh", arguments, environment: &environment, folder: work.root() };
    let ended = cmd.run(|_| Ok(()))?;
    let again = format!("The worktree is kept; once that is fixed, go on with `silo adopt {}`", quoted(work.root()));
    if let Some(asked) = signals::asked() {
        return Err(Failure::new(format!("Stopped by a signal during `{act}`")).hint(again).code(asked.code()));
    }
    match ended {
        Ended::Code(0) => Ok(()),
        Ended::Code(code) => Err(Failure::new(format!("`{act}` failed with exit code {code}")).hint(again)),
        Ended::Signal(number) => {
            Err(Failure::new(format!("`{act}` ended by signal {number}")).hint(again).code(ended.code()))
        }
    }
}
