//! What the tests of files, registry and crashes share: looking at everything silo left behind, and at its registry.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use silo::core::leases::Leases;

use crate::sandbox::{Ran, SILO, Sandbox};

/// Where the registry lies.
pub(crate) fn registry_path(sandbox: &Sandbox) -> PathBuf {
    sandbox.path("state/silo/registry.toml")
}

/// The registry, read as silo reads it.
pub(crate) fn registry(sandbox: &Sandbox) -> Leases {
    let text = fs::read_to_string(registry_path(sandbox)).expect("there is a registry, and it is text");
    Leases::parse(&text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

/// No port or subnet is in two leases, and no name in two instances.
#[track_caller]
pub(crate) fn assert_sound(leases: &Leases) {
    let mut ports = BTreeSet::new();
    let mut names = BTreeSet::new();
    let mut subnets = BTreeSet::new();
    for instance in &leases.instances {
        assert!(names.insert(instance.qualified()), "two instances have one name: {leases:#?}");
        if let Some(subnet) = instance.subnet {
            assert!(subnets.insert(subnet), "{subnet} is leased twice: {leases:#?}");
        }
        for port in instance.ports.values() {
            assert!(ports.insert(port), "port {port} is in two leases: {leases:#?}");
        }
    }
}

/// Lockfile, env file and registry of a project report one instance.
#[track_caller]
pub(crate) fn assert_agreed(sandbox: &Sandbox, dir: &Path) {
    let leases = registry(sandbox);
    let root = dir.canonicalize().expect("the project is there");
    let entry = leases.at(root.to_str().expect("it is UTF-8")).expect("it is registered");
    assert_eq!(entry.ports, sandbox.lockfile_ports(dir));
    assert_eq!(entry.name, sandbox.instance(dir));
    let env_file = env_file(dir);
    assert_eq!(value_in(&env_file, "WORKSPACE_NAME"), Some(entry.name.as_str()));
    for (name, port) in &entry.ports {
        assert_eq!(value_in(&env_file, name), Some(port.to_string().as_str()), "{name} in {env_file}");
    }
}

/// The text of a project's env file.
pub(crate) fn env_file(dir: &Path) -> String {
    fs::read_to_string(dir.join(".localnet.env")).expect("the project has an env file")
}

/// A value that stands bare in an env file.
pub(crate) fn value_in<'a>(env_file: &'a str, name: &str) -> Option<&'a str> {
    env_file.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

/// Every file, link and pipe below a folder, relative to it and sorted.
pub(crate) fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("the folder is there") {
            let entry = entry.expect("the folder is readable");
            if entry.file_type().expect("it is readable").is_dir() {
                folders.push(entry.path());
            } else {
                let path = entry.path();
                found.push(path.strip_prefix(folder).expect("it lies below").to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

/// What files hold and when and where they were written: equal before and after means nobody wrote them.
pub(crate) fn written(paths: &[PathBuf]) -> Vec<(PathBuf, u64, SystemTime, Vec<u8>)> {
    let of = |path: &PathBuf| {
        let metadata = fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let modified = metadata.modified().expect("this system has modification times");
        (path.clone(), metadata.ino(), modified, fs::read(path).expect("it is readable"))
    };
    paths.iter().map(of).collect()
}

/// The registry's lock, held until dropped, by this process as its text says.
pub(crate) fn hold_registry(sandbox: &Sandbox) -> File {
    let path = sandbox.path("state/silo/registry.lock");
    fs::create_dir_all(path.parent().expect("it has a folder")).expect("the sandbox is writable");
    let lock = File::options().write(true).create(true).truncate(true).open(&path).expect("the sandbox is writable");
    lock.lock().expect("nobody else holds it for long");
    fs::write(path, format!("{}\n", std::process::id())).expect("the sandbox is writable");
    lock
}

/// Runs `silo` with more variables; an empty list of arguments is `silo` alone.
pub(crate) fn run_with(
    sandbox: &Sandbox,
    dir: impl AsRef<Path>,
    variables: &[(&str, &str)],
    args: impl IntoIterator<Item: AsRef<OsStr>>,
) -> Ran {
    let mut command = sandbox.command(SILO, dir);
    command.envs(variables.iter().copied()).args(args);
    sandbox.finish(command)
}

impl Ran {
    /// It failed with an error that names all of this and, at the end, a way out; and it did not panic.
    #[track_caller]
    pub(crate) fn fails_naming(self, parts: &[&str]) -> Self {
        let ran = self.exit(1);
        for part in parts {
            assert!(ran.stderr.contains(part), "no {part:?} in {ran:#?}");
        }
        assert!(ran.stderr.lines().any(|line| line.starts_with("Error: ")), "{ran:#?}");
        assert!(ran.stderr.contains("\nHint: "), "no way out in {ran:#?}");
        assert!(!ran.stderr.contains("panicked"), "{ran:#?}");
        ran
    }

    /// It answered `silo export` for a prompt that goes on: success, and a message that has these parts.
    #[track_caller]
    pub(crate) fn goes_on_telling(self, parts: &[&str]) -> Self {
        let ran = self.exit(0);
        for part in parts {
            assert!(ran.stderr.contains(part), "no {part:?} in {ran:#?}");
        }
        assert!(!ran.stderr.contains("panicked"), "{ran:#?}");
        ran
    }
}
