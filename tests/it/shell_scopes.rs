//! Variables of silo's names that a shell has in its own way: not exported, numbers, lists, a function's own. After leaving each
//! is what it was, in value, scope and export; inside it is the instance's.

use std::fs;

use crate::pty::{Session, Setup, Shell};
use crate::sandbox::{Sandbox, free_ports, toml_with_ports};

const TOML: &str =
    "[env]\nA = \"a value\"\nB = \"B value\"\nC = \"c\"\nD = \"d\"\nE = \"e\"\nF = \"f\"\nG = \"g\"\nH = \"h\"\n";

fn project(sandbox: &Sandbox, name: &str) -> std::path::PathBuf {
    let [web] = free_ports();
    sandbox.trusted(name, &(toml_with_ports(&[("WEB_PORT", web)]) + TOML))
}

/// `tell` shows all of the variables; what is made of `set` is the same before and after.
fn what_the_shell_has_comes_back(shell: Shell, set: &str, tell: &str) {
    let sandbox = Sandbox::new();
    let app = project(&sandbox, "app");
    let other = project(&sandbox, "other");
    let mut session = Session::with(&sandbox, shell, "", &Setup { after: set, ..Setup::default() });
    let tell = |session: &mut Session, name: &str| {
        session.run(&tell.replace("FILE", &sandbox.path(name).display().to_string()));
        fs::read_to_string(sandbox.path(name)).expect("the shell wrote it")
    };
    let before = tell(&mut session, "before");
    assert!(!before.is_empty());
    let whole = |seen: &crate::pty::Observed| {
        let names = ["A", "B", "C", "D", "E", "F", "G", "H"];
        names.map(|name| seen.var(name).unwrap_or_default().to_owned()).join(" ")
    };
    for ways in [&["cd app", "cd .."][..], &["cd app", "cd ../other", "cd .."], &["cd app", "silo deactivate", "cd .."]]
    {
        for way in ways {
            let seen = session.run(way);
            assert!(!seen.told.contains("rror") && !seen.told.contains("nbound"), "{set}: {way}: {}", seen.told);
            match *way {
                "cd app" => seen.assert_active(&sandbox, &app),
                "cd ../other" => seen.assert_active(&sandbox, &other),
                _ => continue,
            }
            assert_eq!(whole(&seen), "a value B value c d e f g h", "{set}: {way}");
        }
        assert_eq!(tell(&mut session, "after"), before, "{set}: {ways:?}");
    }
    // What the user makes of one inside is the user's, and nothing of an earlier visit comes back in its place.
    session.run("cd app");
    session.run(&shell.export("A", "mine"));
    assert_eq!(session.run("cd ..").var("A"), Some("mine"), "{set}");
    session.run("cd app");
    assert_eq!(session.run("cd ..").var("A"), Some("mine"), "{set}");
}

#[test]
fn what_the_shell_has_comes_back_in_bash() {
    let set = "A=\"it's \\\"1\\\"\"; declare -i B=5; declare -u C=UP; declare -a D=(1 'two words' 3); declare -i E; \
               export F='out side'; declare -lx G=low; declare -A H=([x]=y)";
    for more in ["", "; WEB_PORT=7", "; set -u", "; set -e", "; set -a"] {
        what_the_shell_has_comes_back(Shell::BASH, &format!("{set}{more}"), "declare -p A B C D E F G H >FILE 2>&1");
    }
}

#[test]
fn what_the_shell_has_comes_back_in_zsh() {
    let set = "A=\"it's \\\"1\\\"\"; integer B=5; typeset -u C=UP; D=(1 'two words' '' 3); typeset -i E; \
               export F='out side'; typeset -lx G=low; typeset -A H=(x y 'a b' '')";
    for more in ["", "; WEB_PORT=7", "; set -u", "; setopt ksh_arrays sh_word_split", "; setopt warn_create_global"] {
        what_the_shell_has_comes_back(Shell::ZSH, &format!("{set}{more}"), "typeset -p A B C D E F G H >FILE 2>&1");
    }
}

#[test]
fn what_the_shell_has_comes_back_in_fish() {
    let set = "set -g A \"it's 1\"; set -U B 5; set -Ux C uni versal; set -g D 1 'two words' '' 3; set -gx E; \
               set -gx F 'out side'; set -gx G one two; set -U H one; set -g H two";
    what_the_shell_has_comes_back(Shell::FISH, set, "set --show A B C D E F G H >FILE");
}

