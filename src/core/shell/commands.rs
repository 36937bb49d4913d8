//! The commands that change a shell's environment, in its own language.

use serde_json::{Map, Value, json};

use super::Shell;
use crate::core::shell::activation::Change;

/// Names with their values.
type Pairs<'a> = [(&'a str, &'a [u8])];

impl Shell {
    /// Commands that set the hook's own variables, then change the environment.
    ///
    /// Own variables come first: a readonly variable of the user's may end the evaluation, and the next prompt must not
    /// try again.
    pub fn commands(self, own: &Pairs<'_>, changes: &[Change]) -> Vec<u8> {
        let set = changes.iter().filter_map(|change| Some((change.name.as_str(), change.value.as_deref()?)));
        let set: Vec<_> = set.collect();
        let unset = changes.iter().filter(|change| change.value.is_none()).map(|change| change.name.as_str());
        let unset: Vec<_> = unset.collect();
        match self {
            Self::Bash | Self::Zsh => self.posix(own, &set, &unset),
            Self::Fish => fish(own, &set, &unset),
            Self::Nu => nu(own, &set, &unset),
            Self::Elvish => elvish(own, &set, &unset),
            Self::Tcsh => tcsh(own, &set, &unset),
        }
    }

    fn posix(self, own: &Pairs<'_>, set: &Pairs<'_>, unset: &[&str]) -> Vec<u8> {
        // It keeps a user's alias from being expanded; the zsh hook evaluates without aliases.
        let builtin: &[u8] = if self == Self::Bash { b"\\builtin " } else { b"" };
        let mut text = Vec::new();
        for (name, value) in own {
            text.extend([name.as_bytes(), b"=", &self.quote(value), b"\n"].concat());
        }
        if !set.is_empty() {
            text.extend(builtin);
            text.extend(b"export");
            for (name, value) in set {
                text.extend([b" ", name.as_bytes(), b"=", &self.quote(value)].concat());
            }
            text.push(b'\n');
        }
        if !unset.is_empty() {
            text.extend([builtin, b"unset -v ", unset.join(" ").as_bytes(), b"\n"].concat());
        }
        text
    }
}

fn fish(own: &Pairs<'_>, set: &Pairs<'_>, unset: &[&str]) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, value) in own {
        text.extend([b"set -g ", name.as_bytes(), b" ", &Shell::Fish.quote(value), b"\n"].concat());
    }
    for (name, value) in set {
        text.extend([b"set -gx ", name.as_bytes(), b" ", &Shell::Fish.quote(value), b"\n"].concat());
    }
    if !unset.is_empty() {
        text.extend([b"set -e ", unset.join(" ").as_bytes(), b"\n"].concat());
    }
    text
}

/// Nushell evaluates nothing at run time: its hook reads an object, where own variables have no `__silo_` before them.
fn nu(own: &Pairs<'_>, set: &Pairs<'_>, unset: &[&str]) -> Vec<u8> {
    let text = |value: &[u8]| Value::from(String::from_utf8_lossy(value));
    let own = own.iter().map(|(name, value)| (name.trim_start_matches("__silo_").to_owned(), text(value)));
    let mut object: Map<_, _> = own.collect();
    object.insert("set".to_owned(), set.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect());
    object.insert("unset".to_owned(), json!(unset));
    format!("{}\n", Value::from(object)).into_bytes()
}

/// What is evaluated has variables of its own in Elvish: the values of the hook's are put, and the hook takes them.
fn elvish(own: &Pairs<'_>, set: &Pairs<'_>, unset: &[&str]) -> Vec<u8> {
    let own: Vec<_> = own.iter().map(|(_, value)| Shell::Elvish.quote(value)).collect();
    let put = [b"put ".as_slice(), &own.join(&b' '), b"\n"].concat();
    let mut text = if own.is_empty() { Vec::new() } else { put };
    for (name, value) in set {
        text.extend([b"set-env ", name.as_bytes(), b" ", &Shell::Elvish.quote(value), b"\n"].concat());
    }
    for name in unset {
        text.extend([b"unset-env ", name.as_bytes(), b"\n"].concat());
    }
    text
}

/// All on one line: tcsh takes the lines of what a program prints for words.
fn tcsh(own: &Pairs<'_>, set: &Pairs<'_>, unset: &[&str]) -> Vec<u8> {
    let own = own.iter().map(|(name, value)| [b"set ", name.as_bytes(), b" = ", &Shell::Tcsh.quote(value)].concat());
    let set = set.iter().map(|(name, value)| [b"setenv ", name.as_bytes(), b" ", &Shell::Tcsh.quote(value)].concat());
    let unset = unset.iter().map(|name| [b"unsetenv ", name.as_bytes()].concat());
    let commands: Vec<_> = own.chain(set).chain(unset).collect();
    [commands.join(b"; ".as_slice()), b"\n".to_vec()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_variables_come_first_and_each_shell_gets_its_words() {
        let changes =
            [Change { name: "A".into(), value: Some(b"1".to_vec()) }, Change { name: "B".into(), value: None }];
        let text =
            |shell: Shell| String::from_utf8(shell.commands(&[("__silo_s", b"x")], &changes)).expect("it is text");
        assert_eq!(text(Shell::Bash), "__silo_s='x'\n\\builtin export A='1'\n\\builtin unset -v B\n");
        assert_eq!(text(Shell::Zsh), "__silo_s='x'\nexport A='1'\nunset -v B\n");
        assert_eq!(text(Shell::Fish), "set -g __silo_s 'x'\nset -gx A '1'\nset -e B\n");
        assert_eq!(text(Shell::Nu), "{\"s\":\"x\",\"set\":{\"A\":\"1\"},\"unset\":[\"B\"]}\n");
        assert_eq!(text(Shell::Elvish), "put \"x\"\nset-env A \"1\"\nunset-env B\n");
        assert_eq!(text(Shell::Tcsh), "set __silo_s = x; setenv A 1; unsetenv B\n");
    }
}
