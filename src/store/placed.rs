//! What silo put into a worktree beside what git brought (D30): remembered in the state folder of its root, so that removing the
//! worktree loses nothing else, and so that filled files follow the values of the instance.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::core::text::digest;
use crate::failure::{Failure, quoted, shown};
use crate::sys::dirs::Dirs;
use crate::sys::writing::{self, Writing};
use crate::sys::{bring, files};

/// Largest record that is read, in bytes.
const LIMIT: u64 = 64 * 1024 * 1024;
/// Largest file that is told by its content, in bytes; larger ones are told by the time of their last change.
const READ: u64 = 16 * 1024 * 1024;
/// The name of the record.
const RECORD: &str = "placed";
/// How the names begin of the texts of filled files as they were before.
const UNFILLED: &str = "unfilled-";
/// How many paths are named at most.
const NAMED: usize = 20;

/// What silo put into one root.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Placed {
    /// Files and folders.
    pub entries: Vec<Entry>,
    /// The digests of the commands of `init` that have run to their end.
    pub done: Vec<String>,
    /// The number and the time of birth of the root's folder: nothing is remembered of a later one at the same path.
    folder: Option<(u64, Option<u64>)>,
}

fn folder(root: &Path) -> Option<(u64, Option<u64>)> {
    files::number(root).map(|number| (number, files::birth(root)))
}

/// One file or folder that silo put there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where, from the root.
    path: Spelled,
    /// As what.
    pub kind: Kind,
}

/// As what something was put there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A file with this content, by its digest.
    File(String),
    /// A link with this target, by the digest of it.
    Link(String),
    /// A folder, or a large file, that was whole at this time of change, in ns since 1970.
    Since(i128),
    /// A file that was filled, by the digests of what came out.
    Filled {
        /// What silo wrote last.
        digest: String,
        /// What it was about to write.
        next: Option<String>,
    },
}

/// A path, which does not have to be text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Spelled {
    Text(String),
    Bytes(Vec<u8>),
}

impl Spelled {
    fn of(path: &Path) -> Self {
        path.to_str()
            .map_or_else(|| Self::Bytes(path.as_os_str().as_bytes().to_vec()), |text| Self::Text(text.to_owned()))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Text(text) => Path::new(text),
            Self::Bytes(bytes) => Path::new(OsStr::from_bytes(bytes)),
        }
    }
}

impl Entry {
    /// Where it is, from the root.
    pub fn place(&self) -> &Path {
        self.path.path()
    }
}

fn record(dirs: &Dirs, root: &Path) -> PathBuf {
    dirs.instance(root).join(RECORD)
}

/// Where the text of a filled file is kept as it was before.
pub fn unfilled(dirs: &Dirs, root: &Path, place: &Path) -> PathBuf {
    dirs.instance(root).join(format!("{UNFILLED}{}", &digest::of(place.as_os_str().as_bytes())[..16]))
}

impl Placed {
    /// What is remembered of a root; nothing where silo put nothing there, or into another folder that was at this path before.
    ///
    /// # Errors
    /// A [`Failure`] when the record cannot be read.
    pub fn of(dirs: &Dirs, root: &Path) -> Result<Self, Failure> {
        let placed = Self::load(dirs, root)?;
        let is_this = placed.folder.is_none() || placed.folder == folder(root);
        Ok(if is_this { placed } else { Self::default() })
    }

    fn load(dirs: &Dirs, root: &Path) -> Result<Self, Failure> {
        let path = record(dirs, root);
        let Some(content) = files::read(&path, LIMIT)? else { return Ok(Self::default()) };
        serde_json::from_slice(&content.bytes).map_err(|_| {
            Failure::new(format!("Cannot read `{}`: it is not a record of silo's", shown(&path))).hint(format!(
                "Put it aside: `mv {0} {0}.broken`; what silo put into the worktree is then the user's",
                quoted(&path)
            ))
        })
    }

