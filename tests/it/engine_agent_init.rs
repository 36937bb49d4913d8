//! `silo-proxy init` as the first process of an agent's container (D33): it ends with the agent's code, and however hard the agent makes
//! it, it ends everything.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::engine::until;
use crate::engine_contained::Contained;

#[test]
fn it_ends_as_the_agent_ends() {
    let stage = Contained::new();
    stage.agent(&[], &[], "cat; echo out; echo err >&2; exit 7").exit(7).stdout("out\n").stderr("err\n");
    stage.agent(&[], &[], "kill -9 $$").exit(137);
    let none = ["--network", "none"];
    stage.run(&none, &["init", "--", "/silo-proxy", "--version"]).success().stdout_has("silo-proxy v");
    stage.run(&none, &["init", "--", "no-such-program"]).exit(127).stderr_has("no program `no-such-program`");
    stage.run(&none, &["init", "--", "/tmp"]).exit(126).stderr_has("Cannot run `/tmp` of the image");
    stage.agent(&[], &["--needs", "git"], "echo ran").exit(123).stdout("").stderr_has("The image has no `git`");
    stage.agent(&[], &["--needs", "httpd", "--needs=nc"], "echo ran").success().stdout("ran\n");
    stage.agent(&[], &["--time", "3"], "echo ran").exit(2).stdout("").stderr_has("there is no `--time`");
    stage.agent(&[], &["--disk", "3"], "echo ran").exit(2).stdout("").stderr_has("need `--measure`");
}

#[test]
fn it_takes_in_orphans_and_ends_those_who_stay() {
    let stage = Contained::new();
    // Thirty orphans that end meanwhile would be thirty zombies, and with them no process more.
    let many = "i=0; while [ $i -lt 30 ]; do (sleep 0.1 &); i=$((i+1)); done; sleep 1; \
                for dir in /proc/[0-9]*; do cat $dir/stat; done 2>/dev/null; (sleep 1000 &); exit 3";
    let ran = stage.agent(&["--pids-limit", "40"], &[], many).exit(3);
    let zombies = ran.stdout.lines().filter(|line| line.contains(") Z ")).count();
    assert_eq!(zombies, 0, "{}", ran.stdout);
    let start = Instant::now();
    stage.agent(&[], &["--grace", "0.5"], "(trap '' TERM; while :; do sleep 1; done) & exit 4").exit(4);
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

#[test]
fn its_time_is_over_whatever_it_does() {
    let stage = Contained::new();
    let stubborn = "trap '' TERM INT HUP QUIT USR1 USR2; exec 1>&- 2>&-; while :; do sleep 1; done";
    // A fork bomb fills what the container may have of processes, and signals to the first process come without end. The agent
    // itself makes one process, while there is room: a shell that cannot make one ends.
    let bomb = "trap '' TERM USR1; b() { b | b & }; b & while :; do kill -USR1 1; done";
    let asleep = "kill -STOP $$; echo awake";
    for line in [stubborn, bomb, asleep] {
        let start = Instant::now();
        let ran = stage.agent(&["--cpus", "0.5"], &["--deadline", "1.5", "--grace=0.5"], line).exit(124);
        assert!(start.elapsed() < Duration::from_secs(40), "{line}: {:?}", start.elapsed());
        assert!(ran.stderr.contains("its time of 1.5 s is over"), "{line}: {}", ran.stderr);
    }
}

#[test]
fn signals_reach_the_agent() {
    let stage = Contained::new();
    let name = stage.name("signals");
    let options = ["--network", "none", "--name", &name];
    let line = "for s in HUP INT QUIT USR1 USR2; do trap \"echo $s\" $s; done; trap 'echo TERM; exit 5' TERM; \
                echo ready; while :; do sleep 0.05; done";
    let mut command = stage.command(&options, &["init", "--", "sh", "-c", line]);
    let child = command.stdout(Stdio::piped()).spawn().expect("docker is there");
    let said = || stage.engine.docker(&["logs", &name]).stdout;
    let mut expected = "ready\n".to_owned();
    for signal in ["HUP", "INT", "QUIT", "USR1", "USR2", "TERM"] {
        until(&format!("before {signal}: {expected:?}"), || said() == expected);
        stage.engine.docker(&["kill", "--signal", signal, &name]).success();
        expected += &format!("{signal}\n");
    }
    let out = child.wait_with_output().expect("it ends");
    assert_eq!((out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned()), (Some(5), expected));
}

#[test]
fn it_ends_with_silos_end_of_its_input_and_not_before() {
    let stage = Contained::new();
    for killed in [false, true] {
        let name = stage.name(&format!("alone-{killed}"));
        let options = ["--interactive", "--network", "none", "--name", &name];
        let line = "trap '' TERM; echo ready; while :; do sleep 1; done";
        let flags = ["init", "--end-with-stdin", "--grace", "0.3", "--", "sh", "-c", line];
        let mut command = stage.command(&options, &flags);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("docker is there");
        until("the agent runs", || stage.engine.docker(&["logs", &name]).stdout == "ready\n");
        std::io::Write::write_all(child.stdin.as_mut().expect("a pipe"), b"this is for nobody\n").expect("written");
        let end = Instant::now() + Duration::from_millis(600);
        while Instant::now() < end {
            assert!(stage.runs(&name), "it has ended with its input open");
        }
        if killed {
            child.kill().expect("it runs");
            child.wait().expect("it was killed");
            until("the agent has ended", || !stage.runs(&name));
        } else {
            drop(child.stdin.take());
            let out = child.wait_with_output().expect("it ends");
            assert_eq!(out.status.code(), Some(137));
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            assert!(said.contains("silo, which has started it, is gone"), "{said}");
        }
    }
}

#[test]
fn an_agent_cannot_look_into_it() {
    let stage = Contained::new();
    let look = "cat /proc/1/environ; cat /proc/1/mem; ls -l /proc/1/fd /proc/1/cwd; kill -STOP 1; kill -KILL 1; echo still here";
    let ran = stage.agent(&["--env", "SECRET=word"], &[], look).success();
    assert_eq!(ran.stdout.lines().last(), Some("still here"), "{ran:#?}");
    assert!(!ran.stdout.contains("SECRET") && ran.stderr.contains("Permission denied"), "{ran:#?}");
}
