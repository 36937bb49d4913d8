//! The undo record in real shells: it takes back what an earlier silo gave, it does not grow with the values, and a
//! variable that cannot be set does not lose it.

use std::ffi::OsStr;

use crate::pty::{Session, Setup, Shell, each_shell};
use crate::sandbox::{Sandbox, free_ports, toml_with_ports};

each_shell!(what_an_earlier_silo_gave_is_left, large_values_enter_and_leave);

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
