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

/// Where the file of an agent's role is.
pub fn place(dirs: &Dirs, root: &Path, key: &str) -> PathBuf {
    dirs.instance(root).join(format!("memory-{key}"))
}

/// A password that nobody can guess.
///
/// # Errors
/// A [`Failure`] where the system gives no chance.
pub fn password() -> Result<String, Failure> {
    Ok(hex(&random::secret::<24>()?))
}

/// The password in a file of [`save`]; none where there is none.
///
/// # Errors
/// A [`Failure`] when the file cannot be read.
pub fn load(path: &Path) -> Result<Option<String>, Failure> {
    let Some(content) = files::read(path, LIMIT)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&content.bytes);
    let user = text.split_once("://").and_then(|(_, rest)| rest.split_once('@')).map(|(user, _)| user);
    Ok(user.and_then(|user| user.split_once(':')).and_then(|(_, password)| decoded(password)))
}

/// Writes the file: an address as `libpq` and most libraries take it, with the password.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn save(path: &Path, role: &Role, password: &str) -> Result<(), Failure> {
    let Role { name, host, port, database, tls } = role;
    let host = if host.contains(':') { format!("[{host}]") } else { encoded(host) };
    let mode = if *tls { "?sslmode=verify-full" } else { "" };
    let (name, database) = (encoded(name), encoded(database));
    let text = format!("postgresql://{name}:{password}@{host}:{port}/{database}{mode}\n");
    if let Some(folder) = path.parent() {
        files::make_folder(folder)?;
    }
    writing::replace(path, text.as_bytes(), Writing::PRIVATE)
}
