//! The README as a newcomer follows it, in bash, zsh and fish: the hook's line in the start file it names, every line
//! of the sections `Without compose` and `Worktrees and agents` typed in order, and what is told then (`newcomer.txt`). The README
//! cannot promise anything else.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use expect_test::expect_file;

use crate::docs::{package, read};
use crate::docs_examples::fences;
use crate::example::usual_ports;
use crate::pty::{Session, Setup, Shell, first_shells};
use crate::sandbox::{Sandbox, is_free};

/// What the README shows where each run has something of its own: the name's random end, ports, and folders.
pub(crate) const SHOWN_NAME: &str = "app-a3f7";
const SHOWN_PORTS: [&str; 8] = ["3000", "8080", "6379", "10350", "61204", "61205", "61206", "61207"];
pub(crate) const SHOWN_HOME: &str = "/home/me";

/// One thing done, what the README shows of the answer, and the answer.
struct Step {
    done: String,
    shown: Vec<String>,
    told: String,
}

/// The start file below `HOME` that the README's table names for a shell, and the line that goes there.
fn start_file(shell: Shell) -> (String, String) {
    let hook = format!("silo hook {}", shell.name());
    let readme = read("README.md");
    let row = readme.lines().find(|line| line.starts_with('|') && line.contains(&hook));
    let row = row.unwrap_or_else(|| panic!("README.md has no row with `{hook}`")).replace("\\|", "|");
    let [_, file, _, line, _] = row.split('`').collect::<Vec<_>>()[..] else { panic!("not a file and a line: {row}") };
    (file.trim_start_matches("~/").to_owned(), line.to_owned())
}

/// Puts the hook's line where the README says, and a git user; what a session is configured with.
pub(crate) fn at_home(shell: Shell, home: &Path) -> String {
    let git = "[user]\nname = me\nemail = me@example.com\n[init]\ndefaultBranch = main\n";
    fs::write(home.join(".gitconfig"), git).expect("HOME is writable");
    let (file, line) = start_file(shell);
    let place = home.join(&file);
    fs::create_dir_all(place.parent().expect("it lies below HOME")).expect("HOME is writable");
    fs::write(&place, format!("{line}\n")).expect("HOME is writable");
    // A session has a start file of its own; fish reads the user's besides.
    shell.reads_start_file(&file)
}

/// What the README has a newcomer type from one heading to another: blocks of language and text.
pub(crate) fn blocks(from: &str, to: &str) -> Vec<(String, String)> {
    let readme = read("README.md");
    let (_, rest) = readme.split_once(&format!("\n## {from}\n")).expect("it has that part");
    let (path, _) = rest.split_once(&format!("\n## {to}\n")).expect("it goes on");
    fences(path).iter().map(|fence| (fence.language.to_owned(), fence.text.to_owned())).collect()
}

/// Does everything the README says.
fn follow(shell: Shell, sandbox: &Sandbox) -> Vec<Step> {
    let home = sandbox.path("home");
    let before = at_home(shell, &home);
    let config = home.join(".config");
    let env: [(&str, &OsStr); 1] = [("XDG_CONFIG_HOME", config.as_os_str())];
    let setup = Setup { before: &before, unhooked: true, env: &env, ..Setup::default() };
    let mut session = Session::with(sandbox, shell, &home, &setup);

    let mut steps = Vec::new();
    for (language, text) in blocks("Without compose", "More commands") {
        if language == "toml" {
            let silo_toml = home.join("app/silo.toml");
            let old = fs::read_to_string(&silo_toml).expect("`silo init` wrote it");
            let slip = text.replace("WEB_PORT", "WEB_POT");
            assert_ne!(slip, text, "the slip is one");
            for (text, what) in [(&slip, "with a slip"), (&text, "as it should be")] {
                fs::write(&silo_toml, format!("{old}\n{text}")).expect("the project is writable");
                let told = session.run("").told;
                steps.push(Step { done: format!("(edited {what}, and Enter)"), shown: vec!["…".to_owned()], told });
            }
            continue;
        }
        for line in text.lines() {
            if let Some(line) = line.strip_prefix("$ ") {
                let seen = session.run(&shell.telling(line));
                assert_eq!(seen.status, "0", "{line}: {}", seen.told);
                steps.push(Step { done: format!("$ {line}"), shown: Vec::new(), told: seen.told });
            } else {
                steps.last_mut().expect("a block begins with a line to type").shown.push(line.to_owned());
            }
        }
    }
    steps
}

