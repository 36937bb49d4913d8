//! What a start leaves wanted (D31).

use std::ffi::OsString;

use super::context::{COMMAND_WAIT, Context};
use super::part::Part;
use super::scope::Site;
use crate::failure::Failure;
use crate::store::project::Project;
use crate::store::wanted;
use crate::sys::lock::Wait;

/// Who wants something up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The user, until they stop it.
    User,
    /// A gate, by itself: until the machine starts again.
    Gate,
}

/// Remembers that what a part has brought up in the background is wanted; `words` are those it was started with.
///
/// # Errors
/// A [`Failure`] when the part cannot be asked, or the registry not be written.
pub fn note(site: &Site<'_>, part: &dyn Part, words: &[OsString], who: Who) -> Result<(), Failure> {
    if site.scope.is_apart {
        return Ok(());
    }
    let (context, root) = (site.scope.context, site.scope.project.root_text());
    let wishes = part.wishes(site, words)?;
    let wait = Wait { limit: COMMAND_WAIT, tell: &|text| context.ui.step(text) };
    match who {
        Who::User => wanted::add(&context.dirs, root, &wait, &wishes),
        Who::Gate => wanted::add_by_gate(&context.dirs, root, &wait, &wishes),
    }
}

/// Remembers that nothing of an instance is wanted any more.
///
/// # Errors
/// A [`Failure`] when the registry cannot be written.
pub fn forget(context: &Context, project: &Project) -> Result<(), Failure> {
    let wait = Wait { limit: COMMAND_WAIT, tell: &|text| context.ui.step(text) };
    wanted::drop_if(&context.dirs, project.root_text(), &wait, |_| true)
}
