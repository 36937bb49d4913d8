//! Where a shell's start files lie on this machine.

use std::path::{Path, PathBuf};

use crate::core::shell::environment::Environment;
use crate::core::shell::startfile;
use crate::core::shell::{Folder, Place, Start};
use crate::sys::dirs::Dirs;
use crate::sys::files;

/// Largest file of these that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;

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

/// What login shells read in place of the start file, without handing on to it: on macOS every terminal starts them, elsewhere
/// tmux and ssh do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Unread {
    /// This file.
    By(PathBuf),
    /// None is there; this would be read first.
    ByNone(PathBuf),
}

/// Whether login shells do not come to the start file.
pub(in super::super) fn unread(dirs: &Dirs, start: &Start) -> Option<Unread> {
    let path = |name: &str| dirs.home.join(name);
    match start.login.iter().find_map(|name| Some((*name, text(&path(name))?))) {
        Some((name, text)) => (!hands_on(dirs, start, &text)).then(|| Unread::By(path(name))),
        None => start.login.first().map(|name| Unread::ByNone(path(name))),
    }
}

/// Whether a login file reads the start file, itself or by way of another of those files.
fn hands_on(dirs: &Dirs, start: &Start, of: &[u8]) -> bool {
    startfile::reads(of, start.file.path)
        || start.login.iter().any(|other| {
            let beyond = || text(&dirs.home.join(other)).unwrap_or_default();
            startfile::reads(of, &format!("/{other}")) && startfile::reads(&beyond(), start.file.path)
        })
}

/// The text of a file that is only looked at.
pub(super) fn text(path: &Path) -> Option<Vec<u8>> {
    files::read(path, LIMIT).ok().flatten().map(|content| content.bytes)
}

/// Wherever the line that loads the hook may stand, the usual place first.
pub(in super::super) fn every(dirs: &Dirs, environment: &Environment, start: &Start) -> Vec<PathBuf> {
    let beside = |path: &'static str| Place { folder: start.file.folder, path };
    let own = [start.file].into_iter().chain(start.older).chain(start.others.iter().copied().map(beside));
    let own = own.map(|place| path(dirs, environment, place));
    let login = start.login.iter().map(|name| dirs.home.join(name));
    own.chain(login).chain(snippets(dirs, environment, start)).collect()
}
