//! The second program of the package, `silo-proxy`, beside silo.

use std::path::PathBuf;

use super::context::Context;
use crate::failure::{Failure, shown};
use crate::sys::{cmd, files, program};

/// Its name.
pub const PROXY: &str = "silo-proxy";

/// Where it is: beside silo, as that was called or behind links, else on `PATH`.
///
/// # Errors
/// A [`Failure`] where it is missing.
pub fn proxy(context: &Context) -> Result<PathBuf, Failure> {
    let silo = program::own_path(&context.environment, &context.program)?;
    let beside = [Some(silo.clone()), files::canonical(&silo).ok()].into_iter().flatten();
    let beside = beside.map(|path| path.with_file_name(PROXY)).find(|path| files::is_executable(path));
    beside.or_else(|| cmd::find(PROXY, &context.environment)).ok_or_else(|| {
        Failure::new(format!("`{PROXY}` was not found beside `{}`", shown(&silo)))
            .hint("It comes with silo; install it again: `silo doc install`")
    })
}
