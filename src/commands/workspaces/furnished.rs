//! A workspace with its instance settled and what belongs in its folder put there, once the user trusts its `silo.toml`: to make a
//! workspace is no consent, for its branch may be a stranger's (D6, D118).

use std::path::{Path, PathBuf};

use crate::core::config::ConfigFile;
use crate::core::instance::trust::Trust;
use crate::core::text::source::one_line;
use crate::core::workspaces::record::{Stage, Workspace};
use crate::failure::{Failure, code, quoted, shown};
use crate::parts::context::{self, Context};
use crate::parts::workspace::work::How;
use crate::parts::workspace::{furnish, source};
use crate::store::ask::Ask;
use crate::store::instances::Settled;
use crate::store::project::{CONFIG_NAME, Project};
use crate::store::{trust, workspaces};
use crate::sys::files;

/// A workspace's instance.
pub(super) struct Inside {
    /// The context in its folder.
    pub(super) context: Context,
    /// Its project.
    pub(super) project: Project,
    /// That project's config.
    pub(super) config: ConfigFile,
    /// The instance.
    pub(super) settled: Settled,
}

/// The project's folder in a workspace.
pub(super) fn root(workspace: &Workspace) -> PathBuf {
    let folder = Path::new(&workspace.folder);
    if workspace.place.is_empty() { folder.to_path_buf() } else { folder.join(&workspace.place) }
}

/// Settles the instance of a workspace and puts there what belongs there. The holder of the workspace's lock calls it.
///
/// # Errors
/// A [`Failure`] with exit code 3 where its `silo.toml` is not trusted: nothing of it has run then.
pub(super) fn furnish(context: &Context, workspace: &mut Workspace, beside: &Path) -> Result<Inside, Failure> {
    let root = root(workspace);
    let inside = context.at(&root);
    let file = root.join(CONFIG_NAME);
    if !files::is_file(&file) {
        let line = context::copy_line(&beside.join(&workspace.place).join(CONFIG_NAME), &root);
        return Err(Failure::new(format!("The workspace `{}` was made, but it has no `silo.toml`", shown(&root)))
            .hint(format!("Give it one: `{line}`, then run this again")));
    }
    let project = Project::read(&file)?;
    // A `silo shell` is no consent to bring files along, as it is none for `silo adopt`.
    let why = match trust::judge(&context.dirs, &project)? {
        Trust::Allowed => None,
        Trust::Denied => Some("is denied"),
        Trust::Changed => Some("has changed"),
        Trust::Unknown => Some("is not trusted"),
    };
    if let Some(why) = why {
        let failure = Failure::new(format!(
            "The workspace `{}` was made, but its `silo.toml` {why}: nothing in it was run, and no file was copied into it",
            shown(&root)
        ));
        let again = format!("silo new {}", shell_words::quote(&one_line(&workspace.name)));
        return Err(failure
            .code(code::NOT_TRUSTED)
            .hint(format!("Read it, then `silo allow {}` and `{again}` finish it", quoted(&root))));
    }
    let config = project.config()?;
    let settled = inside.settle(&project, &config, &Ask::default())?;
    if workspace.stage == Stage::Furnishing {
        furnish::furnish(&inside, &project, source::of(&project.root).as_deref(), How::default())?;
        workspace.stage = Stage::There;
        workspaces::save(&context.dirs, workspace)?;
    }
    Ok(Inside { context: inside, project, config, settled })
}
