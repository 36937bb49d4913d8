//! The shell hook under what a user has set in the shell: options, traps, readonly variables.

use crate::pty::{Session, Setup, Shell};
use crate::sandbox::{Sandbox, free_ports, toml_with_ports};

fn app(sandbox: &Sandbox) -> std::path::PathBuf {
    let [web] = free_ports();
    sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]))
}

/// Options that end or bend a careless script.
fn options_do_not_harm(shell: Shell, options: &[&str]) {
    let sandbox = Sandbox::new();
    let app = app(&sandbox);
    sandbox.project("stranger", &toml_with_ports(&[("WEB_PORT", 1)]));
    for option in options {
        let in_front = Setup { before: option, ..Setup::default() };
        let behind = Setup { after: option, ..Setup::default() };
        for setup in [in_front, behind] {
            let mut session = Session::with(&sandbox, shell, "", &setup);
            assert_eq!(session.run(":").told, "", "{option}");
            session.run("cd app").assert_active(&sandbox, &app);
            assert_eq!(session.run(":").told, "", "{option}");
            assert_eq!(session.run("cd ../stranger").var("WEB_PORT"), None, "{option}");
            let left = session.run("cd ..");
            left.assert_inactive();
            assert_eq!(left.told, "", "{option}");
        }
    }
}

/// What both take.
const STRICT: [&str; 4] = ["set -u", "set -e", "set -eu", "set -eu; set -o pipefail; set -o noclobber"];

#[test]
fn strict_options_do_not_harm_in_bash() {
    options_do_not_harm(Shell::BASH, &STRICT);
    options_do_not_harm(
        Shell::BASH,
        &[
            "shopt -s nocasematch extglob failglob; IFS=/",
            "set -f",
            "set -o posix",
            "readonly IFS=/; set -o functrace -o errtrace -o allexport",
            "shopt -s extdebug; set -eu",
        ],
    );
}

#[test]
fn strict_options_do_not_harm_in_zsh() {
    let own = [
        "setopt ksh_arrays sh_word_split; IFS=/",
        "setopt glob_subst err_return no_match",
        "setopt sh_nullcmd",
        "setopt no_unset warn_create_global warn_nested_var all_export; typeset -r IFS=/",
    ];
    options_do_not_harm(Shell::ZSH, &STRICT);
    options_do_not_harm(Shell::ZSH, &own);
}

#[test]
fn options_that_change_quoting_do_not_harm_in_tcsh() {
    let own = ["set backslash_quote", "set noglob", "set noclobber; set printexitvalue; set correct = all"];
    options_do_not_harm(Shell::TCSH, &own);
}

/// The hook neither takes nor runs the user's INT trap.
fn an_int_trap_survives(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = app(&sandbox);
    let setup = Setup { before: "trap 'export GOT=int' INT", ..Setup::default() };
    let mut session = Session::with(&sandbox, shell, "", &setup);
    session.run(":");
    let inside = session.run("cd app");
    inside.assert_active(&sandbox, &app);
    assert_eq!(inside.var("GOT"), None);
    assert_eq!(session.run("kill -INT $$").var("GOT"), Some("int"));
}

#[test]
fn an_int_trap_survives_in_bash() {
    an_int_trap_survives(Shell::BASH);
}

#[test]
fn an_int_trap_survives_in_zsh() {
    an_int_trap_survives(Shell::ZSH);
}

/// A variable that cannot be set costs one line and nothing else.
fn a_readonly_variable_is_told_once(shell: Shell, before: &str) {
    let sandbox = Sandbox::new();
    let [web, fixed, last] = free_ports();
    sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web), ("FIXED_PORT", fixed), ("LAST_PORT", last)]));
    let mut session = Session::with(&sandbox, shell, "", &Setup { before, ..Setup::default() });
    let inside = session.run("cd app");
    assert!(
        inside.told.contains("FIXED_PORT: readonly variable") || inside.told.contains("read-only variable: FIXED_PORT")
    );
    assert_eq!(inside.var("LAST_PORT"), Some(last.to_string().as_str()));
    assert_eq!(session.run(":").told, "");
    let left = session.run("cd ..");
    left.assert_inactive();
    assert_eq!(left.var("LAST_PORT"), None);
}

#[test]
fn a_readonly_variable_is_told_once_in_bash() {
    a_readonly_variable_is_told_once(Shell::BASH, "readonly FIXED_PORT=5");
    a_readonly_variable_is_told_once(Shell::BASH, "readonly FIXED_PORT=5; set -e");
}

#[test]
fn a_readonly_variable_is_told_once_in_zsh() {
    a_readonly_variable_is_told_once(Shell::ZSH, "readonly FIXED_PORT=5");
    a_readonly_variable_is_told_once(Shell::ZSH, "readonly FIXED_PORT=5; set -e");
}

/// It is not there for programs that did not see it before.
fn a_readonly_variable_stays_the_shells_own(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web, fixed, kept] = free_ports();
    sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web), ("FIXED_PORT", fixed), ("KEPT_PORT", kept)]));
    for more in
        ["", "; set -eu", if shell == Shell::ZSH { "; setopt ksh_arrays" } else { "; shopt -s localvar_inherit" }]
    {
        let before = format!("readonly FIXED_PORT=5; typeset -ri KEPT_PORT=6{more}");
        let mut session = Session::with(&sandbox, shell, "", &Setup { before: &before, ..Setup::default() });
        for _ in 0..3 {
            let inside = session.run("cd app");
            assert_eq!(inside.var("WEB_PORT"), Some(web.to_string().as_str()), "{more}");
            assert_eq!((inside.var("FIXED_PORT"), inside.var("KEPT_PORT")), (None, None), "{more}");
            session.run("touch silo.toml");
            let left = session.run("cd ..");
            left.assert_inactive();
            assert_eq!((left.var("FIXED_PORT"), left.var("KEPT_PORT")), (None, None), "{more}");
        }
        session.run("echo $FIXED_PORT$KEPT_PORT >|seen");
        assert_eq!(std::fs::read_to_string(sandbox.dir("seen")).expect("it was written"), "56\n");
    }
}

#[test]
fn a_readonly_variable_stays_the_shells_own_in_bash() {
    a_readonly_variable_stays_the_shells_own(Shell::BASH);
}

#[test]
fn a_readonly_variable_stays_the_shells_own_in_zsh() {
    a_readonly_variable_stays_the_shells_own(Shell::ZSH);
}

/// A script under `set -e` that has read a start file goes on where it looks at silo's answer.
fn a_strict_script_may_ask(shell: Shell) {
    let sandbox = Sandbox::new();
    let name = shell.name();
    let hook = format!("set -eu; eval \"$(silo hook {name})\"");
    let script = format!("{hook}; silo require || echo $?; if silo require; then :; fi; ! silo require; echo on");
    let ran = sandbox.command(name, "").args(["-c", &script]).output().expect("the shell starts");
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "4\non\n", "{ran:?}");
}

#[test]
fn a_strict_script_may_ask_in_bash() {
    a_strict_script_may_ask(Shell::BASH);
}

#[test]
fn a_strict_script_may_ask_in_zsh() {
    a_strict_script_may_ask(Shell::ZSH);
}
