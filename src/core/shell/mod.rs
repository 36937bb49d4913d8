//! The shells silo has a hook for, and what it prints for them to evaluate.

pub mod activation;
mod commands;
pub mod environment;
mod quote;
pub mod startfile;
pub mod varname;

/// The variable by which a child of a shell knows that the shell has the hook: process id, version and path of silo.
pub const MARK: &str = "__SILO_HOOK";

/// What [`MARK`] tells. A shell inside the shell inherits it, so the process id must be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark<'a> {
    /// The shell that loaded the hook.
    pub pid: u32,
    /// The version of the silo whose hook it is.
    pub version: &'a str,
    /// That silo's path.
    pub silo: &'a str,
}

impl<'a> Mark<'a> {
    /// Reads the variable's value; anything else is none.
    pub fn parse(value: &'a str) -> Option<Self> {
        let mut words = value.splitn(3, ' ');
        Some(Self { pid: words.next()?.parse().ok()?, version: words.next()?, silo: words.next()? })
    }
}

/// A shell silo has a hook for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// GNU bash, 3.2 or newer.
    Bash,
    /// zsh, 5 or newer.
    Zsh,
    /// fish, 3.1 or newer.
    Fish,
    /// nushell, 0.101 or newer.
    Nu,
    /// Elvish, 0.19 or newer.
    Elvish,
    /// tcsh, 6.24 or newer.
    Tcsh,
}

/// This silo's version, and what stands for it in the hooks.
const VERSION: &str = env!("CARGO_PKG_VERSION");
const VERSION_MARK: &str = "@VERSION@";

/// The file that tcsh reads at each prompt: it has no functions, and evaluates no more than one line at a time.
pub const TCSH_SCRIPT: &str = include_str!("../../../shell/silo.tcsh");

/// The name of the file beside it, which it reads where something has changed.
pub const TCSH_CHANGE: &str = "change.tcsh";

/// What that one holds.
pub fn tcsh_change() -> String {
    include_str!("../../../shell/change.tcsh").replace(VERSION_MARK, VERSION)
}

impl Shell {
    /// Every shell, in the order of the documentation.
    pub const ALL: [Self; 6] = [Self::Bash, Self::Zsh, Self::Fish, Self::Nu, Self::Elvish, Self::Tcsh];

    /// The shell's name, as typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
            Self::Nu => "nu",
            Self::Elvish => "elvish",
            Self::Tcsh => "tcsh",
        }
    }

    /// The shell a program path such as `/usr/bin/zsh` names.
    pub fn of_program(path: &str) -> Option<Self> {
        let program = path.rsplit('/').next().unwrap_or(path).trim_start_matches('-');
        Self::ALL.into_iter().find(|shell| shell.name() == program)
    }

    /// The shell hook, with `silo` as the program it runs; tcsh reads [`TCSH_SCRIPT`] from the file `script`.
    pub fn hook(self, silo: &[u8], script: &[u8]) -> Vec<u8> {
        let silo = self.quote(silo);
        let text = match self {
            Self::Bash => include_str!("../../../shell/silo.bash"),
            Self::Zsh => include_str!("../../../shell/silo.zsh"),
            Self::Fish => include_str!("../../../shell/silo.fish"),
            Self::Nu => include_str!("../../../shell/silo.nu"),
            Self::Elvish => include_str!("../../../shell/silo.elv"),
            Self::Tcsh => {
                let set =
                    [b"set __silo_bin = ".as_slice(), &silo, b"; set __silo_hook = ", &self.quote(script)].concat();
                return [set.as_slice(), b"; set __silo_load; source \"$__silo_hook:h:q/change.tcsh\"\n"].concat();
            }
        };
        let (before, after) = text.split_once("@SILO@").expect("each hook names silo once");
        let (middle, after) = after.split_once(VERSION_MARK).expect("each hook tells its version, behind silo's path");
        let text = [before.as_bytes(), &silo, middle.as_bytes(), VERSION.as_bytes(), after.as_bytes()].concat();
        match self {
            // Functions defined so keep zsh's own options whenever they run, and no alias of the user's is expanded
            // while they are read (zshbuiltins, `emulate -c`).
            Self::Zsh => [b"emulate zsh -o no_aliases -c ".as_slice(), &self.quote(&text), b"\n"].concat(),
            _ => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_and_anything_else_is_none() {
        let mark = Mark { pid: 42, version: "0.1.0", silo: "/opt/my tools/silo" };
        assert_eq!(Mark::parse("42 0.1.0 /opt/my tools/silo"), Some(mark));
        assert_eq!((Mark::parse(""), Mark::parse("x 1 /silo"), Mark::parse("42 1")), (None, None, None));
    }

    #[test]
    fn login_shells_are_recognised() {
        assert_eq!(Shell::of_program("-zsh"), Some(Shell::Zsh));
        assert_eq!(Shell::of_program("/usr/local/bin/fish"), Some(Shell::Fish));
        assert_eq!(Shell::of_program("/bin/dash"), None);
    }

    #[test]
    fn tcsh_gets_one_line_that_names_silo_and_its_script() {
        assert_eq!(
            String::from_utf8(Shell::Tcsh.hook(b"/b/silo", b"/s/it's")).expect("it is text"),
            "set __silo_bin = /b/silo; set __silo_hook = /s/it\\'s; set __silo_load; source \"$__silo_hook:h:q/change.tcsh\"\n"
        );
    }
}
