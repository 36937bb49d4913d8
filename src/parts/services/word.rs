//! What a plain call of compose says of what is to run (D31), written down.

use std::time::Duration;

use super::stand::COLUMN;
use crate::backend::compose;
use crate::core::healing::What;
use crate::core::leases::Wish;
use crate::core::services::{Call, Starts, Word};
use crate::parts::scope::Scope;
use crate::store::{healing, wanted};
use crate::sys::lock::Wait;

/// How long a plain call of compose waits until its word can be written down.
const WAIT: Duration = Duration::from_secs(2);

/// Remembers what a plain call of compose says of what is to run. The call is not stopped where that cannot be written.
pub(super) fn note(scope: &Scope<'_>, call: &Call, starts: &Starts) {
    let Some(word) = call.word().filter(|_| !scope.is_apart) else { return };
    let (context, root) = (scope.context, scope.project.root_text());
    let wait = Wait { limit: WAIT, tell: &|_| () };
    let noted = match word {
        Word::Up(names) => {
            let variable = compose::variable(&scope.project.root, "COMPOSE_PROFILES", &context.environment);
            let active = variable.unwrap_or_default();
            let profiles: Vec<&str> = active.split(',').map(str::trim).chain(call.profiles()).collect();
            let wishes: Vec<Wish> =
                starts.staying(&names, &profiles).iter().map(|name| Wish::of(COLUMN, name)).collect();
            healing::add(&context.dirs, &scope.id, What::Up, None, None)
                .and_then(|()| wanted::add(&context.dirs, root, &wait, &wishes))
        }
        Word::Down(names) => wanted::drop_if(&context.dirs, root, &wait, |wish| {
            wish.column() == COLUMN && (names.is_empty() || names.iter().any(|name| wish.name() == Some(name)))
        }),
    };
    if let Err(failure) = noted {
        context.ui.warn(&format!("Whether services are wanted up could not be noted: {}", failure.what));
    }
}
