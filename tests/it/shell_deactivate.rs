//! `silo deactivate`: off in one shell until its folder is left.

use crate::pty::{Observed, Session, Shell, each_shell};
use crate::sandbox::Sandbox;

const RANDOM: &str = "version = 1\n[ports]\nA = 0\n";

each_shell!(
    it_is_off_until_the_folder_is_left,
    another_shell_stays_as_it_is,
    a_shell_in_the_shell_looks_for_itself,
    where_nothing_is_active_it_says_so,
    other_commands_pass_through_as_they_are,
    what_a_program_calls_changes_nothing,
);

fn it_is_off_until_the_folder_is_left(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", RANDOM);
    sandbox.run(&app, ["env", "x"]).success();
    std::fs::create_dir(app.join("sub")).expect("the sandbox is writable");
    let mut session = Session::start(&sandbox, shell, "");
    let before = session.run(":");
    session.run("cd app").assert_active(&sandbox, &app);
    let off = session.run("silo deactivate");
    assert_eq!(off.told, "silo: x is off in this shell until its folder is left\n");
    assert_eq!(off.status, "0");
    off.assert_inactive();
    for line in [":", "cd sub", "touch ../silo.toml", "cd ..", &shell.quiet("silo env")] {
        let seen = session.run(line);
        assert_eq!((seen.told.as_str(), seen.status.as_str()), ("", "0"), "{line}");
        seen.assert_inactive();
    }
    let outside = session.run("cd ..");
    assert_eq!((outside.told.as_str(), outside.environment().len()), ("", before.environment().len()));
    session.run("cd app").assert_active(&sandbox, &app);
}

fn another_shell_stays_as_it_is(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", RANDOM);
    let [mut one, mut other] = [(); 2].map(|()| Session::start(&sandbox, shell, "app"));
    other.run(":").assert_active(&sandbox, &app);
    one.run("silo deactivate").assert_inactive();
    let seen = other.run(":");
    seen.assert_active(&sandbox, &app);
    assert_eq!(seen.told, "");
}

fn a_shell_in_the_shell_looks_for_itself(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", RANDOM);
    sandbox.run(&app, ["env", "x"]).success();
    let mut session = Session::start(&sandbox, shell, "app");
    session.run("silo deactivate").assert_inactive();
    // It says so: what a shell or a terminal server is started from does not silence it for its whole life.
    let inner = session.run(&session.again());
    inner.assert_active(&sandbox, &app);
    assert!(inner.told.starts_with("silo: x · A="), "{inner:?}");
    session.run("exit").assert_inactive();

    session.run("cd ..");
    session.run("cd app").assert_active(&sandbox, &app);
    session.run(&session.again()).assert_active(&sandbox, &app);
    let off = session.run("silo deactivate");
    off.assert_inactive();
    assert_eq!(off.var("A"), None);
    let outer = session.run("exit");
    outer.assert_active(&sandbox, &app);
    assert!(!outer.told.contains("silo: "), "{outer:?}");
}

fn where_nothing_is_active_it_says_so(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", RANDOM);
    let mut session = Session::start(&sandbox, shell, "");
    let seen = session.run("silo deactivate");
    assert_ended(shell, &seen, 4);
    assert!(seen.told.contains("No instance is active in this shell"), "{seen:?}");
    // Without the hook nothing in the shell can be changed, and that is said.
    sandbox
        .run(&app, ["exec", "--", "silo", "deactivate"])
        .exit(1)
        .stderr_has("Nothing in this shell can be switched off");
}

/// How a program ended, which Elvish tells instead of keeping a status.
#[track_caller]
fn assert_ended(shell: Shell, seen: &Observed, status: u8) {
    if shell == Shell::ELVISH {
        let told = format!("silo exited with {status}");
        assert!(seen.told.contains("Exception") == (status != 0), "{seen:?}");
        assert!(status == 0 || seen.told.contains(&told), "{seen:?}");
    } else {
        assert_eq!(seen.status, status.to_string(), "{seen:?}");
    }
}

fn other_commands_pass_through_as_they_are(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", RANDOM);
    let mut session = Session::start(&sandbox, shell, "app");
    let answer = || std::fs::read_to_string(sandbox.dir("answer")).expect("it was written");
    assert_ended(shell, &session.run("silo exec -- sh -c 'exit 7'"), 7);
    assert_ended(shell, &session.run("silo require"), 0);
    assert_ended(shell, &session.run("silo deactivate now"), 2);
    assert_ended(shell, &session.run("silo exec -- sh -c 'test -t 0 && test -t 1 && test -t 2'"), 0);
    let odd = r#"silo exec -- printf '<%s>' 'a  "b" $c *' '--help' '' '`x`;&|' "#;
    assert_ended(shell, &session.run(&format!("{odd} {} ../answer", shell.redirect())), 0);
    assert_eq!(answer(), r#"<a  "b" $c *><--help><><`x`;&|>"#);
    let piped = format!("echo in | silo exec -- cat | cat {} ../answer", shell.redirect());
    assert_ended(shell, &session.run(&piped), 0);
    assert_eq!(answer().trim_end(), "in");
    session.run(":").assert_active(&sandbox, &app);
}

fn what_a_program_calls_changes_nothing(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", RANDOM);
    let mut session = Session::start(&sandbox, shell, "app");
    let seen = session.run(&shell.call("sh -c 'silo deactivate; exit $?'"));
    assert!(seen.told.contains("A program cannot switch the instance off"), "{seen:?}");
    session.run(":").assert_active(&sandbox, &app);
}

#[test]
fn no_word_for_tcsh_outlives_the_shell_it_is_for() {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", RANDOM);
    let folder = sandbox.path("state/silo/shell/tcsh");
    let words = || {
        let names = std::fs::read_dir(&folder).expect("the hook lies there").map(|entry| {
            let name = entry.expect("it can be read").file_name();
            name.into_string().expect("it is text")
        });
        names.filter(|name| name.starts_with("off.")).collect::<Vec<_>>()
    };
    let mut session = Session::start(&sandbox, Shell::TCSH, "app");
    session.run("silo deactivate").assert_inactive();
    assert_eq!(words(), [""; 0], "the shell has read it");
    // A script reads the start file too, and shows no prompt.
    session.run("cd ..");
    session.run("cd app").assert_active(&sandbox, &app);
    let script = session.run(&format!("{} -c 'silo deactivate'", Shell::TCSH.program().display()));
    assert!(script.told.contains("A program cannot switch the instance off"), "{script:?}");
    assert_eq!(words(), [""; 0]);
    // One that was ended before, and one whose id is another shell's by now.
    let mut ended = std::process::Command::new("true").spawn().expect("it starts");
    ended.wait().expect("it is ours");
    let dead = format!("off.{}", ended.id());
    std::fs::write(folder.join(&dead), "").expect("the sandbox is writable");
    let own = format!("off.{}", std::process::id());
    std::fs::write(folder.join(&own), "1@2+3").expect("the sandbox is writable");
    sandbox.run("", ["hook", "tcsh"]).success();
    let known = cfg!(target_os = "linux");
    assert_eq!(words(), if known { vec![] } else { vec![own] });
}
