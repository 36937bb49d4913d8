//! What passes through the gateway and what it is booked as: streams, every API, and providers that break.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use crate::gateway::{REAL, Scene, http, message, posting, small, unchunked};
use crate::proxy::{read_until, split, wait};
use crate::sandbox::free_ports;

/// How long a provider waits for its client before it hangs up.
const LONG: Duration = Duration::from_secs(30);

/// What a provider does with a connection; whether it goes on.
type Act = Box<dyn Fn(&mut TcpStream) -> bool + Send + Sync>;

/// A stream of events in chunks.
fn events(stream: &mut TcpStream, events: &[&str], ends: bool) -> bool {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut done = stream.write_all(head.as_bytes()).is_ok();
    for event in events {
        done &= stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).is_ok();
    }
    done && (!ends || stream.write_all(b"0\r\n\r\n").is_ok())
}

const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":20,\"output_tokens\":1}}}\n\n";
const END: &str = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":7}}\n\n";

/// The most that `body` may cost: a token for each byte at the dearest price, and 100 out.
fn worst(body: &str) -> (String, u64) {
    let tokens = body.len() as u64 + 100;
    let millionths = 2 * body.len() + 1000;
    let money = format!("0.{millionths:06}");
    (money.trim_end_matches('0').to_owned(), tokens)
}

#[test]
fn a_stream_passes_as_it_comes_and_is_booked_at_its_end() {
    // The last event is sent only once the first has come: no clock decides.
    let (has_come, first_came) = std::sync::mpsc::channel();
    let first_came = Arc::new(Mutex::new(first_came));
    let scene = Scene::new(move |_, _, stream| {
        let first = events(stream, &[START], false);
        let first_came = first_came.lock().expect("nobody panics with it");
        first
            && first_came.recv_timeout(LONG).is_ok()
            && stream.write_all(format!("{:x}\r\n{END}\r\n0\r\n\r\n", END.len()).as_bytes()).is_ok()
    });
    let key = scene.key("1", &[]);
    let mut stream = scene.connect();
    stream
        .write_all(&posting("/v1/messages", &format!("Authorization: Bearer {key}\r\n"), &small()))
        .expect("it listens");
    read_until(&mut stream, "\"input_tokens\":20,\"output_tokens\":1}}}\n\n");
    has_come.send(()).expect("the provider waits for it");
    read_until(&mut stream, "0\r\n\r\n");
    assert_eq!(scene.spent(), ("0.00009".to_owned(), 27, 1));
}

