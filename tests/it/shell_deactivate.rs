//! `silo deactivate`: off in one shell until its folder is left.

use crate::pty::{Session, Shell, first_shells};
use crate::sandbox::Sandbox;

const RANDOM: &str = "version = 1\n[ports]\nA = 0\n";

first_shells!(
    it_is_off_until_the_folder_is_left,
    another_shell_stays_as_it_is,
    where_nothing_is_active_it_says_so,
    other_commands_pass_through_with_their_status,
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
    for line in [":", "cd sub", "touch ../silo.toml", "cd ..", "silo env >/dev/null 2>&1"] {
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

fn where_nothing_is_active_it_says_so(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", RANDOM);
    let mut session = Session::start(&sandbox, shell, "");
    let seen = session.run("silo deactivate");
    assert_eq!(seen.status, "4", "{seen:?}");
    assert!(seen.told.contains("No instance is active in this shell"), "{seen:?}");
    // Without the hook nothing in the shell can be changed, and that is said.
    sandbox
        .run(&app, ["exec", "--", "silo", "deactivate"])
        .exit(1)
        .stderr_has("Nothing in this shell can be switched off");
}

fn other_commands_pass_through_with_their_status(shell: Shell) {
    let sandbox = Sandbox::new();
    sandbox.trusted("app", RANDOM);
    let mut session = Session::start(&sandbox, shell, "app");
    assert_eq!(session.run("silo exec -- sh -c 'exit 7'").status, "7");
    assert_eq!(session.run("silo require").status, "0");
    assert_eq!(session.run("silo deactivate now 2>/dev/null").status, "2");
    assert_eq!(session.run("silo get SILO_ACTIVE >../answer").status, "0");
    let answer = std::fs::read_to_string(sandbox.dir("answer")).expect("it was written");
    assert_eq!(answer, "1\n");
}
