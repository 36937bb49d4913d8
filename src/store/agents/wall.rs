//! What each agent may reach: `wall.json` in its folder, by which the gateway listens on sockets beside it (D33, D34). A small file beside
//! the agents' folders is written with each change, so that the gateway looks at one thing.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::core::agents::wall::{GATEWAY, Wall, is_plain};
use crate::failure::{Failure, shown};
use crate::sys::dirs::Dirs;
use crate::sys::sockets::Folder;
use crate::sys::writing::{self, Writing};
use crate::sys::{files, trees};

/// The name of the file.
const FILE: &str = "wall.json";
/// The name of the folder with the sockets.
const SOCKETS: &str = "wall";
/// The name of the file that is written with each change.
const CHANGED: &str = "changed";
/// Largest file that is read, in bytes.
const LIMIT: u64 = 256 * 1024;
/// How often it is looked whether the gateway listens.
const LOOK: Duration = Duration::from_millis(20);

/// Where the sockets of an agent are: what the relay mounts.
pub fn sockets(dirs: &Dirs, id: &str) -> PathBuf {
    dirs.agent(id).join(SOCKETS)
}

/// Says what an agent may reach, in place of what was said before. Its folder of sockets is there then.
///
/// # Errors
/// A [`Failure`] when it is no wall, or cannot be written.
pub fn write(dirs: &Dirs, wall: &Wall) -> Result<(), Failure> {
    wall.check(&wall.id).map_err(|error| {
        Failure::new(format!("An agent cannot be held so: {error}"))
            .hint("Look at `services` and `egress` where it is configured")
    })?;
    let folder = dirs.agent(&wall.id);
    files::make_folder(&sockets(dirs, &wall.id))?;
    let text = serde_json::to_string_pretty(wall).expect("text and numbers always serialise") + "\n";
    writing::replace(&folder.join(FILE), text.as_bytes(), Writing { durable: false, ..Writing::PRIVATE })?;
    tell(dirs)
}

/// Takes back all that an agent may reach, with its sockets; what is not there is no error.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn remove(dirs: &Dirs, id: &str) -> Result<(), Failure> {
    if !is_plain(id) || !files::exists(&dirs.agent(id)) {
        return Ok(());
    }
    files::remove(&dirs.agent(id).join(FILE))?;
    tell(dirs)?;
    trees::remove(&sockets(dirs, id))
}

fn tell(dirs: &Dirs) -> Result<(), Failure> {
    let path = dirs.agents().join(CHANGED);
    // A disk gives the number of a file that was replaced to the next one, and its clock ticks slowly: the length tells them apart.
    let length = files::look(&path).map_or(0, |(_, length, _)| (length + 1) % 64);
    let text: Vec<u8> = (0..length).map(|_| b'.').collect();
    writing::replace(&path, &text, Writing { durable: false, ..Writing::PRIVATE })
}

/// How all of them stand, to be compared: it differs after each [`write()`] and [`remove`].
pub fn look(dirs: &Dirs) -> Option<(i128, u64, u64)> {
    files::look(&dirs.agents().join(CHANGED))
}

/// All walls, by id; what cannot be read is a failure each.
pub fn all(dirs: &Dirs) -> Vec<(String, Result<Wall, Failure>)> {
    let mut found: Vec<_> = files::names_in(&dirs.agents()).iter().filter_map(|folder| of_folder(folder)).collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

fn of_folder(folder: &Path) -> Option<(String, Result<Wall, Failure>)> {
    let id = folder.file_name()?.to_str().filter(|id| is_plain(id))?.to_owned();
    let path = folder.join(FILE);
    let read = match files::read(&path, LIMIT) {
        Ok(content) => Wall::read(&id, &content?.bytes).map_err(|error| {
            Failure::new(format!("`{}` cannot be understood, so the agent reaches nothing: {error}", shown(&path)))
                .hint("silo writes it; start the agent again")
        }),
        Err(failure) => Err(failure),
    };
    Some((id, read))
}

/// Waits until the gateway listens on all sockets of an agent.
///
/// # Errors
/// A [`Failure`] when it does not within the limit.
pub fn wait_until_listening(dirs: &Dirs, id: &str, limit: Duration) -> Result<(), Failure> {
    let start = Instant::now();
    loop {
        let wall = of_folder(&dirs.agent(id)).map(|(_, wall)| wall).transpose()?;
        let folder = Folder::open(&sockets(dirs, id));
        // The gateway binds that of models last. To be connected with any other would be to ask for what is behind it.
        if let (Some(wall), Ok(folder)) = (&wall, &folder)
            && wall.sockets().iter().all(|name| files::is_socket(&sockets(dirs, id).join(name)))
            && folder.listens(GATEWAY)
        {
            return Ok(());
        }
        if start.elapsed() > limit {
            return Err(Failure::new(format!("The gateway does not listen for the agent `{id}`"))
                .hint("See whether it runs: `silo gateway status`; start it: `silo gateway up -d`"));
        }
        std::thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::shell::environment::Environment;

    #[test]
    fn each_change_shows_and_what_is_wrong_opens_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path().to_str().expect("it is text");
        let environment = Environment::from_iter([("HOME", home), ("XDG_STATE_HOME", home)]);
        let dirs = Dirs::find(&environment).expect("HOME is set");
        let wall = |id: &str| Wall { id: id.to_owned(), ..Wall::default() };
        let mut seen = vec![look(&dirs)];
        for id in ["a", "b", "a"] {
            write(&dirs, &wall(id)).expect("it is writable");
            assert!(!seen.contains(&look(&dirs)));
            seen.push(look(&dirs));
        }
        let lengths: Vec<u64> = seen.iter().flatten().map(|(_, length, _)| *length).collect();
        assert!(
            lengths.is_sorted_by(|one, next| one < next),
            "where a disk tells no more, the length does: {lengths:?}"
        );
        let ids = || all(&dirs).into_iter().map(|(id, wall)| (id, wall.is_ok())).collect::<Vec<_>>();
        assert_eq!(ids(), [("a".to_owned(), true), ("b".to_owned(), true)]);
        assert_eq!(files::mode(&dirs.agent("a").join(FILE)), Some(0o600));
        assert_eq!(files::mode(&sockets(&dirs, "a")), Some(0o700));
        std::fs::write(dirs.agent("b").join(FILE), "{}").expect("it is ours");
        assert_eq!(ids(), [("a".to_owned(), true), ("b".to_owned(), false)]);
        for _ in 0..2 {
            remove(&dirs, "a").expect("it is ours");
        }
        assert!(!seen.contains(&look(&dirs)));
        assert_eq!(ids(), [("b".to_owned(), false)]);
        assert!(write(&dirs, &wall("../x")).is_err());
        let late = wait_until_listening(&dirs, "b", Duration::ZERO);
        assert!(late.is_err());
    }
}