#[test]
fn how_a_variable_looks_comes_back_in_zsh() {
    let set = "typeset -F2 A=1.5; typeset -E3 B=12345; typeset -Z5 C=00012; typeset -L4 D='ab  '; typeset -t E=x; \
               typeset -xF1 F=2.5; typeset -H G=h; typeset -R4 H='  ab'";
    for more in ["", "; setopt ksh_arrays"] {
        let tell = "{ typeset -p A B C D E F G H; print -r -- \"$A|$B|$C|$D|$E|$F|$G|$H\" } >FILE 2>&1";
        what_the_shell_has_comes_back(Shell::ZSH, &format!("{set}{more}"), tell);
    }
}

#[test]
fn a_list_of_paths_comes_back_as_one_in_fish() {
    let set = "set -g --path A one two; set -gx --path B one:two; set -U --path C x y; set -g --path D; set -g E_PATH a b; set -gx --unpath F x y";
    what_the_shell_has_comes_back(
        Shell::FISH,
        set,
        "begin; set --show A B C D E_PATH F; echo \"$A $B $C $D\"; end >FILE",
    );
}

#[test]
fn what_the_shell_has_comes_back_in_nushell() {
    let set = "$env.A = 5; $env.B = [a b]; $env.C = {x: 1}; $env.D = true; $env.F = 'out side'; $env.G = 1.5";
    let tell = "$env | select A B C D F G | merge {e: ('E' in $env)} | to nuon | save -f FILE";
    what_the_shell_has_comes_back(Shell::NU, set, tell);
}

/// The folder is changed in a function that has variables of its own.
fn a_functions_own_variables_harm_nothing(shell: Shell, functions: &str, tell: &str) {
    let sandbox = Sandbox::new();
    let app = project(&sandbox, "app");
    let other = project(&sandbox, "other");
    let mut session = Session::with(&sandbox, shell, "", &Setup { after: functions, ..Setup::default() });
    let tell = |session: &mut Session, name: &str| {
        session.run(&tell.replace("FILE", &sandbox.path(name).display().to_string()));
        fs::read_to_string(sandbox.path(name)).expect("the shell wrote it")
    };
    let before = tell(&mut session, "before");
    for (go, place) in
        [("go app", Some(&app)), ("go ../other", Some(&other)), ("go ../app", Some(&app)), ("go ..", None)]
    {
        session.run(go);
        let seen = session.run(":");
        match place {
            Some(place) => {
                seen.assert_active(&sandbox, place);
                assert_eq!((seen.var("A"), seen.var("B")), (Some("a value"), Some("B value")), "{functions}: {go}");
            }
            None => seen.assert_inactive(),
        }
    }
    assert_eq!(tell(&mut session, "after"), before, "{functions}");
}

#[test]
fn a_functions_own_variables_harm_nothing_in_bash() {
    for own in [
        "local A=1 WEB_PORT=2",
        "local -x A=1 WEB_PORT=2",
        "local -i A=1; local WEB_PORT",
        // What cannot be told by its value, nor by what it is.
        "local -x A=\"$A\" WEB_PORT=\"${WEB_PORT-}\"",
        "shopt -s localvar_inherit 2>/dev/null; local A WEB_PORT",
    ] {
        let functions = format!("A=out; export B=out; go() {{ {own}; cd \"$1\"; }}");
        a_functions_own_variables_harm_nothing(Shell::BASH, &functions, "declare -p A B C WEB_PORT >FILE 2>&1");
    }
}

#[test]
fn a_functions_own_variables_harm_nothing_in_zsh() {
    for own in
        ["local A=1 WEB_PORT=2", "local -x A=1 WEB_PORT=2", "local -i A=1; local WEB_PORT", "local -a A SILO_ACTIVE"]
    {
        let functions = format!("A=out; export B=out; go() {{ {own}; cd \"$1\"; }}");
        a_functions_own_variables_harm_nothing(Shell::ZSH, &functions, "typeset -p A B C WEB_PORT >FILE 2>&1");
    }
}

#[test]
fn a_functions_own_variables_harm_nothing_in_fish() {
    for own in [
        "set -l A 1; set -l WEB_PORT 2",
        "set -lx A 1; set -lx WEB_PORT 2",
        "begin; set -lx A 1",
        "set -lx __SILO_UNDO x",
    ] {
        let end = if own.starts_with("begin") { "end" } else { "" };
        let functions = format!("set -g A out; set -gx B out; function go; {own}; cd $argv; {end}; end");
        a_functions_own_variables_harm_nothing(Shell::FISH, &functions, "set --show A B C WEB_PORT >FILE");
    }
}
