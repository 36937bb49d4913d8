//! An environment that came from another project: an editor was started in one, and a shell without the hook in the other. Programs
//! there have the ports and the database of the first.

use std::path::Path;

use crate::core::text::source::one_line;
use crate::parts::context::Context;
use crate::sys::dirs;

/// The root of the instance whose variables are here, where that is not this one's.
pub(super) fn active_root(context: &Context, here: Option<&str>) -> Option<String> {
    let root = context.environment.text("SILO_ROOT").filter(|root| here != Some(*root))?;
    (context.environment.text("SILO_ACTIVE") == Some("1")).then(|| one_line(root))
}

/// Whether the folder is the one the environment stands for: who names another one (`-C`) knows where they are.
pub(super) fn is_asked_of_here(context: &Context, here: Option<&Path>) -> bool {
    let own = dirs::working_folder(&context.environment).ok();
    context.config.is_none()
        && (own.as_ref() == Some(&context.folder)
            || own.is_some_and(|own| here.is_some_and(|here| own.starts_with(here))))
}

/// Says so before a command's own answer.
pub(super) fn tell(context: &Context, here: Option<&str>) {
    if let Some(root) = active_root(context, here).filter(|_| is_asked_of_here(context, here.map(Path::new))) {
        context.ui.warn(&format!(
            "The variables in this shell are those of `{root}`: programs started here have its ports; `silo exec -- COMMAND` has \
             this folder's"
        ));
    }
}
