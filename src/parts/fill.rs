//! Templates of `silo.toml` that are filled when they are needed, and not with the vars: arguments and addresses.

use super::scope::Site;
use crate::core::config::{Advertisement, Text};
use crate::core::instance::template;
use crate::failure::Failure;

/// One text with every `${VAR}` filled; `key` names it in the error.
///
/// # Errors
/// A [`Failure`] for a name that is not there.
pub(super) fn text(site: &Site<'_>, key: &str, text: &Text) -> Result<String, Failure> {
    let vars = &site.settled.vars;
    let lookup = |wanted: &str| vars.get(wanted).or_else(|| vars.names.get(wanted).map(String::as_str));
    template::expand(&text.value, lookup).map_err(|error| Failure::new(format!("`{key}` cannot be filled: {error:?}")))
}

/// An announcement with every text filled.
///
/// # Errors
/// As [`text`].
pub(super) fn announced(site: &Site<'_>, key: &str, told: &Advertisement) -> Result<Advertisement<String>, Failure> {
    told.filled(|template| text(site, key, template))
}
