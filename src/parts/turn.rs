//! One at a time makes or deletes a cluster, of all instances of the user (D114).

use std::time::Duration;

use super::context::Context;
use crate::backend::k3d;
use crate::failure::Failure;
use crate::sys::lock::{self, Wait};

/// How long is waited for the others: for two that fetch images.
pub const LIMIT: Duration = k3d::CREATE.saturating_mul(2);

/// Acts while nobody else makes or deletes a cluster. It is not to be called inside itself.
///
/// # Errors
/// A [`Failure`] when the others do not end, or of `act` itself.
pub fn take<T>(context: &Context, act: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let wait = Wait { limit: LIMIT, tell: &|text| context.ui.step(text) };
    let busy = |holder| {
        Failure::new(format!("Another instance is creating or deleting its cluster{holder}, and does not finish"))
    };
    let what = "another instance to make or delete its cluster";
    lock::hold(&context.dirs.state.join("k3d.lock"), what, &wait, busy, act)
}
