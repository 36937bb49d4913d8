//! Two apps behind the proxy and the page of all instances, opened by a real Chromium: cookies and storage of one name are not
//! another's, where two ports of one name share cookies.
//!
//! Each page holds a picture back until its script has done its work, so that the browser, which waits for pictures, prints the
//! finished page. No clock decides.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::proxy::{Proxy, server_on};
use crate::sandbox::Sandbox;

/// How long a page may hold its picture back: what it shows by then is what the test finds.
const HELD: Duration = Duration::from_secs(20);

/// What an app shows of what it has found, and what it leaves behind.
const PAGE: &str = r#"<!doctype html>
<p id="cookie"></p><p id="storage"></p><p id="socket"></p>
<img src="/held">
<script>
const show = (id, text) => { document.getElementById(id).textContent = text; };
show("cookie", document.cookie);
show("storage", localStorage.getItem("left"));
document.cookie = "left=by-NAME; max-age=3600";
document.cookie = "wide=by-NAME; max-age=3600; domain=localhost";
localStorage.setItem("left", "by-NAME");
const socket = new WebSocket("ws://" + location.host + "/socket");
socket.onopen = () => socket.send("hello " + location.hostname);
socket.onmessage = (event) => { show("socket", event.data); fetch("/done"); };
</script>
"#;

/// An app that serves the page under its name, on a port.
fn app(name: &'static str, port: u16) {
    let (done, release) = channel();
    let release = Arc::new(Mutex::new(release));
    server_on("127.0.0.1", port, move |mut stream| {
        // A browser opens connections that it does not use.
        let Some(head) = head(&mut stream) else { return };
        let answer = match head.split(' ').nth(1) {
            Some("/") => PAGE.replace("NAME", name),
            Some("/socket") => return socket(&mut stream, &head, name),
            Some("/done") => {
                let _ = done.send(());
                String::new()
            }
            Some("/held") => {
                let _ = release.lock().expect("nobody panics with it").recv_timeout(HELD);
                String::new()
            }
            _ => String::new(),
        };
        let length = answer.len();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n");
        let _ =
            stream.write_all(format!("{head}Cache-Control: no-store\r\nConnection: close\r\n\r\n{answer}").as_bytes());
    });
}

/// The head of a request, where one comes.
fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// Says back each short message with the app's name before it (<https://www.rfc-editor.org/rfc/rfc6455#section-5.2>).
fn socket(stream: &mut TcpStream, head: &str, name: &str) {
    let key = head.lines().find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(KEY)));
    let accept = accept(key.expect("a browser sends one").1);
    let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    let _ = stream.write_all(format!("{head}Sec-WebSocket-Accept: {accept}\r\n\r\n").as_bytes());
    let mut start = [0; 6];
    while stream.read_exact(&mut start).is_ok() {
        let [kind, length, mask @ ..] = start;
        let mut text = vec![0; usize::from(length & 0x7f)];
        if stream.read_exact(&mut text).is_err() || kind != 0x81 {
            return;
        }
        for (byte, mask) in text.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
        let text = format!("{name} has heard {}", String::from_utf8_lossy(&text));
        let length = u8::try_from(text.len()).expect("it is short");
        let _ = stream.write_all(&[&[0x81, length], text.as_bytes()].concat());
    }
}

/// What a browser's handshake says its key in.
const KEY: &str = "Sec-WebSocket-Key";

/// What a server answers to that key: `SHA-1`, which nothing else here needs.
fn accept(key: &str) -> String {
    let hash = "import base64, hashlib, sys\n\
        text = sys.argv[1] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'\n\
        print(base64.b64encode(hashlib.sha1(text.encode()).digest()).decode())";
    let output = Command::new("python3").args(["-c", hash, key]).output().expect("tests/run installs it");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Where the browser of this machine lies, looked for as tests/run does.
pub(crate) fn browser() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "google-chrome"];
    let mut all: Vec<PathBuf> =
        std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name))).collect();
    all.push("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome".into());
    all.into_iter().find(|path| path.exists()).expect("Chromium is missing; tests/run installs it")
}

/// The page at an address once it is loaded, as the one user of the sandbox sees it with what was left behind before.
fn open(sandbox: &Sandbox, address: &str) -> String {
    let mut command = sandbox.command(browser(), "");
    // The user namespaces of its own sandbox are not available in every container; only pages of this test are opened.
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
    command.args(["--no-proxy-server", "--disable-background-networking", "--disable-sync", "--disable-breakpad"]);
    command.arg(format!("--user-data-dir={}", sandbox.path("home/browser").display()));
    command.args(["--dump-dom", address]);
    sandbox.finish(command).success().stdout
}

/// The page shows this cookie, this of the storage, and this from the WebSocket.
#[track_caller]
fn shows(page: &str, cookie: &str, storage: &str, socket: &str) {
    let expected = format!("<p id=\"cookie\">{cookie}</p><p id=\"storage\">{storage}</p><p id=\"socket\">{socket}</p>");
    assert!(page.contains(&expected), "no {expected} in {page}");
}

#[test]
fn a_browser_keeps_the_cookies_and_storage_of_two_instances_apart() {
    let sandbox = Sandbox::new();
    let toml = "version = 1\nports.WEB_PORT = \"random\"\nurls.WEB_URL = \"http://${APP_HOST}:${WEB_PORT}\"\n";
    let [one, other] = [("one", "first"), ("two", "second")].map(|(folder, name)| {
        sandbox.trusted(folder, toml);
        sandbox.run(folder, ["env", name]).success();
        let port = sandbox.lockfile_ports(folder)["WEB_PORT"];
        app(name, port);
        port
    });
    let proxy = Proxy::start(&sandbox);
    let at = |host: &str| format!("http://{host}.localhost:{}/", proxy.port);

    // Without names: another port of the same host sees the cookies.
    shows(&open(&sandbox, &format!("http://localhost:{one}/")), "", "", "first has heard hello localhost");
    let page = open(&sandbox, &format!("http://localhost:{other}/"));
    shows(&page, "left=by-first; wide=by-first", "", "second has heard hello localhost");

    // With names neither sees what the other has left, nor what was left for all of `localhost`; its own stays.
    shows(&open(&sandbox, &at("first")), "", "", "first has heard hello first.localhost");
    shows(&open(&sandbox, &at("second")), "", "", "second has heard hello second.localhost");
    shows(&open(&sandbox, &at("first")), "left=by-first", "by-first", "first has heard hello first.localhost");

    let page = open(&sandbox, &at("silo"));
    for name in ["first", "second"] {
        assert!(page.contains(&format!("href=\"http://{name}.localhost:{}\"", proxy.port)), "no {name} in {page}");
    }
}
