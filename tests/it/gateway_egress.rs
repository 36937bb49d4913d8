//! An agent's way to the outside (D33): by CONNECT to the names it may reach, and never to this machine or a private network, whatever a
//! name leads to.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use silo::core::agents::wall::Wall;
use silo::sys::dirs::Dirs;

use crate::gateway::{Scene, message, own_file};
use crate::gateway_agents::{dirs, hold, say};
use crate::proxy::{echo, server};

fn held(dirs: &Dirs, egress: &[String]) {
    hold(dirs, &Wall { id: "a-1".into(), egress: egress.to_vec(), ..Wall::default() });
}

/// What comes for a CONNECT with something behind it.
fn connect(dirs: &Dirs, target: &str, rest: &str) -> String {
    let head =
        format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nProxy-Authorization: Basic c2VjcmV0\r\n\r\n{rest}");
    say(dirs, "a-1", "egress.sock", head.as_bytes())
}

/// A server that says what it was sent, once its other end has said all.
fn repeating(mut stream: TcpStream) {
    let mut said = String::new();
    let _ = stream.read_to_string(&mut said);
    let _ = stream.write_all(format!("[{said}]").as_bytes());
}

#[test]
fn names_that_were_named_are_reached_and_no_others() {
    let scene = Scene::saying(message(1, 1));
    let dirs = dirs(&scene.sandbox);
    let (port, other) = (server(repeating), server(echo));
    own_file(&scene.sandbox, "config/silo/config.toml", format!("[agents]\negress_private = [\"127.0.0.1:{port}\"]\n"));
    held(
        &dirs,
        &[
            format!("up.localhost:{port}"),
            format!("*.below.localhost:{port}"),
            format!("up.localhost:{other}"),
            "up.localhost".into(),
        ],
    );
    let head = "HTTP/1.1 200 Connection established\r\n\r\n";
    for name in ["up.localhost", "UP.localhost.", "a.below.localhost", "a.b.below.localhost"] {
        let mut stream = std::os::unix::net::UnixStream::connect(
            silo::store::agents::wall::sockets(&dirs, "a-1").join("egress.sock"),
        )
        .expect("the gateway listens");
        stream
            .write_all(
                format!("CONNECT {name}:{port} HTTP/1.1\r\nProxy-Authorization: Basic c2VjcmV0\r\n\r\nearly ")
                    .as_bytes(),
            )
            .expect("taken");
        stream.write_all(b"late").expect("taken");
        stream.shutdown(std::net::Shutdown::Write).expect("it is open");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it ends");
        assert_eq!(answer, format!("{head}[early late]"), "{name}");
    }
    for (target, status, why) in [
        (format!("down.localhost:{port}"), 403, "not in `egress`"),
        (format!("below.localhost:{port}"), 403, "not in `egress`"),
        (format!("xup.localhost:{port}"), 403, "not in `egress`"),
        (format!("127.0.0.1:{port}"), 403, "not in `egress`"),
        ("up.localhost:22".into(), 403, "not in `egress`"),
        // The settings name one port of this machine, and no other.
        (format!("up.localhost:{other}"), 403, "a private network"),
        ("up.localhost:443".into(), 403, "a private network"),
        ("up.localhost".into(), 400, "a host and a port"),
        (format!("user@up.localhost:{port}"), 400, "a host and a port"),
    ] {
        let answer = connect(&dirs, &target, "");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(why), "{target}: {answer}");
    }
}

#[test]
fn a_name_that_leads_to_this_machine_is_refused_and_nothing_is_connected_with() {
    let scene = Scene::saying(message(1, 1));
    let dirs = dirs(&scene.sandbox);
    let listener = TcpListener::bind("0.0.0.0:0").expect("a port is free");
    let port = listener.local_addr().expect("it listens").port();
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || listener.incoming().try_for_each(|stream| send.send(stream.is_ok())));
    let hosts =
        ["localhost", "a.localhost", "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "169.254.169.254", "192.168.1.1"];
    let hosts: Vec<String> = hosts.map(str::to_owned).to_vec();
    held(&dirs, &hosts.iter().map(|host| format!("{host}:{port}")).collect::<Vec<_>>());
    for host in hosts {
        let answer = connect(&dirs, &format!("{host}:{port}"), "");
        assert!(answer.starts_with("HTTP/1.1 403 ") || answer.starts_with("HTTP/1.1 502 "), "{host}: {answer}");
    }
    for odd in ["0x7f000001", "2130706433", "127.1", "[::1]", "[::ffff:127.0.0.1]", "[::]"] {
        let answer = connect(&dirs, &format!("{odd}:{port}"), "");
        assert!(answer.starts_with("HTTP/1.1 40"), "{odd}: {answer}");
    }
    assert!(receive.recv_timeout(Duration::from_millis(100)).is_err(), "something was connected with");
}

#[test]
fn what_is_no_connect_is_refused() {
    let scene = Scene::saying(message(1, 1));
    let dirs = dirs(&scene.sandbox);
    let port = server(echo);
    own_file(&scene.sandbox, "config/silo/config.toml", format!("[agents]\negress_private = [\"127.0.0.1:{port}\"]\n"));
    held(&dirs, &[format!("up.localhost:{port}")]);
    let long = format!("CONNECT up.localhost:{port} HTTP/1.1\r\n{}", "X: y\r\n".repeat(3000));
    for (request, status) in [
        (format!("GET http://up.localhost:{port}/ HTTP/1.1\r\n\r\n"), 405),
        ("GET / HTTP/1.1\r\nHost: up.localhost\r\n\r\n".into(), 405),
        (format!("CONNECT  up.localhost:{port} HTTP/1.1\r\n\r\n"), 400),
        (format!("CONNECT up.localhost:{port}\r\n\r\n"), 400),
        (format!("CONNECT up.localhost:{port} HTTP/2\r\n\r\n"), 400),
        (format!("connect up.localhost:{port} HTTP/1.1\r\n\r\n"), 405),
        ("\u{fffd}\r\n\r\n".into(), 400),
        (long, 431),
    ] {
        let answer = say(&dirs, "a-1", "egress.sock", request.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{}: {answer}", &request[..20.min(request.len())]);
        assert!(answer.contains("\r\n\r\nsilo: "), "{answer}");
    }
}
