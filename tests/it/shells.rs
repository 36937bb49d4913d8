//! The tests have every shell of silo's table, each where it belongs.

use silo::core::shell::{self, ALL};

use crate::drivers::{Shell, each_shell, first_shells, installed_shells};

each_shell!(the_driver_is_that_of_the_shell);
installed_shells!(silo_adds_its_line);
first_shells!(it_has_completions_and_its_login_shell_is_asked);

fn the_driver_is_that_of_the_shell(shell: Shell) {
    assert!(the_driver_is_that_of_the_shell::TESTED.contains(&shell.name()));
    assert_eq!(shell.load().as_bytes(), shell.known().load(b"silo"));
}

fn silo_adds_its_line(shell: Shell) {
    assert!(shell.known().start.by_hand.is_none());
}

fn it_has_completions_and_its_login_shell_is_asked(shell: Shell) {
    assert!(shell.known().completions.is_some() && shell.completions().is_some());
    assert!(shell.known().login_path.is_some() && shell.login_file("/".as_ref()).is_some());
}

#[test]
fn no_shell_of_the_table_is_left_out() {
    let names = |of: fn(&shell::Shell) -> bool| {
        ALL.into_iter().filter(|shell| of(shell)).map(|shell| shell.name).collect::<Vec<_>>()
    };
    assert_eq!(the_driver_is_that_of_the_shell::TESTED, names(|_| true));
    assert_eq!(silo_adds_its_line::TESTED, names(|shell| shell.start.by_hand.is_none()));
    let first = names(|shell| shell.completions.is_some());
    assert_eq!(it_has_completions_and_its_login_shell_is_asked::TESTED, first);
}
