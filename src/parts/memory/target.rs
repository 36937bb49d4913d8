//! Which server a project's memory is in, as `silo-proxy` is told it.

use std::path::Path;

use crate::core::config::memory::variable;
use crate::core::formats::dotenv;
use crate::core::instance::trust::Trust;
use crate::core::memory::place::{Memory, MemoryService, PasswordSource};
use crate::core::memory::talk::Target;
use crate::core::text::source::one_line;
use crate::failure::{Failure, code, quoted, shown, shown_from};
use crate::parts::scope::Scope;
use crate::store::trust;
use crate::sys::files;

/// Largest `.env`, and largest file with a password, in bytes.
const LIMIT: u64 = 1024 * 1024;
const PASSWORD: u64 = 4096;

/// Whether a project has a memory.
pub fn is_declared(scope: &Scope<'_>) -> bool {
    scope.settings.memory.is_some()
}

/// The server.
///
/// # Errors
/// A [`Failure`] where there is none, with exit code 3 where the `silo.toml` is not trusted, or where its password is not available.
pub fn of(scope: &Scope<'_>) -> Result<Target, Failure> {
    let Some(memory) = &scope.settings.memory else {
        let file = shown_from(&scope.context.dirs.home, &scope.project.file);
        return Err(Failure::new(format!("`{file}` has no `[memory]`"))
            .hint("Add it, with `service` or `server`: `silo doc memory`"));
    };
    is_trusted(scope)?;
    match memory {
        Memory::Server(name) => Ok(Target::Server(name.clone())),
        Memory::Service(memory) => service(scope, memory),
    }
}

fn is_trusted(scope: &Scope<'_>) -> Result<(), Failure> {
    let why = match trust::judge(&scope.context.dirs, scope.project)? {
        Trust::Allowed => return Ok(()),
        Trust::Denied => "is denied",
        Trust::Changed => "has changed since it was trusted",
        Trust::Unknown => "is not trusted",
    };
    let file = shown_from(&scope.context.dirs.home, &scope.project.file);
    Err(Failure::new(format!("`{file}` {why}: its memory is not asked"))
        .hint(format!("Look at it, then `silo allow {}`", quoted(&scope.project.root)))
        .code(code::NOT_TRUSTED))
}

fn service(scope: &Scope<'_>, memory: &MemoryService) -> Result<Target, Failure> {
    let name = variable(&scope.settings, memory).expect("the file was checked");
    let port = scope.state.as_ref().and_then(|state| state.ports.get(name).copied()).ok_or_else(|| {
        Failure::new(format!("`{name}`, the port of the memory, is not leased yet")).hint("Run `silo up -d` first")
    })?;
    let published = scope.settings.compose.as_ref().and_then(|compose| compose.ports.get(name));
    let bind = published.and_then(|published| published.bind).filter(|bind| !bind.is_unspecified());
    Ok(Target::Service {
        service: memory.service.clone(),
        host: bind.map_or_else(|| "127.0.0.1".to_owned(), |bind| bind.to_string()),
        port,
        database: memory.database.clone(),
        user: memory.user.clone(),
        password: memory.password.as_ref().map(|source| password(scope, source)).transpose()?,
    })
}

fn password(scope: &Scope<'_>, source: &PasswordSource) -> Result<String, Failure> {
    match source {
        PasswordSource::File(file) => of_file(&scope.project.root, file),
        PasswordSource::Variable(name) => {
            // As compose has it: what silo sets comes before the shell's, and that before `.env`.
            let own = scope.settings.env.get(name).map(|text| text.value.clone());
            let own = own.filter(|value| !value.contains("${"));
            let shell = || scope.context.environment.text(name).map(str::to_owned);
            let found = match own.or_else(shell) {
                Some(found) => Some(found),
                None => files::read(&scope.project.root.join(".env"), LIMIT)?.and_then(|content| {
                    dotenv::value_of(&String::from_utf8_lossy(&content.bytes), name).map(str::to_owned)
                }),
            };
            found.filter(|found| !found.is_empty()).ok_or_else(|| {
                let name = one_line(name);
                Failure::new(format!("`{name}`, the password of the memory, is set nowhere"))
                    .hint(format!("Set it in the `.env` beside silo.toml, or in the shell: `export {name}=…`"))
            })
        }
    }
}

/// The first line of a file in the project; no link leads out of that.
fn of_file(root: &Path, file: &str) -> Result<String, Failure> {
    let path = root.join(file);
    let missing = || {
        Failure::new(format!("`{}`, which has the password of the memory, is missing or empty", shown(&path)))
            .hint("Write the password into it, as its first line, and have git ignore it")
    };
    if !files::exists(&path) {
        return Err(missing());
    }
    if !files::canonical(&path)?.starts_with(root) {
        return Err(Failure::new(format!("`{}` is a link that leads out of the project", shown(&path)))
            .hint("Put the file itself there, or name a variable with `password_variable`"));
    }
    let content = files::read(&path, PASSWORD)?.ok_or_else(missing)?;
    let text = String::from_utf8_lossy(&content.bytes);
    text.lines().next().filter(|line| !line.is_empty()).map(str::to_owned).ok_or_else(missing)
}
