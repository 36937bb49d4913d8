//! The only place that starts programs.

use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Read, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::core::shell::environment::Environment;
use crate::core::text::source::printable;
use crate::failure::{Failure, code};
use crate::sys::writing;
use crate::sys::{files, signals};

/// How often a child is looked after.
const LOOK: Duration = Duration::from_millis(10);
/// How long a child gets to end by itself after a signal, before silo passes the signal on: the sender may have sent it
/// to the whole process group, and a second one makes some exit hard and leave orphans.
const GRACE: Duration = Duration::from_secs(3);
/// The same where the [`Canary`] tells that silo got the signal alone: who sends to each of a group has done so by then.
const ALONE: Duration = Duration::from_millis(250);
/// How long the output of a program that has ended is waited for; a grandchild may hold the pipes.
const DRAIN: Duration = Duration::from_millis(500);

/// A program to be started.
#[derive(Debug, Clone)]
pub struct Cmd<'a> {
    /// Its name or path.
    pub program: &'a str,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its whole environment; `PATH` in it finds the program.
    pub environment: &'a Environment,
    /// Its working folder.
    pub folder: &'a Path,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

/// What a program printed, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// How it ended.
    pub ended: Ended,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

impl Ended {
    /// As an exit code: 128 and the number for a signal.
    pub fn code(self) -> u8 {
        match self {
            Self::Code(code) => u8::try_from(code).unwrap_or(u8::MAX),
            Self::Signal(number) => u8::try_from(128 + number).unwrap_or(u8::MAX),
        }
    }
}

