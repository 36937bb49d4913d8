//! The files from which dnsmasq answers: one for each instance, with the addresses its services were seen at, and beside the
//! override which names they are to have (D27).

use std::path::{Path, PathBuf};

use crate::core::services::Names;
use crate::core::text::digest;
use crate::failure::Failure;
use crate::sys::dirs::Dirs;
use crate::sys::files;
use crate::sys::writing::{self, Writing};

/// Largest file that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// The folder that dnsmasq reads: nothing else may ever lie in it, not even for a moment.
pub fn folder(dirs: &Dirs) -> PathBuf {
    dirs.dns().join("hosts")
}

/// The file of a root.
pub fn file(dirs: &Dirs, root: &Path) -> PathBuf {
    folder(dirs).join(digest::root_id(root.as_os_str().as_encoded_bytes()))
}

/// Makes the folder.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn prepare(dirs: &Dirs) -> Result<(), Failure> {
    files::make_folder(&folder(dirs)).and_then(|()| files::make_folder(&dirs.dns().join("new")))
}

/// Remembers which names the services of a root are to have.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn want(dirs: &Dirs, root: &Path, names: &Names) -> Result<(), Failure> {
    let path = wish(dirs, root);
    let text = serde_json::to_vec(names).expect("strings always serialise");
    if files::read(&path, LIMIT)?.is_some_and(|there| there.bytes == text) {
        return Ok(());
    }
    writing::replace(&path, &text, Writing { durable: false, ..Writing::PRIVATE })
}

/// The names that the services of a root are to have; none where that is not known.
pub fn wanted(dirs: &Dirs, root: &Path) -> Names {
    let content = files::read(&wish(dirs, root), LIMIT).ok().flatten();
    content.and_then(|content| serde_json::from_slice(&content.bytes).ok()).unwrap_or_default()
}

fn wish(dirs: &Dirs, root: &Path) -> PathBuf {
    dirs.instance(root).join("names.json")
}

/// What the file of a root says; none where there is none.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn published(dirs: &Dirs, root: &Path) -> Result<Option<String>, Failure> {
    let content = files::read(&file(dirs, root), LIMIT)?;
    Ok(content.map(|content| String::from_utf8_lossy(&content.bytes).into_owned()))
}

/// The addresses and names that such a file says.
pub fn rows(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.split_once(' '))
}

/// The names in the files of other roots.
pub fn of_others(dirs: &Dirs, root: &Path) -> Vec<String> {
    let own = file(dirs, root);
    let others = files::names_in(&folder(dirs)).into_iter().filter(|path| *path != own);
    let text = |path: PathBuf| files::read(&path, LIMIT).ok().flatten().map(|content| content.bytes);
    let names = |bytes: Vec<u8>| -> Vec<String> {
        rows(&String::from_utf8_lossy(&bytes)).map(|(_, name)| name.to_owned()).collect()
    };
    others.filter_map(text).flat_map(names).collect()
}

/// Writes the file of a root, or removes it where there is nothing to say: whole at every moment, and dnsmasq sees it at once.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn publish(dirs: &Dirs, root: &Path, text: &str) -> Result<(), Failure> {
    let path = file(dirs, root);
    match text {
        "" => files::remove(&path),
        _ if published(dirs, root)?.as_deref() == Some(text) => Ok(()),
        _ => {
            prepare(dirs)?;
            let shared = Writing { durable: false, ..Writing::SHARED };
            writing::replace_by_way_of(&dirs.dns().join("new"), &path, text.as_bytes(), shared)
        }
    }
}
