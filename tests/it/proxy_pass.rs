//! What goes through the proxy: requests, answers, streams, upgrades, and whatever moves meanwhile.

use std::io::{Read as _, Write as _};

use crate::proxy::{Proxy, echo, read_until, routed, says, server, server_on, split, wait};
use crate::sandbox::Sandbox;

#[test]
fn a_request_goes_to_the_port_of_its_host_and_keeps_what_it_says() {
    let sandbox = Sandbox::new();
    let [one, other] = [server(echo), server(says("HTTP/1.0 200 OK\r\n\r\nother"))];
    routed(&sandbox, &[one, other]);
    let proxy = Proxy::start(&sandbox);
    let (head, body) = proxy.get_with(
        "A.test:1",
        "/x%20y?q=1",
        "X-Odd-Name: 1\r\nConnection: X-Private\r\nX-Private: 1\r\nX-Forwarded-For: 10.0.0.9\r\nCookie: a=b\r\n",
    );
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("X-Odd-Case: yes"), "{head}");
    assert!(body.starts_with("GET /x%20y?q=1 HTTP/1.1\r\n"), "{body}");
    for line in [
        "Host: A.test:1",
        "X-Odd-Name: 1",
        "Cookie: a=b",
        "X-Forwarded-For: 10.0.0.9, 127.0.0.1",
        "x-forwarded-host: A.test:1",
        "x-forwarded-proto: http",
    ] {
        assert!(body.lines().any(|one| one == line), "no {line} in {body}");
    }
    assert!(!body.contains("X-Private") && !body.to_lowercase().contains("connection:"), "{body}");
    // Without a length it comes in chunks, and the connection can go on.
    assert_eq!(proxy.get("b.test", "/").1, "5\r\nother\r\n0\r\n\r\n");
    let absolute = proxy.say(b"GET http://a.test/abs HTTP/1.1\r\nHost: b.test\r\nConnection: close\r\n\r\n");
    assert!(absolute.contains("GET /abs HTTP/1.1\r\n") && absolute.contains("Host: a.test\r\n"), "{absolute}");
}

#[test]
fn one_connection_serves_many_requests_and_bodies() {
    let sandbox = Sandbox::new();
    routed(&sandbox, &[server(echo)]);
    let proxy = Proxy::start(&sandbox);
    let mut stream = proxy.connect();
    for round in 0..20 {
        let body = format!("body {round} Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n");
        let request = format!("POST /{round} HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).expect("it listens");
        let head = read_until(&mut stream, "\r\n\r\n");
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("it has one");
        let mut answer = vec![0; length.parse().expect("a number")];
        stream.read_exact(&mut answer).expect("it comes");
        let answer = String::from_utf8(answer).expect("text");
        assert!(answer.starts_with(&format!("POST /{round} ")) && answer.ends_with(&body), "{answer}");
    }
}

#[test]
fn what_a_server_says_bit_by_bit_comes_bit_by_bit() {
    let sandbox = Sandbox::new();
    let port = server(|mut stream| {
        read_until(&mut stream, "\r\n\r\n");
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
        // The next event is said only once the client has asked for it by way of the file system: no clock decides.
        for event in 1..=3 {
            let _ = stream.write_all(format!("data: {event}\n\n").as_bytes());
            let mut byte = [0];
            if event < 3 && stream.read(&mut byte).is_ok_and(|read| read == 0) {
                return;
            }
        }
    });
    routed(&sandbox, &[port]);
    let proxy = Proxy::start(&sandbox);
    let mut stream = proxy.connect();
    // A body that is open lets the client say when it has seen an event.
    let head = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("it listens");
    assert!(read_until(&mut stream, "data: 1\n\n").starts_with("HTTP/1.1 200 OK\r\n"));
    stream.write_all(b"x").expect("it listens");
    read_until(&mut stream, "data: 2\n\n");
    stream.write_all(b"y").expect("it listens");
    read_until(&mut stream, "data: 3\n\n");
}

#[test]
fn a_websocket_is_passed_on_both_ways() {
    let sandbox = Sandbox::new();
    let port = server(|mut stream| {
        let head = read_until(&mut stream, "\r\n\r\n").to_lowercase();
        assert!(head.contains("upgrade: websocket") && head.contains("sec-websocket-key: abc"), "{head}");
        let _ = stream.write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
        );
        let mut bytes = [0; 64];
        while let Ok(read @ 1..) = stream.read(&mut bytes) {
            let _ = stream.write_all(&bytes[..read].to_ascii_uppercase());
        }
    });
    routed(&sandbox, &[port]);
    let proxy = Proxy::start(&sandbox);
    let mut stream = proxy.connect();
    stream
        .write_all(b"GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: abc\r\n\r\n")
        .expect("it listens");
    let head = read_until(&mut stream, "\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 101 ") && head.to_lowercase().contains("upgrade: websocket"), "{head}");
    for word in ["hello", "again"] {
        stream.write_all(word.as_bytes()).expect("it listens");
        read_until(&mut stream, &word.to_uppercase());
    }
    stream.shutdown(std::net::Shutdown::Write).expect("it is open");
    assert_eq!(stream.read(&mut [0; 8]).ok(), Some(0), "the server's end follows the client's");
}

