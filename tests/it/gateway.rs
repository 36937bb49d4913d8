//! A gateway of a test's own with a provider behind it, and what a client says to it.

use std::fs;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::gateway_key::leaks;
use crate::proxy::{PROXY, read_to_end, server, split, wait};
use crate::sandbox::{SILO, Sandbox};

/// The real key, as `gateway.toml` alone may have it.
pub(crate) const REAL: &str = "sk-REAL-0123456789abcdef";

/// What the provider was sent: head and body of each request.
pub(crate) type Log = Arc<Mutex<Vec<(String, String)>>>;

/// A sandbox with a gateway and the provider it asks.
pub(crate) struct Scene {
    pub(crate) sandbox: Sandbox,
    child: Option<Child>,
    /// What has reached the provider.
    pub(crate) log: Log,
    /// The provider's port.
    pub(crate) provider: u16,
    file: String,
}

/// A whole HTTP answer.
pub(crate) fn http(status: &str, kind: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// An answer of the messages API that took so many tokens.
pub(crate) fn message(input: u64, output: u64) -> String {
    let usage = json!({ "input_tokens": input, "output_tokens": output });
    let body = json!({ "type": "message", "content": [{ "type": "text", "text": "hello" }], "usage": usage });
    http("200 OK", "application/json", &body.to_string())
}

/// Reads one request: head and body.
pub(crate) fn request(stream: &mut impl Read) -> Option<(String, String)> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8_lossy(&body).into_owned()))
}

impl Scene {
    /// A provider that does `act` with each request: it gets head, body and the stream to answer on, and says whether to go on.
    pub(crate) fn new(act: impl Fn(&str, &str, &mut TcpStream) -> bool + Send + Sync + Clone + 'static) -> Self {
        Self::patient("1m", act)
    }

    /// The same with a gateway that waits so long for it.
    pub(crate) fn patient(
        timeout: &'static str,
        act: impl Fn(&str, &str, &mut TcpStream) -> bool + Send + Sync + Clone + 'static,
    ) -> Self {
        let log = Log::default();
        let seen = Arc::clone(&log);
        let provider = server(move |mut stream| {
            while let Some((head, body)) = request(&mut stream) {
                seen.lock().expect("no test panics with it").push((head.clone(), body.clone()));
                if !act(&head, &body, &mut stream) {
                    return;
                }
            }
        });
        Self::before(Sandbox::new(), provider, log, |port| usual(port, timeout))
    }

    /// A gateway before a provider that runs already, with the file that is made of its port.
    pub(crate) fn before(sandbox: Sandbox, provider: u16, log: Log, file: impl Fn(u16) -> String) -> Self {
        let mut scene = Self { sandbox, child: None, log, provider, file: file(provider) };
        scene.write(&scene.file);
        scene.start();
        scene
    }

    /// A gateway without a file.
    pub(crate) fn without_file(sandbox: Sandbox) -> Self {
        let mut scene = Self { sandbox, child: None, log: Log::default(), provider: 0, file: String::new() };
        scene.start();
        scene
    }

    /// A provider that says the same to every request.
    pub(crate) fn saying(answer: impl Into<String>) -> Self {
        let answer = answer.into();
        Self::new(move |_, _, stream| stream.write_all(answer.as_bytes()).is_ok())
    }

    /// The file that it was started with.
    pub(crate) fn file(&self) -> String {
        self.file.clone()
    }

    /// Writes `gateway.toml`, for the user alone.
    pub(crate) fn write(&self, text: &str) {
        own_file(&self.sandbox, "config/silo/gateway.toml", text);
    }

    /// Starts the gateway on a port that the system chooses.
    pub(crate) fn start(&mut self) {
        let mut command = self.sandbox.command(PROXY, "");
        let log = fs::File::options().append(true).create(true).open(self.sandbox.path("gateway.err"));
        command.args(["gateway", "--port", "0"]).stderr(log.expect("the sandbox is writable")).stdout(Stdio::null());
        self.child = Some(command.spawn().expect("it can be started"));
        wait(|| self.port_now());
    }

