//! The stamp of a project (D7, D103): what the shell hook compares without starting a program, and what `silo export`
//! needs to answer for a known instance without the registry, its lock, or a parser.
//!
//! Line one is the generation, a digest of the rest: writers that see the same state write the same stamp, so no two
//! shells chase each other. Its end reports the user's decision on `silo.toml` alone, so that a shell is told once what it may
//! not do, whatever becomes of the instance. The file's name holds the generation too, and its modification time is
//! `silo.toml`'s: to see that nothing changed a shell reads no file, it looks whether one is there and compares times. The
//! link `stamp` says which file it is. It is a cache: whoever changes what it describes removes it first, and a missing or
//! damaged one is made again from the registry.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::core::instance::trust::Trust;
use crate::core::shell::activation::Given;
use crate::core::text::digest;
use crate::failure::Failure;
use crate::store::project;
use crate::sys::dirs::Dirs;
use crate::sys::files;
use crate::sys::folders;
use crate::sys::writing::{self, Writing};

/// Largest stamp that is read, in bytes.
const LIMIT: u64 = 4 * 1024 * 1024;

/// How much of a generation is the digest of the whole stamp.
const WHOLE: usize = 16;

/// What a project's state was when the stamp was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Digest of `silo.toml`.
    pub config: String,
    /// What the user has said of it.
    pub trust: String,
    /// The instance, once it has been settled for this very `silo.toml`.
    pub instance: Option<Known>,
}

/// A settled instance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// Its profile.
    pub profile: Option<String>,
    /// Its ports.
    pub ports: IndexMap<String, u16>,
    /// Digest of the lockfile that goes with it.
    pub lockfile: String,
    /// Absolute path of its env file.
    pub env_file: String,
    /// The home folder its paths were computed for.
    pub home: String,
    /// The folder of its gates, where it has any.
    #[serde(default)]
    pub gates: Option<String>,
    /// Everything an active shell gets, in order.
    pub vars: Vec<(String, String)>,
}

impl Known {
    /// The value of a variable of an active shell.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.vars.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The port of a variable that has a default of silo's own, leased or not.
    pub fn port(&self, (name, default): (&str, u16)) -> u16 {
        self.ports.get(name).copied().unwrap_or(default)
    }

    /// What it puts into an environment.
    pub fn given<'a>(&'a self, root: &'a str) -> Given<'a> {
        Given { root: root.as_bytes(), vars: &self.vars, path: self.gates.as_deref().map(str::as_bytes) }
    }
}

impl Stamp {
    /// The stamp's text and generation.
    pub fn render(&self) -> (String, String) {
        let body = serde_json::to_string(self).expect("strings, numbers and maps always serialise");
        let generation = self.generation(&body);
        (format!("{generation}\n{body}\n"), generation)
    }

    /// Reads a stamp with its generation; anything damaged is none.
    pub fn parse(text: &[u8]) -> Option<(Self, String)> {
        let text = std::str::from_utf8(text).ok()?;
        let (generation, body) = text.strip_suffix('\n')?.split_once('\n')?;
        let stamp: Self = serde_json::from_str(body).ok()?;
        (stamp.generation(body) == generation).then(|| (stamp, generation.to_owned()))
    }

    fn generation(&self, body: &str) -> String {
        // A denial is one of the path, whatever the file says.
        let config = if self.trust == Trust::Denied.word() { "" } else { &self.config };
        let word = digest::of_parts(&[b"word", self.trust.as_bytes(), config.as_bytes()]);
        format!("{}{}", &digest::of(body.as_bytes())[..WHOLE], &word[..8])
    }
}

/// Whether two generations report the same word on the same `silo.toml`.
pub fn same_word(one: &str, other: &str) -> bool {
    let word = |generation: &str| generation.get(WHOLE..).filter(|word| !word.is_empty()).map(str::to_owned);
    word(one).is_some_and(|one| word(other) == Some(one))
}

/// What the shell hook looks for: the file of a generation, or without one the link to whatever comes to be there.
pub fn file(dirs: &Dirs, root: &Path, generation: &str) -> PathBuf {
    dirs.stamp(root).with_extension(generation)
}

/// Whether a name is that of the file of a generation.
fn is_file_name(name: &OsStr) -> bool {
    let generation = name.as_bytes().strip_prefix(b"stamp.");
    generation.is_some_and(|digits| digits.len() > WHOLE && digits.iter().all(u8::is_ascii_hexdigit))
}

/// Reads a project's stamp.
pub fn load(dirs: &Dirs, root: &Path) -> Option<(Stamp, String)> {
    Stamp::parse(&files::read(&dirs.stamp(root), LIMIT).ok()??.bytes)
}

