//! TAB in real shells: typed into a line editor on a terminal, and seen in the arguments of what the line then runs.

use std::fs;
use std::path::PathBuf;

use crate::pty::{Session, Setup, Shell, first_shells};
use crate::sandbox::{Sandbox, free_ports, toml_with_ports};

first_shells!(tab_completes_as_silo_says, packaged_files_are_found_by_the_shell);

/// Types a line with TABs in it, and returns the arguments it was run with; zsh takes a folder's final slash back.
#[track_caller]
fn typed(sandbox: &Sandbox, session: &mut Session, line: &str) -> Vec<String> {
    let out = sandbox.path("recorded");
    let _ = fs::remove_file(&out);
    let seen = session.run(line);
    let text = fs::read_to_string(&out).unwrap_or_else(|error| panic!("{line:?}: {error}; {seen:?}"));
    text.lines().map(|line| line.trim_end_matches('/').to_owned()).collect()
}

fn project(sandbox: &Sandbox) -> PathBuf {
    let [web] = free_ports();
    let profiles = "[profiles.testnet]\n[profiles.devnet]\n";
    let app = sandbox.project("app", &(toml_with_ports(&[("WEB_PORT", web)]) + profiles));
    sandbox.run(&app, ["env", "feature-x"]).success();
    fs::create_dir(app.join("my folder")).expect("the project is writable");
    fs::write(app.join("other.toml"), "").expect("the project is writable");
    app
}

fn tab_completes_as_silo_says(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = project(&sandbox);
    let load = shell.completions().expect("it has some");
    let after = format!("{}\n{load}", shell.recorder(&sandbox.path("recorded")));
    let mut session = Session::with(&sandbox, shell, &app, &Setup { after: &after, editing: true, ..Setup::default() });
    session.run(":");
    for (line, arguments) in [
        ("rec ver\t", &["version"][..]),
        ("rec up \t", &["up", "feature-x"]),
        ("rec up --det\t fe\t", &["up", "--detach", "feature-x"]),
        ("rec up --profile te\t", &["up", "--profile", "testnet"]),
        ("rec up --profile=te\t", &["up", "--profile=testnet"]),
        ("rec up -p de\t feat\t", &["up", "-p", "devnet", "feature-x"]),
        ("rec -C my\t", &["-C", "my folder"]),
        ("rec --config=oth\t", &["--config=other.toml"]),
        ("rec exec cat oth\t", &["exec", "cat", "other.toml"]),
        ("rec exec -- cat -n oth\t", &["exec", "--", "cat", "-n", "other.toml"]),
        ("rec ci nothing-like-it\t", &["ci", "nothing-like-it"]),
    ] {
        assert_eq!(typed(&sandbox, &mut session, line), arguments, "{line:?}");
    }
    fs::write(app.join("silo.toml"), "broken").expect("the project is writable");
    assert_eq!(typed(&sandbox, &mut session, "rec up -p te\t"), ["up", "-p", "te"], "where silo.toml is broken");
}

fn packaged_files_are_found_by_the_shell(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = project(&sandbox);
    let packaged = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("completions");
    let load = shell.packaged_completions(&sandbox, &packaged).expect("it has some");
    let after = format!("{}\n{load}", shell.recorder(&sandbox.path("recorded")));
    let mut session = Session::with(&sandbox, shell, &app, &Setup { after: &after, editing: true, ..Setup::default() });
    session.run(":");
    for _ in 0..2 {
        assert_eq!(typed(&sandbox, &mut session, "rec env fe\t -p te\t"), ["env", "feature-x", "-p", "testnet"]);
    }
}
