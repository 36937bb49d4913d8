//! What a shell answers itself (D119) is what silo would have answered: two shells make the same random moves and changes, and one of
//! them forgets before each step where it has been. `SILO_TEST_SEED` and `SILO_TEST_STEPS` try others.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;

use crate::pty::{Observed, Session, Shell, first_shells};
use crate::sandbox::Sandbox;
use crate::shell_again::project;

first_shells!(a_memory_changes_nothing_but_the_time);

/// Two shells do the same, of which one forgets everything before each step.
fn a_memory_changes_nothing_but_the_time(shell: Shell) {
    let steps: usize = std::env::var("SILO_TEST_STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(60);
    let seed: u64 = std::env::var("SILO_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    let sandbox = Sandbox::new();
    let (one, two) = (project(&sandbox, "one"), project(&sandbox, "two"));
    project(&sandbox, "two/nested");
    fs::create_dir_all(one.join("src")).expect("the project is writable");
    fs::create_dir_all(sandbox.dir("plain")).expect("the sandbox is writable");
    symlink(&two, sandbox.dir("link")).expect("the sandbox is writable");
    let mut sessions = [(); 2].map(|()| {
        let mut session = Session::start(&sandbox, shell, "");
        // fish makes its folders as it starts.
        session.run(":");
        session
    });
    let forget = if shell == Shell::FISH { "set -g __silo_moves" } else { "__silo_numbers=()" };
    let places = ["", "one", "one/src", "two", "link", "plain", "one", "two", "two/nested", "link/nested"];
    let at = |place: &str| format!("{}", sandbox.dir(place).display());
    let define = if shell == Shell::FISH { "function go; cd $argv[1]; end" } else { "go() { cd \"$1\"; }" };
    let define_own = match shell.name() {
        "fish" => "function goes; set -lx ONE local; set -l TWO local; cd $argv[1]; end",
        _ => "goes() { local -x ONE=local; local TWO; cd \"$1\"; }",
    };
    for session in &mut sessions {
        session.run(define);
        session.run(define_own);
    }
    let quiet = |line: String| shell.quiet(&line);
    let (first, second) = (one.display(), two.display());
    // What is done to the shell is done to both, what is done to the files once.
    let to_shells = [
        shell.export("ONE", "mine"),
        shell.unset("ONE"),
        if shell == Shell::FISH { "set -gu ONE $ONE".into() } else { "typeset +x ONE".into() },
        if shell == Shell::FISH { "set -gx WEB_PORT 1 2".into() } else { "typeset -i WEB_PORT=12".into() },
        shell.export("WEB_PORT", "1"),
        shell.unset("WEB_PORT"),
        if shell == Shell::FISH { "set -g TWO x".into() } else { "TWO=x".into() },
        shell.unset("TWO"),
        shell.edit_path().to_owned(),
        shell.export("SILO_LOG", "off"),
        shell.unset("SILO_LOG"),
    ];
    let to_files = [
        quiet(format!("touch {first}/silo.toml")),
        quiet(format!("touch -d 2001-01-01 {second}/silo.toml")),
        quiet(format!("sh -c 'cd {first} && silo deny'")),
        quiet(format!("silo allow {first}")),
        quiet(format!("silo allow {second}")),
        quiet(format!("rm {second}/.silo.lock")),
        quiet(format!("rm {first}/.localnet.env")),
        quiet(format!("sh -c 'cd {second} && silo env'")),
        quiet(format!("sh -c 'cd {first} && silo env'")),
    ];
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).expect("31 bits") % below
    };
    let environment = |seen: &Observed| {
        let mut environment = seen.environment();
        environment.remove(OsStr::new("ZDOTDIR"));
        environment
    };
    let mut done = Vec::new();
    for _ in 0..steps {
        let (line, is_for_files) = match next(20) {
            0 => (to_files[next(to_files.len())].clone(), true),
            1 | 2 => (to_shells[next(to_shells.len())].clone(), false),
            3 => (format!("goes {}", at(places[next(places.len())])), false),
            4..=8 => (format!("go {}", at(places[next(places.len())])), false),
            _ => (format!("cd {}", at(places[next(places.len())])), false),
        };
        done.push(line.clone());
        if is_for_files {
            sessions[0].run(&line);
            sessions[1].run(":");
            let [one, two] = sessions.each_mut().map(|session| session.run(":"));
            assert_eq!(environment(&one), environment(&two), "seed {seed}: {done:#?}");
            continue;
        }
        sessions[1].run(forget);
        let [one, two] = sessions.each_mut().map(|session| session.run(&line));
        assert_eq!(one.told, two.told, "seed {seed}: {done:#?}");
        assert_eq!(environment(&one), environment(&two), "seed {seed}: {done:#?}");
    }
}
