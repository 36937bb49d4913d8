//! Answers that come piece by piece (server-sent events): what they say of their usage, whether they came to their end, and which
//! event goes no further because the client has not asked for it.

use serde_json::Value;

use super::api::Api;
use super::usage::{self, Usage};

/// The longest line that is read, in bytes; of a longer one nothing is known.
const LINE: usize = 16 * 1024 * 1024;

/// Reads a stream as it passes by.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Stream {
    api: Api,
    /// The event with usage alone is the gateway's own wish.
    is_dropping: bool,
    line: Vec<u8>,
    is_too_long: bool,
    /// The empty line behind a dropped event.
    drops_next_empty: bool,
    usage: Option<Usage>,
    /// A report could not be.
    is_wrong: bool,
    is_done: bool,
}

impl Stream {
    /// A stream of an API; `is_dropping` keeps back the usage that the client has not asked for.
    pub fn new(api: Api, is_dropping: bool) -> Self {
        Self {
            api,
            is_dropping,
            line: Vec::new(),
            is_too_long: false,
            drops_next_empty: false,
            usage: None,
            is_wrong: false,
            is_done: false,
        }
    }

    /// Whether pieces go on as they are.
    pub fn is_plain(&self) -> bool {
        !self.is_dropping
    }

    /// Reads a piece that goes on as it is.
    pub fn see(&mut self, piece: &[u8]) {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.gather(part);
            if part.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    /// Reads a piece and gives back what of it goes on: whole lines, but for those that are kept back.
    pub fn pass(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.line.len() + piece.len());
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            // What is too long to be read goes on as it comes.
            self.is_too_long |= self.line.len() > LINE;
            let is_whole = part.ends_with(b"\n");
            if self.is_too_long {
                out.append(&mut self.line);
                self.is_too_long = !is_whole;
                continue;
            }
            if !is_whole {
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let is_empty = line.trim_ascii().is_empty();
            if self.read(&line) {
                self.drops_next_empty = true;
            } else if !(is_empty && std::mem::take(&mut self.drops_next_empty)) {
                out.extend_from_slice(&line);
            }
        }
        out
    }

    /// What is left of a stream that has ended within a line.
    pub fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.line)
    }

    /// What it said in all; none where it has not come to its end, or said nothing that can be believed.
    pub fn usage(&self) -> Option<Usage> {
        self.usage.filter(|_| self.is_done && !self.is_wrong).and_then(Usage::believed)
    }

    fn gather(&mut self, part: &[u8]) {
        self.is_too_long |= self.line.len() + part.len() > LINE;
        if self.is_too_long {
            self.line = Vec::new();
        } else {
            self.line.extend_from_slice(part);
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if !std::mem::take(&mut self.is_too_long) {
            self.read(&line);
        }
        // The room is used again.
        self.line = line;
        self.line.clear();
        self.line.shrink_to(64 * 1024);
    }

    /// Reads a line, and says whether it goes no further.
    fn read(&mut self, line: &[u8]) -> bool {
        let Some(data) = line.strip_prefix(b"data:") else { return false };
        // Most lines are text of an answer, in which a quote is never bare.
        if !has(data, b"\"usage\"") {
            return false;
        }
        let Ok(event) = serde_json::from_slice::<Value>(data) else { return false };
        match self.api {
            Api::Messages | Api::CountTokens => {
                let kind = event.get("type").and_then(Value::as_str);
                let usage = match kind {
                    Some("message_start") => event.pointer("/message/usage"),
                    Some("message_delta") => event.get("usage"),
                    _ => None,
                };
                self.note(usage);
                self.is_done |= kind == Some("message_delta")
                    && event.pointer("/delta/stop_reason").is_some_and(|reason| !reason.is_null());
                false
            }
            Api::Chat | Api::Embeddings => {
                let usage = event.get("usage").filter(|usage| !usage.is_null());
                self.is_done |= usage.is_some();
                self.note(usage);
                let is_alone = event.get("choices").and_then(Value::as_array).is_some_and(Vec::is_empty);
                self.is_dropping && usage.is_some() && is_alone
            }
            Api::Responses => {
                let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
                if matches!(kind, "response.completed" | "response.incomplete" | "response.failed") {
                    let usage = event.pointer("/response/usage").filter(|usage| !usage.is_null());
                    self.is_done |= usage.is_some();
                    self.note(usage);
                }
                false
            }
        }
    }

    /// Later reports are sums so far; one that cannot be believed spoils all.
    fn note(&mut self, usage: Option<&Value>) {
        let Some(usage) = usage else { return };
        match usage::of_object(self.api, usage) {
            Some(read) => self.usage = Some(self.usage.map_or(read, |before| before.max(read))),
            None => self.is_wrong = true,
        }
    }
}

