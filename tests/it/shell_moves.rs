//! `cd` and its kin act at once: what follows them on a line, in a function or a subshell is in the folder's own instance.

use std::fs;

use crate::pty::{Session, Setup, Shell, each_shell};
use crate::sandbox::{Sandbox, free_ports, toml_with_ports};

each_shell!(the_rest_of_a_line_is_in_the_folders_own_instance, a_move_that_fails_is_told_as_ever);

/// Two projects side by side, `a` and `b`, and their ports.
fn two(sandbox: &Sandbox) -> [String; 2] {
    let ports = free_ports::<2>();
    for (name, port) in ["a", "b"].into_iter().zip(ports) {
        let root = sandbox.trusted(name, &toml_with_ports(&[("WEB_PORT", port)]));
        sandbox.run(&root, ["env", name]).success();
    }
    ports.map(|port| port.to_string())
}

fn seen(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.dir("seen")).expect("the line wrote it").trim_end().to_owned()
}

fn the_rest_of_a_line_is_in_the_folders_own_instance(shell: Shell) {
    let sandbox = Sandbox::new();
    let [a, b] = two(&sandbox);
    let mut session = Session::start(&sandbox, shell, "a");
    assert_eq!(session.run(":").var("WEB_PORT"), Some(a.as_str()));
    let (and, into) = (shell.and(), shell.redirect());
    let line = session.run(&format!("cd ../b {and} printenv WEB_PORT {into} ../seen"));
    assert_eq!((seen(&sandbox), line.var("WEB_PORT")), (b.clone(), Some(b.as_str())));
    assert_eq!(line.told, format!("silo: b · WEB_PORT={b}\n"), "once");
    let line = session.run(&format!("cd ../a {and} cd ../b {and} cd ../a {and} printenv WEB_PORT {into} ../seen"));
    assert_eq!((seen(&sandbox), line.var("WEB_PORT")), (a.clone(), Some(a.as_str())));
    let left =
        session.run(&format!("cd .. {and} ^env {into} seen").replace('^', if shell == Shell::NU { "^" } else { "" }));
    left.assert_inactive();
    assert!(!seen(&sandbox).contains("WEB_PORT"), "{}", seen(&sandbox));
}

fn a_move_that_fails_is_told_as_ever(shell: Shell) {
    let sandbox = Sandbox::new();
    let [a, _] = two(&sandbox);
    let missing = |unhooked| {
        let mut session = Session::with(&sandbox, shell, "a", &Setup { unhooked, ..Setup::default() });
        session.run(":");
        let failed = session.run("cd ../missing");
        assert_eq!(failed.var("WEB_PORT"), (!unhooked).then_some(a.as_str()));
        (failed.status, failed.told)
    };
    // The hook of nushell, once written, is loaded by every session of the sandbox.
    let (plain, hooked) = (missing(true), missing(false));
    // Nushell says what kind of error it is, too, and its own help.
    if shell == Shell::NU {
        assert_eq!(hooked.0, plain.0);
        let place = ["Directory not found", "cd ../missing", "^^^^^|^^^^"];
        assert!(place.iter().all(|part| hooked.1.contains(part) && plain.1.contains(part)), "{hooked:?} {plain:?}");
    } else {
        assert_eq!(hooked, plain);
    }
}

/// A subshell has its own, and says nothing of it; the shell around it keeps its.
fn a_subshell_is_in_the_folders_own_instance(shell: Shell) {
    let sandbox = Sandbox::new();
    let [a, b] = two(&sandbox);
    let mut session = Session::start(&sandbox, shell, "a");
    let before = session.run(":");
    let after = session.run("(cd ../b && printenv WEB_PORT >../seen)");
    assert_eq!((seen(&sandbox), after.var("WEB_PORT")), (b.clone(), Some(a.as_str())));
    // tcsh does not know that it is in one.
    let told = if shell == Shell::TCSH { format!("silo: b · WEB_PORT={b}\n") } else { String::new() };
    assert_eq!((after.environment(), after.told), (before.environment(), told));
    if shell == Shell::TCSH {
        return;
    }
    let after = session.run("got=$(cd ../b && echo $(printenv WEB_PORT) $(pwd)); echo $got >../seen");
    assert_eq!(seen(&sandbox), format!("{b} {}", sandbox.dir("b").display()));
    assert_eq!((after.told.as_str(), after.environment()), ("", before.environment()));
    // What refuses is told.
    let [other] = free_ports();
    sandbox.project("c", &toml_with_ports(&[("WEB_PORT", other)]));
    let after = session.run("(cd ../c && env >../seen)");
    assert!(!seen(&sandbox).contains("WEB_PORT=") && after.told.contains("silo allow"), "{after:?}");
}