#[test]
fn every_openai_call_is_counted_and_a_stream_is_asked_for_its_usage() {
    let scene = Scene::new(|head, body, stream| {
        let usage =
            json!({ "prompt_tokens": 20, "completion_tokens": 7, "prompt_tokens_details": { "cached_tokens": 10 } });
        if head.contains("/v1/chat/completions") && body.contains("\"stream\":true") {
            let last = format!("data: {}\n\n", json!({ "choices": [], "usage": usage }));
            return events(
                stream,
                &[
                    "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n",
                    &last,
                    "data: [DONE]\n\n",
                ],
                true,
            );
        }
        let answer = match head.split(' ').nth(1) {
            Some("/v1/chat/completions") => json!({ "choices": [{}], "usage": usage }),
            Some("/v1/embeddings") => json!({ "data": [], "usage": { "prompt_tokens": 20, "total_tokens": 20 } }),
            _ => json!({ "status": "completed", "usage": { "input_tokens": 20, "output_tokens": 7 } }),
        };
        stream.write_all(http("200 OK", "application/json", &answer.to_string()).as_bytes()).is_ok()
    });
    let key = scene.key("1", &[]);
    let bearer = format!("Authorization: Bearer {key}\r\n");
    for (path, body, tokens) in [
        ("/v1/chat/completions", r#"{"model":"gpt","messages":[]}"#, 27),
        ("/v1/chat/completions", r#"{"model":"gpt","messages":[],"stream":true}"#, 27),
        ("/v1/responses", r#"{"model":"gpt","input":"hi"}"#, 27),
        ("/v1/embeddings", r#"{"model":"gpt","input":"hi"}"#, 20),
    ] {
        let before = scene.spent().1;
        let (head, answered) = split(&scene.say(&posting(path, &bearer, body)));
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        let answered = unchunked(&head, &answered);
        assert_eq!(scene.spent().1 - before, tokens, "{path}");
        if body.contains("stream") {
            assert_eq!(
                answered,
                "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\ndata: [DONE]\n\n"
            );
        }
    }
    let log = scene.log.lock().expect("no test panics with it");
    assert!(log.iter().all(|(head, _)| {
        head.to_ascii_lowercase().contains(&format!("authorization: bearer {REAL}").to_ascii_lowercase())
    }));
    assert!(log[1].1.ends_with(r#","stream":true,"stream_options":{"include_usage":true}}"#), "{}", log[1].1);
    // Thrice 10 at 1, 10 cached at a half and 7 at 10; the responses had no cached ones, and the last had no output.
    drop(log);
    assert_eq!(scene.spent().0, "0.00028");
}

#[test]
fn what_is_not_known_is_booked_at_its_worst() {
    let nothing = http("200 OK", "application/json", "{\"type\":\"message\"}");
    let zero = message(0, 0);
    let cases: Vec<(&str, Act)> = vec![
        ("no usage", Box::new(move |stream| stream.write_all(nothing.as_bytes()).is_ok())),
        ("a wrong one", Box::new(move |stream| stream.write_all(zero.as_bytes()).is_ok())),
        ("a reset", Box::new(|_| false)),
        (
            "no HTTP",
            Box::new(|stream| {
                let _ = stream.write_all(b"hello\r\n\r\n");
                false
            }),
        ),
        (
            "a cut answer",
            Box::new(|stream| {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"usage\":");
                false
            }),
        ),
        (
            "a cut stream",
            Box::new(|stream| {
                events(stream, &[START], false);
                false
            }),
        ),
        (
            "a page",
            Box::new(|stream| stream.write_all(http("502 Bad Gateway", "text/html", "<html>").as_bytes()).is_ok()),
        ),
        (
            "silence",
            Box::new(|stream| {
                read_until_closed(stream);
                false
            }),
        ),
        (
            "a stream that falls silent",
            Box::new(|stream| {
                events(stream, &[START], false);
                read_until_closed(stream);
                false
            }),
        ),
    ];
    for (what, act) in cases {
        let act = Arc::new(act);
        let timeout = if what.contains("silen") { "1s" } else { "1m" };
        let scene = Scene::patient(timeout, move |_, _, stream| act(stream));
        let key = scene.key("1", &[]);
        let answer = scene.say(&posting("/v1/messages", &format!("x-api-key: {key}\r\n"), &small()));
        let (money, tokens) = worst(&small());
        assert_eq!(scene.spent(), (money, tokens, 1), "{what}: {answer}");
        assert!(!answer.contains(REAL), "{what}");
    }
}

fn read_until_closed(stream: &mut TcpStream) {
    let _ = std::io::Read::read_to_end(stream, &mut Vec::new());
}

#[test]
fn what_was_not_made_costs_nothing() {
    let error = "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}";
    for (status, body) in
        [("429 Too Many Requests", "{}"), ("400 Bad Request", "no"), ("529 Overloaded", error), ("500 Oh", error)]
    {
        let scene =
            Scene::saying(http(status, "application/json", body).replace("\r\n\r\n", "\r\nretry-after: 7\r\n\r\n"));
        let key = scene.key("1", &[]);
        let (head, answered) = scene.post("/v1/messages", &key, &small());
        assert!(head.starts_with(&format!("HTTP/1.1 {}", &status[..3])), "{head}");
        assert!(head.contains("retry-after: 7"), "the provider's headers come along: {head}");
        assert_eq!(answered, body);
        assert_eq!(scene.spent(), ("0.00".to_owned(), 0, 1), "{status}");
    }
    let mut scene = Scene::saying(message(1, 1));
    let key = scene.key("1", &[]);
    scene.kill();
    let [unused] = free_ports();
    scene.write(&scene.file().replace(&scene.provider.to_string(), &unused.to_string()));
    scene.start();
    let (head, answered) = scene.post("/v1/messages", &key, &small());
    assert!(head.starts_with("HTTP/1.1 502") && answered.contains("cannot be reached; nothing was sent"), "{answered}");
    assert_eq!(scene.spent(), ("0.00".to_owned(), 0, 1));
}

#[test]
fn a_provider_that_refuses_or_repeats_the_real_key_shows_it_to_nobody() {
    let scene =
        Scene::saying(http("401 Unauthorized", "application/json", &format!("{{\"error\":\"{REAL} is wrong\"}}")));
    let key = scene.key("1", &[]);
    let (head, body) = scene.post("/v1/messages", &key, &small());
    assert!(head.starts_with("HTTP/1.1 502") && body.contains("does not take the key of gateway.toml"), "{head}{body}");
    assert!(!body.contains(REAL));
    let repeats = http("403 No", "text/plain", &format!("your key {REAL} may not, {REAL}"));
    let scene = Scene::saying(repeats.replace("\r\n\r\n", &format!("\r\nX-Echo: Bearer {REAL}\r\n\r\n")));
    let key = scene.key("1", &[]);
    let (head, body) = scene.post("/v1/messages", &key, &small());
    assert_eq!(body, "your key *** may not, ***");
    assert!(!head.contains(REAL), "{head}");
}

#[test]
fn a_client_that_goes_leaves_the_call_to_be_read_to_its_end() {
    let scene = Scene::new(|_, _, stream| {
        let first = events(stream, &[START], false);
        sleep(Duration::from_millis(300));
        first && stream.write_all(format!("{:x}\r\n{END}\r\n0\r\n\r\n", END.len()).as_bytes()).is_ok()
    });
    let key = scene.key("1", &[]);
    let mut stream = scene.connect();
    stream.write_all(&posting("/v1/messages", &format!("x-api-key: {key}\r\n"), &small())).expect("it listens");
    read_until(&mut stream, "\"output_tokens\":1}}}\n\n");
    drop(stream);
    let spent = wait(|| Some(scene.spent()).filter(|(_, _, calls)| *calls == 1));
    assert_eq!(spent, ("0.00009".to_owned(), 27, 1));
}

#[test]
fn free_paths_cost_nothing_and_models_are_those_of_the_key() {
    let scene = Scene::saying(http("200 OK", "application/json", "{\"input_tokens\":5}"));
    let key = scene.key("1", &["--models", "claude"]);
    let (head, body) = scene.post("/v1/messages/count_tokens", &key, &small());
    assert!(head.starts_with("HTTP/1.1 200") && body == "{\"input_tokens\":5}", "{head}{body}");
    assert_eq!(scene.spend()["keys"], json!([]), "nothing was held");
    let list = |path: &str| {
        let answer = scene.say(
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nx-api-key: {key}\r\n\r\n")
                .as_bytes(),
        );
        let (head, body) = split(&answer);
        (head, serde_json::from_str::<serde_json::Value>(&body).expect("it is JSON"))
    };
    let (_, models) = list("/v1/models");
    let ids: Vec<_> = models["data"].as_array().expect("a list").iter().map(|model| model["id"].clone()).collect();
    assert_eq!(ids, ["claude"]);
    assert_eq!(list("/v1/models/claude").1["id"], "claude");
    assert!(list("/v1/models/gpt").0.starts_with("HTTP/1.1 404"));
    assert_eq!(scene.reached(), 1, "the list is not asked for");
}