/// Writes a project's stamp, touches it only where it already says this, and returns its generation.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn save(dirs: &Dirs, root: &Path, stamp: &Stamp, config_modified: SystemTime) -> Result<String, Failure> {
    let (text, generation) = stamp.render();
    let path = file(dirs, root, &generation);
    let same = files::read(&path, LIMIT).ok().flatten().is_some_and(|old| old.bytes == text.as_bytes());
    // `silo allow` or `deny` elsewhere may take it away between the two.
    let is_synced = same && sync(dirs, root, &generation, config_modified).is_ok();
    if !is_synced {
        files::make_folder(path.parent().expect("a stamp lies in a folder"))?;
        let writing = Writing { durable: false, modified: Some(config_modified), ..Writing::PRIVATE };
        writing::replace(&path, text.as_bytes(), writing)?;
    }
    writing::link(&dirs.stamp(root), Path::new(path.file_name().expect("it has one")))?;
    remove_files(dirs, root, |file| file != path)?;
    if let Some(written) = stamp.instance.as_ref().and_then(|_| files::modified(&project::lockfile_path(root))) {
        // Here, so that entering writes nothing. Who cannot be told the time asks silo.
        let _ = sync_lockfile(dirs, root, written);
    }
    Ok(generation)
}

/// Makes the time of a generation's file that of `silo.toml` again, when it is not.
///
/// # Errors
/// A [`Failure`] that names the path: also when the file is not there, so that nobody waits for what has ended.
pub fn sync(dirs: &Dirs, root: &Path, generation: &str, config_modified: SystemTime) -> Result<(), Failure> {
    let path = file(dirs, root, generation);
    match files::modified(&path) {
        Some(modified) if modified == config_modified => Ok(()),
        _ => writing::set_modified(&path, config_modified),
    }
}

/// Makes the time of the file beside a project's stamp that of the lockfile the stamp goes with, so that a shell sees whether the
/// lockfile is another by now (D119).
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn sync_lockfile(dirs: &Dirs, root: &Path, modified: SystemTime) -> Result<(), Failure> {
    let path = dirs.instance(root).join("lockfile-time");
    match files::modified(&path) {
        Some(time) if time == modified => Ok(()),
        Some(_) => writing::set_modified(&path, modified),
        None => writing::replace(&path, b"", Writing { durable: false, modified: Some(modified), ..Writing::PRIVATE }),
    }
}

/// What tells the stamp of this generation from any other to a shell that cannot read it: inode, when it was changed, and
/// length; -1 each where there is none and none is known. None when the stamp is another by now.
pub fn place(path: &Path, generation: &str) -> Option<[i64; 3]> {
    let Ok(found) = path.metadata() else { return generation.is_empty().then_some([-1; 3]) };
    // Read only now: had it been replaced in between, it would be the later one that is read and the earlier that is told.
    let text = files::read(path, LIMIT).ok()??.bytes;
    let same = generation.is_empty() || text.split(|byte| *byte == b'\n').next() == Some(generation.as_bytes());
    let number = |number: u64| i64::try_from(number).unwrap_or(-1);
    same.then(|| [number(found.ino()), found.ctime(), number(found.len())])
}

/// Tells a stamp that the lockfile it goes with was rewritten without a change to the vars.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn renew(dirs: &Dirs, root: &Path, lockfile: &str) -> Result<(), Failure> {
    let Some((mut stamp, _)) = load(dirs, root) else { return Ok(()) };
    let (Some(known), Some(modified)) = (&mut stamp.instance, files::modified(&dirs.stamp(root))) else {
        return Ok(());
    };
    lockfile.clone_into(&mut known.lockfile);
    save(dirs, root, &stamp, modified).map(|_| ())
}

/// Removes a project's stamp, so that every shell in the project asks again at its next prompt.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn invalidate(dirs: &Dirs, root: &Path) -> Result<(), Failure> {
    remove_files(dirs, root, |_| true)?;
    // Last: a crash in between leaves a link to nothing, which is no stamp either.
    files::remove(&dirs.stamp(root))
}

