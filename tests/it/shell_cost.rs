//! The prompt costs no process (D7): counted by `strace`, at real prompts, between two marks.

use std::ffi::OsStr;
use std::fs;

use crate::pty::{Session, Setup, Shell, each_shell};
use crate::sandbox::{Sandbox, free_ports, toml_with_ports};

each_shell!(prompts_where_nothing_changes_start_no_process, entering_starts_one_process);

/// What these lines start, each line with its prompt: traced calls that make a process or run a program.
fn started(sandbox: &Sandbox, shell: Shell, session: &mut Session, lines: &str) -> Vec<String> {
    let (begin, end) = (shell.look_for("/silo-mark-begin"), shell.look_for("/silo-mark-end"));
    session.run(&format!("{begin}\n{lines}\n{end}"));
    let log = fs::read_to_string(sandbox.path("trace")).expect("strace writes it");
    let (_, rest) = log.rsplit_once("/silo-mark-begin").expect("the first mark was traced");
    let (between, _) = rest.split_once("/silo-mark-end").expect("the second mark was traced");
    let starts = ["clone(", "clone3(", "fork(", "vfork(", "execve(", "execveat("];
    let is_start = |line: &&str| {
        let call = line.split_once(' ').map_or("", |(_, call)| call.trim_start());
        starts.iter().any(|start| call.starts_with(start)) && !call.contains("CLONE_THREAD")
    };
    between.lines().filter(is_start).map(str::to_owned).collect()
}

fn traced(sandbox: &Sandbox, shell: Shell) -> Session {
    assert!(std::process::Command::new("strace").arg("-V").output().is_ok(), "no strace: tests/run installs it");
    let log = sandbox.path("trace");
    let words =
        ["strace", "-f", "-qq", "-e", "signal=none", "-e", "trace=process,%%stat,access,faccessat,faccessat2", "-o"];
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
    let mut session = traced(&sandbox, shell);
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
    let mut session = traced(&sandbox, shell);
    session.run(":");
    let programs = |lines: Vec<String>| lines.iter().filter(|line| line.contains("execve")).count();
    assert_eq!(programs(started(&sandbox, shell, &mut session, "cd app")), 1, "entering, with the first allocation");
    session.run(":").assert_active(&sandbox, &app);
    assert_eq!(programs(started(&sandbox, shell, &mut session, "cd ..")), 1, "leaving");
}
