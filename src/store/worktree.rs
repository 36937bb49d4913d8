//! Which git repository a folder belongs to, believed only when the link holds in both directions (D6):
//! a stranger's folder can name any repository as its own, but cannot make that repository name the folder. And what
//! follows: the branch it stands on, and the name of its instance. Git itself is never asked; a few small files are read.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::project::CONFIG_NAME;
use crate::core::instance::branch;
use crate::sys::files;

/// Largest link file of git's that is read, in bytes.
const LIMIT: u64 = 16 * 1024;

/// A place in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Canonical common git folder, shared by all worktrees.
    pub common_dir: PathBuf,
    /// The worktree's own git folder, which holds its `HEAD`: the common one, or below it in a linked worktree.
    pub git_dir: PathBuf,
    /// The path of the folder inside its worktree.
    pub place: PathBuf,
}

/// The top of the checkout a folder is in, by what git itself would look for.
fn top_of(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|top| files::exists(&top.join(".git")))
}

/// The repository of a canonical folder that belongs to the user `uid`; none for submodules and unproven links.
pub fn membership(folder: &Path, uid: u32) -> Option<Membership> {
    let top = top_of(folder)?;
    let link = top.join(".git");
    // A symbolic link is a claim in one direction only.
    if files::is_link(&link) {
        return None;
    }
    let (common_dir, git_dir) = if files::is_file(&link) {
        genuine_worktree(&link, uid)?
    } else {
        let git = files::canonical(&link).ok().filter(|git| files::is_file(&git.join("HEAD")))?;
        (git.clone(), git)
    };
    let owned = [link.as_path(), &common_dir].into_iter().all(|path| files::owner(path) == Some(uid));
    owned.then(|| Membership { place: folder.strip_prefix(top).unwrap_or(folder).to_path_buf(), common_dir, git_dir })
}

/// The linked worktree a folder is in, when it lies below a root of the same repository: its branch has no `silo.toml`, and the
/// root's, which belongs to another checkout, is found above it.
pub fn without_config(folder: &Path, root: &Path, uid: u32) -> Option<PathBuf> {
    let folder = files::canonical(folder).ok()?;
    let top = top_of(&folder)?;
    if top == root || !top.starts_with(root) {
        return None;
    }
    let same = membership(top, uid)?.common_dir == membership(root, uid)?.common_dir;
    same.then(|| top.to_path_buf())
}

/// The top of the worktree a folder is in, and the `silo.toml` that another worktree of its repository has there, the main one's
/// first.
pub fn config_elsewhere(folder: &Path, uid: u32) -> Option<(PathBuf, PathBuf)> {
    let folder = files::canonical(folder).ok()?;
    let top = top_of(&folder)?;
    let others = siblings(&membership(top, uid)?, uid);
    let file = others.into_iter().rev().map(|other| other.join(CONFIG_NAME)).find(|file| files::is_file(file))?;
    Some((top.to_path_buf(), file))
}

/// The branch a canonical folder stands on, in a linked worktree or a plain clone that belongs to the user `uid`; none
/// while `HEAD` is detached, and for everything [`membership`] does not believe.
pub fn branch(folder: &Path, uid: u32) -> Option<String> {
    branch_of(&membership(folder, uid)?)
}

/// The name of a project's instance in a linked worktree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorktreeName {
    /// Repository and branch: the name is the branch's, wherever it stands.
    Branch(String),
    /// Repository and folder of a worktree without a branch: only the start of a name. Git gives the id of a worktree that
    /// was removed to the next one, so nothing git knows of it is its alone (D109).
    Folder(String),
}

/// How a project's instance is named in a linked worktree; none in a plain clone, which is named after its folder.
pub fn instance_name(root: &Path, uid: u32) -> Option<WorktreeName> {
    let membership = membership(root, uid).filter(|membership| membership.git_dir != membership.common_dir)?;
    let repository = repository_name(&membership.common_dir);
    // Below the top of its worktree a project is told by the way to it, too.
    let way = membership.place.iter().map(OsStr::to_string_lossy);
    let project: Vec<_> = std::iter::once(repository.as_str().into()).chain(way).collect();
    let project = project.join("-");
    if let Some(branch) = branch_of(&membership) {
        return Some(WorktreeName::Branch(branch::instance_name(&project, &branch)));
    }
    let folder = top_of(root)?.file_name()?.to_string_lossy();
    Some(WorktreeName::Folder(if folder == repository { project } else { format!("{project}-{folder}") }))
}

/// What people call a repository: the folder of its main worktree, of a bare one its own without `.git`. One hidden
/// beside its worktrees, as in `app/.bare`, is called after the folder they share.
fn repository_name(common_dir: &Path) -> String {
    let text = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let own = text(common_dir);
    if own.starts_with('.') {
        return common_dir.parent().map(text).unwrap_or_default();
    }
    own.strip_suffix(".git").unwrap_or(&own).to_owned()
}

