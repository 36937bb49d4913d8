//! `silo list --watch`: how it ends, and what it leaves on the terminal.

use std::io::Read as _;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::pty::{Session, Shell, in_shells};
use crate::sandbox::{SILO, Sandbox, toml_with_ports};
use crate::terminal::{collect, terminal};

in_shells!({ bash = BASH, zsh = ZSH, tcsh = TCSH }: while_it_is_stopped_the_terminal_is_the_shells_own);

const DEADLINE: Duration = Duration::from_mins(1);

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a pid is a pid_t"))
}

/// How it ended; it has to do so by itself.
fn ended(mut child: Child) -> ExitStatus {
    let pid = pid(&child);
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || send.send(child.wait()));
    receive.recv_timeout(DEADLINE).map_or_else(
        |_| {
            kill(pid, Signal::SIGKILL).expect("it still runs");
            panic!("it goes on");
        },
        |status| status.expect("it is a child of ours"),
    )
}

#[test]
fn it_ends_when_its_reader_has_gone_though_nothing_changes() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", &toml_with_ports(&[("WEB_PORT", 0)]));
    sandbox.run(&app, ["env", "app"]).success();
    for more in [&["--json"][..], &[]] {
        let mut silo = sandbox.command(SILO, "");
        silo.args(["list", "--watch"]).args(more).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = silo.spawn().expect("it starts");
        let mut reader = child.stdout.take().expect("it is a pipe");
        reader.read_exact(&mut [0; 5]).expect("it answers");
        drop(reader);
        let mut told = child.stderr.take().expect("it is a pipe");
        assert_eq!(ended(child).code(), Some(0), "{more:?}");
        let mut text = String::new();
        told.read_to_string(&mut text).expect("it is text");
        assert_eq!(text, "");
    }
}

#[test]
fn on_a_terminal_it_shows_a_screen_of_its_own_and_gives_the_first_one_back() {
    let sandbox = Sandbox::new();
    for (term, signal, begin, end) in [
        ("xterm", Signal::SIGINT, "\x1b[?1049h\x1b[H\x1b[2JNo instance yet.", "make one.\n\x1b[?1049l"),
        ("xterm", Signal::SIGTERM, "\x1b[?1049h\x1b[H\x1b[2JNo instance yet.", "make one.\n\x1b[?1049l"),
        ("dumb", Signal::SIGINT, "No instance yet.", "make one.\n"),
    ] {
        let (ours, theirs) = terminal(false);
        let mut silo = sandbox.command(SILO, "");
        silo.args(["list", "--watch"]).env("TERM", term).stdout(theirs);
        let child = silo.spawn().expect("it starts");
        // The command holds the other end of the terminal.
        drop(silo);
        let seen = collect(ours);
        let wait_for = |what: &dyn Fn(&str) -> bool| {
            let start = Instant::now();
            loop {
                let text = String::from_utf8_lossy(&seen.lock().expect("nobody panics while holding it")).into_owned();
                if what(&text) {
                    return;
                }
                assert!(start.elapsed() < DEADLINE, "{text:?}");
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        wait_for(&|text| text.starts_with(begin) && text.ends_with("make one.\n"));
        kill(pid(&child), signal).expect("it runs");
        assert_eq!(ended(child).code(), Some(128 + signal as i32));
        wait_for(&|text| text.ends_with(end));
    }
}

/// How often the second screen was taken, and how often it was left.
fn turns(shown: &str) -> (usize, usize) {
    let count = |what| shown.matches(what).count();
    (count("\x1b[?1049h"), count("\x1b[?1049l"))
}

fn while_it_is_stopped_the_terminal_is_the_shells_own(shell: Shell) {
    const CTRL_Z: &str = "\x1a";
    let sandbox = Sandbox::new();
    let mut session = Session::start(&sandbox, shell, "");
    session.run(":");
    let shows = |shown: &str, times: usize| turns(shown) == (times, times - 1) && shown.ends_with("make one.\n");
    session.press("env TERM=xterm silo list --watch\n");
    session.wait_for(|shown| shows(shown, 1));
    session.press(CTRL_Z);
    session.wait_for(|shown| turns(shown) == (1, 1));
    // The shell runs other commands, and the job takes its screen up again, drawn again.
    session.run(":");
    session.press("fg\n");
    session.wait_for(|shown| shows(shown, 2));
    session.press(CTRL_Z);
    session.wait_for(|shown| turns(shown) == (2, 2));
    // In the background it has no screen to take, and stops again.
    session.run("bg");
    let jobs = |session: &mut Session| session.run("jobs").told;
    let start = Instant::now();
    while !["stopped", "suspended"].iter().any(|word| jobs(&mut session).to_lowercase().contains(word)) {
        assert!(start.elapsed() < DEADLINE, "it is not stopped");
    }
    session.wait_for(|shown| turns(shown) == (2, 2));
    session.press("fg\n");
    session.wait_for(|shown| shows(shown, 3));
    session.press("\x03");
    session.wait_for(|shown| turns(shown) == (3, 3));
    assert_eq!(session.run(":").var("TERM"), Some("dumb"));
    assert_eq!(jobs(&mut session), "");
}

#[test]
fn in_a_process_group_of_its_own_as_timeout_makes_one_it_shows_its_screen() {
    let sandbox = Sandbox::new();
    let file = sandbox.path("home/pid");
    let apart =
        "import os; os.setpgid(0, 0); os.environ['TERM'] = 'xterm'; os.execlp('silo', 'silo', 'list', '--watch')";
    let mut session = Session::start(&sandbox, Shell::BASH, "");
    session.run(&format!("sh -c 'python3 -c \"{}\" & echo $! >{}'", apart.replace('\'', "'\\''"), file.display()));
    session.wait_for(|shown| turns(shown) == (1, 0) && shown.contains("make one.\n"));
    let pid = std::fs::read_to_string(&file).expect("it was written");
    kill(Pid::from_raw(pid.trim().parse().expect("it is a pid")), Signal::SIGTERM).expect("it runs");
    session.wait_for(|shown| turns(shown) == (1, 1));
}