/// An answer with what each run has of its own as the README shows it.
fn redact(sandbox: &Sandbox, told: &str) -> String {
    let home = sandbox.path("home");
    let ports = ["app", "login"].into_iter().flat_map(|dir| sandbox.lockfile_ports(home.join(dir)).into_values());
    let ports: HashMap<String, &str> = ports.map(|port| port.to_string()).zip(SHOWN_PORTS).collect();
    let told = told.replace(home.to_str().expect("it is UTF-8"), SHOWN_HOME);
    let told = told.replace(&sandbox.instance(home.join("app")), SHOWN_NAME);
    let mut text = String::new();
    for part in told.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let digits = part.trim_end_matches(|c: char| !c.is_ascii_digit());
        text.push_str(ports.get(digits).unwrap_or(&digits));
        text.push_str(&part[digits.len()..]);
    }
    let mut lines: Vec<String> = text.lines().map(without_widths).collect();
    // `silo list` sorts by name, and so by what is random in one.
    let row = |line: &String| line.contains("  stopped  ");
    if let (Some(first), Some(last)) = (lines.iter().position(row), lines.iter().rposition(row)) {
        lines[first..=last].sort_by_key(|line| line.trim_start_matches(['*', ' ']).to_owned());
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// A line of the hook or a row of `silo list` without what depends on how wide and how old all is.
pub(crate) fn without_widths(line: &str) -> String {
    if let Some((name, ports)) = line.split_once(" · ") {
        let fit: Vec<&str> = ports.split(' ').take(2).collect();
        return format!("{name} · {} …", fit.join(" "));
    }
    if !["  stopped  ", "  running  ", "  STATE  "].iter().any(|word| line.contains(word)) {
        return line.trim_end().to_owned();
    }
    let age = |field: &str| field.ends_with(['s', 'm']) && field[..field.len() - 1].parse::<u32>().is_ok();
    let fields = line.split("  ").map(str::trim).filter(|field| !field.is_empty());
    fields.map(|field| if age(field) { "0s" } else { field }).collect::<Vec<_>>().join("  ")
}

/// Whether an answer is the one shown, where `…` stands for any lines.
pub(crate) fn is_shown(shown: &[String], told: &[&str]) -> bool {
    match shown.split_first() {
        None => told.is_empty(),
        Some((first, rest)) if first == "…" => (0..=told.len()).any(|skipped| is_shown(rest, &told[skipped..])),
        Some((first, rest)) => {
            let (first, line) = (without_widths(first), told.first());
            line.is_some_and(|line| *line == first) && is_shown(rest, &told[1..])
        }
    }
}

first_shells!(the_readme_typed_line_by_line_does_what_it_says);

fn the_readme_typed_line_by_line_does_what_it_says(shell: Shell) {
    let _turn = usual_ports();
    for port in &SHOWN_PORTS[..4] {
        let is_free = is_free(port.parse().expect("it is a port"));
        assert!(is_free, "the README shows what a machine says on which {port} is free, and here it is taken");
    }
    let sandbox = Sandbox::new();
    let mut transcript = String::new();
    for step in follow(shell, &sandbox) {
        let told = redact(&sandbox, &step.told);
        let lines: Vec<&str> = told.lines().collect();
        assert!(is_shown(&step.shown, &lines), "README.md, `{}`: {:#?}, but told: {told}", step.done, step.shown);
        transcript.push_str(&format!("{}\n{told}", step.done));
    }
    expect_file![package().join("tests/it/newcomer.txt")].assert_eq(&transcript);
}
