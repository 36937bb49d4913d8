//! A `silo-proxy` of a test's own, servers behind it, and what a client says to it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::sandbox::Sandbox;

/// The program under test.
pub(crate) const PROXY: &str = env!("CARGO_BIN_EXE_silo-proxy");

/// How long anything may take before the test fails.
const DEADLINE: Duration = Duration::from_secs(30);

/// A proxy that runs until it is dropped.
pub(crate) struct Proxy {
    child: Child,
    pub(crate) port: u16,
}

impl Proxy {
    /// Starts one on a port that the system chooses.
    pub(crate) fn start(sandbox: &Sandbox) -> Self {
        let mut command: Command = sandbox.command(PROXY, "");
        let child = command.args(["--port", "0"]).stderr(Stdio::null()).spawn().expect("it can be started");
        let port = wait(|| port(sandbox));
        Self { child, port }
    }

    /// The whole answer to a request written by hand; the proxy or the client closes after it.
    pub(crate) fn say(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        // A proxy that has heard enough may have closed already.
        let _ = stream.write_all(request);
        read_to_end(&mut stream)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("it is a socket");
        stream
    }

    /// A plain GET; head and body.
    pub(crate) fn get(&self, host: &str, path: &str) -> (String, String) {
        self.get_with(host, path, "")
    }

    /// A GET with more lines in its head.
    pub(crate) fn get_with(&self, host: &str, path: &str, lines: &str) -> (String, String) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}\r\n");
        split(&self.say(request.as_bytes()))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub(crate) fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a proxy of the sandbox listens.
pub(crate) fn port(sandbox: &Sandbox) -> Option<u16> {
    let text = std::fs::read(sandbox.path("state/silo/proxy.json")).ok()?;
    let object: Value = serde_json::from_slice(&text).ok()?;
    object["port"].as_u64()?.try_into().ok()
}

/// Looks until there is something.
pub(crate) fn wait<T>(look: impl Fn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "nothing within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Head and body of an answer.
pub(crate) fn split(answer: &str) -> (String, String) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no whole head in {answer:?}"));
    (head.to_owned(), body.to_owned())
}

/// All until the other end closes, as far as it gets there.
pub(crate) fn read_to_end(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    String::from_utf8_lossy(&all).into_owned()
}

/// Reads until a text has come.
pub(crate) fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut all = Vec::new();
    let mut byte = [0];
    while !String::from_utf8_lossy(&all).ends_with(end) {
        match stream.read(&mut byte) {
            Ok(1) => all.extend_from_slice(&byte),
            other => panic!("{other:?} after {:?}", String::from_utf8_lossy(&all)),
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// A server that hands each connection to `act` in a thread of its own; returns its port.
pub(crate) fn server(act: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> u16 {
    server_on("127.0.0.1", 0, act)
}

/// The same on an address.
pub(crate) fn server_on(address: &str, port: u16, act: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> u16 {
    let listener = TcpListener::bind((address, port)).expect("the port is free");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let act = act.clone();
            std::thread::spawn(move || act(stream));
        }
    });
    port
}

/// Answers every request of a connection with what it said, head and body, as text; bodies have a length.
pub(crate) fn echo(mut stream: TcpStream) {
    loop {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return,
            }
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        let length =
            text.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        if stream.read_exact(&mut body).is_err() {
            return;
        }
        let answer = [head, body].concat();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nX-Odd-Case: yes\r\n\r\n", answer.len());
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&answer)).is_err() {
            return;
        }
    }
}

/// Says something at once and hangs up.
pub(crate) fn says(text: &'static str) -> impl Fn(TcpStream) + Send + Sync + Clone + 'static {
    move |mut stream| {
        read_until(&mut stream, "\r\n\r\n");
        let _ = stream.write_all(text.as_bytes());
        let _ = stream.shutdown(Shutdown::Write);
    }
}

/// A project with routes to these ports: `a.test`, `b.test`, … in their order.
pub(crate) fn routed(sandbox: &Sandbox, ports: &[u16]) {
    let routes: Vec<String> = ports.iter().zip('a'..).map(|(port, name)| format!("\"{name}.test\" = {port}")).collect();
    let routes = routes.join("\n");
    sandbox.trusted("app", &format!("version = 1\nports.WEB_PORT = \"random\"\n[routes]\n{routes}\n"));
    sandbox.run("app", ["env", "app"]).success();
}
