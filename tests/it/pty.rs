//! Interactive shells on a terminal of their own, typed into and observed through files.
//!
//! Each line typed is followed by `dump N`, a function that writes `$?` and the environment to a file by rename, so
//! nothing is ever parsed off a screen. Without echo, prompt and line editor, bash, zsh and tcsh leave on their terminal
//! only what is told to the user; fish draws on its own, so its standard error has a second one; nushell and Elvish cannot
//! do without their editor, and draw on standard error, but say where they begin and end. A marker printed by `dump` says
//! when all that was told has arrived.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::tcgetpgrp;

pub(crate) use crate::drivers::{Setup, Shell, each_shell, first_shells, in_shells, installed_shells};
use crate::sandbox::Sandbox;
use crate::terminal::{collect, terminal, without_drawing};

/// How long a line may take before the test fails.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

nix::ioctl_write_int_bad!(tiocsctty, nix::libc::TIOCSCTTY);

/// A running shell.
pub(crate) struct Session {
    shell: Shell,
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
    told: Arc<Mutex<Vec<u8>>>,
    words: Vec<OsString>,
    out: PathBuf,
    dumps: usize,
    read: usize,
    /// Up to where the screen was when the last line was typed.
    typed: usize,
}

/// What one line left behind.
#[derive(Debug)]
pub(crate) struct Observed {
    /// The line's own exit status.
    pub(crate) status: String,
    /// Everything told to the user since the line before.
    pub(crate) told: String,
    variables: BTreeMap<OsString, OsString>,
}

impl Session {
    /// Starts a shell whose user has loaded the hook.
    pub(crate) fn start(sandbox: &Sandbox, shell: Shell, dir: impl AsRef<Path>) -> Self {
        Self::with(sandbox, shell, dir, &Setup::default())
    }

    /// Starts a shell in a folder.
    pub(crate) fn with(sandbox: &Sandbox, shell: Shell, dir: impl AsRef<Path>, setup: &Setup<'_>) -> Self {
        let own = tempfile::Builder::new().prefix("session-").tempdir_in(sandbox.path("home"));
        let own = own.expect("HOME is writable").keep();
        let words = shell.configure(sandbox, setup, &own);
        let line: Vec<&OsStr> = setup.wrapper.iter().copied().chain(words.iter().map(OsString::as_os_str)).collect();
        let mut command = sandbox.command(line[0], dir);
        let session = own.join(shell.session_file());
        let (name, value) = if setup.own_start_file { ("SESSION", &session) } else { ("ZDOTDIR", &own) };
        command.args(&line[1..]).env(name, value);
        if shell.drawing().is_some() {
            command.env("TERM", "xterm").env("XDG_RUNTIME_DIR", &own);
        }
        command.envs(setup.env.iter().copied());

        let (keyboard, screen) = terminal(shell.drawing().is_some());
        // bash takes a terminal on its standard error for the one it was started from: it must have the same.
        let (stderr, second) = if shell.tells_apart() {
            let (errors, stderr) = terminal(shell.drawing().is_some());
            (stderr, Some(errors))
        } else {
            (screen.try_clone().expect("files are left"), None)
        };
        command.stdin(Stdio::from(screen.try_clone().expect("files are left")));
        command.stdout(Stdio::from(screen)).stderr(Stdio::from(stderr));
        #[allow(unsafe_code)]
        // SAFETY: both calls are async-signal-safe, take no memory and touch no lock, and descriptor 0 is the terminal.
        unsafe {
            command.pre_exec(|| {
                nix::unistd::setsid()?;
                tiocsctty(0, 0)?;
                Ok(())
            });
        }
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {line:?}: {error}"));
        let screen = collect(keyboard.try_clone().expect("files are left"));
        let told = second.map_or_else(|| Arc::clone(&screen), collect);
        Self { shell, child, keyboard, screen, told, words, out: own, dumps: 0, read: 0, typed: 0 }
    }

    /// A command line that starts this very shell again, configured alike.
    pub(crate) fn again(&self) -> String {
        self.shell.call(&self.words().join(" "))
    }

    /// The words of that line, quoted for any shell.
    pub(crate) fn words(&self) -> Vec<String> {
        self.words.iter().map(|word| format!("'{}'", word.display())).collect()
    }

    /// The folder of this session's configuration, where zsh finds it.
    pub(crate) fn zdotdir(&self) -> &Path {
        &self.out
    }

    /// Types a line and waits until the shell has run it and come back.
    #[track_caller]
    pub(crate) fn run(&mut self, line: &str) -> Observed {
        self.dumps += 1;
        let name = self.dumps.to_string();
        if self.shell.drawing().is_some() {
            // An editor that starts may drop what was typed before it did.
            self.type_at_prompts(line);
            self.type_at_prompts(&format!("dump {name}"));
        } else {
            self.type_ahead(&format!("{line}\ndump {name}"));
        }
        let file = self.out.join(&name);
        let marker = format!("\x1e{name}\x1e");
        let start = Instant::now();
        let told = loop {
            let all = self.told.lock().expect("the reader does not panic");
            let rest = &all[self.read..];
            let end = rest.windows(marker.len()).position(|window| window == marker.as_bytes());
            if let (Some(end), true) = (end, file.exists()) {
                self.read += end + marker.len();
                let told = String::from_utf8_lossy(&rest[..end]);
                break match self.shell.drawing() {
                    Some(drawing) => without_drawing(&told, drawing),
                    None => told.into_owned(),
                };
            }
            if start.elapsed() > DEADLINE {
                let rest = String::from_utf8_lossy(rest).into_owned();
                drop(all);
                let screen = self.screen.lock().map(|screen| String::from_utf8_lossy(&screen).into_owned());
                panic!("{} did not finish {line:?}; told: {rest:?}; screen: {screen:?}", self.shell.name());
            }
            drop(all);
            std::thread::sleep(Duration::from_millis(2));
        };
        Observed::parse(&fs::read(&file).expect("it was just moved there"), told)
    }

