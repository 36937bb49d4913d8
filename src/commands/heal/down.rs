//! What is wanted and down, for who only reports it.

use super::plan::plan;
use super::watch::parts_of;
use crate::core::leases::Instance;
use crate::failure::Failure;
use crate::parts::context::Context;
use crate::parts::gaps::Gap;
use crate::parts::look::{self, State};
use crate::store::{apart, healing, registry};

/// An instance of which something is wanted and down.
pub(in super::super) struct Down {
    pub(in super::super) instance: Instance,
    /// What `silo heal` would bring back.
    pub(in super::super) now: Vec<Gap>,
    /// What it does not try any more.
    pub(in super::super) given_up: Vec<Gap>,
}

/// Looks at every instance of which something is wanted, and does nothing.
///
/// # Errors
/// A [`Failure`] when the registry cannot be read.
pub(in super::super) fn down(context: &Context) -> Result<Vec<Down>, Failure> {
    let mut instances = apart::without(&context.dirs, registry::peek(&context.dirs)?).instances;
    instances.retain(|one| !one.wanted.is_nothing());
    let asked = parts_of(&instances);
    let seen = look::observe(context, &asked, instances, false);
    let (events, outside) = (healing::all(&context.dirs), context.outside());
    let down = seen.into_iter().filter(|seen| seen.state != State::Starting).map(|seen| {
        let plan = plan(&seen, &events, &outside, false);
        let is_given_up = |gap: &&Gap| plan.report.given_up.iter().any(|(wish, _)| *wish == gap.wish);
        let given_up = seen.compared.gaps.iter().chain(&seen.compared.ended).filter(is_given_up).cloned().collect();
        Down { instance: seen.instance, now: plan.now, given_up }
    });
    Ok(down.filter(|down| !(down.now.is_empty() && down.given_up.is_empty())).collect())
}
