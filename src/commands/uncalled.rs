//! A hook that the shell has loaded and nothing calls: a later line of a start file has put something else in its place.

use crate::core::shell::{self, MARK, Mark};
use crate::core::text::source::one_line;
use crate::parts::context::Context;
use crate::sys::processes;

/// What is known of it.
pub(super) struct Uncalled {
    /// What has taken its place.
    pub(super) instead: String,
    /// A command that goes on.
    pub(super) remedy: String,
}

/// Whether it is so in the shell this was typed in.
pub(super) fn look(context: &Context) -> Option<Uncalled> {
    let mark = context.environment.text(MARK).and_then(Mark::parse);
    if context.uncalled.is_none() && mark.as_ref().is_none_or(|mark| mark.is_called) {
        return None;
    }
    let parent =
        processes::above().into_iter().next().filter(|parent| mark.is_some_and(|mark| mark.pid == parent.pid))?;
    let shell = shell::ALL.into_iter().find(|shell| shell.runs_as(&parent.name))?;
    let instead = context.uncalled.as_deref().unwrap_or(shell.called_by);
    let remedy = match (instead.starts_with("readonly "), &shell.start.by_hand) {
        // Loading it again would change nothing.
        (true, _) | (_, Some(_)) => "silo exec -- COMMAND".to_owned(),
        _ => String::from_utf8_lossy(&shell.load(b"silo")).into_owned(),
    };
    Some(Uncalled { instead: one_line(instead), remedy })
}

/// Says so before a command's own answer.
pub(super) fn tell(context: &Context) {
    if let Some(Uncalled { instead, remedy }) = look(context) {
        context.ui.warn(&format!(
            "The shell hook is loaded, but nothing calls it: `{instead}` has taken its place; `{remedy}` goes on here, and in the \
             start file its line goes last"
        ));
    }
}