/// Removes the files of generations: usually there is one, after a crash there may be more.
fn remove_files(dirs: &Dirs, root: &Path, unwanted: impl Fn(&Path) -> bool) -> Result<(), Failure> {
    let there = folders::list(&dirs.instance(root))?;
    let unwanted = |path: &&PathBuf| path.file_name().is_some_and(is_file_name) && unwanted(path);
    there.iter().filter(unwanted).try_for_each(|path| files::remove(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::shell::environment::Environment;
    use proptest::prelude::*;

    #[test]
    fn a_stamp_comes_back_and_a_damaged_one_does_not() {
        let stamp = Stamp { config: "c".into(), trust: "allowed".into(), instance: None };
        let (text, generation) = stamp.render();
        assert_eq!(Stamp::parse(text.as_bytes()), Some((stamp, generation)));
        for cut in 0..text.len() {
            assert_eq!(Stamp::parse(&text.as_bytes()[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn a_stamp_is_saved_though_somebody_takes_the_one_before_away_meanwhile() {
        let top = tempfile::tempdir().expect("a folder");
        let [home, state, data, config] = ["home", "state", "data", "config"].map(|name| top.path().join(name));
        let (dirs, root) = (Dirs { home, state, data, config }, top.path().join("root"));
        let stamp = Stamp { config: "c".into(), trust: "allowed".into(), instance: None };
        let path = file(&dirs, &root, &stamp.render().1);
        let is_over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(std::sync::atomic::Ordering::Acquire) {
                    files::remove(&path).expect("it is writable");
                }
            });
            let saved: Vec<_> =
                (0..3000).map(|_| save(&dirs, &root, &stamp, SystemTime::now())).filter(Result::is_err).collect();
            is_over.store(true, std::sync::atomic::Ordering::Release);
            assert_eq!(saved, []);
        });
    }

    #[test]
    fn the_word_outlives_the_instance_and_no_edit_but_a_denied_one() {
        let generation = |config: &str, trust: &str, name: Option<&str>| {
            let instance = name.map(|name| Known { name: name.into(), ..Known::default() });
            Stamp { config: config.into(), trust: trust.into(), instance }.render().1
        };
        let (before, after) = (generation("c", "unknown", None), generation("c", "unknown", Some("app")));
        assert_ne!(before, after);
        assert!(same_word(&before, &after));
        assert!(!same_word(&before, &generation("d", "unknown", None)));
        assert!(!same_word(&before, &generation("c", "denied", None)));
        assert!(same_word(&generation("c", "denied", None), &generation("d", "denied", None)));
        for other in ["", "again", &before[..WHOLE]] {
            assert!(!same_word(other, other), "{other} reports none");
        }
    }

    /// Folders of silo's in one that is gone with it.
    fn dirs() -> (tempfile::TempDir, Dirs) {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path().to_str().expect("it is text");
        let environment = Environment::from_iter([("HOME", home), ("XDG_STATE_HOME", home)]);
        let dirs = Dirs::find(&environment).expect("HOME is set");
        (folder, dirs)
    }

    #[test]
    fn there_is_one_stamp_at_most_and_its_name_and_first_line_are_its_generation() {
        let (_folder, dirs) = dirs();
        let (root, now) = (Path::new("/p"), SystemTime::now());
        let save = |config: &str| {
            let stamp = Stamp { config: config.into(), trust: "allowed".into(), instance: None };
            save(&dirs, root, &stamp, now).expect("it is writable")
        };
        let there = || {
            let names = files::names_in(&dirs.instance(root));
            names.into_iter().filter(|path| !files::is_link(path)).collect::<Vec<_>>()
        };
        let generations = ["one", "two"].map(save);
        let current = file(&dirs, root, &generations[1]);
        assert_eq!(there(), std::slice::from_ref(&current));
        assert_eq!(load(&dirs, root).map(|(_, generation)| generation).as_deref(), Some(generations[1].as_str()));
        let text = files::read(&current, LIMIT).expect("readable").expect("it is there").bytes;
        assert!(text.starts_with(generations[1].as_bytes()), "hooks of earlier versions read the first line");

        // What a crash left, and what silo wrote before the generation stood in the name.
        let left = file(&dirs, root, &generations[0]);
        writing::replace(&left, &text, Writing::PRIVATE).expect("it is writable");
        invalidate(&dirs, root).expect("it is writable");
        assert_eq!((there(), load(&dirs, root), files::is_link(&dirs.stamp(root))), (vec![], None, false));
        writing::replace(&dirs.stamp(root), &text, Writing::PRIVATE).expect("it is writable");
        assert!(sync(&dirs, root, &generations[1], now).is_err(), "no shell could wait for it");
        assert_eq!((save("two"), there()), (generations[1].clone(), vec![current]));
        assert!(files::is_link(&dirs.stamp(root)));
    }

    #[test]
    fn the_file_beside_it_has_the_time_of_the_lockfile_whatever_it_had() {
        let (_folder, dirs) = dirs();
        let root = Path::new("/p");
        let path = dirs.instance(root).join("lockfile-time");
        let now = SystemTime::now();
        assert!(sync_lockfile(&dirs, root, now).is_err(), "there is no stamp either");
        files::make_folder(&dirs.instance(root)).expect("it is writable");
        for time in [now, now, now - std::time::Duration::from_nanos(1)] {
            sync_lockfile(&dirs, root, time).expect("it is writable");
            assert_eq!(files::modified(&path), Some(time));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(Stamp::parse(&bytes), None);
        }
    }
}
