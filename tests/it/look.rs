//! How answers look: on terminals of several widths, without colours, and in a pipe. Tables shrink to the terminal, and no colour
//! says what words do not.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use unicode_width::UnicodeWidthStr as _;

use crate::sandbox::{SILO, Sandbox, free_ports};
use crate::terminal::{collect, terminal};

const WIDTHS: [usize; 4] = [60, 80, 120, 200];

/// How long a command may take on the terminal.
const DEADLINE: Duration = Duration::from_mins(1);

/// Answers whose lines fit any terminal: tables, lists and help.
const FITTING: &[&str] = &[
    "list",
    "who",
    "routes",
    "profiles",
    "doc",
    "doc --search lease",
    "key list",
    "heal --dry-run",
    "help",
    "help env",
    "help up",
    "help new",
    "help heal",
    "help doc",
    "help list",
];

/// Answers with values, paths and command lines, which are not broken so that they can be copied.
const AS_IT_IS: &[&str] = &[
    "status",
    "env",
    "diff",
    "list --workspaces",
    "get WEB_URL",
    "allow",
    "dns",
    "version",
    "who 1",
    "statsu",
    "doc nothing",
];

/// A project with much to show, in two worktrees.
fn project(sandbox: &Sandbox) -> PathBuf {
    let [web, api, first] = free_ports();
    let toml = format!(
        "version = 1\n[ports]\nWEB_PORT = {web}\nAPI_PORT = {api}\nRTC_PORT = {{ default = {first}, count = 4 }}\n\
         [urls]\nWEB_URL = \"http://${{APP_HOST}}:${{WEB_PORT}}\"\nAPI_URL = \"http://api.${{APP_HOST}}:${{API_PORT}}/some/path\"\n\
         [env]\nDATABASE_PASSWORD = \"xyz\"\n[profiles.testnet]\nenv.REALM = \"testnet\"\n"
    );
    let shop = sandbox.project("shop", &toml);
    sandbox.git(&shop, ["init", "--quiet"]);
    sandbox.git(&shop, ["add", "."]);
    sandbox.git(&shop, ["commit", "--quiet", "--message", "shop"]);
    sandbox.run(&shop, ["allow"]).success();
    sandbox.run(&shop, ["env"]).success();
    sandbox.git(
        &shop,
        ["worktree", "add", "--quiet", "-b", "feature/a-long-name-of-a-branch", "../a-long-name-of-a-folder"],
    );
    sandbox.run("a-long-name-of-a-folder", ["env"]).success();
    shop
}

/// What a command shows on a terminal of this width, and whether `NO_COLOR` is set there.
fn shown(sandbox: &Sandbox, dir: &Path, line: &str, columns: usize, plain: bool) -> String {
    let (ours, theirs) = terminal(false);
    let mut silo = sandbox.command(SILO, dir);
    silo.args(line.split(' ')).env("COLUMNS", columns.to_string()).env("TERM", "xterm-256color").env_remove("NO_COLOR");
    if plain {
        silo.env("NO_COLOR", "1");
    }
    silo.stdin(Stdio::null()).stderr(theirs.try_clone().expect("it is a terminal")).stdout(theirs);
    let mut child = silo.spawn().expect("it starts");
    // The command holds the other end of the terminal.
    drop(silo);
    let seen = collect(ours);
    let start = Instant::now();
    while child.try_wait().expect("it is a child of ours").is_none() {
        if start.elapsed() > DEADLINE {
            let _ = child.kill();
            panic!("`silo {line}` goes on");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    // What it has written has to arrive: who gathers it lets go at the end of the terminal's other side.
    while Arc::strong_count(&seen) > 1 {
        assert!(start.elapsed() < DEADLINE, "`silo {line}` has ended, and its terminal has not");
        std::thread::sleep(Duration::from_millis(5));
    }
    String::from_utf8_lossy(&seen.lock().expect("nobody panics while holding it")).into_owned()
}

/// A text without the colours of a terminal.
fn without_colours(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        let end = after.find(|c: char| c.is_ascii_alphabetic()).expect("a colour ends");
        assert_eq!(&after[end..=end], "m", "it only colours: {text:?}");
        rest = &after[end + 1..];
    }
    plain + rest
}

/// A text without ages and pids, which differ from call to call.
fn steady(text: &str) -> String {
    let words = text.split_inclusive(|c: char| c.is_whitespace());
    let age = |word: &str| {
        word.len() > 1 && word.ends_with('s') && word[..word.len() - 1].bytes().all(|b| b.is_ascii_digit())
    };
    words.map(|word| if age(word.trim_end()) { "0s " } else { word }).collect::<Vec<_>>().concat().replace("  ", " ")
}

#[test]
fn tables_lists_and_help_fit_terminals_of_any_width() {
    let sandbox = Sandbox::new();
    let shop = project(&sandbox);
    for line in FITTING {
        for columns in WIDTHS {
            let text = without_colours(&shown(&sandbox, &shop, line, columns, false));
            assert!(!text.is_empty(), "`silo {line}` shows nothing");
            let long: Vec<&str> = text.lines().filter(|row| row.trim_end_matches('\r').width() > columns).collect();
            assert!(long.is_empty(), "`silo {line}` at {columns} columns: {long:#?}");
        }
    }
}

#[test]
fn without_colours_the_same_words_are_there() {
    let sandbox = Sandbox::new();
    let shop = project(&sandbox);
    for line in FITTING.iter().chain(AS_IT_IS) {
        // What the machine does meanwhile, such as another program on a port, may come between the two.
        let mut tries = 0..5;
        loop {
            let coloured = steady(&without_colours(&shown(&sandbox, &shop, line, 80, false)));
            let plain = shown(&sandbox, &shop, line, 80, true);
            assert!(!plain.contains('\x1b'), "`silo {line}` with NO_COLOR: {plain:?}");
            if coloured == steady(&plain) {
                break;
            }
            assert!(tries.next().is_some(), "`silo {line}`:\n{coloured}\nand\n{plain}");
        }
    }
}

#[test]
fn in_a_pipe_nothing_is_coloured_cut_or_drawn() {
    let sandbox = Sandbox::new();
    let shop = project(&sandbox);
    for line in FITTING.iter().chain(AS_IT_IS) {
        let mut silo = sandbox.command(SILO, &shop);
        silo.args(line.split(' ')).env("TERM", "xterm-256color").env("COLUMNS", "60").env_remove("NO_COLOR");
        let ran = sandbox.finish(silo);
        let text = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!text.contains('\x1b') && !text.contains('\r'), "`silo {line}` in a pipe: {text:?}");
        // Pages have such a sign of their own.
        let cut = text.lines().find(|row| row.trim_end().ends_with('…')).filter(|_| !line.starts_with("doc"));
        assert!(cut.is_none(), "`silo {line}` in a pipe is cut: {cut:?}");
    }
}

#[test]
fn each_state_is_a_word_and_each_finding_says_what_it_is() {
    let sandbox = Sandbox::new();
    let shop = project(&sandbox);
    let list = sandbox.run(&shop, ["list"]).success().stdout;
    let rows: Vec<&str> = list.lines().skip(1).collect();
    assert!(rows.len() == 2 && rows.iter().all(|row| row.contains(" stopped ")), "{list}");
    let doctor = sandbox.run(&shop, ["doctor"]).stdout;
    let heads = doctor.lines().filter(|row| row.starts_with("Problem [") || row.starts_with("Note ["));
    assert!(heads.count() > 0, "each finding begins with what it is: {doctor}");
}
