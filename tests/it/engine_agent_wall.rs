//! The wall around an agent (D33): `silo-proxy init` starts nothing where it does not hold, and where it does nothing of the host
//! answers, nor of another instance, nor another agent.

use std::io::Read as _;
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::engine::until;
use crate::engine_contained::Contained;

/// The exit code where the wall does not hold.
const NO_WALL: i32 = 121;
/// What an agent says where it looks for a way out.
const WORD: &str = "from-an-agent";

#[test]
fn only_a_closed_network_is_let_pass() {
    let stage = Contained::new();
    let probe = |network: &str, flags: &[&str]| {
        stage.run(&["--network", network], &[&["init"], flags, &["--", "sh", "-c", "echo ran"]].concat())
    };
    let (plain, open, closed) = (stage.network(&["--internal"]), stage.network(&[]), stage.closed());
    let refused = |network: &str, flags: &[&str], reason: &str| {
        let ran = probe(network, flags).exit(NO_WALL).stdout("");
        assert!(ran.stderr.contains("its container is not closed") && ran.stderr.contains(reason), "{ran:#?}");
    };
    refused(&plain.name, &["--probe", &plain.gateway], &plain.gateway);
    refused(&open.name, &[], &open.gateway);
    refused("bridge", &[], "answers");
    refused("host", &[], "");
    for network in ["none", &closed.name] {
        probe(network, &["--probe", &closed.gateway]).success().stdout("ran\n");
    }
    // What listens where it is not expected is named too.
    let server = stage.name("server");
    let listen = [
        "run",
        "--label",
        &stage.label,
        "--detach",
        "--name",
        &server,
        "--network",
        &closed.name,
        "silo-test-box",
        "nc",
        "-ll",
        "-p",
        "7000",
        "-e",
        "true",
    ];
    stage.engine.docker(&listen).success();
    let format = format!("{{{{(index .NetworkSettings.Networks \"{}\").IPAddress}}}}", closed.name);
    let address = stage.engine.docker(&["inspect", "--format", &format, &server]).stdout.trim().to_owned();
    let place = format!("{address}:7000");
    until("the server listens", || {
        let ran = probe(&closed.name, &["--probe", &place]);
        ran.code() == Some(NO_WALL) && ran.stderr.contains(&format!("{place} takes a connection"))
    });
    stage.engine.docker(&["rm", "--force", &server]).success();
}

#[test]
fn a_resolver_that_knows_the_outside_is_a_hole() {
    let stage = Contained::new();
    let (closed, server) = (stage.closed(), stage.name("outside"));
    let ask =
        |flags: &[&str]| stage.run(&["--network", &closed.name], &[&["init"], flags, &["--", "echo", "ran"]].concat());
    ask(&["--probe-resolver"]).success().stdout("ran\n");
    // The engine's resolver knows the name of a neighbour, as it would know one of the outside.
    let words = [
        "run",
        "--detach",
        "--label",
        &stage.label,
        "--name",
        &server,
        "--network",
        &closed.name,
        "--network-alias",
        "example.com",
    ];
    stage.engine.docker(&[&words[..], &["silo-test-box", "sleep", "100"]].concat()).success();
    let ran = ask(&["--probe-resolver"]).exit(NO_WALL).stdout("");
    assert!(ran.stderr.contains("its resolver knows example.com, which has the address 10.198."), "{}", ran.stderr);
    ask(&[]).success().stdout("ran\n");
    stage.engine.docker(&["rm", "--force", &server]).success();
    stage.run(&["--network", "none"], &["init", "--probe-resolver", "--", "echo", "ran"]).success();
}

#[test]
fn an_agent_reaches_nothing_of_the_host_and_of_others() {
    let stage = Contained::new();
    let (own, other, bridge) = (stage.closed(), stage.closed(), stage.network(&[]));
    let reached = Arc::new(AtomicUsize::new(0));
    let mut places = Vec::new();
    for address in ["0.0.0.0", "127.0.0.1", &bridge.gateway] {
        let listener = TcpListener::bind((address, 0)).expect("the host has this address");
        let port = listener.local_addr().expect("it listens").port();
        let at = if address == "0.0.0.0" { bridge.gateway.clone() } else { address.to_owned() };
        for target in
            [&at, &own.gateway, "172.17.0.1", "host.docker.internal", "gateway.docker.internal", "169.254.169.254"]
        {
            places.push(format!("{target} {port}"));
        }
        let reached = Arc::clone(&reached);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                // A program of this machine that looks whether somebody has the port says something else, or nothing.
                let is_here = stream.peer_addr().is_ok_and(|peer| peer.ip().is_loopback());
                let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
                let mut said = [0; WORD.len()];
                let is_agent = !is_here || stream.read_exact(&mut said).is_ok() && said == *WORD.as_bytes();
                reached.fetch_add(usize::from(is_agent), Ordering::SeqCst);
            }
        });
    }
    // Another agent, and a service of another instance, that listen on all they have.
    for network in [&other, &bridge] {
        let name = stage.name(&format!("other-{}", network.gateway));
        let words = [
            "run",
            "--detach",
            "--name",
            &name,
            "--network",
            &network.name,
            "silo-test-box",
            "nc",
            "-ll",
            "-p",
            "7000",
            "-e",
            "cat",
        ];
        stage.engine.docker(&words).success();
        let format = format!("{{{{(index .NetworkSettings.Networks \"{}\").IPAddress}}}}", network.name);
        let address = stage.engine.docker(&["inspect", "--format", &format, &name]).stdout.trim().to_owned();
        assert!(!address.is_empty());
        places.push(format!("{address} 7000"));
    }
    let datagrams = UdpSocket::bind("0.0.0.0:0").expect("the host has addresses");
    datagrams.set_nonblocking(true).expect("a socket can be set so");
    let port = datagrams.local_addr().expect("it is bound").port();
    let tries: Vec<String> =
        places.iter().map(|place| format!("(echo {WORD} | nc -w 1 {place} && echo reached {place}) &")).collect();
    let sends = [&own.gateway, &bridge.gateway, "172.17.0.1", "255.255.255.255"]
        .map(|to| format!("busybox timeout 1 busybox tftp -g -r x {to} {port} 2>/dev/null &"));
    let line = format!("{}\n{}\nwait; echo done", tries.join("\n"), sends.join("\n"));
    let ran = stage.run(&["--network", &own.name], &["init", "--probe", &own.gateway, "--", "sh", "-c", &line]);
    let ran = ran.success();
    assert_eq!(ran.stdout, "done\n", "{ran:#?}");
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(reached.load(Ordering::SeqCst), 0, "a listener of the host was reached");
    // A late answer to whoever had this port before is none of the agent's.
    let mut said = [0; 16];
    while let Ok(length) = datagrams.recv(&mut said) {
        assert!(!said[..length].starts_with(b"\0\x01x\0"), "a datagram has reached the host: {said:?}");
    }
    for network in [&other, &bridge] {
        stage.engine.docker(&["rm", "--force", &stage.name(&format!("other-{}", network.gateway))]).success();
    }
}
