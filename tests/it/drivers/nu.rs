//! nushell under test.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::driver::{Driver, Setup, script_of_dump, write};
use crate::sandbox::Sandbox;

pub(super) struct Nu;

impl Driver for Nu {
    fn name(&self) -> &'static str {
        "nu"
    }

    /// Also where `tests/run` puts it.
    fn program(&self) -> PathBuf {
        // Above the folder of this build lies the target folder, whatever its name.
        let packages =
            Path::new(env!("CARGO_TARGET_TMPDIR")).ancestors().map(|dir| dir.join("nushell/node_modules/@nushell"));
        let mut packages = packages.filter_map(|packages| fs::read_dir(packages).ok()).flatten();
        let installed = packages.find_map(|package| Some(package.ok()?.path().join("bin/nu")));
        installed.or_else(|| self.on_path()).expect("no nu: tests/run installs the shells that are missing")
    }

    fn load(&self) -> String {
        "do {|file| mkdir ($file | path dirname); silo hook nu | save -f $'($file).($nu.pid)'; \
         mv -f $'($file).($nu.pid)' $file } ($nu.data-dir | path join vendor/autoload/silo.nu)"
            .to_owned()
    }

    fn session_file(&self) -> &'static str {
        "config.nu"
    }

    fn start_file(&self) -> &'static str {
        "config/nushell/config.nu"
    }

    fn configure(&self, sandbox: &Sandbox, setup: &Setup<'_>, own: &Path) -> Vec<OsString> {
        let quiet = "$env.config.show_banner = false
            $env.config.use_ansi_coloring = false
            for name in [PROMPT_COMMAND PROMPT_COMMAND_RIGHT PROMPT_INDICATOR] { load-env {$name: ''} }
            for name in [osc2 osc7 osc8 osc9_9 osc133 osc633 reset_application_mode] {
                $env.config.shell_integration = ($env.config.shell_integration | upsert $name false)
            }";
        let load = if setup.own_start_file || setup.unhooked { String::new() } else { self.load() };
        let text = format!("{quiet}\n{}\n{load}\n{}\n", setup.before, self.dump(own));
        let config = write(own.join(self.session_file()), &text);
        // What lies in `autoload` comes after the hook, which the configuration puts into `vendor/autoload`.
        write(sandbox.path("config/nushell/autoload/after.nu"), setup.after);
        let environment = write(own.join("env.nu"), "");
        let words = ["--no-history".into(), "--config".into(), config, "--env-config".into(), environment];
        [self.program().into()].into_iter().chain(words).collect()
    }

    fn dump(&self, out: &Path) -> String {
        let script = script_of_dump(out);
        format!("def dump [name: string] {{ ^/bin/sh '{script}' ($env.LAST_EXIT_CODE | into string) $name }}")
    }

    fn export(&self, name: &str, value: &str) -> String {
        format!("$env.{name} = '{value}'")
    }

    fn unset(&self, name: &str) -> String {
        format!("hide-env {name}")
    }

    fn cd_to(&self, name: &str) -> String {
        format!("cd $env.{name}")
    }

    fn and(&self) -> &'static str {
        ";"
    }

    fn call(&self, line: &str) -> String {
        format!("^{line}")
    }

    fn quiet(&self, line: &str) -> String {
        format!("^{line} out+err> /dev/null")
    }

    fn redirect(&self) -> &'static str {
        "out>"
    }

    fn look_for(&self, path: &str) -> String {
        format!("'{path}' | path exists | ignore")
    }

    fn nothing(&self) -> &'static str {
        "null"
    }

    fn enter(&self) -> &'static str {
        "\r"
    }

    fn drawing(&self) -> Option<(&'static str, &'static str)> {
        Some(("\x1b[?2004h", "\x1b[?2004l"))
    }

    fn edit_path(&self) -> &'static str {
        "$env.PATH = ($env.PATH | prepend /mine | append /late)"
    }

    fn save_path(&self, name: &str) -> String {
        format!("let {name} = $env.PATH")
    }

    fn path_from(&self, more: Option<&str>, saved: &str) -> String {
        format!("$env.PATH = ([{}] ++ ${saved})", more.unwrap_or_default())
    }

    fn prompt_functions(&self) -> (&'static str, &'static str) {
        (
            "$env.config.hooks.pre_prompt = [{|| $env.FIRST = $'($env.LAST_EXIT_CODE)/($env.WEB_PORT?)' }]
            $env.config.hooks.env_change.PWD = [{|| $env.MOVED = $'($env.WEB_PORT?)' }]",
            "$env.config.hooks.pre_prompt = ($env.config.hooks.pre_prompt | append {|| $env.LAST = 'ran' })",
        )
    }

    fn load_again(&self, sandbox: &Sandbox) -> String {
        format!("source {}", sandbox.path("data/nushell/vendor/autoload/silo.nu").display())
    }

    fn hooks(&self) -> &'static str {
        "$env.HOOKS = ($env.config.hooks.pre_prompt | each {|hook| view source $hook } | str join ' ')
        $env.MOVES = ($env.config.hooks.env_change.PWD | each {|hook| view source $hook } | str join ' ')"
    }

    fn evaluates_export(&self) -> Vec<&'static str> {
        vec!["-n", "-c", "load-env (silo export nu | from json).set; ^env -0"]
    }

    fn evaluates_text(&self) -> Vec<&'static str> {
        vec!["-n", "-c", "load-env (open --raw text | from json).set; ^env -0"]
    }

    fn is_utf8(&self) -> bool {
        true
    }

    fn script(&self) -> &'static str {
        "print $'($env.SILO_WORKSPACE) ($env.WEB_PORT)'; print $env.PWD; exit 7\n"
    }
}
