//! Which git repository a folder belongs to, believed only when the link holds in both directions (design D6):
//! a stranger's folder can name any repository as its own, but cannot make that repository name the folder.

use std::path::{Path, PathBuf};

use crate::sys::files;

/// Largest link file of git's that is read, in bytes.
const LIMIT: u64 = 16 * 1024;

/// A place in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Canonical common git folder, shared by all worktrees.
    pub common_dir: PathBuf,
    /// The path of the folder inside its worktree.
    pub place: PathBuf,
}

/// The repository of a canonical folder that belongs to the user `uid`; none for submodules and unproven links.
pub fn membership(folder: &Path, uid: u32) -> Option<Membership> {
    let top = folder.ancestors().find(|top| files::exists(&top.join(".git")))?;
    let link = top.join(".git");
    // A symbolic link is a claim in one direction only.
    if files::is_link(&link) {
        return None;
    }
    let common_dir = if files::is_file(&link) {
        genuine_worktree(&link, uid)?
    } else {
        files::canonical(&link).ok().filter(|git| files::is_file(&git.join("HEAD")))?
    };
    let owned = [link.as_path(), &common_dir].into_iter().all(|path| files::owner(path) == Some(uid));
    owned.then(|| Membership { place: folder.strip_prefix(top).unwrap_or(folder).to_path_buf(), common_dir })
}

/// The common git folder of a worktree, when its administrative folder names this very `.git` file.
fn genuine_worktree(link: &Path, uid: u32) -> Option<PathBuf> {
    let text = text(link)?;
    let target = text.strip_prefix("gitdir: ")?;
    let admin = files::canonical(&link.parent()?.join(target)).ok()?;
    let common_dir = files::canonical(&admin.join(self::text(&admin.join("commondir"))?)).ok()?;
    let named = files::canonical(&admin.join(self::text(&admin.join("gitdir"))?)).ok()?;
    let genuine = named == files::canonical(link).ok()?
        && admin.parent() == Some(&common_dir.join("worktrees"))
        && files::owner(&admin) == Some(uid);
    genuine.then_some(common_dir)
}

/// The branch that is checked out in the work tree of a folder.
pub fn branch(folder: &Path, uid: u32) -> Option<String> {
    let _ = uid;
    let top = folder.ancestors().find(|top| files::exists(&top.join(".git")))?;
    text(&top.join(".git/HEAD"))?.strip_prefix("ref: refs/heads/").map(str::to_owned)
}

/// The same place in every worktree of the repository, the main one included; they may not exist.
pub fn siblings(membership: &Membership) -> Vec<PathBuf> {
    let admins = files::names_in(&membership.common_dir.join("worktrees"));
    let linked =
        admins.iter().filter_map(|admin| Some(admin.join(text(&admin.join("gitdir"))?).parent()?.to_path_buf()));
    let main = membership.common_dir.file_name().filter(|name| *name == ".git").and(membership.common_dir.parent());
    let tops = linked.chain(main.map(Path::to_path_buf));
    tops.filter_map(|top| files::canonical(&top.join(&membership.place)).ok()).collect()
}

fn text(path: &Path) -> Option<String> {
    let bytes = files::read(path, LIMIT).ok()??.bytes;
    Some(String::from_utf8(bytes).ok()?.trim_end_matches(['\n', '\r']).to_owned())
}
