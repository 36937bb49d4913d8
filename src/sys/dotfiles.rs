//! Start files that the user wrote: found behind links, looked at before a change, replaced where they really are. One that
//! is not plainly the user's own to change is refused by name, and nothing is written.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use crate::failure::{Failure, quoted, shown};
use crate::sys::files;
use crate::sys::writing::{self, Writing};

/// Largest start file that is changed, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// A start file as it is now, or the place where one can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dotfile {
    /// The path the shell knows it by.
    pub named: PathBuf,
    /// Where it really is, links followed.
    pub path: PathBuf,
    /// Its content; none when there is no file yet.
    pub bytes: Option<Vec<u8>>,
}

impl Dotfile {
    /// Looks at a start file; nothing is changed.
    ///
    /// # Errors
    /// A [`Failure`] that says why it cannot be read, or may not be changed.
    pub fn look(named: &Path) -> Result<Self, Failure> {
        if !files::exists(named) {
            let folder = named.ancestors().skip(1).find(|folder| files::exists(folder)).unwrap_or(Path::new("/"));
            let refuse = |why: String| refused(named, &format!("{why}: its folder `{}`", shown(folder)), folder);
            changeable(folder).map_err(refuse)?;
            if files::metadata(folder).is_some_and(|metadata| !metadata.is_dir()) {
                return Err(refused(named, &format!("`{}` is not a folder", shown(folder)), folder));
            }
            return Ok(Self { named: named.to_path_buf(), path: named.to_path_buf(), bytes: None });
        }
        let path = files::canonical(named).map_err(|_| refused(named, "it is a link that leads nowhere", named))?;
        let bytes = files::read(&path, LIMIT)?.map(|content| content.bytes);
        unshared(&path).and_then(|()| changeable(&path)).map_err(|why| refused(named, &why, &path))?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        if rustix::fs::access(folder, Access::WRITE_OK).is_err() {
            return Err(refused(named, &format!("its folder `{}` cannot be written", shown(folder)), folder));
        }
        Ok(Self { named: named.to_path_buf(), path, bytes })
    }

    /// Whether the shell finds it through a link.
    pub fn is_behind_link(&self) -> bool {
        files::is_link(&self.named)
    }

    /// Removes it, unless somebody has changed it since it was looked at.
    ///
    /// # Errors
    /// A [`Failure`] that names the path; the file is then still there.
    pub fn remove(&self) -> Result<(), Failure> {
        self.unchanged()?;
        files::remove(&self.path)
    }

    fn unchanged(&self) -> Result<(), Failure> {
        match Self::look(&self.named)? == *self {
            true => Ok(()),
            false => Err(refused(&self.named, "it was changed in this very moment", &self.path)),
        }
    }

    /// Replaces its content, unless somebody has changed it since it was looked at.
    ///
    /// # Errors
    /// A [`Failure`] that names the path; the old content is then still there.
    pub fn replace(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.unchanged()?;
        if self.bytes.is_some() {
            return writing::replace_alike(&self.path, bytes);
        }
        files::make_folder(self.path.parent().unwrap_or(Path::new("/")))?;
        writing::replace(&self.path, bytes, Writing::SHARED)
    }
}

/// Whether the file or folder is the user's to change, by owner and permission bits: for root these do not count by
/// themselves, and root must not change what is another's.
fn changeable(path: &Path) -> Result<(), String> {
    let Some(metadata) = files::metadata(path) else { return Err("nothing is known of it".to_owned()) };
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(format!("it belongs to another user (id {})", metadata.uid()));
    }
    if metadata.permissions().mode() & 0o200 == 0 || rustix::fs::access(path, Access::WRITE_OK).is_err() {
        return Err("it is read-only".to_owned());
    }
    Ok(())
}

/// Whether a file replaced by another one takes nothing away: a second name would go on meaning the old file.
fn unshared(path: &Path) -> Result<(), String> {
    if files::metadata(path).is_some_and(|metadata| metadata.nlink() > 1) {
        return Err("it has a second name (a hard link), which would no longer be the same file".to_owned());
    }
    #[cfg(target_os = "linux")]
    if rustix::fs::getxattr(path, "system.posix_acl_access", &mut [0_u8; 0][..]).is_ok_and(|size| size > 0) {
        return Err("it has an access list, which would be lost".to_owned());
    }
    Ok(())
}

fn refused(named: &Path, why: &str, look_at: &Path) -> Failure {
    Failure::new(format!("Will not change `{}`: {why}", shown(named)))
        .hint(format!("Look at it: `ls -ld {}`", quoted(look_at)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_somebody_changed_meanwhile_is_not_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rc");
        let none_yet = Dotfile::look(&path).expect("one can be made");
        fs::write(&path, "theirs").expect("written");
        let refused = none_yet.replace(b"ours").expect_err("one was made meanwhile");
        assert!(refused.what.ends_with("it was changed in this very moment"), "{refused}");

        let looked_at = Dotfile::look(&path).expect("it is ours");
        fs::write(&path, "theirs, newer").expect("written");
        looked_at.replace(b"ours").expect_err("it was changed meanwhile");
        assert_eq!(fs::read(&path).expect("readable"), b"theirs, newer");
        Dotfile::look(&path).and_then(|file| file.replace(b"ours")).expect("nobody interferes");
        assert_eq!(fs::read(&path).expect("readable"), b"ours");
    }
}
