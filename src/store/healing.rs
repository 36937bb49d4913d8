//! The events of bringing back (D31): a file that only grows, and is put aside when it is large.

use std::path::PathBuf;
use std::time::Duration;

use crate::core::healing::{self, Event, What};
use crate::core::leases::Wish;
use crate::failure::Failure;
use crate::sys::dirs::Dirs;
use crate::sys::lock::{self, Wait};
use crate::sys::writing;
use crate::sys::{clock, files, processes};

/// How large the file may get, in bytes; one as large as that lies beside it.
const LARGE: u64 = 1024 * 1024;
/// How long a writer waits for another one.
const WAIT: Duration = Duration::from_secs(5);

/// All events there are, those of the file that was put aside first.
pub fn all(dirs: &Dirs) -> Vec<Event> {
    let read =
        |path: PathBuf| files::read(&path, 2 * LARGE).ok().flatten().map(|content| content.bytes).unwrap_or_default();
    let bytes = [read(aside(dirs)), read(place(dirs))].concat();
    healing::parse(&String::from_utf8_lossy(&bytes))
}

/// Adds an event that happens now.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn add(dirs: &Dirs, id: &str, what: What, of: Option<&Wish>, why: Option<&str>) -> Result<(), Failure> {
    let by = (what == What::Up).then(processes::own_birth).flatten();
    let (of, why) = (of.cloned(), why.map(str::to_owned));
    let event = Event { at: clock::millis(), id: id.to_owned(), what, of, why, by };
    let busy = |holder| Failure::new(format!("`{}` is being written{holder}", place(dirs).display()));
    let wait = Wait { limit: WAIT, tell: &|_| () };
    lock::hold(&dirs.state.join("heal.lock"), "the events", &wait, busy, || {
        writing::add_line(&place(dirs), &healing::line(&event), LARGE, &aside(dirs))
    })
}

/// The file.
pub fn place(dirs: &Dirs) -> PathBuf {
    dirs.state.join("heal.jsonl")
}

fn aside(dirs: &Dirs) -> PathBuf {
    dirs.state.join("heal.jsonl.1")
}
