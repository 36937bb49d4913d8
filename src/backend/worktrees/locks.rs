//! Lock files of git: one of a git that is at work is waited for, and one that a git left which was killed is removed, as git asks
//! its user to (<https://git-scm.com/docs/api-lockfile>).

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{Git, HALF, SOON};
use crate::failure::Failure;
use crate::sys::{files, processes};

impl Git<'_> {
    /// Acts again where a branch, or the list of all of them, is locked: for a moment by a git that is at work, or for good by one that
    /// was killed. The second is known by its age, and because no git runs in the repository.
    pub(super) fn once_unlocked(&self, act: impl Fn() -> Result<String, Failure>) -> Result<String, Failure> {
        let start = Instant::now();
        loop {
            let failure = match act() {
                Err(failure) => failure,
                done => return done,
            };
            let common = self.common_dir()?.unwrap_or_default();
            let Some(lock) = lock_of(&failure, Path::new(&common)) else { return Err(failure) };
            if files::modified(&lock).and_then(|made| made.elapsed().ok()).is_some_and(|age| age > HALF)
                && !self.is_at_work(Path::new(&common))
            {
                // There may be another one.
                files::remove(&lock)?;
                continue;
            }
            if start.elapsed() > HALF * 2 {
                return Err(failure);
            }
            std::thread::sleep(SOON);
        }
    }

    /// Whether a git runs in the repository, or may.
    fn is_at_work(&self, common: &Path) -> bool {
        let Ok(checkouts) = self.checkouts() else { return true };
        let is_here = |folder: &Path| {
            let mut folders = checkouts.iter().map(|one| Path::new(&one.folder));
            folder.starts_with(common) || folders.any(|one| folder.starts_with(one))
        };
        processes::named("git").iter().any(|git| git.folder.as_deref().is_none_or(is_here))
    }
}

/// The file that git could not make because it is there, where it locks a branch or the list of branches.
fn lock_of(failure: &Failure, common: &Path) -> Option<PathBuf> {
    let said = failure.excerpt.as_ref()?;
    let (_, rest) = said.split_once("Unable to create '")?;
    let lock = Path::new(rest.split_once(".lock': File exists")?.0).with_added_extension("lock");
    let inside = lock.strip_prefix(common).ok()?;
    let is_plain = inside.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    (is_plain && (inside.starts_with("refs/heads") || inside == Path::new("packed-refs.lock"))).then(|| lock.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lock_of_a_branch_or_of_their_list_is_one() {
        let lock = |said: &str| {
            let failure = Failure { excerpt: Some(format!("  | {said}")), ..Failure::new("`git` failed") };
            lock_of(&failure, Path::new("/r/.git")).map(|path| path.to_string_lossy().into_owned())
        };
        let said = |path: &str| format!("error: cannot lock ref 'x': Unable to create '{path}': File exists.");
        for path in ["/r/.git/refs/heads/a/b.lock", "/r/.git/packed-refs.lock"] {
            assert_eq!(lock(&said(path)).as_deref(), Some(path));
        }
        for path in [
            "/r/.git/index.lock",
            "/r/.git/refs/tags/a.lock",
            "/r/.git/refs/heads/../../../x.lock",
            "/else/.git/refs/heads/a.lock",
            "/r/.git/refs/heads/a",
        ] {
            assert_eq!(lock(&said(path)), None, "{path}");
        }
        assert_eq!(lock("error: Unable to create '/r/.git/refs/heads/a.lock': Permission denied"), None);
    }
}