    /// Writes it down.
    ///
    /// # Errors
    /// A [`Failure`] that names the path.
    pub fn save(&self, dirs: &Dirs, root: &Path) -> Result<(), Failure> {
        let now = Self { folder: folder(root), ..self.clone() };
        let text = serde_json::to_string(&now).expect("strings and numbers always serialise") + "\n";
        files::make_folder(&dirs.instance(root))?;
        writing::replace(&record(dirs, root), text.as_bytes(), Writing { durable: false, ..Writing::PRIVATE })
    }

    /// What is remembered of a place.
    pub fn at(&self, place: &Path) -> Option<&Kind> {
        self.entries.iter().find(|entry| entry.place() == place).map(|entry| &entry.kind)
    }

    /// Remembers a place as it is now; one that cannot be looked at is the user's.
    pub fn note(&mut self, root: &Path, place: &Path) {
        if let Some(kind) = as_it_is(&root.join(place)) {
            self.set(place, kind);
        }
    }

    /// Remembers a place.
    pub fn set(&mut self, place: &Path, kind: Kind) {
        match self.entries.iter_mut().find(|entry| entry.place() == place) {
            Some(entry) => entry.kind = kind,
            None => self.entries.push(Entry { path: Spelled::of(place), kind }),
        }
    }

    /// Forgets a place: what is there is the user's.
    pub fn forget(&mut self, place: &Path) {
        self.entries.retain(|entry| entry.place() != place);
    }

    /// The paths at a place, a file or folder, and below it that silo did not put there or that have changed since: what would be lost
    /// with it. At most twenty are named.
    pub fn not_as_put(&self, root: &Path, place: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let around = place.ancestors().skip(1).find_map(|above| match self.at(above) {
            Some(Kind::Since(time)) => Some(*time),
            _ => None,
        });
        self.look(root, place, around, &mut found);
        found
    }

    fn look(&self, root: &Path, place: &Path, since: Option<i128>, found: &mut Vec<PathBuf>) {
        if found.len() >= NAMED {
            return;
        }
        let path = root.join(place);
        let known = self.at(place);
        let since = match known {
            Some(Kind::Since(time)) => Some(*time),
            _ => since,
        };
        let is_folder = files::is_folder(&path) && !files::is_link(&path);
        if is_folder && let Some(entries) = bring::entries(&path) {
            return entries
                .iter()
                .for_each(|(path, _)| self.look(root, path.strip_prefix(root).unwrap_or(path), since, found));
        }
        if !is_as_put(&path, known, since) {
            found.push(place.to_owned());
        }
    }

    /// Whether a file is as silo put it there, by itself or with a folder it lies in.
    pub fn is_file_as_put(&self, root: &Path, place: &Path) -> bool {
        let whole = |folder: &Path| match self.at(folder) {
            Some(Kind::Since(time)) => Some(*time),
            _ => None,
        };
        is_as_put(&root.join(place), self.at(place), place.ancestors().find_map(whole))
    }
}

/// Whether a file is as it is remembered, or as it was when a folder that it lies in was whole.
fn is_as_put(path: &Path, known: Option<&Kind>, since: Option<i128>) -> bool {
    match known {
        Some(Kind::Filled { digest, next }) => {
            content(path).is_some_and(|now| now == *digest || Some(&now) == next.as_ref())
        }
        Some(kind @ (Kind::File(_) | Kind::Link(_))) => as_it_is(path).as_ref() == Some(kind),
        _ => since.is_some_and(|since| bring::changed(path).is_some_and(|changed| changed <= since)),
    }
}

