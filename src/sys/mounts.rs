//! Which disk a folder is on (D106). A mount point alone does not tell: another disk may be mounted there later.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::files;

/// File systems that are made again at each mount (tmpfs, ramfs, overlayfs), by the numbers of statfs(2): what was there
/// before does not come back.
#[cfg(target_os = "linux")]
const FLEETING: [u32; 3] = [0x0102_1994, 0x8584_58f6, 0x794c_7630];

/// The mount point of the disk a folder is on; none when the folder cannot be looked at.
pub fn of(folder: &Path) -> Option<PathBuf> {
    files::metadata(folder)?;
    folder.ancestors().find(|above| is_mounted(above)).map(Path::to_path_buf)
}

/// Whether something is mounted at a path now.
pub fn is_mounted(path: &Path) -> bool {
    let Some(above) = path.parent() else { return true };
    let device = |path: &Path| files::metadata(path).map(|found| found.dev());
    device(path).is_some() && (device(path) != device(above) || is_bound(path))
}

/// What is mounted at a path, told from any other disk: the number of the file system and of its top folder. None where
/// nothing lasting is, and for `/`, which is what the system was started from.
pub fn disk(mount: &Path) -> Option<String> {
    mount.parent()?;
    let disk = rustix::fs::statvfs(mount).ok().filter(|_| is_lasting(mount))?;
    Some(format!("{:x}-{:x}", disk.f_fsid, files::metadata(mount)?.ino()))
}

/// How many bytes of a disk are left for the user; none where that cannot be asked.
pub fn free(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

/// Whether a folder of the same disk is mounted at a path (`mount --bind`), which device numbers do not tell.
#[cfg(target_os = "linux")]
fn is_bound(path: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    let found = statx(CWD, path, AtFlags::NO_AUTOMOUNT, StatxFlags::empty());
    found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

#[cfg(not(target_os = "linux"))]
fn is_bound(_path: &Path) -> bool {
    false
}

#[cfg(target_os = "linux")]
fn is_lasting(mount: &Path) -> bool {
    // The kernel's numbers have 32 bits, whatever the type.
    rustix::fs::statfs(mount)
        .is_ok_and(|found| !FLEETING.iter().any(|kind| i128::from(*kind) == i128::from(found.f_type)))
}

#[cfg(not(target_os = "linux"))]
fn is_lasting(_mount: &Path) -> bool {
    true
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

    #[test]
    fn the_disk_the_system_was_started_from_is_not_compared() {
        assert_eq!(disk(Path::new("/")), None);
        assert_eq!(disk(Path::new("/none")), None);
    }
}
