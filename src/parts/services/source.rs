//! From where a volume is filled: another instance's volume of the same key, or one that is named.

use std::path::Path;

use super::fill::{self, Order};
use super::filling;
use super::prepare::{Prepared, files_for};
use super::run::{docker, engine, engine_of};
use crate::backend::volumes::Listed;
use crate::core::leases::Instance;
use crate::core::text::source::one_line;
use crate::failure::{Failure, quoted};
use crate::parts::named;
use crate::parts::scope::{Scope, Site};
use crate::store::registry;

/// What a user names.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// Another instance.
    Instance(&'a str),
    /// A volume in Docker.
    Volume(&'a str),
}

/// How `silo seed` is to act.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// What is in the volume may be lost.
    pub force: bool,
    /// Nobody is asked.
    pub yes: bool,
    /// What uses the source goes on.
    pub live: bool,
}

/// Fills the volume of a key.
///
/// # Errors
/// A [`Failure`] that says what is in the way, or that the copy broke off.
pub fn seed(site: &Site<'_>, key: &str, source: Source<'_>, manner: Manner) -> Result<(), Failure> {
    let files = files_for(site.scope, &site.environment)?;
    let prepared = Prepared::of(site, files, &[])?;
    prepared.own(key)?;
    let (from, again) = match source {
        Source::Volume(name) => (name.to_owned(), format!("silo seed {} --from-volume {}", word(key), word(name))),
        Source::Instance(name) => {
            let again = format!("silo seed {} --from {}", word(key), word(name));
            let leases = registry::peek(&site.scope.context.dirs)?;
            let instance = named::other(&leases, &site.scope.project.root, name)?;
            let volumes = docker(site).volumes()?;
            let Some(from) = of_instance(&volumes, instance, key) else {
                return Err(Failure::new(format!("`{}` has no volume `{}`", instance.name, one_line(key)))
                    .hint(format!("Start it once: `silo up -d -C {}`", quoted(Path::new(&instance.root)))));
            };
            whole(site, instance, &from)?;
            (from, again)
        }
    };
    let Manner { force, yes, live } = manner;
    fill::fill(site, &prepared, &Order { key: key.to_owned(), from, again, force, yes, live })
}

/// Fills the volumes of `seed` in `[compose]` that are not there: before the first start, so that no service finds an empty one.
///
/// # Errors
/// As [`seed`], and where a key is none of the instance's volumes.
pub(super) fn first(site: &Site<'_>, prepared: &Prepared) -> Result<(), Failure> {
    let said = site.scope.settings.compose.as_ref().and_then(|compose| compose.seed.as_ref());
    let Some(wanted) = said.filter(|seed| !seed.is_empty()) else { return Ok(()) };
    let context = site.scope.context;
    let volumes = engine(site).volumes()?;
    for (key, source) in wanted {
        let own = prepared.own(key).map_err(|failure| {
            failure.hints.iter().fold(site.scope.project.misfit(&failure.what, &source.span), Failure::hint)
        })?;
        let root = &site.scope.project.root;
        let is_half = filling::load(&context.dirs, root).is_some_and(|half| half.volume == own.name);
        if !is_half && volumes.iter().any(|volume| volume.name == own.name) {
            continue;
        }
        let leases = registry::peek(&context.dirs)?;
        let instance = match named::other(&leases, root, &source.value) {
            // The instance that others are filled from has nothing to be filled from.
            Err(_) if named::is(&leases, root, &source.value) => continue,
            Err(failure) => {
                starts_empty(site, key, &failure.what);
                continue;
            }
            Ok(instance) => instance,
        };
        let Some(from) = of_instance(&volumes, instance, key) else {
            starts_empty(site, key, &format!("`{}` has none of that key", instance.name));
            continue;
        };
        whole(site, instance, &from)?;
        let again = format!("silo seed {} --from {}", word(key), word(&source.value));
        let order = Order { key: key.clone(), from, again, force: false, yes: false, live: false };
        fill::fill(site, prepared, &order)?;
    }
    Ok(())
}

/// Whether a volume of `seed` is not there, as one request to the engine tells; what cannot be told counts as missing.
pub(super) fn lacks_seeds(scope: &Scope<'_>) -> bool {
    let said = scope.settings.compose.as_ref().and_then(|compose| compose.seed.as_ref());
    let Some(seed) = said.filter(|seed| !seed.is_empty()) else { return false };
    let leases = registry::peek(&scope.context.dirs).unwrap_or_default();
    let Some(own) = leases.at(scope.project.root_text()) else { return true };
    let Ok(volumes) = engine_of(scope).volumes() else { return true };
    seed.keys().any(|key| of_instance(&volumes, own, key).is_none())
}

/// Says that a volume has nothing to be filled from.
fn starts_empty(site: &Site<'_>, key: &str, why: &str) {
    let why = one_line(why);
    site.scope.context.ui.step(&format!("The volume `{}` starts empty: {why}", one_line(key)));
}

/// Refuses to copy what is half filled itself.
fn whole(site: &Site<'_>, instance: &Instance, volume: &str) -> Result<(), Failure> {
    let half = filling::load(&site.scope.context.dirs, Path::new(&instance.root));
    match half.is_some_and(|half| half.volume == *volume) {
        false => Ok(()),
        true => Err(Failure::new(format!("The volume `{volume}` of `{}` is half filled itself", instance.name))
            .hint("Wait until that is done, or fill it again there")),
    }
}

/// The volume of a key that an instance has.
fn of_instance(volumes: &[Listed], instance: &Instance, key: &str) -> Option<String> {
    let project = instance.qualified();
    let plain = format!("{project}_{key}");
    let by_label = volumes.iter().find(|volume| volume.project == project && volume.key == key);
    // A kept one is made by silo, and so not labelled as compose's.
    let found = by_label.or_else(|| volumes.iter().find(|volume| volume.name == plain));
    found.map(|volume| volume.name.clone())
}

fn word(text: &str) -> String {
    shell_words::quote(text).into_owned()
}