/// Moves what is remembered of a root that was moved to where it is now.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn move_along(dirs: &Dirs, from: &Path, to: &Path) -> Result<(), Failure> {
    let folder = dirs.instance(from);
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name == RECORD || name.starts_with(UNFILLED)
    };
    for path in files::names_in(&folder).into_iter().filter(is_ours) {
        let Some(content) = files::read(&path, LIMIT)? else { continue };
        files::make_folder(&dirs.instance(to))?;
        let there = dirs.instance(to).join(path.file_name().unwrap_or_default());
        writing::replace(&there, &content.bytes, Writing { durable: false, ..Writing::PRIVATE })?;
    }
    // On another disk the same folder has another number.
    Placed::load(dirs, to)
        .map_or(Ok(()), |placed| if placed == Placed::default() { Ok(()) } else { placed.save(dirs, to) })
}

/// The digest of a file's content; none for what is not a plain file or too large.
pub fn content(path: &Path) -> Option<String> {
    if files::is_link(path) {
        return None;
    }
    files::read(path, READ).ok().flatten().map(|content| digest::of(&content.bytes))
}

fn as_it_is(path: &Path) -> Option<Kind> {
    if let Some(target) = files::target(path) {
        return Some(Kind::Link(digest::of(target.as_os_str().as_bytes())));
    }
    content(path).map(Kind::File).or_else(|| bring::changed(path).map(Kind::Since))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn lost(placed: &Placed, root: &Path, place: &str) -> Vec<String> {
        placed.not_as_put(root, Path::new(place)).iter().map(|path| path.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn what_changed_or_is_the_users_would_be_lost_and_what_is_as_put_would_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let odd = OsStr::from_bytes(b"odd\xff\n");
        fs::create_dir_all(root.join("deps/a")).expect("made");
        for file in [".env", "deps/a/b", "deps/c"].map(Path::new).into_iter().chain([Path::new(odd)]) {
            fs::write(root.join(file), "1").expect("written");
        }
        std::os::unix::fs::symlink("/nowhere", root.join("link")).expect("made");
        fs::write(root.join("large"), vec![0; 17 * 1024 * 1024]).expect("written");
        let mut placed = Placed::default();
        for place in [".env", "deps", "link", "large"].map(Path::new).into_iter().chain([Path::new(odd)]) {
            placed.note(root, place);
        }
        let dirs = Dirs { home: root.into(), state: root.join("state"), data: root.into(), config: root.into() };
        placed.save(&dirs, root).expect("written");
        let placed = Placed::of(&dirs, root).expect("it was written");
        for place in [".env", "deps", "deps/a", "link", "large"] {
            assert_eq!(lost(&placed, root, place), [""; 0], "{place}");
        }
        assert_eq!(placed.not_as_put(root, Path::new(odd)), [] as [PathBuf; 0]);
        // Coarse clocks count in some milliseconds: a change must be later than what was noted.
        let later = |path: &Path| {
            while bring::changed(path) <= bring::changed(&root.join("deps/a/b")) {
                fs::write(path, "2").expect("written");
            }
        };
        for place in ["deps/new", "deps/c", "large"] {
            fs::write(root.join(place), "2").expect("written");
            later(&root.join(place));
        }
        fs::write(root.join(".env"), "2").expect("written");
        fs::remove_file(root.join("link")).expect("it is there");
        std::os::unix::fs::symlink("/elsewhere", root.join("link")).expect("made");
        assert_eq!(lost(&placed, root, "deps"), ["deps/c", "deps/new"]);
        for place in [".env", "link", "large", "mine"] {
            assert_eq!(lost(&placed, root, place), [place]);
        }
    }

    #[test]
    fn a_record_that_cannot_be_read_is_an_error_with_a_way_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let dirs = Dirs { home: root.into(), state: root.join("state"), data: root.into(), config: root.into() };
        assert_eq!(Placed::of(&dirs, root), Ok(Placed::default()));
        fs::create_dir_all(dirs.instance(root)).expect("made");
        fs::write(record(&dirs, root), "{").expect("written");
        let failure = Placed::of(&dirs, root).expect_err("it is cut");
        assert!(
            failure.what.ends_with("it is not a record of silo's") && failure.hints[0].contains("mv "),
            "{failure}"
        );
    }
}