/// Whether bytes contain others.
fn has(bytes: &[u8], part: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == part[0]) {
        if rest[at..].starts_with(part) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CHAT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a \\\"usage\\\" b\"}}],\"usage\":null}\n\n\
        data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3}}\n\ndata: [DONE]\n\n";
    const MESSAGES: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9,\
        \"cache_read_input_tokens\":5,\"output_tokens\":1}}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\"}\n\n\
        event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":7}}\n\n";
    const RESPONSES: &str = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"usage\":null}}\n\n\
        data: {\"type\":\"response.incomplete\",\"response\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":2}}}\n\n";

    fn seen(api: Api, text: &str, size: usize) -> Option<(u64, u64)> {
        let mut stream = Stream::new(api, false);
        text.as_bytes().chunks(size).for_each(|piece| stream.see(piece));
        stream.usage().map(|usage| (usage.prompt(), usage.output))
    }

    #[test]
    fn usage_is_read_in_pieces_of_any_size() {
        for size in 1..MESSAGES.len() {
            assert_eq!(seen(Api::Messages, MESSAGES, size), Some((14, 7)));
            assert_eq!(seen(Api::Chat, CHAT, size), Some((9, 3)));
            assert_eq!(seen(Api::Responses, RESPONSES, size), Some((9, 2)));
        }
    }

    #[test]
    fn a_stream_that_is_cut_or_wrong_says_nothing() {
        let end = MESSAGES.find("event: message_delta").expect("it is there");
        for cut in 0..end {
            assert_eq!(seen(Api::Messages, &MESSAGES[..cut], 7), None);
        }
        assert_eq!(seen(Api::Messages, &MESSAGES.replace(":7}", ":-7}"), 7), None);
        assert_eq!(seen(Api::Messages, &MESSAGES.replace("\"end_turn\"", "null"), 7), None);
        assert_eq!(seen(Api::Messages, &MESSAGES.replace(":9,", ":0,").replace(":5,", ":0,"), 7), None);
        assert_eq!(seen(Api::Chat, &CHAT.replace(":9", ":\"9\""), 7), None);
        assert_eq!(seen(Api::Responses, &RESPONSES.replace("incomplete", "in_progress"), 7), None);
    }

    #[test]
    fn the_event_that_nobody_asked_for_goes_no_further() {
        let without = CHAT.split_inclusive("\n\n").filter(|event| !event.contains("[],")).collect::<String>();
        for text in [CHAT.to_owned(), CHAT.replace('\n', "\r\n")] {
            let expected = if text == CHAT { without.clone() } else { without.replace('\n', "\r\n") };
            for size in 1..text.len() {
                let mut stream = Stream::new(Api::Chat, true);
                let mut out: Vec<u8> = text.as_bytes().chunks(size).flat_map(|piece| stream.pass(piece)).collect();
                out.extend(stream.rest());
                assert_eq!(String::from_utf8_lossy(&out), expected, "in pieces of {size}");
                assert_eq!(stream.usage().map(|usage| usage.output), Some(3));
            }
        }
    }

    #[test]
    fn a_line_without_end_takes_bounded_room() {
        let piece = vec![b'x'; 1 << 20];
        let (mut plain, mut dropping) = (Stream::new(Api::Chat, false), Stream::new(Api::Chat, true));
        let mut passed = 0;
        for _ in 0..20 {
            plain.see(&piece);
            passed += dropping.pass(&piece).len();
            assert!(plain.line.len() <= LINE && dropping.line.len() <= LINE + piece.len());
        }
        assert_eq!(passed + dropping.rest().len(), 20 << 20, "nothing is lost");
        plain.see(format!("\n{CHAT}").as_bytes());
        assert_eq!(plain.usage().map(|usage| usage.output), Some(3), "what follows is read again");
    }

    proptest! {
        #[test]
        fn no_stream_panics_and_other_lines_go_on(words in "(data:|event|\\{\"usage\":|null|1|\\}|\n|,|\\[\\]| ){0,60}", size in 1_usize..9) {
            let mut stream = Stream::new(Api::Chat, true);
            let mut out: Vec<u8> = words.as_bytes().chunks(size).flat_map(|piece| stream.pass(piece)).collect();
            out.extend(stream.rest());
            if stream.usage().is_none() {
                prop_assert_eq!(String::from_utf8_lossy(&out), words);
            }
        }
    }
}
