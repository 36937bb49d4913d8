//! The user's settings: whether they can be read. Everything else is looked at with the defaults where they cannot.

use crate::failure::quoted;
use crate::parts::finding::Finding;
use crate::store::settings;
use crate::sys::dirs::Dirs;
use crate::sys::files;

/// What is wrong with the settings file.
pub(super) fn examine(dirs: &Dirs) -> Option<Finding> {
    let failure = settings::load(dirs).err()?;
    let path = settings::place(dirs);
    let hint = failure.hints.into_iter().next().unwrap_or_default();
    let is_text = files::is_file(&path) && !files::is_unreadable(&path);
    let finding = Finding::problem("settings-invalid", failure.what)
        .at_failure(&path, failure.place.as_deref())
        .why("Commands stop with this error; the shell hook uses the defaults, and trusts no folder through it")
        .remedy(if is_text { format!("Edit {}: {hint}", quoted(&path)) } else { hint });
    Some(finding)
}
