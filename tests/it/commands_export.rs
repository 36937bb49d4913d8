//! `silo export dotenv`, `gha` and `systemd`: all vars of the instance, for programs that read files.

use std::collections::BTreeMap;

use crate::machine::run_with;
use crate::sandbox::{Sandbox, free_ports, toml_with_ports};

/// What systemd makes of an `EnvironmentFile`, by the rules of systemd.exec(5).
pub(crate) fn read_by_systemd(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    let pairs = lines.map(|line| {
        let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("no assignment: {line}"));
        (name.to_owned(), unquoted(value))
    });
    pairs.collect()
}

/// A value without its quotes: single ones keep all, within double ones a backslash is only special before some.
fn unquoted(value: &str) -> String {
    let mut text = String::new();
    let mut chars = value.trim().chars().peekable();
    let mut quote = None;
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '\\') => text.extend(chars.next()),
            (Some('"'), '\\') if chars.peek().is_some_and(|next| "\"\\$`".contains(*next)) => text.extend(chars.next()),
            (_, c) => text.push(c),
        }
    }
    assert_eq!(quote, None, "{value}");
    text
}

/// What a later step of a GitHub workflow gets from lines appended to `$GITHUB_ENV`.
pub(crate) fn read_by_github(text: &str) -> BTreeMap<String, String> {
    let mut vars = BTreeMap::new();
    let mut lines = text.split_inclusive('\n');
    while let Some(line) = lines.next() {
        let (name, delimiter) = line.trim_end_matches('\n').split_once("<<").expect("each value has a delimiter");
        let held: Vec<&str> = lines.by_ref().take_while(|line| line.trim_end_matches('\n') != delimiter).collect();
        let value = held.concat();
        vars.insert(name.to_owned(), value.strip_suffix('\n').expect("it ends before the delimiter").to_owned());
    }
    vars
}

/// An instance with a few values that need care.
fn app(sandbox: &Sandbox, web: u16) -> std::path::PathBuf {
    let toml = format!(
        "version = 1\n[ports]\nWEB_PORT = {web}\n[urls]\nWEB_URL = \"http://localhost:${{WEB_PORT}}/?a=1&b\"\n\
         ODD = \"it's \\\\ $HOME\"\nEMPTY = \"\"\n"
    );
    sandbox.project("app", &toml)
}

#[test]
fn each_kind_of_file_holds_every_var() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = app(&sandbox, web);
    sandbox.run(&app, ["env", "dev"]).success();
    sandbox.run(&app, ["allow"]).success();
    let lines = format!(
        "SILO_ACTIVE=1\nSILO_ROOT=$SANDBOX/projects/app\nSILO_ENV_FILE=$SANDBOX/projects/app/.localnet.env\n\
         SILO_WORKSPACE=dev\nWORKSPACE_NAME=dev\nCOMPOSE_PROJECT_NAME=localnet-dev\nDOCKER_NETWORK=localnet-dev\n\
         VOLUME_PREFIX=localnet-dev\nCONTAINER_PREFIX=localnet-dev-\nAPP_HOST=dev.localhost\nTILT_HOST=localhost\n\
         WEB_PORT={web}\nWEB_URL='http://localhost:{web}/?a=1&b'\nODD=\"it's \\\\ \\$HOME\"\nEMPTY=\n"
    );
    let dotenv = sandbox.run(&app, ["export", "dotenv"]).success().stdout(&lines).stderr("");
    sandbox.run(&app, ["export", "systemd"]).success().stdout(&lines).stderr("");
    let gha = sandbox.run(&app, ["export", "gha"]).success().stderr("").stdout;
    assert_eq!(read_by_github(&gha), read_by_systemd(&dotenv.stdout));
    assert_ne!(sandbox.run(&app, ["export", "gha"]).success().stdout, gha, "the delimiter is made again");

    // It is no difference to what is there already, and what is there does not matter.
    sandbox.run(&app, ["exec", "silo", "export", "dotenv"]).success().stdout(&lines);
    run_with(&sandbox, &app, &[("WEB_PORT", "mine")], ["export", "dotenv"]).success().stdout(&lines);
}

#[test]
fn nothing_is_printed_for_a_file_nobody_trusts() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = app(&sandbox, web);
    let refused = |state: &str| {
        for kind in ["dotenv", "gha", "systemd"] {
            sandbox.run(&app, ["export", kind]).exit(3).stdout("").stderr(&format!(
                "Error: The file `$SANDBOX/projects/app/silo.toml` {state}\nHint: `silo allow` trusts it\n"
            ));
        }
    };
    refused("is not trusted");
    assert!(!app.join(".silo.lock").exists());
    sandbox.run(&app, ["allow"]).success();
    sandbox.run(&app, ["export", "dotenv"]).success();
    sandbox.project("app", "version = 1\n");
    refused("has changed");
    sandbox.run(&app, ["deny"]).success();
    refused("is denied");
}

#[test]
fn where_there_is_no_instance_there_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.run("", ["export", "dotenv"]).exit(1).stdout("").stderr_has("No `silo.toml` in");
    let app = sandbox.trusted("app", "version = 1\n[ports]\nA = 0\n");
    std::fs::write(app.join(".localnet.env"), "mine\n").expect("the project is writable");
    sandbox.run(&app, ["export", "gha"]).exit(1).stdout("").stderr_has(".localnet.env");
}

#[test]
fn a_character_that_systemd_refuses_is_an_error_there_alone() {
    let sandbox = Sandbox::new();
    let toml = |odd: &str| format!("version = 1\n[ports]\nA = 0\n[urls]\nFINE = \"a\\u001bb\"\nODD = \"a{odd}b\"\n");
    for odd in ["\\uFEFF", "\\uFDD0", "\\uFFFE", "\\U0010FFFF"] {
        let app = sandbox.trusted("app", &toml(odd));
        sandbox.run(&app, ["export", "systemd"]).exit(1).stdout("").stderr_has(
            "Error: The value of `ODD` holds a character that systemd refuses\n\
             Hint: Run the service's command by `silo exec` instead\n",
        );
        sandbox.run(&app, ["export", "dotenv"]).success();
    }
    let app = sandbox.trusted("app", &toml("\\uFFFD"));
    assert!(sandbox.run(&app, ["export", "systemd"]).success().bytes.ends_with("ODD='a\u{fffd}b'\n".as_bytes()));
}

#[test]
fn json_holds_every_character_and_drives_no_terminal() {
    let sandbox = Sandbox::new();
    let toml = "version = 1\n[ports]\nA = 0\n[urls]\nODD = \"http://x/\\u009b31m\\u202e\"\n";
    let app = sandbox.trusted("app", toml);
    for args in [&["env", "--json"][..], &["export", "json", "--seen", ""]] {
        let ran = sandbox.run(&app, args).success();
        assert!(ran.stdout.contains("http://x/\\u009b31m\\u202e"), "{ran:#?}");
        assert!(!ran.stdout.contains(['\u{9b}', '\u{202e}', '\u{fffd}']), "{ran:#?}");
    }
}

#[test]
fn what_elvish_evaluates_in_a_script_shows_nothing() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    let mut elvish = sandbox.command("elvish", &app);
    elvish.args([
        "-norc",
        "-c",
        "eval (silo export elvish | slurp); echo $E:WEB_PORT; eval (silo export elvish | slurp)",
    ]);
    sandbox.finish(elvish).success().stdout(&format!("{web}\n"));
}
