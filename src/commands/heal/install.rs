//! `silo heal --install` and `--uninstall`: a service of the user's session that watches all instances, with the `PATH` and the
//! engine of now.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::geteuid;

use crate::core::session::{LABEL, MARK, Service, UNIT};
use crate::failure::{Failure, quoted, shown};
use crate::parts::context::Context;
use crate::sys::cmd::{self, Cmd, Ended};
use crate::sys::writing::{self, Writing};
use crate::sys::{files, program};

/// Largest file that is read, in bytes.
const LIMIT: u64 = 64 * 1024;
/// How long a manager of services may take to answer.
const ASK: Duration = Duration::from_secs(20);
/// What a service needs of this environment: where programs, the engine, and silo's own files are.
const VARIABLES: [&str; 9] = [
    "PATH",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "CONTAINER_HOST",
    "SILO_ENGINE",
    "XDG_STATE_HOME",
    "XDG_DATA_HOME",
    "XDG_CONFIG_HOME",
];
/// What does the same by hand.
const BY_HAND: &str = "silo heal --watch --all";

/// Who keeps services of the user's session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manager {
    Systemd,
    Launchd,
}

impl Manager {
    /// The one there is, and answers.
    fn of(context: &Context) -> Result<Self, Failure> {
        let none = |why: &str| {
            Err(Failure::new(format!("This session keeps no services: {why}; nothing was changed"))
                .hint(format!("Have it started by what you start your day with: `{BY_HAND}`")))
        };
        let is_there = |name: &str| cmd::find(name, &context.environment).is_some();
        if is_there("systemctl") {
            return match run(context, "systemctl", &["--user", "show-environment"]) {
                Ok(()) => Ok(Self::Systemd),
                Err(_) => none("systemd has no bus for this user"),
            };
        }
        if is_there("launchctl") { Ok(Self::Launchd) } else { none("there is neither systemd nor launchd") }
    }

    fn file(self, context: &Context) -> PathBuf {
        match self {
            Self::Systemd => context.dirs.config_home().join("systemd/user").join(UNIT),
            Self::Launchd => context.dirs.home.join("Library/LaunchAgents").join(format!("{LABEL}.plist")),
        }
    }
}

pub(super) fn install(context: &Context) -> Result<u8, Failure> {
    let manager = Manager::of(context)?;
    let path = manager.file(context);
    let before = own(&path)?;
    let service = service(context)?;
    let text = if manager == Manager::Systemd { service.systemd() } else { service.launchd() };
    if before.as_ref() != Some(&text) {
        files::make_folder(path.parent().expect("it lies in a folder"))?;
        writing::replace(&path, text.as_bytes(), Writing::PRIVATE)?;
        context.ui.step(&format!("Wrote `{}`", shown(&path)));
    }
    match manager {
        Manager::Systemd => {
            run(context, "systemctl", &["--user", "daemon-reload"])?;
            run(context, "systemctl", &["--user", "enable", UNIT])?;
            run(context, "systemctl", &["--user", "restart", UNIT])?;
            if !lingers(context) {
                context.ui.step(
                    "It starts when you log in; to have it from the machine's start on: `loginctl enable-linger`",
                );
            }
        }
        Manager::Launchd => {
            let domain = format!("gui/{}", geteuid().as_raw());
            // One that runs keeps what it was started with.
            let _ = run(context, "launchctl", &["bootout", &format!("{domain}/{LABEL}")]);
            run(context, "launchctl", &["bootstrap", &domain, &path.to_string_lossy()])?;
        }
    }
    context.ui.step("From now on, what should be up is kept up; `silo heal --uninstall` ends that");
    Ok(0)
}

pub(super) fn uninstall(context: &Context) -> Result<u8, Failure> {
    let installed: Vec<Manager> =
        [Manager::Systemd, Manager::Launchd].into_iter().filter(|one| files::exists(&one.file(context))).collect();
    if installed.is_empty() {
        context.ui.step("No service of silo's is installed");
        return Ok(0);
    }
    for manager in installed {
        let path = manager.file(context);
        own(&path)?;
        let stopped = match manager {
            Manager::Systemd => run(context, "systemctl", &["--user", "disable", "--now", UNIT]),
            Manager::Launchd => run(context, "launchctl", &["bootout", &format!("gui/{}/{LABEL}", geteuid().as_raw())]),
        };
        if let Err(failure) = stopped {
            context.ui.warn(&failure.what);
        }
        files::remove(&path)?;
        context.ui.step(&format!("Removed `{}`", shown(&path)));
        if manager == Manager::Systemd {
            let _ = run(context, "systemctl", &["--user", "daemon-reload"]);
        }
    }
    Ok(0)
}

/// The text of silo's own file; none where there is no file.
fn own(path: &Path) -> Result<Option<String>, Failure> {
    let Some(content) = files::read(path, LIMIT)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&content.bytes).into_owned();
    match text.lines().take(2).any(|line| line.contains(MARK)) {
        true => Ok(Some(text)),
        false => Err(Failure::new(format!("`{}` is not silo's; it was left as it is", shown(path)))
            .hint(format!("Look at it: `cat {}`", quoted(path)))),
    }
}

fn service(context: &Context) -> Result<Service, Failure> {
    let silo = program::own_path(&context.environment, &context.program)?;
    let outside = context.outside();
    let words = [silo.to_string_lossy().into_owned()].into_iter().chain(BY_HAND.split(' ').skip(1).map(str::to_owned));
    let variable = |name: &str| outside.text(name).map(|value| (name.to_owned(), value.to_owned()));
    let service = Service { words: words.collect(), variables: VARIABLES.into_iter().filter_map(variable).collect() };
    match service.unfit() {
        Some(value) => Err(Failure::new(format!("A service cannot be given `{}`", value.escape_debug()))
            .hint("Take the line break out of that variable, or of the path of silo")),
        None => Ok(service),
    }
}

/// Whether the user's services run without a session.
fn lingers(context: &Context) -> bool {
    let user = geteuid().as_raw().to_string();
    let asked = captured(context, "loginctl", &["show-user", &user, "--property=Linger"]);
    asked.is_some_and(|answer| answer.trim() == "Linger=yes")
}

fn captured(context: &Context, program: &str, words: &[&str]) -> Option<String> {
    let outside = context.outside();
    let arguments = words.iter().map(Into::into).collect();
    let cmd = Cmd { program, arguments, environment: &outside, folder: Path::new("/") };
    let captured = cmd.capture(ASK).ok().filter(|captured| captured.ended == Ended::Code(0))?;
    Some(String::from_utf8_lossy(&captured.stdout).into_owned())
}

fn run(context: &Context, program: &str, words: &[&str]) -> Result<(), Failure> {
    let outside = context.outside();
    let arguments = words.iter().map(Into::into).collect();
    let cmd = Cmd { program, arguments, environment: &outside, folder: Path::new("/") };
    cmd.capture(ASK)?.success(&cmd).map(|_| ())
}
