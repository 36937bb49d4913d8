//! What the agent's repository has beside its folder: where `HEAD` is, its branches, and where `HEAD` has been. Read as files, bounded.

use std::path::{Path, PathBuf};

use silo::core::formats::git_refs::{self, Leads};
use silo::sys::files;

/// Largest file that is read, in bytes.
const LIMIT: u64 = 16 * 1024 * 1024;
/// How many references are read.
const MOST: usize = 2000;
/// How deep folders of references are read.
const DEEP: usize = 20;
/// How many references may lead to each other.
const HOPS: usize = 5;

/// Where the agent's repository is, as its files say.
pub(super) struct Heads {
    /// The commit `HEAD` is at; none where it is at none.
    pub(super) head: Option<String>,
    /// Branches, tags and the stash, with the commit or other object each is at.
    pub(super) all: Vec<(String, String)>,
    /// Where `HEAD` has been, the last first.
    pub(super) been: Vec<String>,
}

fn text(path: &Path) -> Option<String> {
    let content = files::read(path, LIMIT).ok().flatten()?;
    Some(String::from_utf8_lossy(&content.bytes).into_owned())
}

impl Heads {
    /// Reads the files of a repository.
    pub(super) fn read(repository: &Path) -> Self {
        let mut all = git_refs::packed(&text(&repository.join("packed-refs")).unwrap_or_default());
        all.truncate(MOST);
        let mut folders: Vec<(PathBuf, String)> = vec![(repository.join("refs"), "refs".to_owned())];
        while let Some((folder, name)) = folders.pop() {
            for path in files::names_in(&folder) {
                let below = format!("{name}/{}", path.file_name().unwrap_or_default().to_string_lossy());
                if files::is_link(&path) || all.len() >= MOST || below.matches('/').count() > DEEP {
                    continue;
                }
                if files::is_folder(&path) {
                    folders.push((path, below));
                } else if let Some(Leads::Commit(commit)) = text(&path).and_then(|text| git_refs::one(&text))
                    && (git_refs::is_name(&below) || below == "refs/stash")
                {
                    all.retain(|(name, _)| *name != below);
                    all.push((below, commit));
                }
            }
        }
        // What was fetched is somebody else's.
        all.retain(|(name, _)| !name.starts_with("refs/remotes/"));
        all.sort();
        let mut leads = text(&repository.join("HEAD")).and_then(|text| git_refs::one(&text));
        for _ in 0..HOPS {
            let Some(Leads::Name(name)) = &leads else { break };
            let known = all.iter().find(|(one, _)| one == name).map(|(_, commit)| Leads::Commit(commit.clone()));
            leads = known.or_else(|| text(&repository.join(name)).and_then(|text| git_refs::one(&text)));
        }
        let head = leads.and_then(|leads| match leads {
            Leads::Commit(commit) => Some(commit),
            Leads::Name(_) => None,
        });
        let been = git_refs::been_at(&text(&repository.join("logs/HEAD")).unwrap_or_default());
        Self { head, all, been }
    }
}