#[test]
fn a_subshell_is_in_the_folders_own_instance_in_bash() {
    a_subshell_is_in_the_folders_own_instance(Shell::BASH);
}

#[test]
fn a_subshell_is_in_the_folders_own_instance_in_zsh() {
    a_subshell_is_in_the_folders_own_instance(Shell::ZSH);
}

#[test]
fn a_subshell_is_in_the_folders_own_instance_in_tcsh() {
    a_subshell_is_in_the_folders_own_instance(Shell::TCSH);
}

/// What the stack of folders brings.
fn the_stack_of_folders_acts_at_once(shell: Shell) {
    let sandbox = Sandbox::new();
    let [a, b] = two(&sandbox);
    let mut session = Session::start(&sandbox, shell, "a");
    session.run(":");
    let (and, into) = (shell.and(), shell.redirect());
    session.run(&format!("pushd ../b >/dev/null {and} printenv WEB_PORT {into} ../seen"));
    assert_eq!(seen(&sandbox), b);
    session.run(&format!("popd >/dev/null {and} printenv WEB_PORT {into} ../seen"));
    assert_eq!(seen(&sandbox), a);
}

#[test]
fn the_stack_of_folders_acts_at_once_in_bash() {
    the_stack_of_folders_acts_at_once(Shell::BASH);
}

#[test]
fn the_stack_of_folders_acts_at_once_in_zsh() {
    the_stack_of_folders_acts_at_once(Shell::ZSH);
}

#[test]
fn the_stack_of_folders_acts_at_once_in_fish() {
    the_stack_of_folders_acts_at_once(Shell::FISH);
}

#[test]
fn the_stack_of_folders_acts_at_once_in_tcsh() {
    the_stack_of_folders_acts_at_once(Shell::TCSH);
}

/// A user who would rather have the shell's own `cd`.
fn the_settings_leave_cd_alone(shell: Shell) {
    let sandbox = Sandbox::new();
    let [a, b] = two(&sandbox);
    fs::create_dir_all(sandbox.path("config/silo")).expect("the sandbox is writable");
    fs::write(sandbox.path("config/silo/config.toml"), "wrap_cd = false\n").expect("the sandbox is writable");
    let mut session = Session::start(&sandbox, shell, "a");
    session.run(":");
    let line = session.run(&format!("cd ../b {} printenv WEB_PORT {} ../seen", shell.and(), shell.redirect()));
    assert_eq!((seen(&sandbox), line.var("WEB_PORT")), (a, Some(b.as_str())), "at the next prompt");
}

#[test]
fn the_settings_leave_cd_alone_in_bash() {
    the_settings_leave_cd_alone(Shell::BASH);
}

#[test]
fn the_settings_leave_cd_alone_in_nushell() {
    the_settings_leave_cd_alone(Shell::NU);
}

/// What a script says and how it ends, in a bash that has loaded the hook first, or not.
fn script(sandbox: &Sandbox, hooked: bool, text: &str) -> (String, String, Option<i32>) {
    let load = if hooked { "eval \"$(silo hook bash)\"\n" } else { "" };
    let text = format!("cd a 2>/dev/null\n{load}{text}");
    let ran = sandbox.command("bash", "").args(["--norc", "-c", &text]).output().expect("bash starts");
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    // A function has lines of its own.
    let told = told.lines().filter(|line| !line.starts_with("silo: ")).map(|line| match line.split_once(": line ") {
        Some((_, line)) => line.split_once(": ").map_or(line, |(_, rest)| rest).to_owned() + "\n",
        None => format!("{line}\n"),
    });
    (String::from_utf8_lossy(&ran.stdout).into_owned(), told.collect(), ran.status.code())
}

