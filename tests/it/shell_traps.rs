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

/// The lines of a file, none where it is not there.
fn lines(sandbox: &Sandbox, file: &str) -> Vec<String> {
    let text = fs::read_to_string(sandbox.path(file)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// A failure counts once, not again for the hook, and not at an empty prompt; nothing of the hook's fails.
fn an_err_trap_fires_for_what_the_user_did(shell: Shell, before: &str) {
    let sandbox = Sandbox::new();
    let app = app(&sandbox);
    let log = sandbox.path("errors");
    let trap = format!("trap 'echo $? >>{}' ERR; {before}", log.display());
    for at_end in [false, true] {
        let mut setup = Setup::default();
        *(if at_end { &mut setup.after } else { &mut setup.before }) = &trap;
        let mut session = Session::with(&sandbox, shell, "", &setup);
        let _ = fs::remove_file(&log);
        assert_eq!(session.run("sh -c 'exit 7'").status, "7");
        assert_eq!(lines(&sandbox, "errors"), ["7"], "{before}");
        session.run("sh -c 'exit 8'\n\n\n");
        session.run("cd app").assert_active(&sandbox, &app);
        session.run("touch silo.toml");
        session.run("cd ..").assert_inactive();
        assert_eq!(lines(&sandbox, "errors"), ["7", "8"], "{before}");
    }
}

#[test]
fn an_err_trap_fires_for_what_the_user_did_in_bash() {
    for before in [":", "set -o errtrace", "PROMPT_COMMAND+=('');", "PROMPT_COMMAND+=${PROMPT_COMMAND:+;}:"] {
        an_err_trap_fires_for_what_the_user_did(Shell::BASH, before);
    }
}

#[test]
fn an_err_trap_fires_for_what_the_user_did_in_zsh() {
    an_err_trap_fires_for_what_the_user_did(Shell::ZSH, ":");
}

/// At a prompt, where an instance is entered, and where it is left.
fn a_trace_shows_little_of_the_hook(shell: Shell, trace: &str, most: usize) {
    let sandbox = Sandbox::new();
    let app = app(&sandbox);
    let mut session = Session::start(&sandbox, shell, "");
    session.run(trace);
    let lines = ["", "cd app", "", "cd .."];
    let seen = lines.map(|line| session.run(line));
    seen[2].assert_active(&sandbox, &app);
    seen[3].assert_inactive();
    for (line, seen) in lines.into_iter().zip(seen) {
        // In bash `cd` itself looks, too, and calls the hook by way of one function.
        let most = most + if shell == Shell::BASH && !line.is_empty() { 3 } else { 0 };
        // What follows is the tests' own.
        let (shown, _) = seen.told.split_once("dump").unwrap_or_else(|| panic!("{seen:?}"));
        let of_hook = shown.lines().filter(|line| line.contains("__silo"));
        assert!(of_hook.count() <= most, "{shown}");
        assert!(!shown.contains("__SILO_UNDO="), "{shown}");
    }
}

#[test]
fn a_trace_shows_little_of_the_hook_in_bash() {
    // Two prompts; `set -v` shows PROMPT_COMMAND itself.
    for (trace, most) in [("set -x", 2), ("set -eux", 2), ("set -v", 2), ("set -xv; set -o functrace", 4)] {
        a_trace_shows_little_of_the_hook(Shell::BASH, trace, most);
    }
}

#[test]
fn a_trace_shows_little_of_the_hook_in_zsh() {
    for trace in ["set -x", "set -v", "set -xv"] {
        a_trace_shows_little_of_the_hook(Shell::ZSH, trace, 0);
    }
}

/// What is exported, and what a shell without the hook says.
#[test]
fn children_of_a_bash_know_nothing_of_the_hook() {
    let sandbox = Sandbox::new();
    let app = app(&sandbox);
    let all = "set -a; PROMPT_COMMAND+=';export MINE=ran'";
    for (before, after) in
        [("set -a; PROMPT_COMMAND=:", ""), ("", all), ("", "set -a"), ("PROMPT_COMMAND=(:)", "set -a")]
    {
        let mut session = Session::with(&sandbox, Shell::BASH, "", &Setup { before, after, ..Setup::default() });
        session.run("cd app").assert_active(&sandbox, &app);
        session.run("silo deactivate").assert_inactive();
        session.run("cd ..");
        let inside = session.run("cd app");
        inside.assert_active(&sandbox, &app);
        let names: Vec<_> =
            inside.environment().into_keys().filter(|name| name.to_string_lossy().contains("__silo")).collect();
        assert!(names.is_empty(), "{names:?}");
        session.run("export PS1 PROMPT_COMMAND; echo 'false; ( exit 3 )' | bash --norc --noprofile -i >../said 2>&1");
        let said = fs::read_to_string(sandbox.dir("said")).expect("the shell wrote it");
        assert!(!said.contains("command not found"), "{said}");
        assert_eq!(session.run("[[ $- == *a* && $PROMPT_COMMAND == *silo* ]]").status, "0");
    }
}

/// No option, no trap and no function of zsh's is another one at the prompt.
#[test]
fn children_of_a_zsh_know_nothing_of_the_hook() {
    let sandbox = Sandbox::new();
    let app = app(&sandbox);
    for (before, after) in [("setopt all_export", ""), ("", "setopt all_export")] {
        let mut session = Session::with(&sandbox, Shell::ZSH, "", &Setup { before, after, ..Setup::default() });
        let inside = session.run("cd app");
        inside.assert_active(&sandbox, &app);
        let names: Vec<_> =
            inside.environment().into_keys().filter(|name| name.to_string_lossy().contains("__silo")).collect();
        assert!(names.is_empty(), "{names:?}");
    }
}

/// What `set -o`, `shopt`, `trap` and the like tell is the same before and after.
fn options_and_traps_stay(shell: Shell, setup: &str, tell: &str) {
    let sandbox = Sandbox::new();
    let app = app(&sandbox);
    let mut session = Session::with(&sandbox, shell, "", &Setup { after: setup, ..Setup::default() });
    session.run(&format!("{{ {tell}; }} >one"));
    session.run("cd app").assert_active(&sandbox, &app);
    session.run("silo deactivate").assert_inactive();
    session.run(":");
    session.run("cd ..");
    session.run(&format!("{{ {tell}; }} >two"));
    let told = ["one", "two"].map(|file| fs::read_to_string(sandbox.dir(file)).expect("the shell wrote it"));
    assert!(!told[0].is_empty());
    assert_eq!(told[0], told[1]);
}

#[test]
fn options_and_traps_stay_in_bash() {
    for options in [
        ":",
        "set -aETu",
        "set -v",
        "set -x",
        "set -e; set -a",
        "shopt -s extdebug",
        "set -o posix",
        "set -f; readonly IFS",
    ] {
        let traps = "trap : ERR; trap 'X=y' DEBUG; trap : RETURN; trap : CHLD; trap : INT";
        options_and_traps_stay(Shell::BASH, &format!("{traps}; {options}"), "set +o; shopt; trap; echo $-");
    }
}

#[test]
fn options_and_traps_stay_in_zsh() {
    for options in
        [":", "setopt all_export ksh_arrays", "set -x", "set -e", "set -v", "setopt sh_word_split; readonly IFS"]
    {
        let traps = "trap : ERR; trap 'X=y' DEBUG; trap : CHLD; trap : INT";
        options_and_traps_stay(Shell::ZSH, &format!("{traps}; {options}"), "setopt; trap; echo $-");
    }
}
