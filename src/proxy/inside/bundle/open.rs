//! What lies open in the agent's folder, taken into an index: files and links that are not ignored, those of repositories inside it too.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use silo::core::text::source::one_line;
use silo::sys::cmd::Ended;
use silo::sys::files::{self, Kind};

use super::git::{Git, failed};
use super::no::No;

/// How many repositories inside the folder are looked into.
const INSIDE: usize = 100;
/// How many files may fail, until all has.
const FAILING: usize = 50;

/// Paths from the folder, as git prints them.
type Paths = Vec<Vec<u8>>;

fn paths(printed: &[u8]) -> Paths {
    printed.split(|byte| *byte == 0).filter(|path| !path.is_empty()).map(<[u8]>::to_vec).collect()
}

fn shown(path: &[u8]) -> String {
    one_line(&String::from_utf8_lossy(path)).chars().take(200).collect()
}

/// Takes what lies open into the index, on a commit or nothing. What cannot be taken is noted.
pub(super) fn take(
    git: &Git,
    upon: Option<&str>,
    agents: Option<&Path>,
    limit: u64,
    notes: &mut Vec<String>,
) -> Result<(), No> {
    match upon {
        Some(commit) => git.must(&["read-tree", commit], b"")?,
        None => git.must(&["read-tree", "--empty"], b"")?,
    };
    // It fails by design where something differs.
    git.call(&["update-index", "-q", "--refresh"], b"")?;
    let mut changed = paths(&git.must(&["diff-files", "-z", "--name-only", "--ignore-submodules=all"], b"")?);
    let left_out = left_out(git, agents)?;
    changed.retain(|path| !left_out.contains(path));
    changed.extend(untracked(git, notes)?);
    submodules(git, notes)?;
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for path in changed {
        let place = git.tree.join(OsStr::from_bytes(&path));
        match files::kind(&place) {
            Kind::File(size) if size > limit => notes.push(format!("{}: larger than what is taken", shown(&path))),
            Kind::File(_) | Kind::Link => added.push(path),
            // Where a file was is none any more.
            Kind::Nothing | Kind::Folder => removed.push(path),
            Kind::Other => {
                notes.push(format!("{}: no file, but a pipe, socket or device", shown(&path)));
                removed.push(path);
            }
        }
    }
    for path in &added {
        files::let_read(&git.tree.join(OsStr::from_bytes(path)));
    }
    put(git, &["update-index", "-z", "--force-remove", "--stdin"], &removed)?;
    let mut failing = 0;
    add(git, &added, notes, &mut failing)?;
    large_files(git, &added, notes)
}

fn input(paths: &[Vec<u8>]) -> Vec<u8> {
    paths.iter().flat_map(|path| path.iter().copied().chain([0])).collect()
}

fn put(git: &Git, words: &[&str], paths: &[Vec<u8>]) -> Result<(), No> {
    match paths {
        [] => Ok(()),
        paths => git.must(words, &input(paths)).map(drop),
    }
}

/// Adds paths; where git refuses some, the halves of them, until it is known which.
fn add(git: &Git, paths: &[Vec<u8>], notes: &mut Vec<String>, failing: &mut usize) -> Result<(), No> {
    if paths.is_empty() {
        return Ok(());
    }
    let words = ["update-index", "-z", "--add", "--remove", "--replace", "--stdin"];
    let captured = git.call(&words, &input(paths))?;
    if captured.ended == Ended::Code(0) {
        return Ok(());
    }
    if let [path] = paths {
        *failing += 1;
        if *failing > FAILING {
            return Err(failed(&words, &captured));
        }
        notes.push(format!("{}: git does not take it", shown(path)));
        return Ok(());
    }
    let (one, other) = paths.split_at(paths.len() / 2);
    add(git, one, notes, failing)?;
    add(git, other, notes, failing)
}

/// Files that are not in the index and not ignored, those of repositories inside too.
fn untracked(git: &Git, notes: &mut Vec<String>) -> Result<Paths, No> {
    let mut found = Vec::new();
    let mut folders: Vec<Vec<u8>> = vec![Vec::new()];
    let (mut inside, none) = (0, git.folder.join("no-index"));
    while let Some(folder) = folders.pop() {
        let tree = git.tree.join(OsStr::from_bytes(&folder));
        let index = (!folder.is_empty()).then_some(none.as_path());
        let words = ["ls-files", "-z", "--others", "--exclude-standard"];
        let captured = git.call_in(&tree, index, &words, b"")?;
        if captured.ended != Ended::Code(0) {
            return Err(failed(&words, &captured));
        }
        let said = String::from_utf8_lossy(&captured.stderr).into_owned();
        notes.extend(said.lines().filter(|line| !line.is_empty()).take(20).map(|line| shown(line.as_bytes())));
        for path in paths(&captured.stdout) {
            let whole = [&folder[..], &path].concat();
            if path.last() == Some(&b'/') {
                inside += 1;
                if inside > INSIDE {
                    notes.push(format!("{}: one repository too many inside", shown(&whole)));
                    continue;
                }
                notes.push(format!(
                    "{}: a repository of its own; its files were taken, its history was not",
                    shown(&whole)
                ));
                folders.push(whole);
            } else {
                found.push(whole);
            }
        }
    }
    Ok(found)
}

/// Paths that the agent's own index leaves out of its folder (sparse checkouts): they are not deleted.
fn left_out(git: &Git, agents: Option<&Path>) -> Result<HashSet<Vec<u8>>, No> {
    let Some(index) = agents.map(|agents| agents.join("index")) else { return Ok(HashSet::default()) };
    if !matches!(files::kind(&index), Kind::File(_)) {
        return Ok(HashSet::default());
    }
    let captured = git.call_in(&git.tree, Some(&index), &["ls-files", "-z", "-v"], b"")?;
    let left = |line: &Vec<u8>| line.strip_prefix(b"S ").or_else(|| line.strip_prefix(b"s ")).map(<[u8]>::to_vec);
    Ok(paths(&captured.stdout).iter().filter_map(left).collect())
}

/// Notes submodules that hold something.
fn submodules(git: &Git, notes: &mut Vec<String>) -> Result<(), No> {
    let listed = git.must(&["ls-files", "-z", "--stage"], b"")?;
    for line in paths(&listed) {
        let Some(at) = line.iter().position(|byte| *byte == b'\t').filter(|_| line.starts_with(b"160000 ")) else {
            continue;
        };
        let path = &line[at + 1..];
        let folder: PathBuf = git.tree.join(OsStr::from_bytes(path));
        if !files::names_in(&folder).is_empty() {
            notes.push(format!("{}: a submodule; what was changed in it is not taken", shown(path)));
        }
    }
    Ok(())
}

/// Notes how many files are meant for Git LFS: they are taken whole.
fn large_files(git: &Git, added: &[Vec<u8>], notes: &mut Vec<String>) -> Result<(), No> {
    if added.is_empty() {
        return Ok(());
    }
    let printed = git.must(&["check-attr", "-z", "--stdin", "filter"], &input(added))?;
    let words: Vec<&[u8]> = printed.split(|byte| *byte == 0).collect();
    let count = words.chunks(3).filter(|three| three.get(2) == Some(&&b"lfs"[..])).count();
    if count > 0 {
        notes.push(format!("{count} files are meant for Git LFS; they are taken whole"));
    }
    Ok(())
}