impl Cmd<'_> {
    /// The command line as it could be pasted.
    pub fn shown(&self) -> String {
        let words = self.arguments.iter().map(|word| word.to_string_lossy());
        shell_words::join(std::iter::once(self.program.into()).chain(words))
    }

    /// Its first words, for a message; the rest may be many.
    fn brief(&self) -> String {
        const MOST: usize = 72;
        let whole = self.shown();
        match whole.char_indices().nth(MOST) {
            None => whole,
            Some((at, _)) => format!("{} …", whole[..at].rsplit_once(' ').map_or(&whole[..at], |(words, _)| words)),
        }
    }

    /// Runs the program with silo's own terminal until it ends. `started` gets its process id. Signals that reach silo
    /// meanwhile are remembered ([`signals::asked`]) and passed on where the child did not get them too.
    ///
    /// # Errors
    /// A [`Failure`] when it cannot be started; how it ended is for the caller to judge.
    pub fn run(&self, started: impl FnOnce(u32) -> Result<(), Failure>) -> Result<Ended, Failure> {
        let mut canary = Canary::start();
        let mut child = self.command().spawn().map_err(|error| self.unstartable(&error))?;
        let noted = started(child.id());
        let mut passed_on = false;
        let mut since = None;
        loop {
            if let Some(ended) = self.ended(&mut child)? {
                return noted.map(|()| ended);
            }
            if let Some(asked) = signals::asked() {
                let since = *since.get_or_insert_with(Instant::now);
                // A terminal that goes away sends HUP to the leader of its session alone, which silo may be.
                let alone = asked.sent || asked.number == Signal::SIGHUP as i32;
                let grace = if canary.as_mut().is_some_and(Canary::lives) { ALONE } else { GRACE };
                if alone && !passed_on && since.elapsed() >= grace {
                    passed_on = true;
                    send(child.id(), asked.number);
                }
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Starts the program in a process group of its own, without a terminal, its output going to a file; it outlives silo.
    ///
    /// # Errors
    /// A [`Failure`] when the file cannot be made or the program not be started.
    pub fn detach(&self, log: &Path) -> Result<Detached, Failure> {
        let out = writing::log(log)?;
        let err = out.try_clone().map_err(|error| Failure::file("write", log, &error))?;
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(out).stderr(err).process_group(0);
        command.spawn().map(Detached).map_err(|error| self.unstartable(&error))
    }

    /// Starts a program of the desktop that may end at once or stay: no terminal, a process group of its own. One that
    /// has not ended within `limit` has been handed what it needs.
    ///
    /// # Errors
    /// A [`Failure`] when it cannot be started, or ends with a failure within `limit`.
    pub fn hand_over(&self, limit: Duration) -> Result<(), Failure> {
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn().map_err(|error| self.unstartable(&error))?;
        let start = Instant::now();
        while start.elapsed() < limit {
            match self.ended(&mut child)? {
                Some(Ended::Code(0)) => return Ok(()),
                Some(ended) => {
                    let captured = Captured { ended, stdout: Vec::new(), stderr: Vec::new() };
                    return captured.success(self).map(|_| ());
                }
                None => std::thread::sleep(LOOK),
            }
        }
        Ok(())
    }

    /// Runs the program without a terminal and takes what it prints.
    ///
    /// # Errors
    /// A [`Failure`] when it cannot be started, has not ended within `limit`, or silo was asked to stop meanwhile; it
    /// is then killed.
    pub fn capture(&self, limit: Duration) -> Result<Captured, Failure> {
        self.capture_with(limit, b"")
    }

    /// As [`Cmd::capture`], with something on the program's standard input.
    ///
    /// # Errors
    /// As [`Cmd::capture`].
    pub fn capture_with(&self, limit: Duration, input: &[u8]) -> Result<Captured, Failure> {
        let mut child = self.piped(!input.is_empty())?;
        if let Some(mut pipe) = child.stdin.take() {
            let input = input.to_vec();
            // A child that reads nothing closes its end; that is its own business.
            std::thread::spawn(move || pipe.write_all(&input));
        }
        let stdout = drain(child.stdout.take());
        let stderr = drain(child.stderr.take());
        let start = Instant::now();
        let ended = loop {
            if let Some(ended) = self.ended(&mut child)? {
                break ended;
            }
            if start.elapsed() > limit || signals::asked().is_some() {
                kill_group(&mut child);
                if let Some(asked) = signals::asked() {
                    return Err(self.stopped(asked));
                }
                let seconds = limit.as_secs_f32();
                return Err(Failure::new(format!("`{}` did not end within {seconds} s", self.brief()))
                    .hint("Try it by hand; the program may wait for something"));
            }
            std::thread::sleep(LOOK);
        };
        // A grandchild may hold the pipes open; what came until the end is enough.
        let until = Instant::now() + DRAIN;
        Ok(Captured { ended, stdout: taken(&stdout, until), stderr: taken(&stderr, until) })
    }

    /// Starts the program in a process group of its own with pipes for all it prints, and for what it reads if it `reads`.
    ///
    /// # Errors
    /// A [`Failure`] when it cannot be started.
    pub(super) fn piped(&self, reads: bool) -> Result<Child, Failure> {
        let mut command = self.command();
        command.stdin(if reads { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        command.spawn().map_err(|error| self.unstartable(&error))
    }

    /// Starts the program in silo's own terminal, with a pipe for what it reads.
    ///
    /// # Errors
    /// A [`Failure`] when it cannot be started.
    pub(super) fn fed(&self) -> Result<Child, Failure> {
        self.command().stdin(Stdio::piped()).spawn().map_err(|error| self.unstartable(&error))
    }

    /// Starts the program in a process group of its own, without input; gives its process id.
    pub(super) fn start_alone(&self) -> std::io::Result<u32> {
        self.command().stdin(Stdio::null()).process_group(0).spawn().map(|child| child.id())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command.args(&self.arguments).env_clear().envs(self.environment.iter()).current_dir(self.folder);
        command
    }

    pub(super) fn stopped(&self, asked: signals::Asked) -> Failure {
        Failure::new(format!("Stopped by a signal during `{}`", self.brief())).code(asked.code())
    }

    pub(super) fn ended(&self, child: &mut Child) -> Result<Option<Ended>, Failure> {
        let status = child.try_wait().map_err(|error| Failure::file("wait for", Path::new(self.program), &error))?;
        Ok(status.map(|status| match (status.code(), status.signal()) {
            (Some(code), _) => Ended::Code(code),
            (None, signal) => Ended::Signal(signal.unwrap_or(0)),
        }))
    }

    fn unstartable(&self, error: &std::io::Error) -> Failure {
        match error.kind() {
            ErrorKind::NotFound if files::exists(self.folder) => {
                Failure::new(format!("`{}` was not found", self.program)).code(code::FAILURE)
            }
            ErrorKind::NotFound => Failure::file("find", self.folder, error),
            _ => Failure::file("run", Path::new(self.program), error),
        }
    }
}

/// A process beside the child, in silo's own group, that does nothing but wait for silo to end. A signal says who sent it,
/// not to whom: one that was sent to the whole group, or to each process of it, has ended the canary too (D13).
struct Canary(Child);

impl Canary {
    /// None where it cannot be started: then nothing is known of the group.
    fn start() -> Option<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "read -r _"]).env_clear().current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().ok().map(Self)
    }

    fn lives(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that outlives silo.
#[derive(Debug)]
pub struct Detached(Child);

impl Detached {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Whether it has ended already.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }
}

impl Captured {
    /// The output of a command that must succeed.
    ///
    /// # Errors
    /// A [`Failure`] with the command line, how it ended, and the last lines of its standard error.
    pub fn success(self, cmd: &Cmd<'_>) -> Result<Vec<u8>, Failure> {
        let mut failure = match self.ended {
            Ended::Code(0) => return Ok(self.stdout),
            Ended::Code(code) => Failure::new(format!("`{}` failed with exit code {code}", cmd.brief())),
            Ended::Signal(number) => Failure::new(format!("`{}` ended by signal {number}", cmd.brief())),
        };
        let stderr = String::from_utf8_lossy(&self.stderr);
        let lines: Vec<&str> = stderr.lines().filter(|line| !line.trim().is_empty()).collect();
        let tail = lines[lines.len().saturating_sub(10)..].iter().map(|line| format!("  | {}", printable(line)));
        let excerpt = tail.collect::<Vec<_>>().join("\n");
        failure.excerpt = (!excerpt.is_empty()).then_some(excerpt);
        Err(failure)
    }
}

/// Ends a program that has a process group of its own, with its children, which hold its pipes too.
pub(super) fn kill_group(child: &mut Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
    let _ = child.wait();
}

/// Sends a signal to one process; one that has ended is no error.
pub fn send(pid: u32, number: i32) {
    if let (Ok(pid), Ok(signal)) = (i32::try_from(pid), Signal::try_from(number)) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// Where `PATH` finds a program.
pub fn find(program: &str, environment: &Environment) -> Option<PathBuf> {
    find_in(program.as_ref(), environment, |_| true)
}

/// Where those folders of `PATH` that count find a program.
pub fn find_in(program: &OsStr, environment: &Environment, counts: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let folders = std::env::split_paths(environment.get("PATH")?).filter(|folder| counts(folder));
    folders.map(|folder| folder.join(program)).find(|file| files::is_executable(file))
}

/// Reads a pipe to its end, piece by piece, and keeps what comes.
pub(super) fn drain(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (send, receive) = std::sync::mpsc::channel();
    pump(pipe, move |piece| send.send(piece).is_ok());
    receive
}

/// Reads a pipe in a thread, in pieces of 64 KiB at most, to its end or until `takes` wants no more.
pub(super) fn pump(pipe: Option<impl Read + Send + 'static>, takes: impl Fn(Vec<u8>) -> bool + Send + 'static) {
    std::thread::spawn(move || {
        let Some(mut pipe) = pipe else { return };
        let mut piece = vec![0; 64 * 1024];
        loop {
            match pipe.read(&mut piece) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(length) if length > 0 && takes(piece[..length].to_vec()) => {}
                // What came before an error still counts.
                _ => return,
            }
        }
    });
}

/// What came so far, and what comes until then or the end.
pub(super) fn taken(pieces: &Receiver<Vec<u8>>, until: Instant) -> Vec<u8> {
    let left = || until.saturating_duration_since(Instant::now());
    std::iter::from_fn(|| pieces.recv_timeout(left()).ok()).flatten().collect()
}

/// Replaces silo by a program, found on the `PATH` of the environment it gets; returns only when that failed.
///
/// Exit code 127 when it does not exist and 126 when it cannot be run, as shells do.
pub fn exec(program: &OsStr, arguments: &[OsString], environment: &Environment, folder: Option<&Path>) -> Failure {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(environment.iter());
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    let error = command.exec();
    let name = program.to_string_lossy();
    match error.kind() {
        ErrorKind::NotFound => Failure::new(format!("`{name}` was not found"))
            .hint(format!("Install it, or check PATH: `command -v {}`", shell_words::quote(&name)))
            .code(127),
        _ => Failure::file("run", Path::new(program), &error).code(126),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_counts_though_a_grandchild_holds_the_pipes() {
        let mut environment = Environment::default();
        environment.set("PATH", "/usr/bin:/bin");
        let arguments = ["-c", "echo out; echo err >&2; sleep 3 & exit 7"].map(Into::into).to_vec();
        let cmd = Cmd { program: "sh", arguments, environment: &environment, folder: Path::new("/") };
        let captured = cmd.capture(Duration::from_mins(1)).expect("it ends");
        let expected = Captured { ended: Ended::Code(7), stdout: b"out\n".into(), stderr: b"err\n".into() };
        assert_eq!(captured, expected);
    }
}
