//! What the tests say to each shell, in its own words: where it is, how it is configured, and a few commands.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::pty::{Setup, Shell};
use crate::sandbox::Sandbox;

impl Shell {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
            Self::Nu => "nu",
            Self::Elvish => "elvish",
            Self::Tcsh => "tcsh",
        }
    }

    /// Where the shell is; nushell also where `tests/run` puts it.
    pub(crate) fn program(self) -> PathBuf {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).map(|dir| dir.join(self.name())).find(|program| program.is_file());
        // Above the folder of this build lies the target folder, whatever its name.
        let packages =
            Path::new(env!("CARGO_TARGET_TMPDIR")).ancestors().map(|dir| dir.join("nushell/node_modules/@nushell"));
        let mut packages = packages.filter_map(|packages| fs::read_dir(packages).ok()).flatten();
        let mut installed = || packages.find_map(|package| Some(package.ok()?.path().join("bin/nu")));
        let found = if self == Self::Nu { installed().or(found) } else { found };
        found.unwrap_or_else(|| panic!("no {}: tests/run installs the shells that are missing", self.name()))
    }

    /// A command that exports a variable; the value is plain text without quotes.
    pub(crate) fn export(self, name: &str, value: &str) -> String {
        match self {
            Self::Bash | Self::Zsh => format!("export {name}='{value}'"),
            Self::Fish => format!("set -gx {name} '{value}'"),
            Self::Nu => format!("$env.{name} = '{value}'"),
            Self::Elvish => format!("set-env {name} '{value}'"),
            Self::Tcsh => format!("setenv {name} '{value}'"),
        }
    }

    /// A command that unsets a variable.
    pub(crate) fn unset(self, name: &str) -> String {
        match self {
            Self::Bash | Self::Zsh => format!("unset {name}"),
            Self::Fish => format!("set -e {name}"),
            Self::Nu => format!("hide-env {name}"),
            Self::Elvish => format!("unset-env {name}"),
            Self::Tcsh => format!("unsetenv {name}"),
        }
    }

    /// A command that goes to the folder a variable names.
    pub(crate) fn cd_to(self, name: &str) -> String {
        match self {
            Self::Nu => format!("cd $env.{name}"),
            Self::Elvish => format!("cd $E:{name}"),
            Self::Tcsh => format!("cd \"${name}:q\""),
            _ => format!("cd \"${name}\""),
        }
    }

    /// A program's call, where the shell has a command of that name too.
    pub(crate) fn call(self, line: &str) -> String {
        if self == Self::Nu { format!("^{line}") } else { line.to_owned() }
    }

    /// A program's call of whose output nothing is seen.
    pub(crate) fn quiet(self, line: &str) -> String {
        match self {
            Self::Bash | Self::Zsh | Self::Fish | Self::Elvish => format!("{line} >/dev/null 2>&1"),
            Self::Nu => format!("^{line} out+err> /dev/null"),
            Self::Tcsh => format!("{line} >& /dev/null"),
        }
    }

    /// What sends a command's output into a file, behind it.
    pub(crate) fn into_file(self) -> &'static str {
        if self == Self::Nu { "out>" } else { ">" }
    }

    /// A command that looks for a file and starts no program.
    pub(crate) fn look_for(self, path: &str) -> String {
        match self {
            Self::Bash | Self::Zsh | Self::Fish => format!("test -e {path}"),
            Self::Nu => format!("'{path}' | path exists | ignore"),
            Self::Elvish => format!("use path; nop (path:is-regular {path})"),
            Self::Tcsh => format!("if ( -e {path} ) :"),
        }
    }

    /// What is typed for a line that most shells know: `:` does nothing.
    pub(crate) fn typed(self, line: &str) -> String {
        let nothing = match self {
            Self::Nu => "null",
            Self::Elvish => "nop",
            _ => ":",
        };
        let lines: Vec<_> = line.split('\n').map(|line| if line == ":" { nothing } else { line }).collect();
        lines.join(self.enter()) + self.enter()
    }

    /// What the Enter key sends, as the shell reads it.
    pub(crate) fn enter(self) -> &'static str {
        if self == Self::Nu { "\r" } else { "\n" }
    }

    /// Whether the shell has no way to do without a line editor that draws where it tells.
    pub(crate) fn draws(self) -> bool {
        matches!(self, Self::Nu | Self::Elvish)
    }

    /// What begins and ends the editor's part of the terminal.
    pub(crate) fn drawing(self) -> (&'static str, &'static str) {
        if self == Self::Elvish { ("\x1b[?7h\x1b[7m", "\x1b[?2004l\r") } else { ("\x1b[?2004h", "\x1b[?2004l") }
    }

    /// The line of the user's configuration that loads the hook.
    pub(crate) fn load(self) -> String {
        match self {
            Self::Bash | Self::Zsh => format!("eval \"$(silo hook {})\"", self.name()),
            Self::Fish => "silo hook fish | source".to_owned(),
            Self::Nu => "mkdir ($nu.data-dir | path join vendor/autoload); \
                         silo hook nu | save -f ($nu.data-dir | path join vendor/autoload/silo.nu)"
                .to_owned(),
            Self::Elvish => "eval (silo hook elvish | slurp)".to_owned(),
            Self::Tcsh => "eval \"`silo hook tcsh`\"".to_owned(),
        }
    }

    /// A session's configuration in its own folder, and the start file of a user who has no such session.
    pub(crate) fn start_files(self, sandbox: &Sandbox, own: &Path) -> (PathBuf, PathBuf) {
        let (name, theirs) = match self {
            Self::Bash => ("bashrc", sandbox.path("home/.bashrc")),
            // ZDOTDIR names it.
            Self::Zsh => (".zshrc", own.join(".zshrc")),
            Self::Fish => ("config.fish", sandbox.path("config/fish/config.fish")),
            Self::Nu => ("config.nu", sandbox.path("config/nushell/config.nu")),
            Self::Elvish => ("rc.elv", sandbox.path("config/elvish/rc.elv")),
            Self::Tcsh => (".tcshrc", sandbox.path("home/.tcshrc")),
        };
        (own.join(name), theirs)
    }

    /// Writes the configuration of a session into its own folder, and says how the shell is started with it.
    pub(crate) fn configure(self, sandbox: &Sandbox, setup: &Setup<'_>, own: &Path) -> Vec<OsString> {
        let (program, shown) = (self.program(), own.display());
        let write = |path: PathBuf, text: &str| {
            fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("the sandbox is writable");
            fs::write(&path, text).expect("the sandbox is writable");
            path.into_os_string()
        };
        let load = if setup.own_start_file || setup.unhooked { String::new() } else { self.load() };
        let (before, after) = (setup.before, setup.after);
        let dump = self.dump(own, &write);
        let all = |quiet: &str| format!("{quiet}\n{before}\n{load}\n{after}\n{dump}\n");
        let mut words: Vec<OsString> = vec![program.into()];
        match self {
            Self::Bash => {
                let plain = if setup.editing { None } else { Some("--noediting") };
                words.extend(["--noprofile"].into_iter().chain(plain).chain(["--rcfile"]).map(OsString::from));
                words.push(write(own.join("bashrc"), &all("PS1='' PS2=''")));
                words.push("-i".into());
            }
            Self::Zsh => {
                let line_editor = if setup.editing { "" } else { "zle" };
                write(own.join(".zshrc"), &all(&format!("PS1='' PS2=''; unsetopt {line_editor} prompt_sp prompt_cr")));
                words.extend(["-d", "-i"].map(OsString::from));
            }
            Self::Fish => {
                // Without it fish starts to read every manual page in the background.
                fs::create_dir_all(sandbox.path("data/fish/generated_completions")).expect("the sandbox is writable");
                let quiet = "function fish_prompt; end; function fish_greeting; end; function fish_title; end";
                write(own.join("config.fish"), &all(quiet));
                words.extend(["-C".into(), format!("source {shown}/config.fish").into(), "-i".into()]);
            }
            Self::Nu => {
                let quiet = "$env.config.show_banner = false
                    $env.config.use_ansi_coloring = false
                    for name in [PROMPT_COMMAND PROMPT_COMMAND_RIGHT PROMPT_INDICATOR] { load-env {$name: ''} }
                    for name in [osc2 osc7 osc8 osc9_9 osc133 osc633 reset_application_mode] {
                        $env.config.shell_integration = ($env.config.shell_integration | upsert $name false)
                    }";
                let config = write(own.join("config.nu"), &format!("{quiet}\n{before}\n{load}\n{dump}\n"));
                // What lies in `autoload` comes after the hook, which the configuration puts into `vendor/autoload`.
                write(sandbox.path("config/nushell/autoload/after.nu"), after);
                words.extend(["--no-history".into(), "--config".into(), config, "--env-config".into()]);
                words.push(write(own.join("env.nu"), ""));
            }
            Self::Elvish => {
                let quiet = "set edit:prompt = { }; set edit:rprompt = { }";
                words.extend(["-rc".into(), write(own.join("rc.elv"), &all(quiet))]);
            }
            Self::Tcsh => {
                // Its one start file lies in HOME.
                let home = sandbox.path("home");
                let quiet = format!("setenv HOME {}; set home = $HOME; unset edit; set prompt = ''", home.display());
                write(own.join(".tcshrc"), &all(&quiet));
                words = vec!["/usr/bin/env".into(), format!("HOME={shown}").into()];
                words.extend([self.program().into(), "-i".into()]);
            }
        }
        words
    }

    /// The function `dump`; nushell, Elvish and tcsh leave the work to a script.
    fn dump(self, out: &Path, write: &dyn Fn(PathBuf, &str) -> OsString) -> String {
        let shown = out.display();
        let of_sh = |status: &str, name: &str| {
            format!(
                "{{ printf 'status=%s\\0' \"{status}\"; /usr/bin/env -0; }} >'{shown}/'\"{name}\".new
                printf '\\036%s\\036' \"{name}\" >&2
                /bin/mv '{shown}/'\"{name}\".new '{shown}/'\"{name}\""
            )
        };
        if matches!(self, Self::Nu | Self::Elvish | Self::Tcsh) {
            write(out.join("dump"), &of_sh("$1", "$2"));
        }
        match self {
            Self::Bash | Self::Zsh => format!("dump() {{\n local kept=$?\n{}\n}}", of_sh("$kept", "$1")),
            Self::Fish => format!(
                "function dump
                    set -l kept $status
                    begin; printf 'status=%s\\0' $kept; /usr/bin/env -0; end >'{shown}/'$argv[1].new
                    printf '\\036%s\\036' $argv[1] >&2
                    /bin/mv '{shown}/'$argv[1].new '{shown}/'$argv[1]
                end"
            ),
            Self::Nu => format!(
                "def dump [name: string] {{ ^/bin/sh '{shown}/dump' ($env.LAST_EXIT_CODE | into string) $name }}"
            ),
            Self::Elvish => format!("fn dump {{|name| e:/bin/sh '{shown}/dump' 0 $name }}"),
            Self::Tcsh => format!("alias dump '/bin/sh {shown}/dump $status \\!:1'"),
        }
    }
}
