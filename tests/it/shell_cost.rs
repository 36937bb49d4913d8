//! The prompt costs no process and few system calls (D7): counted by `strace`, between two marks.

use std::ffi::OsStr;
use std::fs;
use std::time::{Duration, Instant};

use crate::pty::{DEADLINE, Session, Setup, Shell, each_shell, first_shells};
use crate::sandbox::{Sandbox, free_ports, toml_with_ports};

each_shell!(prompts_where_nothing_changes_start_no_process, entering_starts_one_process);
first_shells!(a_hook_that_finds_no_change_makes_few_calls);

/// The calls that start a process, or look at files.
const STARTS: &str = "process,%%stat,access,faccessat,faccessat2";

/// What is traced while these lines run, with what ends each of them: a newline and so a prompt, or not.
fn traced_by(sandbox: &Sandbox, shell: Shell, session: &mut Session, (lines, end): (&str, &str)) -> Vec<String> {
    let marks = ["/silo-mark-begin", "/silo-mark-end"].map(|mark| shell.look_for(mark));
    // fish's thread that draws looks for every path on the line, too, in its own way.
    let is_drawing = |line: &&str| shell == Shell::FISH && line.contains("access") && line.contains("/silo-mark-");
    let log = || fs::read_to_string(sandbox.path("trace")).expect("strace writes it");
    let before = log().len();
    session.run(&[marks[0].as_str(), lines, &marks[1]].join(end));
    // The shell may be at its prompt before strace has written what it saw.
    let start = Instant::now();
    loop {
        let log = log();
        let seen: Vec<&str> = log[before..].lines().filter(|line| !is_drawing(line)).collect();
        let at = |mark: &str| seen.iter().rposition(|line| line.contains(mark));
        if let (Some(begin), Some(end)) = (at("\"/silo-mark-begin\","), at("\"/silo-mark-end\",")) {
            return seen[begin + 1..end].iter().map(|line| (*line).to_owned()).collect();
        }
        assert!(start.elapsed() < DEADLINE, "the marks were not traced: {seen:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What these lines start, each line with its prompt: traced calls that make a process or run a program.
fn started(sandbox: &Sandbox, shell: Shell, session: &mut Session, lines: &str) -> Vec<String> {
    let starts = ["clone(", "clone3(", "fork(", "vfork(", "execve(", "execveat("];
    let is_start = |line: &String| {
        let call = line.split_once(' ').map_or("", |(_, call)| call.trim_start());
        starts.iter().any(|start| call.starts_with(start)) && !call.contains("CLONE_THREAD")
    };
    traced_by(sandbox, shell, session, (lines, "\n")).into_iter().filter(is_start).collect()
}

fn traced(sandbox: &Sandbox, shell: Shell, calls: &str) -> Session {
    assert!(std::process::Command::new("strace").arg("-V").output().is_ok(), "no strace: tests/run installs it");
    let log = sandbox.path("trace");
    let trace = format!("trace={calls}");
    let words = ["strace", "-f", "-qq", "-e", "signal=none", "-e", &trace, "-o"];
    let mut wrapper: Vec<&OsStr> = words.map(OsStr::new).into();
    wrapper.push(log.as_os_str());
    Session::with(sandbox, shell, "", &Setup { wrapper: &wrapper, ..Setup::default() })
}

fn prompts_where_nothing_changes_start_no_process(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web, other] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    sandbox.project("stranger", &toml_with_ports(&[("WEB_PORT", other)]));
    fs::create_dir_all(app.join("src/deep")).expect("the project is writable");
    fs::create_dir_all(sandbox.dir("plain/deep")).expect("the sandbox is writable");
    let mut session = traced(&sandbox, shell, STARTS);
    let prompts = ":\n".repeat(10);

    session.run(":");
    assert_eq!(started(&sandbox, shell, &mut session, &prompts), [""; 0], "outside");
    let plain = "cd plain\ncd deep\ncd ..\ncd /\n".to_owned() + &format!("cd {}", sandbox.dir("").display());
    assert_eq!(started(&sandbox, shell, &mut session, &plain), [""; 0], "between folders without silo");

    session.run("cd app").assert_active(&sandbox, &app);
    assert_eq!(started(&sandbox, shell, &mut session, &prompts), [""; 0], "inside");
    assert_eq!(
        started(&sandbox, shell, &mut session, "cd src/deep\ncd ..\ncd .."),
        [""; 0],
        "between folders of a project"
    );

    session.run("touch silo.toml");
    assert_eq!(started(&sandbox, shell, &mut session, &prompts), [""; 0], "after a write that changed nothing");

    session.run("cd ../stranger");
    assert_eq!(started(&sandbox, shell, &mut session, &prompts), [""; 0], "where silo.toml is not trusted");
    fs::write(sandbox.dir("stranger/silo.toml"), "broken").expect("the project is writable");
    session.run(":");
    assert_eq!(started(&sandbox, shell, &mut session, &prompts), [""; 0], "where silo.toml is broken");
    session.run("cd ..");
    assert_eq!(started(&sandbox, shell, &mut session, &prompts), [""; 0], "outside again");
}

fn entering_starts_one_process(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    let mut session = traced(&sandbox, shell, STARTS);
    session.run(":");
    let programs = |lines: Vec<String>| lines.iter().filter(|line| line.contains("execve")).count();
    assert_eq!(programs(started(&sandbox, shell, &mut session, "cd app")), 1, "entering, with the first allocation");
    session.run(":").assert_active(&sandbox, &app);
    assert_eq!(programs(started(&sandbox, shell, &mut session, "cd ..")), 1, "leaving");
}

#[test]
fn a_folder_left_in_a_function_starts_what_one_left_at_the_prompt_does() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    let mut session = traced(&sandbox, Shell::BASH, STARTS);
    session.run("go() { cd \"$1\"; }");
    session.run("cd app").assert_active(&sandbox, &app);
    let plain = started(&sandbox, Shell::BASH, &mut session, "cd ..").len();
    for (line, what) in [("go app", "entering"), ("go ..", "leaving")] {
        let calls = started(&sandbox, Shell::BASH, &mut session, line);
        assert_eq!(calls.len(), plain, "{what}: {calls:#?}");
    }
}

/// The hook is called on one line, without a prompt, whose own calls are not silo's.
fn a_hook_that_finds_no_change_makes_few_calls(shell: Shell) {
    const TIMES: usize = 20;
    let limit = match shell.name() {
        "bash" => 15,
        "zsh" => 30,
        _ => 13,
    };
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    let mut session = traced(&sandbox, shell, "all");
    let each = |session: &mut Session| {
        let mut calls = |times| {
            // In fish a command that is typed asks for the state of the terminal at each step, an event's handler does not.
            let hook = if shell == Shell::FISH { "emit fish_prompt" } else { "__silo_hook" };
            let line = vec![hook; times].join("; ");
            traced_by(&sandbox, shell, session, (&line, "; ")).len()
        };
        let one = calls(1);
        (calls(TIMES + 1) - one) / TIMES
    };
    session.run(":");
    let outside = each(&mut session);
    session.run("cd app").assert_active(&sandbox, &app);
    let inside = each(&mut session);
    assert!(inside <= limit && outside <= limit, "{inside} inside, {outside} outside, at most {limit}");
}
