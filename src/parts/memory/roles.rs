//! Roles of persistent agents: each has one of its own in the server, whose password is told by a file alone.

use std::path::{Path, PathBuf};

use super::ask::{ask, done};
use super::target;
use crate::core::memory::names;
use crate::core::memory::talk::{Answer, Role, Run, Target, What};
use crate::failure::Failure;
use crate::parts::scope::Scope;
use crate::store::memory::roles;
use crate::sys::files;

/// The key of an agent of this instance.
fn key(scope: &Scope<'_>, agent: &str) -> Result<String, Failure> {
    let user = roles::user(&scope.context.dirs)?;
    Ok(names::key(&user, scope.project.root_text(), agent))
}

/// How an agent reaches the server: the host and port that its container knows it by.
pub type Reach<'a> = (&'a str, u16);

/// Sees to it that an agent has its role, and gives back the file with the address it connects to, password included: the file of its
/// user with the address of this machine, or the one of the agent with that of `reach`. The password stays until it is rotated, and is the
/// same in both. A run whose ID is empty leaves the run that is noted.
///
/// # Errors
/// A [`Failure`] as of [`super::of`], or where the server refuses or the file cannot be written.
pub fn role_for(scope: &Scope<'_>, run: &Run, reach: Option<Reach<'_>>) -> Result<PathBuf, Failure> {
    given(scope, run, reach, false)
}

/// The same with a new password; whoever is connected by the old one is cut off.
///
/// # Errors
/// As [`role_for`].
pub fn rotate(scope: &Scope<'_>, run: &Run, reach: Option<Reach<'_>>) -> Result<PathBuf, Failure> {
    given(scope, run, reach, true)
}

fn given(scope: &Scope<'_>, run: &Run, reach: Option<Reach<'_>>, is_new: bool) -> Result<PathBuf, Failure> {
    let to = target::of(scope)?;
    let key = key(scope, &run.agent)?;
    let (dirs, root) = (&scope.context.dirs, &scope.project.root);
    let (outside, inside) = (roles::place(dirs, root, &key), roles::place_inside(dirs, root, &key));
    let before = match is_new {
        true => None,
        false => roles::load(&outside)?.map_or_else(|| roles::load(&inside), |known| Ok(Some(known)))?,
    };
    let (password, cut) = match before {
        Some(password) => (password, false),
        None => (roles::password()?, true),
    };
    let name = names::role(&run.instance, &run.agent, &key);
    let what = What::Role { key, name, run: run.clone(), password: password.clone(), cut };
    let role = match ask(scope.context, &to, what)? {
        Answer::Role(role) => role,
        _ => Role::default(),
    };
    // After the server: a file is there with a password that holds. Where the disk fails, the next call sets another one.
    if let Some((host, port)) = reach {
        let role = Role { host: host.to_owned(), port, tls: false, ..role };
        roles::renew(&outside, &password)?;
        roles::save_inside(&inside, &role, &password)?;
        return Ok(inside);
    }
    roles::save(&outside, &role, &password)?;
    roles::renew_inside(&inside, &password)?;
    Ok(outside)
}

/// Removes the role of an agent that is gone, and its files. Its findings stay. False where it had none.
///
/// # Errors
/// As [`role_for`]; the files are there then, for another try.
pub fn remove(scope: &Scope<'_>, agent: &str) -> Result<bool, Failure> {
    let to = target::of(scope)?;
    let key = key(scope, agent)?;
    drop_role(scope, &to, &scope.project.root, &key)
}

fn drop_role(scope: &Scope<'_>, to: &Target, root: &Path, key: &str) -> Result<bool, Failure> {
    let number = done(scope.context, to, What::Drop { key: key.to_owned() })?;
    files::remove(&roles::place(&scope.context.dirs, root, key))?;
    files::remove(&roles::place_inside(&scope.context.dirs, root, key))?;
    Ok(number > 0)
}
