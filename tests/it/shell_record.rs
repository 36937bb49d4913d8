//! The undo record in real shells: it takes back what an earlier silo gave, it does not grow with the values, and a
//! variable that cannot be set does not lose it.

use std::ffi::OsStr;

use crate::pty::{Session, Setup, Shell, each_shell};
use crate::sandbox::{Sandbox, free_ports, toml_with_ports};

each_shell!(
    what_an_earlier_silo_gave_is_left,
    large_values_enter_and_leave,
    a_record_too_long_for_a_program_is_not_made,
);

fn what_an_earlier_silo_gave_is_left(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    sandbox.run(&app, ["env"]).success();
    let record = format!("1;{};NEW=two%20words;OLD=given:be%3Afore;CHANGED=given", app.display());
    let env = [("__SILO_UNDO", record.as_str()), ("NEW", "two words"), ("OLD", "given"), ("CHANGED", "mine")];
    let env = env.map(|(name, value)| (name, OsStr::new(value)));

    for dir in ["", "app"] {
        let mut session = Session::with(&sandbox, shell, dir, &Setup { env: &env, ..Setup::default() });
        let first = session.run(":");
        assert_eq!((first.var("NEW"), first.var("OLD"), first.var("CHANGED")), (None, Some("be:fore"), Some("mine")));
        if dir == "app" {
            first.assert_active(&sandbox, &app);
            assert!(first.var("__SILO_UNDO").is_some_and(|record| record.starts_with("2;")), "{first:?}");
            session.run("cd ..").assert_inactive();
        } else {
            first.assert_inactive();
        }
    }
}

/// A program starts with variables of up to 128 KiB, the record's included.
fn large_values_enter_and_leave(shell: Shell) {
    let sandbox = Sandbox::new();
    let large = ["a", "b"].map(|letter| letter.repeat(100_000));
    let toml = format!("version = 1\n[ports]\nA = 0\n[urls]\nONE = \"{}\"\nTWO = \"{}\"\n", large[0], large[1]);
    let app = sandbox.trusted("app", &toml);
    let mut session = Session::start(&sandbox, shell, "");
    let before = session.run(":");
    let inside = session.run("cd app");
    inside.assert_active(&sandbox, &app);
    let values = (inside.bytes("ONE"), inside.bytes("TWO"));
    assert!(values == (Some(large[0].as_bytes()), Some(large[1].as_bytes())), "they are there");
    let after = session.run("cd ..");
    assert!(after.environment() == before.environment(), "all is as before; told: {}", after.told);
}

/// Percent-encoded, it is longer than the values it holds.
fn a_record_too_long_for_a_program_is_not_made(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web, plain] = free_ports();
    let toml = format!("{}[env]\nLARGE = \"1\"\n", toml_with_ports(&[("WEB_PORT", web)]));
    sandbox.trusted("app", &toml);
    let other = sandbox.trusted("other", &toml_with_ports(&[("WEB_PORT", plain)]));
    let large = "=".repeat(60_000);
    let env = [("LARGE", OsStr::new(&large))];
    let mut session = Session::with(&sandbox, shell, "other", &Setup { env: &env, ..Setup::default() });
    session.run(":").assert_active(&sandbox, &other);
    let inside = session.run("cd ../app");
    inside.assert_inactive();
    assert!(
        inside.told.contains("too long for a variable; most of it is the value `LARGE` has now"),
        "{}",
        inside.told
    );
    assert!(inside.var("LARGE") == Some(large.as_str()), "it is as it was");
    assert_eq!(session.run(":").told, "");
    session.run("cd ../other").assert_active(&sandbox, &other);

    let mut silo = sandbox.command("silo", "app");
    silo.args(["exec", "--", "/bin/sh", "-c", "echo $LARGE ${__SILO_UNDO-none}"]);
    let ran = silo.env("LARGE", &large).output().expect("silo starts");
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "1 none\n");
    assert!(String::from_utf8_lossy(&ran.stderr).contains("most of it of `LARGE`"), "{ran:?}");
}

/// Between two variables that can be set: what comes behind may not be set, what came before is taken back.
fn a_readonly_variable_does_not_lose_it(shell: Shell) {
    let sandbox = Sandbox::new();
    let [one, fixed] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("A_PORT", one), ("FIXED_PORT", fixed)]));
    let setup = Setup { before: "readonly FIXED_PORT=5", ..Setup::default() };
    let mut session = Session::with(&sandbox, shell, "", &setup);
    session.run(":");
    let inside = session.run("cd app");
    assert_eq!(inside.var("SILO_ROOT"), app.to_str(), "{}", inside.told);
    assert!(inside.var("__SILO_UNDO").is_some(), "{}", inside.told);
    session.run("cd ..").assert_inactive();
}

#[test]
fn a_readonly_variable_does_not_lose_it_in_bash() {
    a_readonly_variable_does_not_lose_it(Shell::BASH);
}

#[test]
fn a_readonly_variable_does_not_lose_it_in_zsh() {
    a_readonly_variable_does_not_lose_it(Shell::ZSH);
}
