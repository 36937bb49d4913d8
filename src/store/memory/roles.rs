//! The passwords of agents' roles: a file each, for the user alone, with the address that its agent connects to.

use std::path::{Path, PathBuf};

use crate::core::memory::talk::{Role, hex};
use crate::core::text::percent::{decoded, encoded};
use crate::failure::Failure;
use crate::sys::dirs::Dirs;
use crate::sys::writing::{self, Writing};
use crate::sys::{files, random};

/// Largest file that is read, in bytes.
const LIMIT: u64 = 4096;

/// This user's silo, by which agents of two users with one server are told apart.
///
/// # Errors
/// A [`Failure`] when it is not there and cannot be written.
pub fn user(dirs: &Dirs) -> Result<String, Failure> {
    let path = dirs.memory().join("user");
    if let Some(content) = files::read(&path, LIMIT)? {
        return Ok(String::from_utf8_lossy(&content.bytes).trim().to_owned());
    }
    files::make_folder(&dirs.memory())?;
    let made = hex(&random::secret::<16>()?);
    // Of several that find none, the first one's stays.
    let beside = dirs.memory().join(format!("user-{made}"));
    writing::replace(&beside, format!("{made}\n").as_bytes(), Writing::PRIVATE)?;
    let linked = writing::name_also(&beside, &path);
    files::remove(&beside)?;
    linked?;
    let content = files::read(&path, LIMIT)?;
    Ok(content.map_or(made, |content| String::from_utf8_lossy(&content.bytes).trim().to_owned()))
}

/// Where the file of an agent's role is that its user reads.
pub fn place(dirs: &Dirs, root: &Path, key: &str) -> PathBuf {
    dirs.instance(root).join(format!("memory-{key}"))
}

/// Where the one is that the agent itself reads, with the address as its container knows it.
pub fn place_inside(dirs: &Dirs, root: &Path, key: &str) -> PathBuf {
    dirs.instance(root).join(format!("memory-{key}.agent"))
}

/// A password that nobody can guess.
///
/// # Errors
/// A [`Failure`] where the system gives no chance.
pub fn password() -> Result<String, Failure> {
    Ok(hex(&random::secret::<24>()?))
}

/// The password in a file of [`save`] or [`save_inside`]; none where there is none.
///
/// # Errors
/// A [`Failure`] when the file cannot be read.
pub fn load(path: &Path) -> Result<Option<String>, Failure> {
    let Some(content) = files::read(path, LIMIT)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&content.bytes);
    let user = text.split_once("://").and_then(|(_, rest)| rest.split_once('@')).map(|(user, _)| user);
    Ok(user.and_then(|user| user.split_once(':')).and_then(|(_, password)| decoded(password)))
}

/// Writes the file of [`place`]: an address as `libpq` and most libraries take it, with the password.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn save(path: &Path, role: &Role, password: &str) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        files::make_folder(folder)?;
    }
    writing::replace(path, address(role, password).as_bytes(), Writing::PRIVATE)
}

/// Writes the file of [`place_inside`]. One that is there is written over and not replaced: a container has that one mounted.
///
/// # Errors
/// As [`save`].
pub fn save_inside(path: &Path, role: &Role, password: &str) -> Result<(), Failure> {
    if !files::exists(path) {
        return save(path, role, password);
    }
    over(path, &address(role, password))
}

/// Sets the password in a file of [`save_inside`], where it is there, and leaves the address as it is.
///
/// # Errors
/// As [`save`].
pub fn renew_inside(path: &Path, password: &str) -> Result<(), Failure> {
    match renewed(path, password)? {
        Some(text) => over(path, &text),
        None => Ok(()),
    }
}

/// The same in a file of [`save`].
///
/// # Errors
/// As [`save`].
pub fn renew(path: &Path, password: &str) -> Result<(), Failure> {
    match renewed(path, password)? {
        Some(text) => writing::replace(path, text.as_bytes(), Writing::PRIVATE),
        None => Ok(()),
    }
}

/// What a file is to say with another password; none where there is none, or it says so.
fn renewed(path: &Path, password: &str) -> Result<Option<String>, Failure> {
    let Some(content) = files::read(path, LIMIT)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&content.bytes);
    let parts = text.split_once('@').and_then(|(user, host)| Some((user.rsplit_once(':')?.0, host)));
    let renewed = parts.map(|(user, host)| format!("{user}:{password}@{host}"));
    Ok(renewed.filter(|renewed| *renewed != text))
}

fn over(path: &Path, text: &str) -> Result<(), Failure> {
    match files::read(path, LIMIT)? {
        Some(content) if content.bytes == text.as_bytes() => Ok(()),
        _ => writing::over(path, text.as_bytes()),
    }
}

fn address(role: &Role, password: &str) -> String {
    let Role { name, host, port, database, tls } = role;
    let host = if host.contains(':') { format!("[{host}]") } else { encoded(host) };
    let mode = if *tls { "?sslmode=verify-full" } else { "" };
    let (name, database) = (encoded(name), encoded(database));
    format!("postgresql://{name}:{password}@{host}:{port}/{database}{mode}\n")
}
