//! Mistakes in `silo.toml` as the user meets them: file, line, column, the line with a caret, and a way out.

use std::fs;

use expect_test::{Expect, expect};

use crate::sandbox::Sandbox;

/// What `silo env` says to a `silo.toml`; every other command that reads it says the same.
#[track_caller]
fn refused(toml: impl AsRef<[u8]>, expected: &Expect) {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", "");
    fs::write(app.join("silo.toml"), toml).expect("the project is writable");
    let env = sandbox.run(&app, ["env"]).exit(1).stdout("");
    expected.assert_eq(&env.stderr);
    for args in [&["allow"][..], &["status"], &["profiles"], &["exec", "true"], &["shell"]] {
        sandbox.run(&app, args).exit(1).stdout("").stderr(&env.stderr);
    }
    sandbox.run(&app, ["export", "bash"]).success().stderr_has("silo: ");
    let left: Vec<_> = fs::read_dir(&app).expect("it is there").collect();
    assert_eq!(left.len(), 1, "nothing is written for a file with a mistake");
}

#[test]
fn a_port_out_of_range() {
    refused(
        "version = 1\n\n[ports]\nWEB_PORT = 70000\n",
        &expect![[r#"
            Error: Port `WEB_PORT` has an invalid value: 70000
              --> silo.toml:4:12
            4 | WEB_PORT = 70000
              |            ^^^^^
            Hint: Use a number from 1 to 65535, or "random"
        "#]],
    );
}

#[test]
fn a_port_that_is_no_number() {
    refused(
        "version = 1\n[ports]\nWEB_PORT = [3000]\n",
        &expect![[r#"
            Error: `ports.WEB_PORT` must be a port number or "random", not a list
              --> silo.toml:3:12
            3 | WEB_PORT = [3000]
              |            ^^^^^^
            Hint: Write a port number or "random" after `ports.WEB_PORT =`
        "#]],
    );
}

#[test]
fn a_mistyped_key() {
    refused(
        "version = 1\n[ports]\nA = 1\n[k3d]\nenable = true\n",
        &expect![[r"
            Error: Unknown key `enable` in `k3d`
              --> silo.toml:5:1
            5 | enable = true
              | ^^^^^^
            Hint: The nearest known name is `enabled`
            Hint: Allowed here: `enabled`, `args`, `registry`
        "]],
    );
}

#[test]
fn a_file_that_is_cut() {
    refused(
        "version = 1\n[ports]\nWEB_PORT = ",
        &expect![[r#"
            Error: Not valid TOML: string values must be quoted, expected literal string
              --> silo.toml:3:12
            3 | WEB_PORT = 
              |            ^
            Hint: TOML writes `NAME = value`, and strings in double quotes: https://toml.io
        "#]],
    );
}

#[test]
fn a_key_that_stands_twice() {
    refused(
        "version = 1\n[ports]\nA = 1\nA = 2\n",
        &expect![[r#"
            Error: Not valid TOML: duplicate key
              --> silo.toml:4:1
            4 | A = 2
              | ^
            Hint: Each table and name appears once: put what is below both into the first
        "#]],
    );
}

#[test]
fn a_name_that_loaders_act_on() {
    refused(
        "version = 1\n[ports]\nA = 1\n[profiles.x]\nurls.LD_PRELOAD = \"/tmp/x.so\"\n",
        &expect![[r#"
            Error: `LD_PRELOAD` changes how shells or programs behave and cannot be set from `silo.toml`
              --> silo.toml:5:6
            5 | urls.LD_PRELOAD = "/tmp/x.so"
              |      ^^^^^^^^^^
            Hint: Choose a name of the project's own, such as `APP_PATH`
        "#]],
    );
}

#[test]
fn a_variable_that_nothing_defines() {
    refused(
        "version = 1\n[ports]\nWEB_PORT = 1\n[urls]\né = 1\n",
        &expect![[r#"
            Error: Not valid TOML: invalid unquoted key, expected letters, numbers, `-`, `_`
              --> silo.toml:5:1
            5 | é = 1
              | ^
            Hint: TOML writes `NAME = value`, and strings in double quotes: https://toml.io
        "#]],
    );
    refused(
        "version = 1\n[ports]\nWEB_PORT = 1\n[urls]\nU = \"é http://x:${WEB_PROT}\"\n",
        &expect![[r#"
            Error: Unknown variable `${WEB_PROT}` in `urls.U`
              --> silo.toml:5:17
            5 | U = "é http://x:${WEB_PROT}"
              |                 ^^^^^^^^^^^
            Hint: The nearest known name is `${WEB_PORT}`
            Hint: URLs can use `${name}`, `${prefix}`, every host and port, and URLs declared above
        "#]],
    );
}

#[test]
fn a_host_with_a_port() {
    refused(
        "version = 1\n[ports]\nWEB_PORT = 1\n[hosts]\nAPP_HOST = \"${WEB_PORT}.localhost\"\n",
        &expect![[r#"
            Error: `hosts.APP_HOST` uses the port `${WEB_PORT}`
              --> silo.toml:5:13
            5 | APP_HOST = "${WEB_PORT}.localhost"
              |             ^^^^^^^^^^^
            Hint: Hosts can use `${name}`, `${prefix}`, `${name_snake}`, `${id}`, `${slot}`, `${WORKSPACE_NAME}` and `${COMPOSE_PROJECT_NAME}`; ports are chosen later
        "#]],
    );
}

#[test]
fn an_output_outside_the_project() {
    refused(
        "version = 1\noutput = \"../out.env\"\n[ports]\nA = 1\n",
        &expect![[r#"
        Error: `output` cannot be `../out.env`: it leads out of the project
          --> silo.toml:2:10
        2 | output = "../out.env"
          |          ^^^^^^^^^^^^
        Hint: Use a file name inside the project, such as `.localnet.env`
    "#]],
    );
    refused(
        "version = 1\noutput = \"/tmp/out.env\"\n[ports]\nA = 1\n",
        &expect![[r#"
        Error: `output` cannot be `/tmp/out.env`: it is outside the project
          --> silo.toml:2:10
        2 | output = "/tmp/out.env"
          |          ^^^^^^^^^^^^^^
        Hint: Use a file name inside the project, such as `.localnet.env`
    "#]],
    );
    refused(
        "version = 1\noutput = \".silo.lock\"\n[ports]\nA = 1\n",
        &expect![[r#"
        Error: `output` cannot be `.silo.lock`: silo keeps something else there
          --> silo.toml:2:10
        2 | output = ".silo.lock"
          |          ^^^^^^^^^^^^
        Hint: Use a file name inside the project, such as `.localnet.env`
    "#]],
    );
}

#[test]
fn a_value_with_a_newline() {
    refused(
        "version = 1\n[ports]\nA = 1\n[urls]\nU = \"\"\"\na\nb\"\"\"\n",
        &expect![[r#"
        Error: The value of `urls.U` contains a newline
          --> silo.toml:5:5
        5 | U = """
          |     ^^^
        Hint: Env files, compose and Tilt read one line per value
    "#]],
    );
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    refused(
        "version = 1\n[ports]\nA = 1\n\"\\u001b[2J\" = 2\n",
        &expect![[r#"
        Error: `�[2J` cannot name a variable
          --> silo.toml:4:1
        4 | "\u001b[2J" = 2
          | ^^^^^^^^^^^
        Hint: Use letters, digits and `_`, and no digit first
    "#]],
    );
    refused(
        "version = 1\n[ports]\nA = \u{1b}[2J\n",
        &expect![[r#"
            Error: Not valid TOML: unexpected key or value, expected newline, `#`
              --> silo.toml:3:6
            3 | A = �[2J
              |      ^
            Hint: TOML writes `NAME = value`, and strings in double quotes: https://toml.io
        "#]],
    );
}

#[test]
fn a_long_line_is_cut_around_the_caret() {
    let line = format!("version = 1\n[ports]\nA = 1\n[urls]\nU = \"{}${{NOPE}}\"\n", "x".repeat(5000));
    refused(
        line,
        &expect![[r#"
        Error: Unknown variable `${NOPE}` in `urls.U`
          --> silo.toml:5:5006
        5 | xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx${NOPE}"
          |                                                   ^^^^^^^
        Hint: URLs can use `${name}`, `${prefix}`, every host and port, and URLs declared above
    "#]],
    );
}

#[test]
fn an_empty_file() {
    refused(
        "",
        &expect![[r"
        Error: `version` is missing
          --> silo.toml:1:1
        1 | 
          | ^
        Hint: Write `version = 1`
    "]],
    );
}

#[test]
fn a_file_that_is_not_utf8() {
    refused(
        b"version = 1\n[ports]\nA = \"\xff\"\n",
        &expect![[r"
        Error: `silo.toml` is not UTF-8 text (line 3)
          --> silo.toml:3
        Hint: Save it as UTF-8 in the editor
    "]],
    );
    refused(
        b"\x00\x01\x02",
        &expect![[r#"
            Error: Not valid TOML: key with no value, expected `=`
              --> silo.toml:1:4
            1 | ���
              |    ^
            Hint: TOML writes `NAME = value`, and strings in double quotes: https://toml.io
        "#]],
    );
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_no_mistake() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", "\u{feff}version = 1\r\n[ports]\r\nA = 0\r\n");
    sandbox.run(&app, ["env"]).success();
}

#[test]
fn a_file_of_two_megabytes() {
    refused(
        "#".repeat(2 * 1024 * 1024),
        &expect![[r"
            Error: Cannot read `$SANDBOX/projects/app/silo.toml`: it is larger than 1024 KiB
            Hint: Look at it: `ls -l $SANDBOX/projects/app/silo.toml`
        "]],
    );
}

#[test]
fn a_folder_or_a_pipe_is_no_config_file() {
    let sandbox = Sandbox::new();
    for name in ["folder", "pipe"] {
        let app = sandbox.dir(name);
        fs::create_dir(&app).expect("the sandbox is writable");
        let path = app.join("silo.toml");
        match name {
            "folder" => fs::create_dir(path).expect("the project is writable"),
            _ => nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("the project is writable"),
        }
        let what = format!("$SANDBOX/projects/{name}");
        sandbox.run(&app, ["env"]).exit(1).stdout("").stderr(&format!(
            "Error: No `silo.toml` in `{what}` or above\nHint: Run `silo init` in the project's folder to make one\n"
        ));
        sandbox.run(&app, ["env", "-c", "silo.toml"]).exit(1).stdout("").stderr(&format!(
            "Error: Cannot read `{what}/silo.toml`: it is not a plain file\nHint: Look at it: `ls -ld {what}/silo.toml`\n"
        ));
        sandbox.run(&app, ["export", "bash"]).success().stderr("");
        sandbox.run(&app, ["init"]).exit(1).stderr_has("already exists");
    }
}

#[test]
fn a_mistake_in_another_config_file_bears_its_name() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", "");
    fs::write(app.join("other.toml"), "version = 2\n").expect("the project is writable");
    sandbox.run(&app, ["env", "-c", "other.toml"]).exit(1).stderr_has("  --> other.toml:1:11\n");
}

#[test]
fn the_hook_shows_a_mistake_in_a_trusted_file() {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", "version = 1\n[ports]\nA = 0\n");
    sandbox.project("app", "version = 1\n[ports]\nA = \n");
    let told = sandbox.run(&app, ["export", "zsh"]).success().stderr;
    expect![[r#"
        Error: Not valid TOML: string values must be quoted, expected literal string
          --> silo.toml:3:5
        3 | A = 
          |     ^
        Hint: TOML writes `NAME = value`, and strings in double quotes: https://toml.io
        silo: no instance is active here
    "#]]
    .assert_eq(&told);
}
