//! What a user's traps and traces, and programs around silo, add to its answer: none of it is evaluated, and nothing is lost.

use std::fs;

use crate::pty::{Session, Setup, Shell, each_shell};
use crate::sandbox::{SILO, Sandbox, free_ports, program, toml_with_ports};

each_shell!(what_a_program_around_silo_says_is_not_evaluated);

fn app(sandbox: &Sandbox) -> std::path::PathBuf {
    let [web] = free_ports();
    sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]))
}

/// In and out, `silo deny` and `silo deactivate` reach the shell, and `evil` is nobody's.
fn all_arrives(shell: Shell, after: &str) {
    let sandbox = Sandbox::new();
    let app = app(&sandbox);
    let mut session = Session::with(&sandbox, shell, "", &Setup { after, ..Setup::default() });
    session.run(":").assert_inactive();
    session.run("cd app").assert_active(&sandbox, &app);
    let evil = sandbox.dir("app/evil");
    session.run("silo deactivate").assert_inactive();
    session.run("cd ..");
    session.run("cd app").assert_active(&sandbox, &app);
    session.run(&shell.quiet("silo deny"));
    session.run(":").assert_inactive();
    session.run(&shell.quiet("silo allow"));
    session.run(":").assert_active(&sandbox, &app);
    session.run("cd ..").assert_inactive();
    assert!(!evil.exists() && !sandbox.dir("evil").exists(), "{after}");
}

/// With and without a line of its own, before and behind.
fn what_a_program_around_silo_says_is_not_evaluated(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = app(&sandbox);
    let silo = sandbox.path("bin/silo");
    for (before, behind) in
        [("touch evil\\n", "touch evil\\n"), ("; touch evil; echo ", "touch evil"), ("it's \"$(", "`")]
    {
        let mut session = Session::start(&sandbox, shell, "");
        session.run(":").assert_inactive();
        let before = before.replace('\'', r"'\''");
        let script = [
            "#!/bin/sh".to_owned(),
            format!("[ \"$1\" = export ] || exec {SILO} \"$@\""),
            format!("printf '%b' '{before}'; {SILO} \"$@\"; code=$?; printf '%b' '{behind}'; exit $code\n"),
        ];
        fs::remove_file(&silo).expect("it is there");
        program(&silo, &script.join("\n"));
        let inside = session.run("cd app");
        inside.assert_active(&sandbox, &app);
        assert_eq!(inside.told.lines().count(), 1, "{inside:?}");
        assert_eq!(session.run(":").told, "");
        session.run("silo deactivate").assert_inactive();
        session.run("cd ..").assert_inactive();
        assert!(!app.join("evil").exists() && !sandbox.dir("evil").exists());
        fs::remove_file(&silo).expect("it is there");
        std::os::unix::fs::symlink(SILO, &silo).expect("the sandbox is writable");
    }
}

/// Only where a command's output is taken: the tests' own words go through the shell, too.
#[test]
fn what_a_trap_says_is_not_evaluated_in_bash() {
    for words in ["echo touch evil", "printf %s \"touch evil; $BASH_COMMAND; \"", "{ set; declare -f; }"] {
        let trap = format!("trap '[[ $BASH_SUBSHELL == 0 ]] || {words}' DEBUG");
        all_arrives(Shell::BASH, &format!("{trap}; set -o functrace"));
        all_arrives(Shell::BASH, &format!("{trap}; shopt -s extdebug"));
    }
    all_arrives(Shell::BASH, "trap '[[ $BASH_SUBSHELL == 0 ]] || echo touch evil' ERR; set -o errtrace");
    let traced = "BASH_XTRACEFD=1; PS4='touch evil; '; PROMPT_COMMAND=\"set -x;$PROMPT_COMMAND;set +x\"";
    all_arrives(Shell::BASH, traced);
}

#[test]
fn what_a_trap_says_is_not_evaluated_in_zsh() {
    for words in ["echo touch evil", "print -rn \"touch evil; \"", "{ typeset; functions }"] {
        let words = format!("[[ $ZSH_SUBSHELL == 0 ]] || {words}");
        all_arrives(Shell::ZSH, &format!("trap '{words}' DEBUG"));
        all_arrives(Shell::ZSH, &format!("TRAPDEBUG() {{ {words}; }}"));
        all_arrives(Shell::ZSH, &format!("trap '{words}' ERR; setopt debug_before_cmd"));
    }
}

/// A trace goes elsewhere; it is only seen.
#[test]
fn a_trace_is_not_evaluated_in_fish_and_tcsh() {
    all_arrives(Shell::FISH, "set -g fish_trace 1");
    all_arrives(Shell::TCSH, "set echo verbose");
}
