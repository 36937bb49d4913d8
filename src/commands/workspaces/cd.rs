//! `silo cd`: what is left of it for a program, which cannot change the folder of the shell it is called from. In a shell whose
//! hook has functions, the hook's own command asks for the folder and goes there.

use std::os::unix::ffi::OsStrExt as _;

use super::{furnished, named};
use crate::failure::{Failure, quoted};
use crate::parts::context::Context;

pub(in super::super) fn run(context: &Context, name: &str, print: bool) -> Result<u8, Failure> {
    let workspace = named::find(context, name)?;
    let folder = furnished::root(&workspace);
    if print {
        return context.ui.answer_bytes(&[folder.as_os_str().as_bytes(), b"\n"].concat()).map(|()| 0);
    }
    Err(Failure::new("A program cannot change the shell's folder; the shell hook can")
        .hint(format!("Without it: `cd {}`", quoted(&folder)))
        .hint("To load it: `silo hook --install`"))
}
