//! What the system lets a process have.

use rustix::process::{Resource, getrlimit, setrlimit};

/// As many open files as are of use to a server.
const FILES: u64 = 16 * 1024;

/// Lets this process have as many open files as it may, up to a limit of silo's own; where that cannot be, it has those it had.
pub fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.map_or(FILES, |most| most.min(FILES));
    if limit.current.is_some_and(|now| now < most) {
        limit.current = Some(most);
        let _ = setrlimit(Resource::Nofile, limit);
    }
}

/// Lets this process, and those it starts, write no file larger than so many bytes; where that cannot be, sizes are looked at afterwards.
pub fn cap_files(bytes: u64) {
    let mut limit = getrlimit(Resource::Fsize);
    let most = limit.maximum.map_or(bytes, |most| most.min(bytes));
    limit.current = Some(most);
    limit.maximum = Some(most);
    let _ = setrlimit(Resource::Fsize, limit);
}

/// Has the system write no image of this process's memory to a disk, and show it to no other program of the user's, where it can:
/// the memory holds keys.
pub fn forbid_dumps() {
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    let _ = setrlimit(Resource::Core, none);
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
