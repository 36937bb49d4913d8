//! Which disk a folder is on, told by device numbers: a mount point is where they change.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::files;

/// The mount point of the disk a folder is on; none when the folder cannot be looked at.
pub fn of(folder: &Path) -> Option<PathBuf> {
    let device = files::metadata(folder)?.dev();
    let same = folder.ancestors().take_while(|above| files::metadata(above).is_some_and(|found| found.dev() == device));
    same.last().map(Path::to_path_buf)
}

/// Whether something is mounted at a path now.
pub fn is_mounted(path: &Path) -> bool {
    let device = |path: &Path| files::metadata(path).map(|found| found.dev());
    match path.parent() {
        None => true,
        Some(above) => device(path).is_some() && device(path) != device(above),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_on_the_disk_whose_mount_point_is_above_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let mount = of(folder.path()).expect("it is there");
        assert!(folder.path().starts_with(&mount) && is_mounted(&mount), "{}", mount.display());
        assert!(!is_mounted(folder.path()) && !is_mounted(&folder.path().join("none")));
        assert_eq!(of(&folder.path().join("none")), None);
    }
}