    fn port_now(&self) -> Option<u16> {
        let text = fs::read(self.sandbox.path("state/silo/gateway/gateway.json")).ok()?;
        let object: Value = serde_json::from_slice(&text).ok()?;
        let is_this = object["pid"].as_u64() == self.child.as_ref().map(|child| child.id().into());
        object["port"].as_u64().filter(|_| is_this)?.try_into().ok()
    }

    /// Where the gateway listens.
    pub(crate) fn port(&self) -> u16 {
        self.port_now().expect("it runs")
    }

    /// The gateway's process.
    pub(crate) fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("it was started")
    }

    /// Ends the gateway without a word to it.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // One that was killed already is killed.
            let _ = child.kill();
            child.wait().expect("it is ours");
        }
    }

    /// Ends the gateway in order.
    pub(crate) fn stop(&mut self) {
        self.sandbox.run("", ["gateway", "down"]).success();
        self.child.take().expect("it was started").wait().expect("it is ours");
    }

    /// What the gateway has printed.
    pub(crate) fn told(&self) -> String {
        fs::read_to_string(self.sandbox.path("gateway.err")).unwrap_or_default()
    }

    /// A placeholder key with a budget, and other words of `silo key new`.
    pub(crate) fn key(&self, budget: &str, more: &[&str]) -> String {
        let mut command = self.sandbox.command(SILO, "");
        command.args(["key", "new", "test", "--budget", budget]).args(more);
        let ran = self.sandbox.finish(command).success();
        String::from_utf8(ran.bytes).expect("it is text").trim().to_owned()
    }

    /// Says something written by hand, and gives back the whole answer.
    pub(crate) fn say(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // A gateway that has heard enough may have closed already.
        let _ = stream.write_all(bytes);
        let answer = read_to_end(&mut stream);
        assert!(!answer.contains(REAL), "the real key is in an answer: {answer}");
        answer
    }

    pub(crate) fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port())).expect("it listens")
    }

    /// Asks by POST: status line, and body as it came.
    pub(crate) fn post(&self, path: &str, key: &str, body: &str) -> (String, String) {
        let answer = self.say(&posting(path, &format!("x-api-key: {key}\r\n"), body));
        let (head, body) = split(&answer);
        let body = unchunked(&head, &body);
        (head, body)
    }

    /// What `silo gateway spend` says in all of the one key.
    pub(crate) fn spent(&self) -> (String, u64, u64) {
        let spent = self.spend();
        let key = &spent["keys"][0];
        let money = key["spent"]["money"].as_str().unwrap_or("0.00").to_owned();
        (money, key["spent"]["tokens"].as_u64().unwrap_or(0), key["calls"].as_u64().unwrap_or(0))
    }

    /// What `silo gateway spend --json` says.
    pub(crate) fn spend(&self) -> Value {
        let ran = self.sandbox.run("", ["gateway", "spend", "--json"]).success();
        serde_json::from_slice(&ran.bytes).expect("it is JSON")
    }

    /// How many requests have reached the provider.
    pub(crate) fn reached(&self) -> usize {
        self.log.lock().expect("no test panics with it").len()
    }
}

impl Drop for Scene {
    /// Ends the gateway, and looks for the real key wherever it must not be.
    fn drop(&mut self) {
        let found = leaks(&self.sandbox, self.child.as_ref().map(Child::id));
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        assert!(std::thread::panicking() || found.is_empty(), "the real key is in {found:?}");
    }
}

/// Writes a file of the sandbox for the user alone.
pub(crate) fn own_file(sandbox: &Sandbox, name: &str, bytes: impl AsRef<[u8]>) {
    let path = sandbox.path(name);
    fs::create_dir_all(path.parent().expect("it has one")).expect("the sandbox is writable");
    fs::write(&path, bytes).expect("the sandbox is writable");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
}