#[test]
fn cd_in_bash_does_and_says_what_bash_does() {
    let sandbox = Sandbox::new();
    two(&sandbox);
    fs::create_dir_all(sandbox.dir("a/--odd name/x")).expect("the sandbox is writable");
    std::os::unix::fs::symlink("b", sandbox.dir("link")).expect("the sandbox is writable");
    for text in [
        "cd ../b; echo $? $PWD $OLDPWD; cd -; echo $?; cd - >/dev/null; pwd",
        "cd ../missing; echo $?; cd ../b ../a; echo $?; cd -X; echo $?; cd ''; echo $?; pwd",
        "cd -P ../link && pwd; cd ../link; pwd; cd -L ../link; pwd; cd -P .; pwd",
        "CDPATH=..; cd b; echo $?; CDPATH=../.. cd projects; pwd",
        "cd -- '--odd name'; pwd; cd x; cd ../..; pwd; HOME=$PWD; cd; pwd; cd ~; pwd",
        "pushd ../b; echo $?; pushd -n /; dirs; popd; echo $?; popd +7; echo $?; popd; echo $?; popd; pushd; pwd",
        "set -e; cd ../b; cd ../missing; echo on",
        "set -e; cd ../missing || echo no; if cd ../missing; then echo yes; fi; ! cd ../missing; cd ../b; pwd",
        "set -eu; f() { cd \"$1\" && pwd; }; f ../b; (f ../a); x=$(f ../a); echo $x; f ../missing || echo $?; f ../missing; echo on",
        "set -u; cd ../b; cd; pushd ~ >/dev/null; popd >/dev/null; pwd; echo $nowhere; echo on",
        "trap 'echo ERR $?' ERR; cd ../missing; cd ../b; cd ../b/x || echo no",
        "set -E; trap 'echo ERR $?' ERR; cd ../missing; cd ../b",
        "trap 'echo EXIT' EXIT; cd ../b; (cd ../a; exit 3); echo $?; cd ../missing",
        "cd ../b; echo $_; true | cd ../a; echo ${PIPESTATUS[*]} $PWD; cd ../a & wait; pwd",
        "for d in ../a ../b ../a; do cd $d && pwd; done; while cd ..; do pwd; [[ $PWD == */projects ]] && break; done",
        "set -o posix; cd ../b; pwd; cd ../missing; echo $?",
        "IFS=/; set -f; cd ../b; pwd; shopt -s failglob nocasematch; cd ../a; pwd",
        "unset OLDPWD; cd -; echo $?; cd ../b; unset PWD; cd ../a; echo $PWD",
        "builtin cd ../b; pwd; command cd ../a; pwd; cd ../b; type -t cd >/dev/null; unset -f cd pushd popd; cd ../a; pwd",
    ] {
        assert_eq!(script(&sandbox, true, text), script(&sandbox, false, text), "{text}");
    }
}

