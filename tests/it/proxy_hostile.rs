//! Requests and servers that are wrong, slow or hostile: a clear answer, and the proxy goes on.

use std::fs;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use crate::proxy::{PROXY, Proxy, echo, read_to_end, read_until, routed, says, server, split};
use crate::sandbox::Sandbox;

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[test]
fn requests_that_are_wrong_are_refused_and_the_proxy_goes_on() {
    let sandbox = Sandbox::new();
    routed(&sandbox, &[server(echo)]);
    let mut proxy = Proxy::start(&sandbox);
    let long = format!("GET / HTTP/1.1\r\nHost: a.test\r\nX: {}\r\n\r\n", "x".repeat(70_000));
    let many = format!("GET / HTTP/1.1\r\nHost: a.test\r\n{}\r\n", "X: y\r\n".repeat(2000));
    let path = format!("GET /{} HTTP/1.1\r\nHost: a.test\r\n\r\n", "x".repeat(70_000));
    let both = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let swapped = "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n";
    for (request, code) in [
        (both, "400"),
        (swapped, "400"),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "400"),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: -1\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\nConnection: close\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: <script>\r\nConnection: close\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a.test:port\r\nConnection: close\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: \u{e9}\r\nConnection: close\r\n\r\n", "400"),
        ("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n", "400"),
        ("GET /\u{0} HTTP/1.1\r\nHost: a.test\r\n\r\n", "400"),
        ("nonsense\r\n\r\n", "400"),
        (&long, "431"),
        (&many, "431"),
    ] {
        let answer = proxy.say(request.as_bytes());
        assert_eq!(status(&answer), code, "{:?}: {answer}", &request[..request.len().min(90)]);
    }
    let answer = proxy.say(path.as_bytes());
    assert!(["414", "431"].contains(&status(&answer)), "{answer}");
    for request in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"GET / HT", b"", b"\r\n\r\n\r\n"] {
        let mut stream = proxy.connect();
        stream.write_all(request).expect("it listens");
        stream.shutdown(std::net::Shutdown::Write).expect("it is open");
        read_to_end(&mut stream);
    }
    assert!(proxy.lives());
    assert_eq!(status(&proxy.get("a.test", "/").0), "200");
}

#[test]
fn a_client_that_takes_its_time_for_a_head_is_let_go() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("config/silo")).expect("writable");
    fs::write(sandbox.path("config/silo/config.toml"), "[proxy]\ntimeout = \"1s\"\n").expect("writable");
    routed(&sandbox, &[server(echo)]);
    let proxy = Proxy::start(&sandbox);
    let mut stream = proxy.connect();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a.t").expect("it listens");
    let start = Instant::now();
    read_to_end(&mut stream);
    assert!(start.elapsed() < Duration::from_secs(20), "it was closed");
    assert_eq!(status(&proxy.get("a.test", "/").0), "200");
}