/// The usual file: a provider of each shape, one price for a token in and ten for one out.
fn usual(port: u16, timeout: &str) -> String {
    let model = "{ input = 1, output = 10, cache_read = 0.5, cache_write = 2, window = 100000, max_output = 1000 }";
    ["anthropic", "openai"]
        .map(|shape| {
            format!(
                "[providers.{shape}]\nshape = \"{shape}\"\nurl = \"http://127.0.0.1:{port}\"\nkey = \"{REAL}\"\ntimeout = \"{timeout}\"\n\
                 models.claude = {model}\nmodels.gpt = {model}\n"
            )
        })
        .concat()
}

/// A request by POST, after which the connection ends.
pub(crate) fn posting(path: &str, lines: &str, body: &str) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n{lines}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// The body of an answer that may have come in chunks.
pub(crate) fn unchunked(head: &str, body: &str) -> String {
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return body.to_owned();
    }
    let (mut rest, mut whole) = (body, String::new());
    while let Some((size, after)) = rest.split_once("\r\n") {
        let Ok(size) = usize::from_str_radix(size.trim(), 16) else { break };
        if size == 0 || after.len() < size {
            break;
        }
        whole.push_str(&after[..size]);
        rest = after[size..].trim_start_matches("\r\n");
    }
    whole
}

/// A small request of the messages API.
pub(crate) fn small() -> String {
    json!({ "model": "claude", "max_tokens": 100, "messages": [{ "role": "user", "content": "hi" }] }).to_string()
}

#[test]
fn a_call_goes_through_with_the_real_key_and_is_booked_as_the_provider_says() {
    let scene = Scene::saying(message(20, 7));
    let key = scene.key("1", &[]);
    let lines = format!(
        "x-api-key: {key}\r\nanthropic-version: 2023-06-01\r\nanthropic-beta: tools\r\nCookie: a=b\r\nX-Forwarded-For: 1.2.3.4\r\n\
         Accept-Encoding: gzip, br\r\n"
    );
    let answer = scene.say(&posting("/v1/messages?beta=true", &lines, &small()));
    let (head, body) = split(&answer);
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(body.contains("\"text\":\"hello\""), "{answer}");
    let (head, sent) = scene.log.lock().expect("no test panics with it")[0].clone();
    let lower = head.to_ascii_lowercase();
    assert!(head.starts_with("POST /v1/messages?beta=true HTTP/1.1"), "{head}");
    assert!(lower.contains(&format!("x-api-key: {REAL}").to_ascii_lowercase()), "{head}");
    assert!(lower.contains(&format!("host: 127.0.0.1:{}", scene.provider)), "{head}");
    for passed in ["anthropic-version: 2023-06-01", "anthropic-beta: tools", "accept-encoding: identity"] {
        assert!(lower.contains(passed), "{passed}: {head}");
    }
    for dropped in [&key.to_ascii_lowercase()[..], "cookie", "x-forwarded", "gzip"] {
        assert!(!lower.contains(dropped), "{dropped}: {head}");
    }
    assert_eq!(sent, small(), "the body goes on as it is");
    // 20 at 1 and 7 at 10, for a million each.
    assert_eq!(scene.spent(), ("0.00009".to_owned(), 27, 1));
}

#[test]
fn nothing_of_the_servers_is_in_silo() {
    let has = |program: &str, part: &str| {
        let bytes = fs::read(program).expect("it was built");
        bytes.windows(part.len()).any(|window| window == part.as_bytes())
    };
    for part in ["/rustls-0.", "/hyper-1.", "/tokio-1.", "/ring-0."] {
        assert!(has(PROXY, part), "{part} is how a program with it tells");
        assert!(!has(SILO, part), "{part} is in silo, which each `cd` starts");
    }
}