    /// Presses keys, whatever runs in the foreground.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the terminal is open");
    }

    /// Waits until the whole of what the terminal has been shown so far is as wanted.
    #[track_caller]
    pub(crate) fn wait_for(&self, wanted: impl Fn(&str) -> bool) {
        let start = Instant::now();
        loop {
            let shown = self.screen.lock().map(|shown| String::from_utf8_lossy(&shown).into_owned());
            let shown = shown.expect("the reader does not panic");
            if wanted(&shown) {
                return;
            }
            assert!(start.elapsed() < DEADLINE, "{} shows {shown:?}", self.shell.name());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn type_ahead(&mut self, lines: &str) {
        let typed = self.shell.typed(lines);
        self.keyboard.write_all(typed.as_bytes()).expect("the terminal is open");
    }

    /// Types each line when the editor waits for it.
    #[track_caller]
    fn type_at_prompts(&mut self, lines: &str) {
        const READY: &[u8] = b"\x1b[?2004h";
        for line in lines.split('\n') {
            let start = Instant::now();
            loop {
                let screen = self.screen.lock().expect("the reader does not panic");
                let ready = screen[self.typed..].windows(READY.len()).position(|window| window == READY);
                if let Some(ready) = ready {
                    self.typed += ready + READY.len();
                    break;
                }
                let shown = String::from_utf8_lossy(&screen).into_owned();
                drop(screen);
                assert!(start.elapsed() < DEADLINE, "{} shows no prompt: {shown:?}", self.shell.name());
                std::thread::sleep(Duration::from_millis(2));
            }
            self.type_ahead(line);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A shell inside the shell, or under strace, would outlive it: what is in the foreground goes first, until that
        // is the shell itself, or nothing (0, which must not be sent a signal: it would mean this very process).
        let shell = i32::try_from(self.child.id()).expect("a pid is a pid_t");
        let start = Instant::now();
        while let Ok(foreground) = tcgetpgrp(&self.keyboard)
            && foreground.as_raw() > 0
            && foreground.as_raw() != shell
            && start.elapsed() < DEADLINE
        {
            let _ = killpg(foreground, Signal::SIGKILL);
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Observed {
    fn parse(dump: &[u8], told: String) -> Self {
        let pairs = dump.split(|byte| *byte == 0).filter_map(|entry| {
            let equals = entry.iter().position(|byte| *byte == b'=')?;
            let (name, value) = (&entry[..equals], &entry[equals + 1..]);
            Some((OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec())))
        });
        let mut variables: BTreeMap<OsString, OsString> = pairs.collect();
        let status = variables.remove(OsStr::new("status")).expect("dump writes it first");
        Self { status: status.to_string_lossy().into_owned(), told, variables }
    }

    /// A variable as text.
    pub(crate) fn var(&self, name: &str) -> Option<&str> {
        self.variables.get(OsStr::new(name)).map(|value| value.to_str().expect("it is text"))
    }

    /// A variable byte for byte.
    pub(crate) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.variables.get(OsStr::new(name)).map(|value| value.as_bytes())
    }

    /// All variables but those a shell changes by itself, and the hook's mark, which differs from shell to shell.
    pub(crate) fn environment(&self) -> BTreeMap<OsString, OsString> {
        let own = ["_", "PWD", "OLDPWD", "SHLVL", "LINES", "COLUMNS", "CMD_DURATION_MS", silo::core::shell::MARK];
        let own = own.map(OsStr::new);
        let theirs = self.variables.iter().filter(|(name, _)| !own.contains(&name.as_os_str()));
        theirs.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The instance of this project is in the environment, as its lockfile says.
    #[track_caller]
    pub(crate) fn assert_active(&self, sandbox: &Sandbox, dir: &Path) {
        let name = sandbox.instance(dir);
        let full = format!("localnet-{name}");
        let mut expected: Vec<(String, OsString)> = [
            ("SILO_ACTIVE", "1".into()),
            ("SILO_ROOT", dir.into()),
            ("SILO_ENV_FILE", dir.join(".localnet.env").into()),
            ("SILO_WORKSPACE", name.clone().into()),
            ("WORKSPACE_NAME", name.into()),
            ("COMPOSE_PROJECT_NAME", full.into()),
            ("TILT_HOST", "localhost".into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let ports = sandbox.lockfile_ports(dir);
        expected.extend(ports.into_iter().map(|(name, port)| (name, port.to_string().into())));
        let seen = expected.iter().map(|(name, _)| (name.clone(), self.variables.get(OsStr::new(name)).cloned()));
        let seen: Vec<_> = seen.collect();
        let expected: Vec<_> = expected.into_iter().map(|(name, value)| (name, Some(value))).collect();
        assert_eq!(seen, expected, "told: {:?}", self.told);
        assert!(dir.join(".localnet.env").is_file());
    }

    /// No instance is in the environment.
    #[track_caller]
    pub(crate) fn assert_inactive(&self) {
        assert_eq!(self.silo_names(), Vec::<String>::new(), "told: {:?}", self.told);
    }

    /// The names of variables that look like an activation's: `SILO_*` and `__SILO_*` in any case, without the hook's own
    /// mark, which is there from the start.
    pub(crate) fn silo_names(&self) -> Vec<String> {
        let names = self.variables.keys().map(|name| name.to_string_lossy().into_owned());
        let names = names.filter(|name| name != silo::core::shell::MARK);
        names.filter(|name| name.to_uppercase().trim_start_matches('_').starts_with("SILO_")).collect()
    }
}
