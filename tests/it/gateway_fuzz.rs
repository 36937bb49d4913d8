//! What the gateway reads of strangers, changed at random: nothing makes it panic or grow, and a request that it takes says the same to
//! another reader, for the provider must see what was counted.

use serde_json::Value;
use silo::core::agents::egress::{Rule, Target};
use silo::core::agents::wall::Wall;
use silo::core::gateway::api::Api;
use silo::core::gateway::request;
use silo::core::gateway::stream::Stream;
use silo::core::gateway::usage;

/// Requests to begin with.
const REQUESTS: [(Api, &str); 5] = [
    (
        Api::Messages,
        r#"{"model":"claude","max_tokens":50,"stream":true,"system":"s","messages":[{"role":"user","content":[{"type":"text","text":"h\u00e9"}]}]}"#,
    ),
    (
        Api::Chat,
        r#"{"model":"gpt","messages":[{"role":"user","content":"x"}],"max_tokens":5,"n":2,"stream":true,"stream_options":{"include_usage":false}}"#,
    ),
    (Api::Chat, r#" {"model":"gpt","messages":[],"max_completion_tokens":7,"stream":true} "#),
    (
        Api::Responses,
        r#"{"model":"gpt","input":[{"role":"user","content":[{"type":"input_text","text":"x"}]}],"max_output_tokens":9,"store":false}"#,
    ),
    (Api::Embeddings, r#"{"model":"gpt","input":["a","b"]}"#),
];

/// Pieces that mean something.
const PIECES: [&str; 22] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\u0000",
    "\\ud800",
    "\"model\"",
    "\"model\":\"other\",",
    "\"MODEL\":1,",
    "\"stream\":true,",
    "null",
    "1e999",
    "-1",
    "18446744073709551616",
    "\"max_tokens\":1,",
    "\"n\":129,",
    "\u{feff}",
    "\n",
    " ",
];

/// Chance that is the same each time.
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below.max(1) as u64).expect("it is small")
    }

    /// The same with a few changes.
    fn change(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.next(4) {
            let at = self.next(bytes.len() + 1);
            match self.next(6) {
                0 if !bytes.is_empty() => {
                    let last = bytes.len() - 1;
                    bytes[at.min(last)] = u8::try_from(self.next(256)).expect("a byte");
                }
                1 => bytes.truncate(at),
                2 => drop(bytes.splice(at..at, PIECES[self.next(PIECES.len())].bytes())),
                3 => drop(bytes.drain(at..(at + self.next(12)).min(bytes.len()))),
                4 => {
                    let end = (at + self.next(40)).min(bytes.len());
                    let again = bytes[at..end].to_vec();
                    drop(bytes.splice(at..at, again));
                }
                _ => {
                    let other = self.next(bytes.len() + 1);
                    let piece: Vec<u8> = bytes[other..(other + 8).min(bytes.len())].to_vec();
                    drop(bytes.splice(at..at, piece));
                }
            }
        }
        bytes
    }
}

#[test]
fn a_request_that_is_taken_says_the_same_to_another_reader() {
    let mut chance = Chance(88_172_645_463_325_252);
    let mut taken = 0;
    for round in 0..40_000 {
        let (api, text) = REQUESTS[round % REQUESTS.len()];
        let body = chance.change(text.as_bytes());
        let Ok(asked) = request::read(api, &body) else { continue };
        taken += 1;
        let shown = String::from_utf8_lossy(&body).into_owned();
        let read: Value = match serde_json::from_slice(&body) {
            // Some readers have no number for it: the text is JSON anyway.
            Err(error) if error.to_string().starts_with("number out of range") => continue,
            read => read.unwrap_or_else(|error| panic!("{error}: {shown}")),
        };
        assert_eq!(read["model"], asked.model.as_str(), "{shown}");
        assert_eq!(read["stream"].as_bool().unwrap_or(false), asked.is_streamed, "{shown}");
        if let Some((place, put)) = &asked.usage {
            let changed = [&body[..place.start], put.as_bytes(), &body[place.end..]].concat();
            let sent: Value = serde_json::from_slice(&changed).unwrap_or_else(|error| panic!("{error}: {shown}"));
            assert_eq!(sent["stream_options"]["include_usage"], true, "{shown}");
            assert_eq!((&sent["model"], &sent["messages"]), (&read["model"], &read["messages"]), "{shown}");
        }
    }
    assert!(taken > 2000, "{taken} of them were taken, too few to tell anything");
}

#[test]
fn deep_and_long_requests_are_refused_or_read_and_nothing_more() {
    for open in ["[", "{\"a\":", "[{\"a\":["] {
        let deep = open.repeat(300_000);
        for (api, _) in REQUESTS {
            assert!(request::read(api, deep.as_bytes()).is_err());
            let inside = format!("{{\"model\":\"m\",\"max_tokens\":1,\"messages\":{deep}");
            assert!(request::read(api, inside.as_bytes()).is_err());
        }
    }
    let many = format!("{{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{}1]}}", "1,".repeat(1_000_000));
    // Whether it is taken is the provider's matter; it comes to its end.
    let _ = request::read(Api::Messages, many.as_bytes());
}

#[test]
fn answers_and_streams_in_pieces_of_any_size_are_read_to_their_end() {
    let text = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":20,\"output_tokens\":1}}}\n\n\
                data: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":7}}\n\ndata: {\"type\":\"message_stop\"}\n\n\
                data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n";
    let mut chance = Chance(1_181_783_497_276_652_981);
    for round in 0..4000 {
        let (api, _) = REQUESTS[round % REQUESTS.len()];
        let body = chance.change(text.as_bytes());
        let _ = (usage::of_answer(api, &body), usage::is_own_error(&body));
        let (mut whole, mut pieces) = (Stream::new(api, true), Stream::new(api, true));
        let mut passed = whole.pass(&body);
        passed.extend(whole.rest());
        let mut in_pieces = Vec::new();
        let size = 1 + chance.next(40);
        for piece in body.chunks(size) {
            in_pieces.extend(pieces.pass(piece));
        }
        in_pieces.extend(pieces.rest());
        assert_eq!(passed, in_pieces, "in pieces of {size}: {}", String::from_utf8_lossy(&body));
        assert_eq!(whole.usage(), pieces.usage());
    }
}

#[test]
fn what_is_said_of_agents_and_by_them_never_panics() {
    let wall = r#"{"id":"a-1","key":"k7","services":[{"name":"db","port":5432,"to":"127.0.0.1:49160"}],"egress":["*.example.net:8443"]}"#;
    let mut chance = Chance(2_685_821_657_736_338_717);
    for _ in 0..10_000 {
        if let Ok(wall) = Wall::read("a-1", &chance.change(wall.as_bytes())) {
            assert!(wall.services.iter().all(|service| service.to.ip().is_loopback()), "{wall:?}");
            assert!(wall.sockets().iter().all(|name| !name.contains('/')), "{wall:?}");
        }
        let target = String::from_utf8_lossy(&chance.change(b"a.example.net:8443")).into_owned();
        let rule = String::from_utf8_lossy(&chance.change(b"*.example.net:8443")).into_owned();
        if let (Some(rule), Some(target)) = (Rule::read(&rule), Target::read(&target)) {
            let _ = rule.lets(&target);
            assert!(!target.host.contains(['/', '@', ' ', '%']), "{target:?}");
        }
    }
}
