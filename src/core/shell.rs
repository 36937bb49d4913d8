//! What silo prints for a shell to evaluate. Quoting is ours and per shell (design D9): `shell_words::quote` is
//! exploitable in fish, where `\` escapes inside single quotes.

use super::activation::Change;

/// A shell silo has a hook for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// GNU bash, 3.2 or newer.
    Bash,
    /// zsh, 5 or newer.
    Zsh,
    /// fish, 3.1 or newer.
    Fish,
}

impl Shell {
    /// Every shell, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Bash, Self::Zsh, Self::Fish];

    /// The shell's name, as typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }

    /// The shell a program path such as `/usr/bin/zsh` names.
    pub fn of_program(path: &str) -> Option<Self> {
        let program = path.rsplit('/').next().unwrap_or(path).trim_start_matches('-');
        Self::ALL.into_iter().find(|shell| shell.name() == program)
    }

    /// The shell hook, with `silo` as the program it runs.
    pub fn hook(self, silo: &[u8]) -> Vec<u8> {
        let script = match self {
            Self::Bash => include_str!("../../shell/silo.bash"),
            Self::Zsh => include_str!("../../shell/silo.zsh"),
            Self::Fish => include_str!("../../shell/silo.fish"),
        };
        let (before, after) = script.split_once("@SILO@").expect("each hook names silo once");
        let script = [before.as_bytes(), &self.quote(silo), after.as_bytes()].concat();
        match self {
            // Functions defined so keep zsh's own options whenever they run, and no alias of the user's is expanded
            // while they are read (zshbuiltins, `emulate -c`).
            Self::Zsh => [b"emulate zsh -o no_aliases -c ".as_slice(), &self.quote(&script), b"\n"].concat(),
            Self::Bash | Self::Fish => script,
        }
    }

    /// What keeps a user's alias from being expanded; the zsh hook evaluates without aliases, fish has none.
    fn builtin(self) -> &'static [u8] {
        if self == Self::Bash { b"\\builtin " } else { b"" }
    }

    /// One word for this shell, whatever bytes it holds (all but NUL, which no variable can).
    pub fn quote(self, value: &[u8]) -> Vec<u8> {
        let mut word = vec![b'\''];
        for byte in value {
            match (self, byte) {
                (Self::Bash | Self::Zsh, b'\'') => word.extend(b"'\\''"),
                (Self::Fish, b'\'' | b'\\') => word.extend([b'\\', *byte]),
                _ => word.push(*byte),
            }
        }
        word.push(b'\'');
        word
    }

    /// Commands that set the hook's own variables, then change the environment.
    ///
    /// Own variables come first: a readonly variable of the user's may end the evaluation, and the next prompt must not
    /// try again.
    pub fn commands(self, own: &[(&str, &[u8])], changes: &[Change]) -> Vec<u8> {
        let mut text = Vec::new();
        for (name, value) in own {
            match self {
                Self::Bash | Self::Zsh => text.extend([name.as_bytes(), b"=", &self.quote(value), b"\n"].concat()),
                Self::Fish => text.extend([b"set -g ", name.as_bytes(), b" ", &self.quote(value), b"\n"].concat()),
            }
        }
        let set = changes.iter().filter_map(|change| Some((change.name.as_bytes(), change.value.as_deref()?)));
        let set: Vec<_> = set.collect();
        let unset: Vec<_> =
            changes.iter().filter(|change| change.value.is_none()).map(|change| change.name.as_bytes()).collect();
        match self {
            Self::Bash | Self::Zsh => {
                if !set.is_empty() {
                    text.extend(self.builtin());
                    text.extend(b"export");
                    for (name, value) in &set {
                        text.extend([b" ", *name, b"=", &self.quote(value)].concat());
                    }
                    text.push(b'\n');
                }
                if !unset.is_empty() {
                    text.extend([self.builtin(), b"unset -v ", unset.join(&b' ').as_slice(), b"\n"].concat());
                }
            }
            Self::Fish => {
                for (name, value) in &set {
                    text.extend([b"set -gx ", *name, b" ", &self.quote(value), b"\n"].concat());
                }
                if !unset.is_empty() {
                    text.extend([b"set -e ", unset.join(&b' ').as_slice(), b"\n"].concat());
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_for_each_shell() {
        let quoted = |shell: Shell, value: &str| String::from_utf8(shell.quote(value.as_bytes())).expect("it is text");
        assert_eq!(quoted(Shell::Bash, r"it's \"), r"'it'\''s \'");
        assert_eq!(quoted(Shell::Fish, r"it's \"), r"'it\'s \\'");
        assert_eq!(quoted(Shell::Zsh, ""), "''");
    }

    #[test]
    fn own_variables_come_first_and_each_shell_gets_its_words() {
        let changes =
            [Change { name: "A".into(), value: Some(b"1".to_vec()) }, Change { name: "B".into(), value: None }];
        let text = |shell: Shell| String::from_utf8(shell.commands(&[("__s", b"x")], &changes)).expect("it is text");
        assert_eq!(text(Shell::Bash), "__s='x'\n\\builtin export A='1'\n\\builtin unset -v B\n");
        assert_eq!(text(Shell::Fish), "set -g __s 'x'\nset -gx A '1'\nset -e B\n");
    }

    #[test]
    fn login_shells_are_recognised() {
        assert_eq!(Shell::of_program("-zsh"), Some(Shell::Zsh));
        assert_eq!(Shell::of_program("/usr/local/bin/fish"), Some(Shell::Fish));
        assert_eq!(Shell::of_program("/bin/dash"), None);
    }
}
