//! `silo deny`: take the trust in this `silo.toml` back (design D6).

use super::Context;
use crate::failure::{Failure, shown};
use crate::store::trust;

pub(super) fn run(context: &Context) -> Result<u8, Failure> {
    let project = context.project()?;
    trust::deny(&context.dirs, &project)?;
    context.ui.step(&format!("Denied `{}`; its leases stay, `silo allow` takes it back", shown(&project.file)));
    Ok(0)
}
