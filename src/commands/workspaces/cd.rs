//! `silo cd`: what is left of it for a program, which cannot change the folder of the shell it is called from.

use std::path::Path;

use super::named;
use crate::failure::{Failure, quoted};
use crate::parts::context::Context;

pub(in super::super) fn run(context: &Context, name: &str) -> Result<u8, Failure> {
    let workspace = named::find(context, name)?;
    Err(Failure::new("A program cannot change the shell's folder; the shell hook can")
        .hint(format!("Without it: `cd {}`", quoted(Path::new(&workspace.folder))))
        .hint("Load the hook as `silo hook --help` says"))
}
