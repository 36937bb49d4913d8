//! `silo-proxy relay` beside an agent (D33): of its network one port leads to one socket of the host, and nothing else leads anywhere.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Stdio};

use crate::engine::until;
use crate::engine_contained::{Contained, Network};

/// Answers each connection, when its other end has said all, with `head` and what that was.
fn serve(path: &Path, head: &'static str) -> UnixListener {
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).expect("the sandbox is writable");
    let taken = listener.try_clone().expect("a socket can be shared");
    std::thread::spawn(move || {
        for stream in taken.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let mut said = Vec::new();
                let _ = stream.read_to_end(&mut said);
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&said));
            });
        }
    });
    listener
}

/// Starts a relay of port 7000 in a network; gives its container's name, and the docker that ends as it ends.
fn relay(stage: &Contained, network: &Network, folder: &Path) -> (String, Child) {
    let name = stage.name("relay");
    let user = format!("{}:{}", rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let volume = format!("{}:/wall:ro", folder.display());
    let options = ["--name", &name, "--network", &network.name, "--network-alias", "silo", "--user", &user];
    let options = [&options[..], &["--memory", "32m", "--pids-limit", "4", "--volume", &volume]].concat();
    let mut command =
        stage.command(&options, &["relay", "--listen", "7000=/wall/a.sock", "--listen=7001=/wall/none.sock"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("docker is there");
    until("the relay is ready", || stage.engine.docker(&["logs", &name]).stdout == "ready\n");
    (name, child)
}

#[test]
fn a_port_leads_to_its_socket_and_bytes_pass_as_they_are() {
    let stage = Contained::new();
    let (network, folder) = (stage.closed(), stage.engine.sandbox.path("wall"));
    std::fs::create_dir(&folder).expect("the sandbox is writable");
    let first = serve(&folder.join("a.sock"), "one:");
    let (relay, mut child) = relay(&stage, &network, &folder);
    let agent = |line: &str| {
        let options = ["--network", &network.name];
        stage.run(&options, &["init", "--probe", &network.gateway, "--", "sh", "-c", line])
    };
    agent("echo hello | nc silo 7000").success().stdout("one:hello\n");
    let large = "busybox dd if=/dev/urandom of=/dev/shm/a bs=1000000 count=3 2>/dev/null; nc silo 7000 </dev/shm/a >/dev/shm/b; \
                 (echo -n one:; cat /dev/shm/a) | busybox cmp - /dev/shm/b && echo same";
    agent(large).success().stdout("same\n");
    // Many at once, more than are passed on at the same time, each with its own answer.
    let many = "i=0; while [ $i -lt 300 ]; do (sleep 0.5; echo $i) | nc silo 7000 & i=$((i+1)); done; wait";
    let ran = agent(many).success();
    let said: std::collections::BTreeSet<&str> = ran.stdout.lines().collect();
    assert_eq!(said.len(), 300, "{said:?}");
    // Nobody listens: the connection is closed.
    agent("echo hello | nc silo 7001; echo $?").success().stdout("0\n");
    // The server was started again.
    drop(first);
    let _second = serve(&folder.join("a.sock"), "two:");
    agent("echo hello | nc silo 7000").success().stdout("two:hello\n");
    let ran = agent("echo x | nc -w 1 silo 7002; echo $?").success();
    assert_eq!(ran.stdout, "1\n", "another port leads somewhere");
    stage.engine.docker(&["stop", "--time", "10", &relay]).success();
    child.wait().expect("it is ours");
}

#[test]
fn it_ends_by_a_signal_and_is_small() {
    let stage = Contained::new();
    let (network, folder) = (stage.closed(), stage.engine.sandbox.path("wall"));
    std::fs::create_dir(&folder).expect("the sandbox is writable");
    let (relay, mut child) = relay(&stage, &network, &folder);
    let format = "{{.State.Pid}}";
    let pid = stage.engine.docker(&["inspect", "--format", format, &relay]).success().stdout;
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.trim())).expect("it runs");
    let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux says so");
    let kib: u64 = anonymous.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(kib < 2048, "{kib} KiB");
    stage.engine.docker(&["kill", "--signal", "TERM", &relay]).success();
    assert_eq!(child.wait().expect("it is ours").code(), Some(0));
}

#[test]
fn what_cannot_be_listened_on_or_reached_is_said() {
    let stage = Contained::new();
    let relay = |words: &[&str]| stage.run(&["--network", "none"], &[&["relay"], words].concat());
    for words in [
        &[][..],
        &["--listen", "x=/a"],
        &["--listen", "0=/a"],
        &["--listen", "70=a"],
        &["--other"],
        &["--take", "a=127.0.0.1:1"],
        &["--take=/a=x"],
    ] {
        relay(words).exit(2).stdout("").stderr_has("`silo-proxy relay` was called wrongly");
    }
    relay(&["--listen", "7000=/a", "--listen", "7000=/b"]).exit(1).stdout("").stderr_has("cannot listen on port 7000");
    let long = format!("7000=/{}", "a".repeat(107));
    relay(&["--take", &format!("/{}=127.0.0.1:1", "a".repeat(107))]).exit(2).stderr_has("has 108 bytes");
    relay(&["--listen", &long]).exit(2).stdout("").stderr_has("The path of a socket has 108 bytes");
}
