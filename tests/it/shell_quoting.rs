//! Values on their way into real shells and through the env file: whatever they hold, the same bytes arrive.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};

use silo::core::shell::{ALL, activation::Change};

use crate::commands_export::{read_by_github, read_by_systemd};
use crate::pty::Shell;
use crate::sandbox::{Sandbox, free_ports, toml_with_ports};

/// Pieces that mean something to a shell, a template, TOML or an env file, between everyday text.
fn value() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        "'",
        "\"",
        "\\",
        "\\\\",
        "\\'",
        "$",
        "$$",
        "${",
        "$(touch x)",
        "$HOME",
        "`touch x`",
        "`",
        "\t",
        "é",
        "日本",
        "😀",
        "\u{a0}",
        "-",
        "--",
        "-n",
        ";",
        "#",
        " #",
        "~",
        "!",
        "!!",
        "%",
        "%s",
        "*",
        "?",
        "[a]",
        "{a,b}",
        "{",
        "}",
        "(",
        ")",
        "<",
        ">",
        "|",
        "&",
        "&&",
        "=",
        "@",
        "^",
        ":",
        ",",
        " ",
        "  ",
        "\\n",
        "\\x41",
        "end",
        "'''",
        "\"\"\"",
    ]);
    let plain = "[a-zA-Z0-9/:._-]{1,6}";
    let piece = prop_oneof![4 => special.prop_map(str::to_owned), 1 => plain.prop_map(String::from), 1 => "[ -~]"];
    (prop::collection::vec(piece, 0..8), prop::bool::weighted(0.1))
        .prop_map(|(pieces, backslash)| pieces.concat() + if backslash { "\\" } else { "" })
}

/// The value as a TOML string of a template: `${` would be a reference.
fn toml_string(value: &str) -> String {
    let mut text = String::from("\"");
    for c in value.replace("${", "$${").chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if c.is_control() => write!(text, "\\u{:04X}", u32::from(c)).expect("a string takes any text"),
            c => text.push(c),
        }
    }
    text + "\""
}

/// Every tenth name ends in `PATH`: fish splits and joins the values of such variables.
fn name(number: usize) -> String {
    if number.is_multiple_of(10) { format!("VALUE_{number}_PATH") } else { format!("VALUE_{number}") }
}

fn variables(dump: &[u8]) -> BTreeMap<&[u8], &[u8]> {
    let pairs = dump.split(|byte| *byte == 0).filter_map(|entry| {
        let equals = entry.iter().position(|byte| *byte == b'=')?;
        Some((&entry[..equals], &entry[equals + 1..]))
    });
    pairs.collect()
}

fn assert_arrive(values: &[String], reader: &str, dump: &[u8]) -> Result<(), TestCaseError> {
    let seen = variables(dump);
    for (number, value) in values.iter().enumerate() {
        let got = seen.get(name(number).as_bytes()).map(|bytes| String::from_utf8_lossy(bytes));
        prop_assert_eq!(got.as_deref(), Some(value.as_str()), "through {}", reader);
    }
    Ok(())
}

#[test]
fn any_value_reaches_every_shell_and_the_env_file_unchanged() {
    let config =
        ProptestConfig { cases: 4, max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() };
    let [web] = free_ports();
    TestRunner::new(config)
        .run(&prop::collection::vec(value(), 125), |values| {
            let sandbox = Sandbox::new();
            let mut toml = toml_with_ports(&[("WEB_PORT", web)]) + "[urls]\n";
            for (number, value) in values.iter().enumerate() {
                writeln!(toml, "{} = {}", name(number), toml_string(value)).expect("a string takes any text");
            }
            let app = sandbox.trusted("app", &toml);
            sandbox.run(&app, ["env"]).success();
            let sh = "set -a; . ./.localnet.env; exec env -0";
            let shells = ALL.map(Shell::of).map(|shell| (shell.program(), shell.evaluates_export()));
            let others = [
                ("/bin/sh".into(), vec!["-c", sh]),
                (Shell::BASH.program(), vec!["--norc", "-c", sh]),
                ("/bin/sh".into(), vec!["-c", "silo export dotenv >../text; set -a; . ../text; exec env -0"]),
            ];
            for (program, args) in shells.into_iter().chain(others) {
                let mut command = sandbox.command(&program, &app);
                command.args(&args);
                let ran = sandbox.finish(command).success();
                assert_arrive(&values, &format!("{} {}", program.display(), args[args.len() - 1]), &ran.bytes)?;
            }
            prop_assert!(!app.join("x").exists(), "a value was run");
            let read =
                |kind| String::from_utf8(sandbox.run(&app, ["export", kind]).success().bytes).expect("it is text");
            for vars in [read_by_systemd(&read("systemd")), read_by_github(&read("gha"))] {
                for (number, value) in values.iter().enumerate() {
                    prop_assert_eq!(&vars[&name(number)], value);
                }
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

/// What a variable held before silo came may be anything: it must come back so.
#[test]
fn any_bytes_reach_every_shell_unchanged() {
    let config =
        ProptestConfig { cases: 4, max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() };
    let lines = prop::sample::select(vec!["\n", "\\\n", "\\\\\n", "\n\n", "\r\n", "'\n", "\"\n", "\n "]);
    let part = prop_oneof![
        3 => value().prop_map(String::into_bytes),
        1 => lines.prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(1..=255u8, 0..4)
    ];
    let bytes = prop::collection::vec(part, 0..4).prop_map(|parts| parts.concat());
    TestRunner::new(config)
        .run(&prop::collection::vec(bytes, 60), |values| {
            let sandbox = Sandbox::new();
            for known in ALL {
                let (shell, args) = (Shell::of(known), Shell::of(known).evaluates_text());
                let lossy = |value: &Vec<u8>| String::from_utf8_lossy(value).into_owned().into_bytes();
                let values = values.iter().map(|value| if shell.is_utf8() { lossy(value) } else { value.clone() });
                let named = values.enumerate().map(|(number, value)| Change { name: name(number), value: Some(value) });
                let changes: Vec<_> = named.collect();
                std::fs::write(sandbox.dir("text"), known.commands(&[("__silo_own", b"x")], &changes))
                    .expect("it is ours");
                let mut command = sandbox.command(shell.program(), "");
                let ran = sandbox.finish({
                    command.args(&args);
                    command
                });
                let ran = ran.success();
                let seen = variables(&ran.bytes);
                for change in &changes {
                    let got = seen.get(change.name.as_bytes()).map(|bytes| bytes.to_vec());
                    prop_assert_eq!(&got, &change.value, "through {}", shell.name());
                }
            }
            prop_assert!(!sandbox.dir("x").exists(), "a value was run");
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_value_over_two_lines_is_refused_at_its_line() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let with = |value: &str| toml_with_ports(&[("WEB_PORT", web)]) + "[urls]\nFINE = \"x\"\nODD = " + value + "\n";
    let app = sandbox.project("app", &with("\"a\\nb\""));
    sandbox.run(&app, ["env"]).exit(1).stdout("").stderr(concat!(
        "Error: The value of `urls.ODD` contains a newline\n",
        "  --> silo.toml:6:7\n",
        "6 | ODD = \"a\\nb\"\n",
        "  |       ^^^^^^\n",
        "Hint: Env files, compose and Tilt read one line per value\n",
    ));
    for value in ["\"\"\"\na\nb\"\"\"", "\"a\\u0000b\""] {
        sandbox.project("app", &with(value));
        sandbox.run(&app, ["env"]).exit(1).stdout("").stderr_has("silo.toml:6:");
    }
    assert!(!app.join(".localnet.env").exists());
}
