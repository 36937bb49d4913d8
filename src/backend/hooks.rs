//! Lifecycle hooks (docs/hooks.md): `sh -c` in the project root, one after the other, with all vars.

use std::path::Path;

use crate::core::config::Hooks;
use crate::core::shell::environment::Environment;
use crate::failure::Failure;
use crate::sys::cmd::{Cmd, Ended};
use crate::sys::signals;
use crate::ui::Ui;

/// Where in the lifecycle a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Before anything is started.
    PreUp,
    /// After what the programs need, before the programs.
    PostUp,
    /// Before anything is stopped.
    PreDown,
    /// At the very end of `down`.
    PostDown,
}

impl Point {
    /// The key in `[hooks]`.
    pub fn key(self) -> &'static str {
        match self {
            Self::PreUp => "pre-up",
            Self::PostUp => "post-up",
            Self::PreDown => "pre-down",
            Self::PostDown => "post-down",
        }
    }
}

impl Point {
    /// What `[hooks]` has for it.
    pub fn of(self, hooks: &Hooks) -> Option<&Vec<String>> {
        match self {
            Self::PreUp => hooks.pre_up.as_ref(),
            Self::PostUp => hooks.post_up.as_ref(),
            Self::PreDown => hooks.pre_down.as_ref(),
            Self::PostDown => hooks.post_down.as_ref(),
        }
    }
}

/// Runs the hooks of one point in order; the first failure and any signal end the sequence.
///
/// # Errors
/// A [`Failure`] that names the hook, and whose code is 128 and the number for a signal.
pub fn run(
    point: Point,
    hooks: Option<&Vec<String>>,
    environment: &Environment,
    root: &Path,
    ui: Ui,
) -> Result<(), Failure> {
    for hook in hooks.into_iter().flatten() {
        ui.step(&format!("Running {} hook: {hook}", point.key()));
        let cmd = Cmd { program: "sh", arguments: vec!["-c".into(), hook.into()], environment, folder: root };
        let ended = cmd.run(|_| Ok(()))?;
        if let Some(asked) = signals::asked() {
            return Err(Failure::new(format!("Stopped by a signal during the {} hook `{hook}`", point.key()))
                .code(asked.code()));
        }
        match ended {
            Ended::Code(0) => {}
            Ended::Code(code) => {
                return Err(Failure::new(format!("The {} hook `{hook}` failed with exit code {code}", point.key()))
                    .hint(after(point)));
            }
            Ended::Signal(number) => {
                return Err(Failure::new(format!("The {} hook `{hook}` ended by signal {number}", point.key()))
                    .hint(after(point))
                    .code(ended.code()));
            }
        }
    }
    Ok(())
}

/// What a failure at a point leaves, and the way on (docs/hooks.md).
fn after(point: Point) -> &'static str {
    match point {
        Point::PreUp => "Nothing was started; ports and env file are kept. Fix the hook, then run `silo up` again",
        Point::PostUp => {
            "The programs were not started. Fix the hook and run `silo up` again, or clean up with `silo down`"
        }
        Point::PreDown => "Nothing was stopped. Fix the hook, then run `silo down` again",
        Point::PostDown => "Everything is stopped already",
    }
}
