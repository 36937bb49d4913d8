//! Elvish under test.

use std::ffi::OsString;
use std::path::Path;

use super::driver::{Driver, Setup, configuration, script_of_dump, write};
use crate::sandbox::Sandbox;

pub(super) struct Elvish;

impl Driver for Elvish {
    fn name(&self) -> &'static str {
        "elvish"
    }

    fn load(&self) -> String {
        "eval (silo hook elvish | slurp)".to_owned()
    }

    fn session_file(&self) -> &'static str {
        "rc.elv"
    }

    fn start_file(&self) -> &'static str {
        "config/elvish/rc.elv"
    }

    fn configure(&self, _: &Sandbox, setup: &Setup<'_>, own: &Path) -> Vec<OsString> {
        let quiet = "set edit:prompt = { }; set edit:rprompt = { }";
        let file = write(own.join(self.session_file()), &configuration(self, quiet, setup, own));
        let words = if setup.own_start_file { vec!["-i".into()] } else { vec!["-rc".into(), file] };
        [self.program().into()].into_iter().chain(words).collect()
    }

    fn dump(&self, out: &Path) -> String {
        format!("fn dump {{|name| e:/bin/sh '{}' 0 $name }}", script_of_dump(out))
    }

    fn export(&self, name: &str, value: &str) -> String {
        format!("set-env {name} '{value}'")
    }

    fn unset(&self, name: &str) -> String {
        format!("unset-env {name}")
    }

    fn cd_to(&self, name: &str) -> String {
        format!("cd $E:{name}")
    }

    fn and(&self) -> &'static str {
        ";"
    }

    fn look_for(&self, path: &str) -> String {
        format!("use path; nop (path:is-regular {path})")
    }

    fn nothing(&self) -> &'static str {
        "nop"
    }

    fn drawing(&self) -> Option<(&'static str, &'static str)> {
        Some(("\x1b[?7h\x1b[7m", "\x1b[?2004l\r"))
    }

    fn edit_path(&self) -> &'static str {
        "set paths = [/mine $@paths /late]"
    }

    fn save_path(&self, name: &str) -> String {
        format!("var {name} = $paths")
    }

    fn path_from(&self, more: Option<&str>, saved: &str) -> String {
        format!("set paths = [{} $@{saved}]", more.unwrap_or_default())
    }

    fn prompt_functions(&self) -> (&'static str, &'static str) {
        (
            "fn web { if (has-env WEB_PORT) { get-env WEB_PORT } else { put '' } }
            set edit:before-readline = [{ set-env FIRST '0/'(web) }]
            set after-chdir = [{|_| set-env MOVED (web) }]",
            "set edit:before-readline = [$@edit:before-readline { set-env LAST ran }]",
        )
    }

    /// It has no status.
    fn failed(&self) -> &'static str {
        "0"
    }

    fn hooks(&self) -> &'static str {
        "use str
        set-env HOOKS (each {|hook| put $hook[def] } $edit:before-readline | str:join ' ')
        set-env MOVES (each {|hook| put $hook[def] } $after-chdir | str:join ' ')"
    }

    fn reads_session(&self) -> &'static str {
        "if (has-env SESSION) {
           var add = {|names| keys $names | each {|name| edit:add-var $name $names[$name] } }
           eval &on-end=$add (slurp <$E:SESSION)
         }"
    }

    fn quoted_silo(&self) -> &'static str {
        "\"$SILO\""
    }

    fn evaluates_export(&self) -> Vec<&'static str> {
        vec!["-norc", "-c", "eval (silo export elvish | slurp); exec env -0"]
    }

    fn evaluates_text(&self) -> Vec<&'static str> {
        vec!["-norc", "-c", "nop (eval (slurp < text)); exec env -0"]
    }

    fn script(&self) -> &'static str {
        "echo $E:SILO_WORKSPACE $E:WEB_PORT; echo $pwd; exit 7\n"
    }
}