#[test]
fn a_server_that_hangs_hangs_up_or_talks_nonsense_is_told_of() {
    let hangs = server(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let [hangs_up, nonsense] = [server(drop), server(says("SSH-2.0-OpenSSH_9\r\n"))];
    let huge = server(|mut stream| {
        read_until(&mut stream, "\r\n\r\n");
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX: ");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    // Who answers, however badly, is not cut off by a time limit, so that these have a short one and a long one.
    for (settings, ports, codes) in [
        ("[proxy]\ntimeout = \"1s\"\n", &[hangs][..], &["504"][..]),
        ("", &[hangs_up, nonsense, huge], &["502", "502", "502"]),
    ] {
        let sandbox = Sandbox::new();
        fs::create_dir_all(sandbox.path("config/silo")).expect("writable");
        fs::write(sandbox.path("config/silo/config.toml"), settings).expect("writable");
        routed(&sandbox, ports);
        let proxy = Proxy::start(&sandbox);
        for (host, code) in ["a.test", "b.test", "c.test"].iter().zip(codes) {
            let (head, body) = proxy.get(host, "/");
            assert_eq!(&status(&head), code, "{host}: {head}");
            assert!(body.contains("silo who ") && body.contains(host), "{body}");
        }
    }
}

#[test]
fn an_answer_that_breaks_off_breaks_off_for_the_client_too() {
    let sandbox = Sandbox::new();
    let [sized, chunked] = [
        server(says("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")),
        server(says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")),
    ];
    routed(&sandbox, &[sized, chunked]);
    let proxy = Proxy::start(&sandbox);
    let (head, body) = proxy.get("a.test", "/");
    assert!(head.contains("Content-Length: 1000") && body == "half", "{head}: {body}");
    let (_, body) = proxy.get("b.test", "/");
    assert!(body.contains("half") && !body.ends_with("0\r\n\r\n"), "no end is made up: {body:?}");
}

#[test]
fn a_route_to_the_proxy_itself_is_a_circle_not_a_storm() {
    let sandbox = Sandbox::new();
    let proxy = Proxy::start(&sandbox);
    routed(&sandbox, &[proxy.port]);
    let (head, body) = proxy.get("a.test", "/");
    assert!(head.starts_with("HTTP/1.1 508 ") && body.contains("back to this proxy"), "{head} {body}");
    // By way of another server: what it passes on comes by again and again.
    let port = proxy.port;
    let relay = server(move |mut client| {
        let head = read_until(&mut client, "\r\n\r\n");
        let mut server = std::net::TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        let _ = server.write_all(head.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes());
        let _ = client.write_all(read_to_end(&mut server).as_bytes());
    });
    routed(&sandbox, &[port, relay]);
    let answer = crate::proxy::wait(|| Some(proxy.get("b.test", "/").0).filter(|head| !head.contains(" 404 ")));
    assert!(answer.starts_with("HTTP/1.1 508 "), "{answer}");
}

#[test]
fn only_loopback_is_listened_on_and_a_second_proxy_is_refused() {
    let sandbox = Sandbox::new();
    let proxy = Proxy::start(&sandbox);
    let mut listening = silo::sys::listeners::holders(|port| port == proxy.port);
    // Another program may have a connection on another address with this number.
    listening.retain(|one| one.process.as_ref().is_some_and(|process| process.pid == proxy.pid()));
    assert!(!listening.is_empty() && listening.iter().all(|one| one.socket.address.is_loopback()), "{listening:?}");
    let mut second = sandbox.command(PROXY, "");
    second.args(["--port", "0"]);
    sandbox
        .finish(second)
        .exit(1)
        .stderr_has(&format!("A proxy of this user runs already, held by process {}", proxy.pid()))
        .stderr_has("silo proxy down");
}

#[test]
fn a_port_that_is_taken_is_named_with_its_holder() {
    let sandbox = Sandbox::new();
    let port = server(drop);
    fs::create_dir_all(sandbox.path("config/silo")).expect("writable");
    fs::write(sandbox.path("config/silo/config.toml"), format!("proxy.port = {port}\n")).expect("writable");
    let pid = std::process::id();
    sandbox
        .run("", ["proxy", "up", "-d"])
        .exit(1)
        .stderr_has(&format!("The proxy did not start: Port {port} of the proxy is taken by `"))
        .stderr_has(&format!("(pid {pid})"))
        .stderr_has(&format!("silo who {port}"));
    sandbox.run("", ["proxy", "up"]).exit(1).stderr_has(&format!("Port {port} of the proxy is taken"));
}

#[test]
fn a_thousand_connections_are_held_in_little_memory() {
    let sandbox = Sandbox::new();
    routed(&sandbox, &[server(echo)]);
    let proxy = Proxy::start(&sandbox);
    // Two ends of each are this process's and the server's own.
    silo::sys::limits::raise_open_files();
    let mut open = Vec::new();
    for _ in 0..1000 {
        let mut stream = proxy.connect();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").expect("it listens");
        let (head, _) = split(&read_until(&mut stream, "\r\n\r\n"));
        assert_eq!(status(&head), "200");
        open.push(stream);
    }
    let text = fs::read_to_string(format!("/proc/{}/status", proxy.pid()));
    // Where the system tells: a build without optimisation may take twice what a release may.
    if let Ok(text) = text {
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux tells");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        assert!(kib < 64 * 1024, "{kib} KiB with {} connections", open.len());
    }
}
