//! The user's templates (D32): folders with a `silo.toml`, from which workspaces and agents are made.

use std::path::PathBuf;

use super::project::CONFIG_NAME;
use crate::failure::{Failure, quoted, shown};
use crate::sys::dirs::Dirs;
use crate::sys::{files, trees};

/// The folder of a template; none where there is no template of that name.
///
/// # Errors
/// A [`Failure`] where a link in it leads out.
pub fn find(dirs: &Dirs, name: &str) -> Result<Option<PathBuf>, Failure> {
    let folder = dirs.templates().join(name);
    let is_plain = !name.is_empty() && !name.starts_with('.') && !name.contains('/');
    if !is_plain || !files::is_file(&folder.join(CONFIG_NAME)) {
        return Ok(None);
    }
    let folder = files::canonical(&folder)?;
    for path in trees::files_below(&folder).into_iter().filter(|path| files::is_link(path)) {
        let target = files::target(&path).unwrap_or_default();
        let is_inside = files::canonical(&path).is_ok_and(|leads| leads.starts_with(&folder));
        if target.is_absolute() || !is_inside {
            return Err(Failure::new(format!("The link `{}` leads out of the template", shown(&path)))
                .hint(format!("Replace it by what it leads to: `ls -l {}`", quoted(&path))));
        }
    }
    Ok(Some(folder))
}

/// The names of all templates, sorted.
pub fn names(dirs: &Dirs) -> Vec<String> {
    let all = files::names_in(&dirs.templates());
    let all = all.iter().filter(|folder| files::is_file(&folder.join(CONFIG_NAME)));
    let mut names: Vec<String> = all.filter_map(|folder| folder.file_name()?.to_str().map(str::to_owned)).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}