#[test]
fn a_function_of_the_users_goes_on_behind_cd_in_bash() {
    let sandbox = Sandbox::new();
    let [_, b] = two(&sandbox);
    // rvm's; zoxide's, which goes where it was before; one for the stack; one that tells and fails; one with the same name inside.
    let rvm = r#"__zsh_like_cd() { if builtin "$@"; then for h in chpwd "${chpwd_functions[@]}"; do
        if typeset -f "$h" >/dev/null 2>&1; then "$h" || break; fi; done; true; else return $?; fi; }
        cd() { __zsh_like_cd cd "$@" ; }; pushd() { __zsh_like_cd pushd "$@" ; }; chpwd() { echo moved; }"#;
    let zoxide = r#"function __zoxide_cd() { \builtin cd -- "$@"; }
        function __zoxide_z() { if [[ $# -eq 1 && $1 == near ]]; then __zoxide_cd ../b; else __zoxide_cd "$@"; fi; }
        \builtin unalias cd &>/dev/null || \builtin true
        function cd() { __zoxide_z "$@"; }"#;
    let stack = "cd() { pushd \"$@\" >/dev/null; echo \"stack ${#DIRSTACK[@]}\"; }";
    let fails = "cd() { builtin cd \"$@\" && ls -d .; return 5; }; alias ls='echo alias'";
    let again = "cd() { if [[ $1 == near ]]; then cd ../b; else builtin cd \"$@\"; fi; } >&2 2>&1";
    for (name, own) in [("rvm", rvm), ("zoxide", zoxide), ("stack", stack), ("fails", fails), ("again", again)] {
        let near = if matches!(name, "zoxide" | "again") { "near" } else { "../b" };
        let used = format!("cd {near}; echo $? $PWD; cd ../missing; echo $?; (cd ../a; pwd); set -eu; cd ../a; pwd");
        let with = |hooked, own| script(&sandbox, hooked, &format!("shopt -s expand_aliases\n{own}\n{used}"));
        assert_eq!(with(true, own), with(false, own), "{name}, after the hook");
        let load = format!("{own}\neval \"$(silo hook bash)\"");
        assert_eq!(with(false, &load), with(false, own), "{name}, before the hook");
        // At its first prompt an interactive shell has looked at what its start file did after the hook; later where one of
        // them has gone elsewhere.
        for (before, after, typed) in [(own, "", ":"), ("", own, ":"), ("", "", own)] {
            let setup = Setup { before, after, ..Setup::default() };
            let mut session = Session::with(&sandbox, Shell::BASH, "a", &setup);
            session.run(":");
            session.run(typed);
            session.run("builtin cd ../b");
            session.run("builtin cd ../a");
            session.run(&format!("cd {near}; printenv WEB_PORT >../seen"));
            assert_eq!(seen(&sandbox), b, "{name}");
            let status = session.run(&format!("cd ../a; cd {near}")).status;
            assert_eq!(status, if name == "fails" { "5" } else { "0" }, "{name}");
        }
    }
}

#[test]
fn an_alias_of_the_users_goes_on_before_cd_in_bash() {
    let sandbox = Sandbox::new();
    let [_, b] = two(&sandbox);
    for alias in ["alias cd='cd -P'", "alias cd='pushd >/dev/null'", "alias cd='_() { \\cd \"$@\"; }; _'"] {
        for (before, after) in [(alias, ""), ("", alias)] {
            let mut session = Session::with(&sandbox, Shell::BASH, "a", &Setup { before, after, ..Setup::default() });
            assert_eq!(session.run(":").told.matches('\n').count(), 1, "{alias}");
            session.run("cd ../b && printenv WEB_PORT >../seen");
            assert_eq!(seen(&sandbox), b, "{alias}");
        }
    }
}

/// It is bash's own for those who have nothing but it.
#[test]
fn cd_without_the_hook_around_it_is_bashs_own() {
    let sandbox = Sandbox::new();
    two(&sandbox);
    let text = "cd() { builtin cd \"$@\"; }\neval \"$(silo hook bash)\"\nexport -f cd pushd popd
        bash --norc -c 'cd ../b && pwd && pushd ../a >/dev/null; popd; cd ../missing; echo $?; declare -F'
        declare -f cd pushd popd >../snapshot; bash --norc -c '. ../snapshot; cd ../b; pwd; cd ../missing; echo $?'";
    let (said, told, _) = script(&sandbox, true, text);
    let b = sandbox.dir("b").display().to_string();
    let expected = format!("{b}\n{b}\n1\ndeclare -fx cd\ndeclare -fx popd\ndeclare -fx pushd\n{b}\n1\n");
    assert_eq!((said, told.lines().count()), (expected, 2), "{told}");
}

/// Completions go somewhere and come back.
#[test]
fn a_completion_moves_about_unseen_in_bash() {
    let sandbox = Sandbox::new();
    let [a, _] = two(&sandbox);
    let after = "_c() { cd ../b; printenv WEB_PORT >../seen; COMPREPLY=($WEB_PORT); cd ../a; }; complete -F _c say; say() { :; }";
    let setup = Setup { after, editing: true, ..Setup::default() };
    let mut session = Session::with(&sandbox, Shell::BASH, "a", &setup);
    session.run(":");
    let line = session.run("say \t");
    assert_eq!((seen(&sandbox), line.var("WEB_PORT")), (a.clone(), Some(a.as_str())), "{line:?}");
    assert!(!line.told.contains("silo: "), "{line:?}");
}
