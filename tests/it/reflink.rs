//! `clone` where the disk can share blocks between two files (D30): XFS and btrfs in images that `tests/disk` mounts. On every other
//! disk the folder is left out, which `adopt.rs` shows.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::adopt::{read, write};
use crate::sandbox::{Sandbox, free_ports};

/// The size of the file that is cloned, in bytes: far more than what a disk needs for itself.
const LARGE: usize = 48 * 1024 * 1024;

/// Tests that look at what is used of a disk take turns: another one's files would count, too.
static TURN: Mutex<()> = Mutex::new(());

/// A folder on one of the disks, which goes with the test.
fn folders() -> Vec<tempfile::TempDir> {
    let disks = std::env::var("SILO_TEST_DISKS").expect("no disk that shares blocks: `tests/run` mounts some");
    let folder = |disk: &str| tempfile::Builder::new().prefix("silo-").tempdir_in(disk).expect("it is writable");
    disks.split(':').map(folder).collect()
}

/// What is used of a disk, in bytes, with all written.
fn used(on: &Path) -> u64 {
    let folder = fs::File::open(on).expect("it is there");
    rustix::fs::syncfs(&folder).expect("it can be synced");
    let disk = rustix::fs::fstatvfs(&folder).expect("it is mounted");
    (disk.f_blocks - disk.f_bfree) * disk.f_frsize
}

/// A repository on a disk, with ignored dependencies, and a worktree of it.
fn repository(sandbox: &Sandbox, on: &Path) -> (PathBuf, PathBuf) {
    let (main, feature) = (on.join("main"), on.join("feature"));
    let [port] = free_ports();
    let toml = format!("version = 1\nports.WEB_PORT = {port}\n[workspace]\ncopy = []\nclone = [\"node_modules\"]\n");
    sandbox.project(&main, &toml);
    write(&main, ".gitignore", ".silo.lock\n.localnet.env\nnode_modules/\n");
    sandbox.git(&main, ["init", "--quiet"]);
    sandbox.git(&main, ["add", "."]);
    sandbox.git(&main, ["commit", "--quiet", "--message", "first"]);
    sandbox.run(&main, ["allow"]).success();
    sandbox.git(&main, ["worktree", "add", "--quiet", "-b", "feature", feature.to_str().expect("it is UTF-8")]);
    // No block of it is zero, nor like another one.
    let mut state = 1_u64;
    let mut bytes = Vec::with_capacity(LARGE);
    while bytes.len() < LARGE {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        bytes.extend(state.to_le_bytes());
    }
    write(&main, "node_modules/big/lib.bin", bytes);
    write(&main, "node_modules/.bin/tool", "#!/bin/sh\n");
    fs::set_permissions(main.join("node_modules/.bin/tool"), fs::Permissions::from_mode(0o750)).expect("it is ours");
    symlink("../big", main.join("node_modules/.bin/link")).expect("it is ours");
    (main, feature)
}

#[test]
fn reflink_a_folder_is_cloned_without_space_and_each_changes_its_own() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for folder in folders() {
        let sandbox = Sandbox::new();
        let (main, feature) = repository(&sandbox, folder.path());
        let place = "node_modules/big/lib.bin";
        let before = used(folder.path());
        let told = sandbox.run(&feature, ["adopt", "--json"]).success().stdout;
        let told: serde_json::Value = serde_json::from_str(&told).expect("it is JSON");
        assert_eq!(told["cloned"], serde_json::json!(["node_modules"]), "{told}");
        let more = used(folder.path()).saturating_sub(before);
        assert!(more < LARGE as u64 / 4, "{more} bytes more on {}", folder.path().display());
        assert!(
            fs::read(main.join(place)).expect("it is there") == fs::read(feature.join(place)).expect("it is there")
        );
        let tool = feature.join("node_modules/.bin/tool");
        assert_eq!(
            (read(&tool).as_str(), tool.metadata().expect("it is there").mode() & 0o777),
            ("#!/bin/sh\n", 0o750)
        );
        assert_eq!(fs::read_link(feature.join("node_modules/.bin/link")).expect("it is one"), Path::new("../big"));

        // A change in one is not in the other, and takes space then.
        let mut file = fs::OpenOptions::new().write(true).open(feature.join(place)).expect("it is ours");
        file.seek(SeekFrom::Start(4096)).expect("it is long");
        file.write_all(b"changed").expect("there is room");
        drop(file);
        let at = |root: &Path| fs::read(root.join(place)).expect("it is there")[4096..4103].to_vec();
        assert_eq!(at(&feature), b"changed");
        assert_ne!(at(&main), b"changed");
    }
}

#[test]
fn reflink_a_new_workspace_has_its_dependencies_at_once_and_rm_knows_them() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for folder in folders() {
        let sandbox = Sandbox::new();
        let (main, _) = repository(&sandbox, folder.path());
        let before = used(folder.path());
        sandbox.run(&main, ["new", "idea"]).success().stderr_has("Cloning `node_modules`");
        let made = folder.path().join("main.idea");
        assert!(made.join("node_modules/big/lib.bin").is_file());
        assert!(used(folder.path()).saturating_sub(before) < LARGE as u64 / 4);
        // What silo put there is no loss.
        sandbox.run(&main, ["rm", "idea"]).success();
        assert!(!made.exists());
    }
}
