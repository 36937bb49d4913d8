//! Files that silo has filled with an instance's vars (D30): the old text is kept for the user alone, so that the file follows
//! when a value changes, as long as nobody has edited it.

use std::path::{Path, PathBuf};

use super::placed::{self, Kind, Placed};
use super::worktree;
use crate::core::instance::fill;
use crate::core::instance::vars::Vars;
use crate::core::text::digest;
use crate::failure::Failure;
use crate::store::project::leads_out;
use crate::sys::dirs::Dirs;
use crate::sys::files;
use crate::sys::writing::{self, Writing};

/// Largest file that is filled, in bytes.
const LIMIT: u64 = 16 * 1024 * 1024;

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was written.
    Filled,
    /// It is as it should be.
    Same,
    /// The user has changed it.
    Edited,
    /// It is not a file that can be filled, and why.
    LeftOut(&'static str),
}

/// Fills a file at a place of a root, and remembers it; one that was filled before follows.
///
/// # Errors
/// A [`Failure`] that names the path that could not be read or written.
pub fn fill_first(dirs: &Dirs, root: &Path, place: &Path, vars: &Vars, placed: &mut Placed) -> Result<Fate, Failure> {
    if matches!(placed.at(place), Some(Kind::Filled { .. })) {
        return again(dirs, root, place, vars, placed);
    }
    let path = root.join(place);
    if files::is_link(&path) || leads_out(root, path.parent().unwrap_or(root))? {
        return Ok(Fate::LeftOut("it is a link, or lies behind one"));
    }
    let content = match files::read(&path, LIMIT) {
        Ok(Some(content)) => content,
        // It was there when the folder was looked through.
        Ok(None) => return Ok(Fate::Same),
        Err(_) => return Ok(Fate::LeftOut("it cannot be read, is not a plain file, or is larger than 16 MiB")),
    };
    let before = digest::of(&content.bytes);
    let text = from_another(dirs, root, place, &before).unwrap_or(content.bytes);
    let filled = fill::fill(&text, |name| vars.fills(name)).bytes;
    if filled == text {
        return Ok(Fate::Same);
    }
    // Kept before the file is touched: there is no other copy of it, perhaps.
    writing::replace(&placed::unfilled(dirs, root, place), &text, Writing::PRIVATE)?;
    let next = digest::of(&filled);
    write(dirs, root, place, &filled, (before, next), placed)
}

/// Writes a file whose digest was `before`; the record says so first, so that a crash does not make it the user's.
fn write(
    dirs: &Dirs,
    root: &Path,
    place: &Path,
    filled: &[u8],
    (before, next): (String, String),
    placed: &mut Placed,
) -> Result<Fate, Failure> {
    placed.set(place, Kind::Filled { digest: before, next: Some(next.clone()) });
    placed.save(dirs, root)?;
    writing::replace_alike(&root.join(place), filled)?;
    placed.set(place, Kind::Filled { digest: next, next: None });
    placed.save(dirs, root)?;
    Ok(Fate::Filled)
}

fn again(dirs: &Dirs, root: &Path, place: &Path, vars: &Vars, placed: &mut Placed) -> Result<Fate, Failure> {
    let Some(Kind::Filled { digest, next }) = placed.at(place).cloned() else { return Ok(Fate::Same) };
    let kept = placed::unfilled(dirs, root, place);
    // A file that was removed is not made again: that may be meant so.
    let Some(now) = placed::content(&root.join(place)) else { return Ok(Fate::Edited) };
    if now != digest && Some(&now) != next.as_ref() {
        let Some(text) = from_another(dirs, root, place, &now) else { return Ok(Fate::Edited) };
        writing::replace(&kept, &text, Writing::PRIVATE)?;
    }
    let Some(source) = files::read(&kept, LIMIT)? else { return Ok(Fate::Edited) };
    let filled = fill::fill(&source.bytes, |name| vars.fills(name)).bytes;
    let wanted = digest::of(&filled);
    if wanted == now {
        if next.is_some() || digest != now {
            placed.set(place, Kind::Filled { digest: now, next: None });
        }
        return Ok(Fate::Same);
    }
    write(dirs, root, place, &filled, (now, wanted), placed)
}

/// The text of a file before silo filled it in another worktree of the repository, if what is here now is exactly what came out
/// there: a tool has copied it, with the values of the other instance.
fn from_another(dirs: &Dirs, root: &Path, place: &Path, now: &str) -> Option<Vec<u8>> {
    let uid = rustix::process::geteuid().as_raw();
    let others = worktree::siblings(&worktree::membership(root, uid)?, uid);
    others
        .iter()
        .filter(|other| *other != root)
        .find_map(|other| {
            let Some(Kind::Filled { digest, next }) = Placed::of(dirs, other).ok()?.at(place).cloned() else {
                return None;
            };
            let is_theirs = digest == now || next.as_deref() == Some(now);
            is_theirs.then(|| files::read(&placed::unfilled(dirs, other, place), LIMIT).ok().flatten()).flatten()
        })
        .map(|kept| kept.bytes)
}

/// Lets every file that was filled in a root follow the vars as they are now; says which were written, and which the user has
/// changed since and so stay from now on. Without a record that is one look at a file that is not there.
///
/// # Errors
/// A [`Failure`] that names the path that could not be read or written.
pub fn follow(dirs: &Dirs, root: &Path, vars: &Vars) -> Result<Vec<(PathBuf, Fate)>, Failure> {
    let mut placed = Placed::of(dirs, root)?;
    let is_filled = |kind: &Kind| matches!(kind, Kind::Filled { .. });
    let known: Vec<PathBuf> =
        placed.entries.iter().filter(|entry| is_filled(&entry.kind)).map(|entry| entry.place().to_owned()).collect();
    let before = placed.clone();
    let mut fates = Vec::new();
    for place in known {
        match again(dirs, root, &place, vars, &mut placed)? {
            Fate::Same => {}
            Fate::Edited => {
                // It is the user's now, and that is said once; what `silo adopt` finds in it then, it fills.
                placed.forget(&place);
                files::remove(&placed::unfilled(dirs, root, &place))?;
                if files::exists(&root.join(&place)) {
                    fates.push((place, Fate::Edited));
                }
            }
            fate => fates.push((place, fate)),
        }
    }
    if placed != before {
        placed.save(dirs, root)?;
    }
    Ok(fates)
}
