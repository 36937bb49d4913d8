//! Which server is asked, with all that being admitted to it takes.

use std::path::PathBuf;
use std::time::Duration;

use silo::core::config::memory_servers::{self, Password};
use silo::core::config::providers::{Secret, Url};
use silo::core::memory::talk::Target;
use silo::core::text::source::one_line;
use silo::core::text::suggest::ticked;
use silo::failure::{Failure, shown};
use silo::parts::context::Context;
use silo::store::memory::file;
use silo::sys::cmd::{Cmd, Ended};

use super::super::gateway::tls::{self, Tls};

/// How long a command may take that prints a password.
const COMMAND: Duration = Duration::from_secs(20);

/// A server.
pub(super) struct Server {
    /// What it is called in a sentence.
    pub(super) title: String,
    /// Its host; the folder of a unix socket where it begins with `/`.
    pub(super) host: String,
    /// Its port.
    pub(super) port: u16,
    /// The database.
    pub(super) database: String,
    /// The role that owns the memory.
    pub(super) user: String,
    /// Its password.
    pub(super) password: Option<Secret>,
    /// How it is spoken to, where that is over TLS.
    pub(super) tls: Option<Tls>,
    /// Whether it is on this machine, where an agent may be led to it.
    pub(super) is_here: bool,
    /// How to go on where its password is wrong.
    pub(super) password_hint: String,
    /// Where its password is named, as the end of a sentence.
    pub(super) password_place: String,
}

impl Server {
    /// The one that is meant.
    pub(super) fn of(context: &Context, target: Target) -> Result<Self, Failure> {
        let title = target.title();
        match target {
            Target::Service { service, host, port, database, user, password } => Ok(Self {
                title,
                host,
                port,
                database,
                user,
                password: password.map(|password| Secret::whole(&password)),
                tls: None,
                is_here: true,
                password_hint: format!(
                    "Compare `user` and the password that `[memory]` names with those of `{service}`; it keeps the first ones it was given"
                ),
                password_place: "`[memory]` (`password_variable` or `password_file`)".to_owned(),
            }),
            Target::Server(name) => of_file(context, &name, title),
        }
    }

    /// Where it is, without who asks.
    pub(super) fn address(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{host}:{}/{}", self.port, self.database)
    }
}

fn of_file(context: &Context, name: &str, title: String) -> Result<Server, Failure> {
    let path = file::place(&context.dirs);
    let mut servers = file::load(&context.dirs)?;
    let Some(server) = servers.shift_remove(name) else {
        let failure = Failure::new(format!("`{}` has no server `{}`", shown(&path), one_line(name)));
        let known: Vec<String> = servers.into_keys().collect();
        return Err(match known.is_empty() {
            true => {
                failure.hint(format!("Add it: `[servers.{}]` with a `url`; read: `silo doc memory`", one_line(name)))
            }
            false => failure.hint(format!("It has {}", ticked(&known))),
        });
    };
    let is_here = server.is_here();
    let memory_servers::Server { host, port, database, user, password, tls, ca } = server;
    let password = match password {
        Password::None => None,
        Password::Text(secret) => Some(secret),
        Password::Command(command) => Some(printed(context, name, &command)?),
    };
    let tls = if tls {
        let folder = path.parent().expect("it lies in a folder");
        let ca: Option<PathBuf> = ca.map(|ca| match ca.strip_prefix("~/") {
            Some(rest) => context.dirs.home.join(rest),
            None => folder.join(ca),
        });
        tls::of(&Url { is_tls: true, host: host.clone(), port, base: String::new() }, ca.as_deref())?
    } else {
        None
    };
    let password_hint = format!("Look at its `url` and password in `{}`", shown(&path));
    let password_place = format!("`[servers.{}]` in `{}`", one_line(name), shown(&path));
    Ok(Server { title, host, port, database, user, password, tls, is_here, password_hint, password_place })
}

/// What a command prints in its first line. Nothing of it is shown, whatever goes wrong.
fn printed(context: &Context, name: &str, command: &str) -> Result<Secret, Failure> {
    let environment = context.outside();
    let arguments = vec!["-c".into(), command.into()];
    let cmd = Cmd { program: "sh", arguments, environment: &environment, folder: &context.dirs.home };
    let captured = cmd.capture(COMMAND).ok().filter(|captured| captured.ended == Ended::Code(0));
    let text = captured.map(|captured| String::from_utf8_lossy(&captured.stdout).into_owned()).unwrap_or_default();
    match text.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(Secret::whole(line)),
        None => Err(Failure::new(format!("The `password_command` of `{}` printed no password", one_line(name)))
            .hint("Run it by hand; it has 20 seconds and no terminal, and the first line it prints is the password")),
    }
}
