//! Whether a `silo.toml` may act without having been typed at: at a prompt, in a file for another program, through a gate.
//! The user has trusted it, or has opened a `silo shell` for it as it is now; a denial counts more than that.

use crate::core::instance::trust::Trust;
use crate::core::shell::environment::Environment;
use crate::failure::Failure;
use crate::parts::context::Context;
use crate::store::project::Project;
use crate::store::trust;

/// Carries the consent of one session: the trust record of the `silo.toml` as it was when the shell was opened.
const CONSENT: &str = "__SILO_CONSENT";

/// Lets a `silo.toml` as it is now act in every program that gets this environment.
pub(super) fn give(environment: &mut Environment, project: &Project) {
    environment.set(CONSENT, trust::own_record(project));
}

/// Why a config file may not act, as behind its name in a sentence; none when it may. `judged` is the user's decision on it.
pub(super) fn refusal(context: &Context, project: &Project, judged: Trust) -> Option<&'static str> {
    let consented = || context.environment.text(CONSENT).is_some_and(|consent| consent == trust::own_record(project));
    match judged {
        Trust::Denied => Some("is denied"),
        Trust::Allowed => None,
        Trust::Unknown | Trust::Changed if consented() => None,
        Trust::Changed => Some("has changed"),
        Trust::Unknown => Some("is not trusted"),
    }
}

/// Whether a config file may act.
///
/// # Errors
/// A [`Failure`] when the user's decision on it cannot be read.
pub(super) fn may_act(context: &Context, project: &Project) -> Result<bool, Failure> {
    Ok(refusal(context, project, trust::judge(&context.dirs, project)?).is_none())
}
