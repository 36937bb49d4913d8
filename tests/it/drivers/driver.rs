//! What the tests say to a shell, and how a session of it is started: what bash and zsh understand, unless a driver says
//! otherwise.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use crate::sandbox::Sandbox;

/// What differs from a user with nothing but the hook.
#[derive(Default)]
pub(crate) struct Setup<'a> {
    /// Configuration before the line that loads the hook.
    pub(crate) before: &'a str,
    /// Whether that line is left out.
    pub(crate) unhooked: bool,
    /// Configuration after it.
    pub(crate) after: &'a str,
    /// Variables the shell starts with.
    pub(crate) env: &'a [(&'a str, &'a OsStr)],
    /// The shell finds its start file by itself; that file reads `$SESSION`, the configuration without the hook.
    pub(crate) own_start_file: bool,
    /// A program that runs the shell, such as `strace`.
    pub(crate) wrapper: &'a [&'a OsStr],
    /// Whether there is a line editor, and so TAB; what it draws is then part of what is told.
    pub(crate) editing: bool,
}

/// A shell as the tests drive it.
pub(crate) trait Driver: Sync {
    /// Its name in silo's table.
    fn name(&self) -> &'static str;

    /// Where the shell is.
    fn program(&self) -> PathBuf {
        self.on_path().unwrap_or_else(|| panic!("no {}: tests/run installs the shells that are missing", self.name()))
    }

