//! What is typed as `silo` in a shell that has the hook, or nothing but a copy of its function.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;

use crate::pty::{Session, Setup, Shell, each_shell};
use crate::sandbox::{SILO, Sandbox, free_ports, toml_with_ports};

each_shell!(
    a_silo_that_is_not_on_the_path_is_called_all_the_same,
    a_hook_that_nothing_calls_is_told_with_what_took_its_place,
    a_hook_that_is_called_is_not_told,
);

fn app(sandbox: &Sandbox) -> (std::path::PathBuf, String) {
    let [web] = free_ports();
    (sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)])), web.to_string())
}

fn seen(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.dir("seen")).expect("the line wrote it").trim_end().to_owned()
}

fn a_silo_that_is_not_on_the_path_is_called_all_the_same(shell: Shell) {
    let sandbox = Sandbox::new();
    let (app, web) = app(&sandbox);
    let tools = sandbox.path("tools");
    fs::create_dir(&tools).expect("the sandbox is writable");
    fs::remove_file(sandbox.path("bin/silo")).expect("it is there");
    symlink(SILO, tools.join("silo")).expect("the sandbox is writable");
    let before = shell.load().replacen("silo", &tools.join("silo").display().to_string(), 1);
    let mut session =
        Session::with(&sandbox, shell, "app", &Setup { before: &before, unhooked: true, ..Setup::default() });
    session.run(":").assert_active(&sandbox, &app);
    let into = shell.redirect();
    let got = session.run(&format!("silo get WEB_PORT {into} ../seen"));
    assert_eq!((got.told.as_str(), got.status.as_str(), seen(&sandbox)), ("", "0", web));
    let failed = session.run("silo exec -- sh -c 'exit 7'");
    assert!(failed.status == "7" || failed.told.contains("exited with 7"), "{failed:?}");
    session.run(&format!("silo exec -- printf '<%s>' 'a  \"b\"' '--help' '' {into} ../seen"));
    assert_eq!(seen(&sandbox), "<a  \"b\"><--help><>");
    let off = session.run("silo deactivate");
    off.assert_inactive();
    assert!(off.told.contains("is off in this shell"), "{off:?}");

    // One that comes to PATH is what is typed, where the shell can tell.
    if !matches!(shell.name(), "nu" | "tcsh") {
        crate::sandbox::program(&sandbox.path("bin/silo"), "#!/bin/sh\necho other\n");
        session.run(&format!("silo get WEB_PORT {into} ../seen"));
        assert_eq!(seen(&sandbox), "other");
    }
}

/// Claude Code gives its shells the user's functions, but none whose name begins with `_`, nor variables that are not exported.
fn a_copy_in_another_shell_is_the_program(shell: Shell, copy: &str, read: &str) {
    let sandbox = Sandbox::new();
    let (app, web) = app(&sandbox);
    let mut session = Session::start(&sandbox, shell, "app");
    session.run(":").assert_active(&sandbox, &app);
    session.run(copy);
    let script = |script: &str| {
        let mut session = Session::start(&sandbox, shell, "app");
        session.run(":").assert_active(&sandbox, &app);
        let quoted = format!("{} {read} '. ../copy; {script}'", shell.program().display());
        (session.run(&format!("{quoted} >../seen")).told, seen(&sandbox))
    };
    assert_eq!(script("silo get WEB_PORT; cd ..; cd app; silo get WEB_PORT"), (String::new(), format!("{web}\n{web}")));
    let (told, _) = script("silo deactivate");
    assert!(told.starts_with("Error: A program cannot switch the instance off"), "{told}");
    fs::rename(sandbox.path("bin/silo"), sandbox.path("bin/elsewhere")).expect("it is there");
    symlink(SILO, sandbox.path("state/silo-program")).expect("the sandbox is writable");
    let mark = format!("1 0 {}", sandbox.path("state/silo-program").display());
    let quoted = format!("{} {read} '. ../copy; silo get WEB_PORT'", shell.program().display());
    let env = [(silo::core::shell::MARK, OsStr::new(&mark))];
    let mut other = Session::with(&sandbox, shell, "app", &Setup { unhooked: true, env: &env, ..Setup::default() });
    assert_eq!((other.run(&format!("{quoted} >../seen")).told.as_str(), seen(&sandbox)), ("", web));
}

#[test]
fn a_copy_in_another_bash_is_the_program() {
    let copy = "for f in $(compgen -A function | grep -v ^_); do declare -f $f; done >../copy";
    a_copy_in_another_shell_is_the_program(Shell::BASH, copy, "--norc -c");
}

#[test]
fn a_copy_in_another_zsh_is_the_program() {
    a_copy_in_another_shell_is_the_program(Shell::ZSH, "typeset -f ${(k)functions:#_*} >../copy", "-f -c");
}

#[test]
fn a_copy_in_another_fish_is_the_program() {
    a_copy_in_another_shell_is_the_program(Shell::FISH, "functions silo >../copy", "--no-config -c");
}

