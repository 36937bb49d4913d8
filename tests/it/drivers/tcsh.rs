//! tcsh under test.

use std::ffi::OsString;
use std::path::Path;

use super::driver::{Driver, Setup, configuration, script_of_dump, write};
use crate::sandbox::Sandbox;

pub(super) struct Tcsh;

impl Driver for Tcsh {
    fn name(&self) -> &'static str {
        "tcsh"
    }

    fn load(&self) -> String {
        "eval \"`silo hook tcsh`\"".to_owned()
    }

    fn session_file(&self) -> &'static str {
        ".tcshrc"
    }

    fn start_file(&self) -> &'static str {
        "home/.tcshrc"
    }

    /// Its one start file lies in `HOME`.
    fn configure(&self, sandbox: &Sandbox, setup: &Setup<'_>, own: &Path) -> Vec<OsString> {
        let home = sandbox.path("home");
        let quiet = format!("setenv HOME {}; set home = $HOME; unset edit; set prompt = ''", home.display());
        write(own.join(self.session_file()), &configuration(self, &quiet, setup, own));
        let home = ["/usr/bin/env".into(), format!("HOME={}", own.display()).into()];
        let home = (!setup.own_start_file).then_some(home).into_iter().flatten();
        home.chain([self.program().into(), "-i".into()]).collect()
    }

    fn dump(&self, out: &Path) -> String {
        format!("alias dump '/bin/sh {} $status \\!:1'", script_of_dump(out))
    }

    fn export(&self, name: &str, value: &str) -> String {
        format!("setenv {name} '{value}'")
    }

    fn unset(&self, name: &str) -> String {
        format!("unsetenv {name}")
    }

    fn cd_to(&self, name: &str) -> String {
        format!("cd \"${name}:q\"")
    }

    fn quiet(&self, line: &str) -> String {
        format!("{line} >& /dev/null")
    }

    fn look_for(&self, path: &str) -> String {
        format!("if ( -e {path} ) :")
    }

    fn edit_path(&self) -> &'static str {
        "set path = ( /mine $path /late )"
    }

    fn save_path(&self, name: &str) -> String {
        format!("set {name} = ( $path:q )")
    }

    fn path_from(&self, more: Option<&str>, saved: &str) -> String {
        format!("set path = ( {} ${saved}:q )", more.unwrap_or_default())
    }

    fn prompt_functions(&self) -> (&'static str, &'static str) {
        (
            "alias precmd 'setenv FIRST \"$status/`printenv WEB_PORT`\"'
            alias cwdcmd 'setenv MOVED \"`printenv WEB_PORT`\"'",
            "alias precmd \"`alias precmd`; setenv LAST ran\"",
        )
    }

    fn hooks(&self) -> &'static str {
        "setenv HOOKS \"`alias precmd`\"\nsetenv MOVES \"`alias cwdcmd`\""
    }

    fn hook_call(&self) -> (&'static str, usize) {
        ("source \"$__silo_hook", 1)
    }

    fn reads_session(&self) -> &'static str {
        "if ($?SESSION) source \"$SESSION\""
    }

    fn quoted_silo(&self) -> &'static str {
        "$SILO"
    }

    fn evaluates_export(&self) -> Vec<&'static str> {
        vec!["-f", "-c", "eval \"`silo export tcsh`\"; exec env -0"]
    }

    fn evaluates_text(&self) -> Vec<&'static str> {
        vec!["-f", "-c", "set __silo_nl = '\\\n'\neval \"`cat text`\"\nexec env -0"]
    }
}
