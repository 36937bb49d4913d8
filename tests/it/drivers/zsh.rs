//! zsh under test.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::driver::{Driver, Setup, configuration, write};
use crate::sandbox::Sandbox;

pub(super) struct Zsh;

impl Driver for Zsh {
    fn name(&self) -> &'static str {
        "zsh"
    }

    fn session_file(&self) -> &'static str {
        ".zshrc"
    }

    fn start_file(&self) -> &'static str {
        "home/.zshrc"
    }

    /// `ZDOTDIR` names it.
    fn start_files(&self, _: &Sandbox, own: &Path) -> (PathBuf, PathBuf) {
        (own.join(".zshrc"), own.join(".zshrc"))
    }

    fn configure(&self, _: &Sandbox, setup: &Setup<'_>, own: &Path) -> Vec<OsString> {
        let line_editor = if setup.editing { "" } else { "zle" };
        let quiet = format!("PS1='' PS2=''; unsetopt {line_editor} prompt_sp prompt_cr");
        write(own.join(self.session_file()), &configuration(self, &quiet, setup, own));
        vec![self.program().into(), "-d".into(), "-i".into()]
    }

    fn parts(&self) -> Option<&'static str> {
        Some("false | true\nexport PARTS=\"$pipestatus\"")
    }

    fn prompt_functions(&self) -> (&'static str, &'static str) {
        (
            "precmd() { export FIRST=\"$?/${WEB_PORT-}\" }\nmine() { export MOVED=\"${WEB_PORT-}\" }\nchpwd_functions=(mine)",
            "last() { export LAST=ran }\nprecmd_functions+=(last)",
        )
    }

    fn hooks(&self) -> &'static str {
        "export HOOKS=\"$precmd_functions\" MOVES=\"$chpwd_functions\""
    }

    fn login_file(&self, bin: &Path) -> Option<(&'static str, String)> {
        Some(("home/.zprofile", format!("path=({} $path)\n", bin.display())))
    }

    fn completions(&self) -> Option<&'static str> {
        Some("autoload -Uz compinit; compinit -u -d $ZDOTDIR/dump; eval \"$(silo completions zsh)\"; compdef _silo rec")
    }

    fn packaged_completions(&self, _: &Sandbox, packaged: &Path) -> Option<String> {
        let packaged = packaged.display();
        Some(format!(
            "fpath=('{packaged}' $fpath); autoload -Uz compinit; compinit -u -d $ZDOTDIR/dump; compdef rec=silo"
        ))
    }

    fn evaluates_export(&self) -> Vec<&'static str> {
        vec!["-f", "-c", "eval \"$(silo export zsh)\"; exec env -0"]
    }

    fn evaluates_text(&self) -> Vec<&'static str> {
        vec!["-f", "-c", "eval \"$(cat text)\"; exec env -0"]
    }
}
