//! fish under test.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::driver::{Driver, Setup, configuration, write};
use crate::sandbox::Sandbox;

pub(super) struct Fish;

impl Driver for Fish {
    fn name(&self) -> &'static str {
        "fish"
    }

    fn load(&self) -> String {
        "silo hook fish | source".to_owned()
    }

    fn session_file(&self) -> &'static str {
        "config.fish"
    }

    fn start_file(&self) -> &'static str {
        "config/fish/config.fish"
    }

    fn configure(&self, sandbox: &Sandbox, setup: &Setup<'_>, own: &Path) -> Vec<OsString> {
        // Without it fish starts to read every manual page in the background.
        fs::create_dir_all(sandbox.path("data/fish/generated_completions")).expect("the sandbox is writable");
        let quiet = "function fish_prompt; end; function fish_greeting; end; function fish_title; end";
        write(own.join(self.session_file()), &configuration(self, quiet, setup, own));
        let mut words: Vec<OsString> = vec![self.program().into()];
        if !setup.own_start_file {
            words.extend(["-C".into(), format!("source {}/config.fish", own.display()).into()]);
        }
        words.push("-i".into());
        words
    }

    fn dump(&self, out: &Path) -> String {
        let out = out.display();
        format!(
            "function dump
                set -l kept $status
                begin; printf 'status=%s\\0' $kept; /usr/bin/env -0; end >'{out}/'$argv[1].new
                printf '\\036%s\\036' $argv[1] >&2
                /bin/mv '{out}/'$argv[1].new '{out}/'$argv[1]
            end"
        )
    }

    fn export(&self, name: &str, value: &str) -> String {
        format!("set -gx {name} '{value}'")
    }

    fn unset(&self, name: &str) -> String {
        format!("set -e {name}")
    }

    fn and(&self) -> &'static str {
        "; and"
    }

    fn tells_apart(&self) -> bool {
        true
    }

    fn edit_path(&self) -> &'static str {
        "set -gx PATH /mine $PATH /late"
    }

    fn save_path(&self, name: &str) -> String {
        format!("set -g {name} $PATH")
    }

    fn path_from(&self, more: Option<&str>, saved: &str) -> String {
        format!("set -gx PATH {} ${saved}", more.unwrap_or_default())
    }

    fn parts(&self) -> Option<&'static str> {
        Some("false | true\nset -gx PARTS \"$pipestatus\"")
    }

    fn prompt_functions(&self) -> (&'static str, &'static str) {
        (
            "function fish_prompt; set -gx FIRST \"$status/$WEB_PORT\"; end",
            "function last --on-event fish_prompt; set -gx LAST ran; end",
        )
    }

    fn knows_moves(&self) -> bool {
        false
    }

    fn hooks(&self) -> &'static str {
        "set -gx HOOKS (functions --handlers | grep silo)"
    }

    /// One for each event.
    fn hook_call(&self) -> (&'static str, usize) {
        ("__silo_hook", 2)
    }

    fn login_file(&self, bin: &Path) -> Option<(&'static str, String)> {
        Some(("config/fish/conf.d/path.fish", format!("set -gx PATH {} $PATH\n", bin.display())))
    }

    fn recorder(&self, out: &Path) -> String {
        format!("function rec; printf '%s\\n' $argv >'{}'; end", out.display())
    }

    fn completions(&self) -> Option<&'static str> {
        Some("silo completions fish | source; complete --command rec --wraps silo")
    }

    fn packaged_completions(&self, sandbox: &Sandbox, packaged: &Path) -> Option<String> {
        fs::create_dir_all(sandbox.path("config/fish/completions")).expect("the sandbox is writable");
        let place = sandbox.path("config/fish/completions/silo.fish");
        symlink(packaged.join("silo.fish"), place).expect("the sandbox is writable");
        Some("complete --command rec --wraps silo".to_owned())
    }

    /// Its standard output is elsewhere.
    fn telling(&self, line: &str) -> String {
        format!("begin; {line}; end >&2")
    }

    fn reads_start_file(&self, _: &str) -> String {
        String::new()
    }

    fn evaluates_export(&self) -> Vec<&'static str> {
        vec!["-c", "silo export fish | source; exec env -0"]
    }

    fn evaluates_text(&self) -> Vec<&'static str> {
        vec!["-c", "cat text | source; exec env -0"]
    }
}