fn branch_of(membership: &Membership) -> Option<String> {
    let head = membership.git_dir.join("HEAD");
    // Git writes a plain file; through a link it would be somebody else's word.
    let text = text(&head).filter(|_| !files::is_link(&head))?;
    branch::of_head(&text).map(str::to_owned)
}

/// The common git folder of a worktree and its administrative one, when that names this very `.git` file.
fn genuine_worktree(link: &Path, uid: u32) -> Option<(PathBuf, PathBuf)> {
    let text = text(link)?;
    let target = text.strip_prefix("gitdir: ")?;
    let admin = files::canonical(&link.parent()?.join(target)).ok()?;
    let common_dir = files::canonical(&admin.join(self::text(&admin.join("commondir"))?)).ok()?;
    let named = files::canonical(&admin.join(self::text(&admin.join("gitdir"))?)).ok()?;
    let genuine = named == files::canonical(link).ok()?
        && admin.parent() == Some(&common_dir.join("worktrees"))
        && files::owner(&admin) == Some(uid);
    genuine.then_some((common_dir, admin))
}

/// The same place in every worktree of the repository, the main one included, as far as each names the repository as its
/// own: a copied repository still names the worktrees of the one it was copied from.
pub fn siblings(membership: &Membership, uid: u32) -> Vec<PathBuf> {
    let admins = files::names_in(&membership.common_dir.join("worktrees"));
    let linked =
        admins.iter().filter_map(|admin| Some(admin.join(text(&admin.join("gitdir"))?).parent()?.to_path_buf()));
    let main = membership.common_dir.file_name().filter(|name| *name == ".git").and(membership.common_dir.parent());
    let tops = linked.chain(main.map(Path::to_path_buf));
    // While git makes a worktree, its `gitdir` is empty for a moment, and would lead to a place inside the common folder.
    let genuine = |folder: &PathBuf| {
        self::membership(folder, uid)
            .is_some_and(|found| found.common_dir == membership.common_dir && found.place == membership.place)
    };
    tops.filter_map(|top| files::canonical(&top.join(&membership.place)).ok()).filter(genuine).collect()
}

/// The same place in the main worktree; where the repository has none, in the worktree on the branch that the repository stands on.
pub fn main_of(membership: &Membership, uid: u32) -> Option<PathBuf> {
    let all = siblings(membership, uid);
    let found = |folder: &&PathBuf| self::membership(folder, uid);
    if let Some(main) = all.iter().find(|folder| found(folder).is_some_and(|found| found.git_dir == found.common_dir)) {
        return Some(main.clone());
    }
    let head = text(&membership.common_dir.join("HEAD"))?;
    let wanted = branch::of_head(&head)?;
    all.iter().find(|folder| self::branch(folder, uid).as_deref() == Some(wanted)).cloned()
}

fn text(path: &Path) -> Option<String> {
    let bytes = files::read(path, LIMIT).ok()??.bytes;
    Some(String::from_utf8(bytes).ok()?.trim_end_matches(['\n', '\r']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_the_users_and_has_the_worktrees_that_are_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let top = folder.path().canonicalize().expect("it was just made");
        for path in ["main/.git/worktrees/feature", "feature"] {
            std::fs::create_dir_all(top.join(path)).expect("the folder is writable");
        }
        let git = top.join("main/.git");
        let link = top.join("feature/.git");
        let admin = git.join("worktrees/feature");
        let files = [
            (git.join("HEAD"), "ref: refs/heads/main\n".to_owned()),
            (link.clone(), format!("gitdir: {}\n", admin.display())),
            (admin.join("commondir"), "../..\n".to_owned()),
            (admin.join("gitdir"), format!("{}\n", link.display())),
        ];
        for (path, text) in files {
            std::fs::write(path, text).expect("the folder is writable");
        }
        let owner = files::owner(&git).expect("it is there");
        for place in ["main", "feature"] {
            let found = membership(&top.join(place), owner).map(|membership| membership.common_dir);
            assert_eq!(found.as_ref(), Some(&git), "{place}");
            assert_eq!(membership(&top.join(place), owner + 1), None, "{place}");
        }
        // Another one that git is just making.
        let half = git.join("worktrees/another");
        std::fs::create_dir(&half).expect("the folder is writable");
        std::fs::write(half.join("gitdir"), "").expect("the folder is writable");
        let feature = membership(&top.join("feature"), owner).expect("it is a worktree");
        assert_eq!(main_of(&feature, owner), Some(top.join("main")));
        assert_eq!(siblings(&feature, owner), [top.join("feature"), top.join("main")]);
    }
}
