//! What an instance is given that asks by `[gateway]`: where the gateway is, and a key of its own, made when the instance is settled. The
//! user's file decides; one that cannot be read changes nothing, for a `cd` must not take a key away that is in use.

use std::path::Path;

use super::{file, keys};
use crate::core::config::Settings;
use crate::core::config::providers;
use crate::failure::Failure;
use crate::sys::dirs::Dirs;
use crate::sys::files;

/// Fills in what a root's instance has.
pub fn fill(dirs: &Dirs, root: &Path, settings: &mut Settings) {
    if let Some(given) = &mut settings.gateway {
        let port = file::load(dirs).ok().flatten().map_or(providers::PORT, |file| file.port);
        given.url = providers::url(port);
        given.key = keys::peek(dirs, root);
    }
}

/// Sees to it that a root's instance has the key that it may have, no more and no less, and says whether it is another than before.
///
/// # Errors
/// A [`Failure`] when it cannot be written.
pub fn grant(dirs: &Dirs, root: &Path, name: &str, settings: &Settings) -> Result<bool, Failure> {
    let before = keys::peek(dirs, root);
    let Some(given) = &settings.gateway else {
        keys::release(dirs, root)?;
        return Ok(false);
    };
    let Ok(file) = file::load(dirs) else { return Ok(false) };
    if file.is_none() && !files::exists(&keys::place(dirs)) {
        // Who has no gateway is spared its files.
        return Ok(false);
    }
    let allowance = file.and_then(|file| file.instances);
    Ok(keys::ensure(dirs, root, name, &given.wish, allowance.as_ref())? != before)
}