    /// Where `PATH` has it.
    fn on_path(&self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|dir| dir.join(self.name())).find(|program| program.is_file())
    }

    /// The line of the user's configuration that loads the hook.
    fn load(&self) -> String {
        format!("eval \"$(silo hook {})\"", self.name())
    }

    /// The name of the configuration of a session, in its own folder.
    fn session_file(&self) -> &'static str;

    /// The file below the sandbox that a shell without further settings starts with.
    fn start_file(&self) -> &'static str;

    /// A session's configuration in its own folder, and the start file of a user who has no such session.
    fn start_files(&self, sandbox: &Sandbox, own: &Path) -> (PathBuf, PathBuf) {
        (own.join(self.session_file()), sandbox.path(self.start_file()))
    }

    /// Writes the configuration of a session into its own folder, and says how the shell is started with it.
    fn configure(&self, sandbox: &Sandbox, setup: &Setup<'_>, own: &Path) -> Vec<OsString>;

    /// The function `dump`, which writes the status and the environment into `out`; a shell that cannot leaves the work to
    /// a script, see [`script_of_dump`].
    fn dump(&self, out: &Path) -> String {
        format!("dump() {{\n local kept=$?\n{}\n}}", of_sh(out, "$kept", "$1"))
    }

    /// A command that exports a variable; the value is plain text without quotes.
    fn export(&self, name: &str, value: &str) -> String {
        format!("export {name}='{value}'")
    }

    /// A command that unsets a variable.
    fn unset(&self, name: &str) -> String {
        format!("unset {name}")
    }

    /// A command that goes to the folder a variable names.
    fn cd_to(&self, name: &str) -> String {
        format!("cd \"${name}\"")
    }

    /// What stands between two commands of which the second follows the first.
    fn and(&self) -> &'static str {
        "&&"
    }

    /// A program's call, where the shell has a command of that name too.
    fn call(&self, line: &str) -> String {
        line.to_owned()
    }

    /// A program's call of whose output nothing is seen.
    fn quiet(&self, line: &str) -> String {
        format!("{line} >/dev/null 2>&1")
    }

    /// What sends a command's output into a file, behind it.
    fn redirect(&self) -> &'static str {
        ">"
    }

    /// A command that looks for a file and starts no program.
    fn look_for(&self, path: &str) -> String {
        format!("test -e {path}")
    }

    /// What is typed for `:`, which does nothing.
    fn nothing(&self) -> &'static str {
        ":"
    }

    /// What the Enter key sends, as the shell reads it.
    fn enter(&self) -> &'static str {
        "\n"
    }

    /// Lines as they are typed.
    fn typed(&self, lines: &str) -> String {
        let lines: Vec<_> = lines.split('\n').map(|line| if line == ":" { self.nothing() } else { line }).collect();
        lines.join(self.enter()) + self.enter()
    }

    /// Where the shell has no way to do without a line editor that draws where it tells: what begins and ends its part of
    /// the terminal.
    fn drawing(&self) -> Option<(&'static str, &'static str)> {
        None
    }

    /// Whether the shell draws on its own, so that what is told needs another terminal.
    fn tells_apart(&self) -> bool {
        false
    }

    /// A command that puts a folder in front of `PATH`, `/mine`, and one behind, `/late`.
    fn edit_path(&self) -> &'static str {
        "PATH=/mine:$PATH:/late"
    }

    /// A command that keeps `PATH` in a variable of the shell.
    fn save_path(&self, name: &str) -> String {
        format!("{name}=$PATH")
    }

    /// A command that sets `PATH` from a variable it was kept in, with more in front.
    fn path_from(&self, more: Option<&str>, saved: &str) -> String {
        match more {
            None => format!("PATH=${saved}"),
            Some(more) => format!("PATH={more}:${saved}"),
        }
    }

    /// Commands of a pipe and what exports the status of each part as `PARTS`; none where the shell does not tell.
    fn parts(&self) -> Option<&'static str> {
        None
    }

    /// A prompt function before the hook, which exports `FIRST`, status and `WEB_PORT`, and where the shell knows such a
    /// thing one that runs after `cd` and exports `MOVED`; and a prompt function after the hook, which exports `LAST`.
    fn prompt_functions(&self) -> (&'static str, &'static str);

    /// The status of `false` as that function sees it.
    fn failed(&self) -> &'static str {
        "1"
    }

    /// Whether such a function runs after `cd`.
    fn knows_moves(&self) -> bool {
        true
    }

    /// What loads the hook again.
    fn load_again(&self, _: &Sandbox) -> String {
        self.load()
    }

    /// What exports what runs at a prompt as `HOOKS`, and where it is known what runs after `cd` as `MOVES`.
    fn hooks(&self) -> &'static str;

    /// How silo's part of it reads, and how often it is in `HOOKS`.
    fn hook_call(&self) -> (&'static str, usize) {
        ("__silo_hook", 1)
    }

    /// A line of a start file that reads the session's own configuration.
    fn reads_session(&self) -> &'static str {
        "[ -z \"$SESSION\" ] || . \"$SESSION\""
    }

    /// The word that stands for silo's own path.
    fn quoted_silo(&self) -> &'static str {
        "'$SILO'"
    }

    /// A start file of login shells below the sandbox, and a line of it that puts this folder in front of `PATH`; none
    /// where silo does not ask a login shell.
    fn login_file(&self, _bin: &Path) -> Option<(&'static str, String)> {
        None
    }

    /// A command `rec` that writes its arguments into a file.
    fn recorder(&self, out: &Path) -> String {
        format!("rec() {{ printf '%s\\n' \"$@\" >'{}'; }}", out.display())
    }

    /// What loads the completions from silo and gives them to `rec`; none where there are none.
    fn completions(&self) -> Option<&'static str> {
        None
    }

    /// The same from the files that packages install.
    fn packaged_completions(&self, _: &Sandbox, _packaged: &Path) -> Option<String> {
        None
    }

    /// A line, so that all it prints is told.
    fn telling(&self, line: &str) -> String {
        line.to_owned()
    }

    /// What a session reads of the user's start file, below the home folder; empty where it does so by itself.
    fn reads_start_file(&self, file: &str) -> String {
        format!(". ~/{file}")
    }

    /// Arguments with which the shell evaluates what `silo export` prints and hands its environment on.
    fn evaluates_export(&self) -> Vec<&'static str>;

    /// The same for a file named `text`, with the variables of the hook.
    fn evaluates_text(&self) -> Vec<&'static str>;

    /// Whether its strings are UTF-8 alone.
    fn is_utf8(&self) -> bool {
        false
    }

    /// A script that prints instance, port and folder, and ends with 7.
    fn script(&self) -> &'static str {
        "echo $SILO_WORKSPACE $WEB_PORT; pwd; exit 7\n"
    }
}

/// All of a session's configuration.
pub(crate) fn configuration(driver: &dyn Driver, quiet: &str, setup: &Setup<'_>, own: &Path) -> String {
    let load = if setup.own_start_file || setup.unhooked { String::new() } else { driver.load() };
    format!("{quiet}\n{}\n{load}\n{}\n{}\n", setup.before, setup.after, driver.dump(own))
}

/// Writes a file, and the folder it lies in.
pub(crate) fn write(path: PathBuf, text: &str) -> OsString {
    fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("the sandbox is writable");
    fs::write(&path, text).expect("the sandbox is writable");
    path.into_os_string()
}

/// Writes a script for `/bin/sh` that dumps the environment; its arguments are the status and the name of the dump.
pub(crate) fn script_of_dump(out: &Path) -> String {
    let path = out.join("dump");
    write(path.clone(), &of_sh(out, "$1", "$2"));
    path.display().to_string()
}

/// What writes a dump, in the words of `sh`.
fn of_sh(out: &Path, status: &str, name: &str) -> String {
    let out = out.display();
    format!(
        "{{ printf 'status=%s\\0' \"{status}\"; /usr/bin/env -0; }} >'{out}/'\"{name}\".new
        printf '\\036%s\\036' \"{name}\" >&2
        /bin/mv '{out}/'\"{name}\".new '{out}/'\"{name}\""
    )
}
