//! Where a shell's start files lie on this machine.

use std::path::PathBuf;

use crate::core::shell::environment::Environment;
use crate::core::shell::{Folder, Place, Start};
use crate::sys::dirs::Dirs;
use crate::sys::files;

/// The path of a file or folder that a shell's description names.
pub(in super::super) fn path(dirs: &Dirs, environment: &Environment, place: Place) -> PathBuf {
    let set = |variable: &str| environment.get(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = match place.folder {
        Folder::AppConfig if cfg!(target_os = "macos") && set("XDG_CONFIG_HOME").is_none() => {
            dirs.home.join("Library/Application Support")
        }
        Folder::Config | Folder::AppConfig => dirs.config_home().to_path_buf(),
        Folder::Zdotdir => set("ZDOTDIR").unwrap_or_else(|| dirs.home.clone()),
        Folder::Home => dirs.home.clone(),
    };
    folder.join(place.path)
}

/// The files of the folder that the shell reads beside its start file, in its order.
pub(super) fn snippets(dirs: &Dirs, environment: &Environment, start: &Start) -> Vec<PathBuf> {
    let Some((place, ending)) = start.snippets else { return Vec::new() };
    let mut snippets = files::names_in(&path(dirs, environment, place));
    snippets.retain(|path| path.extension().is_some_and(|extension| extension == ending));
    snippets.sort();
    snippets
}

/// Wherever the line that loads the hook may stand, the usual place first.
pub(in super::super) fn every(dirs: &Dirs, environment: &Environment, start: &Start) -> Vec<PathBuf> {
    let beside = |path: &'static str| Place { folder: start.file.folder, path };
    let own = [start.file].into_iter().chain(start.older).chain(start.others.iter().copied().map(beside));
    let own = own.map(|place| path(dirs, environment, place));
    let login = start.login.iter().map(|name| dirs.home.join(name));
    own.chain(login).chain(snippets(dirs, environment, start)).collect()
}