fn a_hook_that_nothing_calls_is_told_with_what_took_its_place(shell: Shell) {
    let (after, instead) = match shell.name() {
        "bash" => ("other() { :; }; PROMPT_COMMAND=other", "PROMPT_COMMAND=other"),
        "zsh" => ("other() { :; }; precmd_functions=(other) preexec_functions=()", "precmd_functions=(other)"),
        "fish" => ("functions --erase __silo_hook", "functions --erase __silo_hook"),
        "elvish" => ("set edit:before-readline = [{ nop }]", "edit:before-readline"),
        "nu" => ("$env.config.hooks.pre_prompt = []; $env.config.hooks.env_change.PWD = []", "$env.config.hooks"),
        _ => ("alias precmd true", "alias precmd"),
    };
    let sandbox = Sandbox::new();
    let (app, _) = app(&sandbox);
    let mut session = Session::with(&sandbox, shell, &app, &Setup { after, ..Setup::default() });
    session.run(":").assert_inactive();
    let what = format!("The shell hook is loaded, but nothing calls it: `{instead}` has taken its place");
    for line in ["silo status", "silo diff", "silo allow"] {
        let told = session.run(line).told;
        assert!(told.contains(&format!("Warning: {what}; `")), "{line}: {told}");
    }
    let found = session.run(&shell.telling("silo doctor"));
    // On a terminal it is wrapped.
    let text = found.told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(&format!("Problem [hook-not-called]: {what}")), "{found:?}");
    // A program further in is not told.
    assert!(!session.run("silo exec -- sh -c 'silo status; exit'").told.contains("nothing calls it"));
}

fn a_hook_that_is_called_is_not_told(shell: Shell) {
    let sandbox = Sandbox::new();
    let (app, _) = app(&sandbox);
    let mut session = Session::start(&sandbox, shell, &app);
    session.run(":").assert_active(&sandbox, &app);
    for line in ["silo status", "silo doctor"] {
        let told = session.run(&shell.telling(line)).told;
        assert!(!told.contains("nothing calls it"), "{line}: {told}");
    }
}

/// What a command reports the hook in a shell that is configured so.
fn told_of(shell: Shell, setup: &Setup<'_>) -> String {
    let sandbox = Sandbox::new();
    let (app, _) = app(&sandbox);
    let mut session = Session::with(&sandbox, shell, &app, setup);
    session.run(":");
    let told = session.run("silo diff").told;
    told.lines().find(|line| line.contains("nothing calls it")).unwrap_or_default().to_owned()
}

#[test]
fn who_keeps_the_hook_calls_it_still() {
    for (shell, after) in [
        // starship, a function of the user's own, an array of bash-preexec's.
        (Shell::BASH, "KEPT=$PROMPT_COMMAND; prompt() { eval \"$KEPT\"; }; PROMPT_COMMAND=prompt"),
        (Shell::BASH, "prompt() { __silo_hook; }; PROMPT_COMMAND='history -a; prompt'"),
        (Shell::BASH, "precmd_functions=(__silo_hook); invoke() { ${precmd_functions[0]}; }; PROMPT_COMMAND=(invoke)"),
        (Shell::ZSH, "precmd() { __silo_hook; }; chpwd() { __silo_hook; }; precmd_functions=() chpwd_functions=()"),
        (Shell::ZSH, "preexec() { __silo_before; }; preexec_functions=()"),
    ] {
        assert_eq!(told_of(shell, &Setup { after, ..Setup::default() }), "", "{after}");
    }
}

#[test]
fn what_took_its_place_is_named_as_it_is() {
    let of = |shell, before, after| told_of(shell, &Setup { before, after, ..Setup::default() });
    let readonly = of(Shell::BASH, "readonly PROMPT_COMMAND='history -a'", "");
    assert!(
        readonly.contains("`readonly PROMPT_COMMAND=history -a` has taken")
            && readonly.contains("; `silo exec -- COMMAND` goes"),
        "{readonly}"
    );
    let array = of(Shell::BASH, "", "PROMPT_COMMAND=(': one  1' ': two'); IFS=/; set -eu");
    assert!(
        array.contains("`PROMPT_COMMAND=: one  1 : two`") && array.contains("; `eval \"$(silo hook bash)\"` goes"),
        "{array}"
    );
    assert!(of(Shell::BASH, "", "unset PROMPT_COMMAND; set -u").contains("`PROMPT_COMMAND=`"));
    assert!(of(Shell::ZSH, "", "precmd_functions=(); setopt ksh_arrays").contains("`precmd_functions=()`"));
    assert!(of(Shell::ZSH, "", "chpwd_functions=(mine); mine() { }").contains("`chpwd_functions=(mine)`"));
    // `add-zsh-hook -d` unsets a list with the last of its functions; what looks before a command is one, too.
    for more in ["", "; set -u; setopt ksh_arrays", "; IFS=/; setopt sh_word_split glob_subst"] {
        let gone = |list: &str| {
            let after = format!("a() {{ }}; b() {{ }}; {list}{more}");
            told_of(Shell::ZSH, &Setup { after: &after, ..Setup::default() })
        };
        assert!(gone("unset precmd_functions").contains("`precmd_functions=()`"), "{more}");
        assert!(gone("chpwd_functions=(a b)").contains("`chpwd_functions=(a b)`"), "{more}");
        assert!(gone("preexec_functions=(a b)").contains("`preexec_functions=(a b)`"), "{more}");
        for list in ["precmd", "chpwd", "preexec"] {
            assert_eq!(
                gone(&format!("{list}_functions+=(a); {list}_functions=(b ${list}_functions)")),
                "",
                "{list}{more}"
            );
        }
    }
    assert!(of(Shell::ELVISH, "", "set after-chdir = []").contains("`after-chdir`"));
    // In place again.
    assert_eq!(of(Shell::BASH, "", "PROMPT_COMMAND=x; eval \"$(silo hook bash)\""), "");
}