#[test]
fn a_server_on_ipv6_alone_is_reached() {
    let sandbox = Sandbox::new();
    routed(&sandbox, &[server_on("::1", 0, echo)]);
    let proxy = Proxy::start(&sandbox);
    assert!(proxy.get("a.test", "/").0.starts_with("HTTP/1.1 200 OK"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_server_on_another_address_than_loopbacks_own_is_reached() {
    let sandbox = Sandbox::new();
    routed(&sandbox, &[server_on("127.0.0.2", 0, echo)]);
    let proxy = Proxy::start(&sandbox);
    assert!(proxy.get("a.test", "/").0.starts_with("HTTP/1.1 200 OK"));
}

#[test]
fn starts_stops_moves_and_new_routes_are_followed_without_a_restart() {
    let sandbox = Sandbox::new();
    let proxy = Proxy::start(&sandbox);
    assert!(proxy.get("one.localhost", "/").0.starts_with("HTTP/1.1 404 "));
    let toml = "version = 1\nports.WEB_PORT = \"random\"\nurls.WEB_URL = \"http://${APP_HOST}:${WEB_PORT}\"\n";
    sandbox.trusted("app", toml);
    sandbox.run("app", ["env", "one"]).success();
    let status = |host: &str| proxy.get(host, "/").0.split(' ').nth(1).unwrap_or_default().to_owned();
    wait(|| (status("one.localhost") == "503").then_some(()));
    server_on("127.0.0.1", sandbox.lockfile_ports("app")["WEB_PORT"], echo);
    assert_eq!(status("one.localhost"), "200");
    sandbox.run("app", ["env", "--move", "WEB_PORT"]).success();
    wait(|| (status("one.localhost") == "503").then_some(()));
    server_on("127.0.0.1", sandbox.lockfile_ports("app")["WEB_PORT"], echo);
    assert_eq!(status("one.localhost"), "200");
    sandbox.run("app", ["env", "two"]).success();
    wait(|| (status("two.localhost") == "200").then_some(()));
    assert_eq!(status("one.localhost"), "404");
    sandbox.run("app", ["down", "--clean"]).success();
    wait(|| (status("two.localhost") == "404").then_some(()));
}

#[test]
fn a_connection_that_the_server_closes_meanwhile_is_made_again() {
    let sandbox = Sandbox::new();
    // Says it keeps the connection, and closes it after each answer.
    routed(&sandbox, &[server(says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))]);
    let proxy = Proxy::start(&sandbox);
    let mut stream = proxy.connect();
    for _ in 0..20 {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").expect("it listens");
        let (head, body) = split(&read_until(&mut stream, "ok"));
        assert!(head.starts_with("HTTP/1.1 200 OK") && body == "ok", "{head}");
    }
}

#[test]
fn bodies_of_any_size_pass_both_ways_unharmed() {
    let sandbox = Sandbox::new();
    routed(&sandbox, &[server(echo)]);
    let proxy = Proxy::start(&sandbox);
    let body: Vec<u8> = (0..4_000_000_u32).map(|number| b'a' + u8::try_from(number * 7 % 26).unwrap_or(0)).collect();
    let mut stream = proxy.connect();
    let head =
        format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let mut sending = stream.try_clone().expect("it is a socket");
    let sent = body.clone();
    let sender = std::thread::spawn(move || sending.write_all(&[head.into_bytes(), sent].concat()));
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it comes");
    sender.join().expect("it does not panic").expect("all is taken");
    assert!(answer.ends_with(&body), "{} bytes came", answer.len());
}

#[test]
fn a_client_that_goes_away_takes_its_request_along() {
    let sandbox = Sandbox::new();
    let (told, heard) = std::sync::mpsc::channel();
    let port = server(move |mut stream| {
        read_until(&mut stream, "\r\n\r\n");
        let _ = told.send(1);
        // Until the proxy closes: no answer is said.
        let end = stream.read(&mut [0; 8]);
        let _ = told.send(end.unwrap_or(0));
    });
    routed(&sandbox, &[port]);
    let proxy = Proxy::start(&sandbox);
    let mut stream = proxy.connect();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").expect("it listens");
    let next = || heard.recv_timeout(std::time::Duration::from_secs(30));
    assert_eq!(next(), Ok(1), "the request has got there");
    drop(stream);
    assert_eq!(next(), Ok(0), "and its end, too");
}
