//! Whether an instance may be called as somebody typed: not like a command of silo's, which was meant then; and not another
//! name than before while containers, volumes or a cluster have the old one, which would be left behind with their data.

use std::path::Path;

use super::context::Context;
use super::leftovers::{Claim, Cleaner, Kind};
use super::{can_run, left};
use crate::cli::overview;
use crate::core::config::ConfigFile;
use crate::core::formats::compose;
use crate::core::instance::name;
use crate::failure::Failure;
use crate::store::history;
use crate::store::project::Project;
use crate::store::snapshot::{self, Recorded};
use crate::sys::files;

/// What counts: a network alone holds nothing.
const COUNTS: [Kind; 3] = [Kind::Cluster, Kind::Container, Kind::Volume];

/// Refuses a name that was typed and cannot be meant; `anyway` is `--rename`.
///
/// # Errors
/// A [`Failure`] that says what was meant, or what would be left behind.
pub fn check(
    context: &Context,
    project: &Project,
    config: &ConfigFile,
    asked: Option<&str>,
    anyway: bool,
) -> Result<(), Failure> {
    let Some(asked) = asked else { return Ok(()) };
    let recorded = snapshot::recorded(&context.dirs, project, config)?;
    let now = name::sanitize(asked);
    if recorded.as_ref().is_some_and(|recorded| recorded.name == now) || now.is_empty() {
        return Ok(());
    }
    if overview::is_command(&now) {
        return Err(Failure::new(format!("`{asked}` is a silo command, and cannot name an instance"))
            .hint(format!("Run `silo {now}`, or choose another name")));
    }
    // Whoever says `--rename` knows, and does not wait for Docker.
    let Some(recorded) = recorded.filter(|_| !anyway) else { return Ok(()) };
    let before = name::qualified(&config.prefix, &recorded.name);
    let found = things(context, project, &before);
    let rename = format!("To leave them: `silo env {now} --rename`");
    match found {
        Ok(found) if found.is_empty() => Ok(()),
        Ok(found) => Err(Failure::new(format!(
            "`{}` has things in Docker, which another name would leave behind: {}",
            recorded.name,
            found.join("; ")
        ))
        .hint(format!(
            "Remove them first, data included: `silo down --delete-cluster`, `docker compose -p {before} down --volumes`"
        ))
        .hint(rename)),
        Err(failure) if may_have_made(project, config, &recorded) => Err(Failure::new(format!(
            "What `{}` has in Docker cannot be asked, and another name would leave it behind",
            recorded.name
        ))
        .hint(failure.what)
        .hint(rename)),
        Err(_) => Ok(()),
    }
}

/// What lies in Docker under a name of this instance's, a line for each kind.
fn things(context: &Context, project: &Project, before: &str) -> Result<Vec<String>, Failure> {
    // Without gates: to look starts nothing.
    let outside = context.outside();
    let cleaner = Cleaner { environment: &outside };
    if !cleaner.is_there() {
        return Ok(Vec::new());
    }
    let mut inventory = cleaner.inventory()?;
    // What was started in this very folder is this instance's; a project of the same name elsewhere is not.
    inventory.living.retain(|_, folder| !Path::new(folder).starts_with(&project.root));
    let names = vec![before.to_owned()];
    let ids = history::ids(&context.dirs, &project.root);
    let noted = history::of(&context.dirs, &project.root).map_or_else(Vec::new, |history| history.clusters);
    let claim = Claim { ids, had: names.clone(), names, noted, kept: Vec::new(), sole: true };
    let found = left(&inventory, &claim);
    let kept: Vec<String> = inventory.kept(&claim).map(|name| format!("volume {name}")).collect();
    let counts = COUNTS.iter().any(|kind| !found.named(*kind).is_empty()) || !kept.is_empty();
    Ok(if counts { found.lines().into_iter().chain(kept).collect() } else { Vec::new() })
}

/// Whether an instance may have made anything in Docker: where it cannot be asked, others are not kept from their new name.
fn may_have_made(project: &Project, config: &ConfigFile, recorded: &Recorded) -> bool {
    let settings = config.settings(recorded.profile.as_deref()).or_else(|| config.settings(None));
    let runs = settings.is_some_and(|settings| can_run(&settings, &project.root));
    let composes = || compose::NAMES.iter().any(|name| files::exists(&project.root.join(name)));
    recorded.state.k3d_cluster_created || runs || composes()
}
