//! bash under test.

use std::ffi::OsString;
use std::path::Path;

use super::driver::{Driver, Setup, configuration, write};
use crate::sandbox::Sandbox;

pub(super) struct Bash;

impl Driver for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn session_file(&self) -> &'static str {
        "bashrc"
    }

    fn start_file(&self) -> &'static str {
        "home/.bashrc"
    }

    fn configure(&self, _: &Sandbox, setup: &Setup<'_>, own: &Path) -> Vec<OsString> {
        let rcfile = write(own.join(self.session_file()), &configuration(self, "PS1='' PS2=''", setup, own));
        let mut words: Vec<OsString> = vec![self.program().into(), "--noprofile".into()];
        words.extend((!setup.editing).then(|| "--noediting".into()));
        words.extend((!setup.own_start_file).then(|| ["--rcfile".into(), rcfile]).into_iter().flatten());
        words.push("-i".into());
        words
    }

    fn parts(&self) -> Option<&'static str> {
        Some("false | true\nexport PARTS=\"${PIPESTATUS[*]}\"")
    }

    fn prompt_functions(&self) -> (&'static str, &'static str) {
        ("PROMPT_COMMAND='export FIRST=\"$?/${WEB_PORT-}\";'", "PROMPT_COMMAND+='export LAST=ran'")
    }

    fn knows_moves(&self) -> bool {
        false
    }

    fn hooks(&self) -> &'static str {
        "export HOOKS=\"${PROMPT_COMMAND[*]}\""
    }

    /// It may talk: what it says is not taken for an answer.
    fn login_file(&self, bin: &Path) -> Option<(&'static str, String)> {
        Some(("home/.bash_profile", format!("echo hello\nPATH={}:$PATH\n", bin.display())))
    }

    fn completions(&self) -> Option<&'static str> {
        Some("eval \"$(silo completions bash)\"; eval \"$(complete -p silo | sed 's/silo$/rec/')\"")
    }

    /// A loader of completions sources the file by its name when the command is first completed.
    fn packaged_completions(&self, _: &Sandbox, packaged: &Path) -> Option<String> {
        let file = packaged.join("silo.bash");
        Some(format!("source '{}'; eval \"$(complete -p silo | sed 's/silo$/rec/')\"", file.display()))
    }

    fn evaluates_export(&self) -> Vec<&'static str> {
        vec!["--norc", "-c", "eval \"$(silo export bash)\"; exec env -0"]
    }

    fn evaluates_text(&self) -> Vec<&'static str> {
        vec!["--norc", "-c", "eval \"$(cat text)\"; exec env -0"]
    }
}
