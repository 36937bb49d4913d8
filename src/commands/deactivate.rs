//! `silo deactivate`: what is left of it for a program, which cannot change the shell it is called from. In a shell with
//! the hook, the hook's own command does it and never comes here; the hook of a shell without functions is left a word.

use super::hook::scripts;
use crate::core::shell::MARK;
use crate::core::shell::activation::UNDO;
use crate::failure::{Failure, code};
use crate::parts::context::Context;

pub(super) fn run(context: &Context) -> Result<u8, Failure> {
    if context.environment.get(UNDO).is_some() && scripts::leave_word(&context.dirs, &context.environment)? {
        return Ok(0);
    }
    Err(if context.environment.get(UNDO).is_none() {
        Failure::new("No instance is active in this shell")
            .code(code::NOT_ACTIVE)
            .hint("Show what is where: `silo list`")
    } else if context.environment.get(MARK).is_some() {
        Failure::new("A program cannot switch the instance off; the shell's own `silo` can")
            .hint("Type `silo deactivate`, with nothing before or after it")
    } else {
        Failure::new("Nothing in this shell can be switched off: only its hook can do that")
            .hint("Load it as `silo hook --help` says, and type `silo deactivate` without a path")
    })
}
