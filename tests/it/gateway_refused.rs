//! What the gateway does not pass on, and what it says then, in the shape of the API that was asked.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::gateway::{REAL, Scene, message, posting, small};
use crate::proxy::{read_to_end, split};
use crate::sandbox::Sandbox;

/// Status and code of an answer, which must be an error in the shape of the API.
fn error(answer: &str, anthropic: bool) -> (u16, String) {
    let (head, body) = split(answer);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("it has a status");
    let body: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("no JSON: {answer}"));
    assert_eq!(body["type"] == "error", anthropic, "{body}");
    assert!(body["error"]["message"].as_str().is_some_and(|text| text.starts_with("silo's gateway: ")), "{body}");
    assert!(body["error"]["type"].is_string());
    (status, body["error"]["code"].as_str().expect("it has a code").to_owned())
}

#[test]
fn a_request_that_may_not_be_sent_is_not() {
    let scene = Scene::saying(message(1, 1));
    let key = scene.key("1", &["--models", "claude"]);
    let revoked = scene.key("1", &[]);
    scene.sandbox.run("", ["key", "revoke", "k2"]).success();
    let lines = |key: &str| format!("x-api-key: {key}\r\n");
    let own = lines(&key);
    let body = small();
    let with = |part: &str| body.replacen('{', &format!("{{{part},"), 1);
    for (what, path, lines, body, expected) in [
        ("no key", "/v1/messages", String::new(), body.clone(), (401, "unknown_key")),
        ("the real key", "/v1/messages", lines(REAL), body.clone(), (401, "unknown_key")),
        ("a revoked key", "/v1/messages", lines(&revoked), body.clone(), (401, "unknown_key")),
        (
            "two keys",
            "/v1/messages",
            format!("{own}Authorization: Bearer {revoked}\r\n"),
            body.clone(),
            (401, "unknown_key"),
        ),
        ("another model", "/v1/messages", own.clone(), body.replace("claude", "gpt"), (403, "model_not_allowed")),
        (
            "a model that is none",
            "/v1/messages",
            own.clone(),
            body.replace("claude", "cloud"),
            (403, "model_not_allowed"),
        ),
        ("no JSON", "/v1/messages", own.clone(), "hello".into(), (400, "invalid_request")),
        ("a tool of the provider's", "/v1/messages", own.clone(), with("\"mcp_servers\":[{}]"), (400, "not_countable")),
        (
            "a beta with a price",
            "/v1/messages",
            format!("{own}anthropic-beta: a, context-1m-2025-08-07\r\n"),
            body.clone(),
            (400, "not_countable"),
        ),
        ("another path", "/v1/messages/batches", own.clone(), body.clone(), (403, "path_not_allowed")),
        ("a packed body", "/v1/messages", format!("{own}Content-Encoding: gzip\r\n"), body.clone(), (415, "packed")),
    ] {
        assert_eq!(
            error(&scene.say(&posting(path, &lines, &body)), true),
            (expected.0, expected.1.to_owned()),
            "{what}"
        );
    }
    for path in [
        "/v1/files",
        "//v1/chat/completions",
        "/v1/x/../chat/completions",
        "/v1/chat%2fcompletions",
        "/",
        "/v1/batches",
        "/v1/chat/completions/",
    ] {
        assert_eq!(error(&scene.say(&posting(path, &own, &body)), false), (403, "path_not_allowed".into()), "{path}");
    }
    for (what, start, host, expected) in [
        ("another method", "GET /v1/messages", "localhost", (405, "invalid_request")),
        ("the provider's name", "POST /v1/messages", "api.anthropic.com", (421, "other_host")),
        (
            "the provider's name in the target",
            "POST http://api.anthropic.com/v1/messages",
            "localhost",
            (421, "other_host"),
        ),
        ("two hosts", "POST /v1/messages", "localhost\r\nHost: localhost", (421, "other_host")),
    ] {
        let text = format!(
            "{start} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nanthropic-version: 1\r\n{own}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(error(&scene.say(text.as_bytes()), true), (expected.0, expected.1.to_owned()), "{what}");
    }
    let tunnel = scene.say(
        format!(
            "CONNECT api.anthropic.com:443 HTTP/1.1\r\nHost: api.anthropic.com:443\r\nConnection: close\r\n{own}\r\n"
        )
        .as_bytes(),
    );
    assert!(!tunnel.starts_with("HTTP/1.1 2"), "{tunnel}");
    assert_eq!(scene.reached(), 0, "nothing was sent");
    assert_eq!(scene.spend()["keys"], json!([]), "and nothing was held");
    assert!(!scene.told().contains(REAL));
}

#[test]
fn a_length_said_twice_smuggles_nothing() {
    let scene = Scene::saying(message(1, 1));
    let key = scene.key("1", &[]);
    let inner =
        String::from_utf8(posting("/v1/messages", &format!("x-api-key: {key}\r\n"), &small())).expect("it is text");
    let text = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nx-api-key: {key}\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}",
        inner.len() + 5
    );
    let answer = scene.say(text.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("says its length twice"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    assert_eq!(scene.reached(), 0);
}

#[test]
fn a_prompt_of_100_mb_is_refused_before_it_is_read() {
    let scene = Scene::saying(message(1, 1));
    let key = scene.key("1", &[]);
    let head =
        |length: &str| format!("POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nx-api-key: {key}\r\n{length}\r\n\r\n");
    let answer = scene.say(head("Content-Length: 104857600").as_bytes());
    assert_eq!(error(&answer, true), (413, "too_large".into()));
    let mut stream = scene.connect();
    stream.write_all(head("Transfer-Encoding: chunked").as_bytes()).expect("it listens");
    let piece = [b"100000\r\n".to_vec(), vec![b' '; 1 << 20], b"\r\n".to_vec()].concat();
    for _ in 0..100 {
        if stream.write_all(&piece).is_err() {
            break;
        }
    }
    let answer = read_to_end(&mut stream);
    assert!(answer.is_empty() || error(&answer, true).0 == 413, "{answer}");
    assert_eq!(scene.reached(), 0);
    let (head, _) = scene.post("/v1/messages", &key, &small());
    assert!(head.starts_with("HTTP/1.1 200"), "it still serves");
}

#[test]
fn limits_of_a_minute_hold() {
    let scene = Scene::saying(message(1, 1));
    let key = scene.key("1", &["--requests", "2"]);
    for _ in 0..2 {
        assert!(scene.post("/v1/messages", &key, &small()).0.starts_with("HTTP/1.1 200"));
    }
    let answer = scene.say(&posting("/v1/messages", &format!("x-api-key: {key}\r\n"), &small()));
    assert_eq!(error(&answer, true), (429, "too_fast".into()));
    assert!(answer.contains("retry-after: ") && answer.contains("x-should-retry: true"), "{answer}");
    let narrow = scene.key("1", &["--tokens", "150"]);
    let answer = scene.say(&posting("/v1/messages", &format!("x-api-key: {narrow}\r\n"), &small()));
    assert_eq!(error(&answer, true), (429, "too_fast".into()));
    assert!(answer.contains("x-should-retry: false"), "it would never fit: {answer}");
    assert_eq!(scene.reached(), 2);
}

#[test]
fn a_file_that_others_can_read_or_that_is_wrong_starts_no_gateway() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("config/silo/gateway.toml");
    fs::create_dir_all(path.parent().expect("it has one")).expect("the sandbox is writable");
    let up = || sandbox.run("", ["gateway", "up", "-d"]).exit(1);
    up().stderr("Error: The gateway did not start: `$SANDBOX/config/silo/gateway.toml` names no provider\nHint: Write one with its key there: `silo doc gateway` has an example\n");
    let text = format!("[providers.p]\nshape = \"openai\"\nurl = \"https://api.example.com\"\nkey = \"{REAL}\"\n");
    fs::write(&path, format!("{text}models.m = {{ input = 1, output = 1, window = 1 }}\n"))
        .expect("the sandbox is writable");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("it is ours");
    up().stderr("Error: The gateway did not start: Others can read `$SANDBOX/config/silo/gateway.toml`, which has keys\nHint: Keep it to yourself: `chmod 600 $SANDBOX/config/silo/gateway.toml`\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
    fs::write(&path, format!("{text}modles.m = {{}}\n")).expect("the sandbox is writable");
    let ran = up();
    assert!(
        ran.stderr.contains("Unknown key `modles` in `providers.p`") && ran.stderr.contains("gateway.toml:5:1"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("The nearest known name is `models`"), "{}", ran.stderr);
    fs::write(&path, format!("{text}key = \"{REAL}\n")).expect("the sandbox is writable");
    let ran = up();
    assert!(!ran.stderr.contains(REAL) && ran.stderr.contains("gateway.toml:5"), "{}", ran.stderr);
    let log = fs::read_to_string(sandbox.path("state/silo/gateway/gateway.log")).expect("it has one");
    assert!(!log.contains(REAL), "{log}");
}
