//! What an answer says of the tokens it took. Numbers that cannot be are none: who books then takes the worst.

use serde_json::Value;

use super::api::Api;

/// The tokens of a call, each counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Of the prompt, at the plain price.
    pub input: u64,
    /// Of the prompt, written into the provider's cache for minutes.
    pub cache_write: u64,
    /// The same, for an hour.
    pub cache_write_hour: u64,
    /// Of the prompt, read from the provider's cache.
    pub cache_read: u64,
    /// Of the answer.
    pub output: u64,
}

/// No call takes more tokens of one kind.
const MOST: u64 = 1 << 40;

impl Usage {
    /// All tokens of the prompt.
    pub fn prompt(&self) -> u64 {
        self.input + self.cache_write + self.cache_write_hour + self.cache_read
    }

    fn plus(self, other: Self) -> Self {
        Self {
            input: self.input + other.input,
            cache_write: self.cache_write + other.cache_write,
            cache_write_hour: self.cache_write_hour + other.cache_write_hour,
            cache_read: self.cache_read + other.cache_read,
            output: self.output + other.output,
        }
    }

    /// The larger in each kind: later reports of one stream are sums so far.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            cache_write: self.cache_write.max(other.cache_write),
            cache_write_hour: self.cache_write_hour.max(other.cache_write_hour),
            cache_read: self.cache_read.max(other.cache_read),
            output: self.output.max(other.output),
        }
    }

    /// The same, where a prompt was counted: no prompt has no tokens.
    pub fn believed(self) -> Option<Self> {
        (self.prompt() > 0).then_some(self)
    }
}

/// A number of tokens: nothing where it is absent, none where it is no such number.
fn count(object: &Value, key: &str) -> Option<u64> {
    match object.get(key) {
        None | Some(Value::Null) => Some(0),
        Some(value) => value.as_u64().filter(|count| *count < MOST),
    }
}

/// A number that must be there.
fn said(object: &Value, key: &str) -> Option<u64> {
    object.get(key)?.as_u64().filter(|count| *count < MOST)
}

/// The usage in a whole answer.
pub fn of_answer(api: Api, body: &[u8]) -> Option<Usage> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let usage = of_object(api, answer.get("usage")?)?.believed()?;
    // An answer that is still worked on will cost more.
    let is_done = api != Api::Responses
        || matches!(answer.get("status").and_then(Value::as_str), None | Some("completed" | "incomplete" | "failed"));
    is_done.then_some(usage)
}

/// What a `usage` object says.
pub(super) fn of_object(api: Api, usage: &Value) -> Option<Usage> {
    match api {
        Api::Messages | Api::CountTokens => messages(usage),
        Api::Chat => openai(usage, "prompt_tokens", "prompt_tokens_details", said(usage, "completion_tokens")?),
        Api::Responses => openai(usage, "input_tokens", "input_tokens_details", said(usage, "output_tokens")?),
        Api::Embeddings => openai(usage, "prompt_tokens", "prompt_tokens_details", 0),
    }
}

/// Anthropic counts what went through its cache beside the plain tokens. With work of several rounds the parts lie in `iterations`.
fn messages(usage: &Value) -> Option<Usage> {
    let whole = one_round(usage)?;
    let Some(Value::Array(rounds)) = usage.get("iterations") else { return Some(whole) };
    let sum = rounds.iter().map(one_round).try_fold(Usage::default(), |sum, round| Some(sum.plus(round?)))?;
    Some(whole.max(sum))
}

fn one_round(usage: &Value) -> Option<Usage> {
    let written = count(usage, "cache_creation_input_tokens")?;
    let hour = match usage.get("cache_creation") {
        None | Some(Value::Null) => 0,
        Some(parts) => count(parts, "ephemeral_1h_input_tokens")?,
    };
    Some(Usage {
        input: count(usage, "input_tokens")?,
        cache_write: written.saturating_sub(hour),
        cache_write_hour: hour,
        cache_read: count(usage, "cache_read_input_tokens")?,
        output: count(usage, "output_tokens")?,
    })
}

/// `OpenAI` counts what came from its cache within the prompt.
fn openai(usage: &Value, prompt: &str, details: &str, output: u64) -> Option<Usage> {
    let prompt = said(usage, prompt)?;
    let cached = match usage.get(details) {
        None | Some(Value::Null) => 0,
        Some(details) => count(details, "cached_tokens")?,
    };
    let cached = cached.min(prompt);
    Some(Usage { input: prompt - cached, cache_read: cached, output, ..Usage::default() })
}

/// Whether the body of an answer with an error's status is an error of the API's own, whole: nothing was made then, and nothing is
/// owed. What a broken server or a proxy on the way says tells nothing of that.
pub fn is_own_error(body: &[u8]) -> bool {
    let Ok(Value::Object(answer)) = serde_json::from_slice(body) else { return false };
    answer.get("error").is_some_and(|error| error.is_object() || error.is_string()) && !answer.contains_key("usage")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(api: Api, body: &str) -> Option<(u64, u64, u64, u64, u64)> {
        let Usage { input, cache_write, cache_write_hour, cache_read, output } = of_answer(api, body.as_bytes())?;
        Some((input, cache_write, cache_write_hour, cache_read, output))
    }

    #[test]
    fn every_shape_of_usage_is_read() {
        for (api, body, read) in [
            (Api::Messages, r#"{"usage":{"input_tokens":10,"output_tokens":4}}"#, (10, 0, 0, 0, 4)),
            (
                Api::Messages,
                r#"{"usage":{"input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":7,
                    "cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":4}}"#,
                (10, 10, 20, 7, 4),
            ),
            (
                Api::Messages,
                r#"{"usage":{"input_tokens":0,"cache_read_input_tokens":7,"output_tokens":4}}"#,
                (0, 0, 0, 7, 4),
            ),
            (
                Api::Messages,
                r#"{"usage":{"input_tokens":5,"output_tokens":4,"iterations":[{"input_tokens":50,"output_tokens":9},
                    {"input_tokens":5,"output_tokens":4}]}}"#,
                (55, 0, 0, 0, 13),
            ),
            (Api::Chat, r#"{"usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14}}"#, (10, 0, 0, 0, 4)),
            (
                Api::Chat,
                r#"{"usage":{"prompt_tokens":10,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":6}}}"#,
                (4, 0, 0, 6, 4),
            ),
            (
                Api::Responses,
                r#"{"status":"incomplete","usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":2},"output_tokens":3}}"#,
                (7, 0, 0, 2, 3),
            ),
            (Api::Embeddings, r#"{"usage":{"prompt_tokens":8,"total_tokens":8}}"#, (8, 0, 0, 0, 0)),
        ] {
            assert_eq!(of(api, body), Some(read), "{body}");
        }
    }

    #[test]
    fn what_cannot_be_is_none() {
        for (api, body) in [
            (Api::Messages, r#"{"content":[]}"#),
            (Api::Messages, r#"{"usage":null}"#),
            (Api::Messages, r#"{"usage":{"input_tokens":0,"output_tokens":0}}"#),
            (Api::Messages, r#"{"usage":{"input_tokens":-1,"output_tokens":4}}"#),
            (Api::Messages, r#"{"usage":{"input_tokens":1.5,"output_tokens":4}}"#),
            (Api::Messages, r#"{"usage":{"input_tokens":"10","output_tokens":4}}"#),
            (Api::Messages, r#"{"usage":{"input_tokens":10,"output_tokens":99999999999999}}"#),
            (Api::Chat, r#"{"usage":{"prompt_tokens":10}}"#),
            (Api::Chat, r#"{"usage":{"completion_tokens":10}}"#),
            (Api::Responses, r#"{"status":"in_progress","usage":{"input_tokens":9,"output_tokens":3}}"#),
            (Api::Chat, r#"{"usage":{"prompt_tokens":10,"completion_tokens":4}"#),
            (Api::Chat, "<html>"),
        ] {
            assert_eq!(of(api, body), None, "{body}");
        }
    }

    #[test]
    fn an_error_of_the_api_is_told_from_a_page() {
        assert!(is_own_error(br#"{"type":"error","error":{"type":"overloaded_error","message":"x"}}"#));
        assert!(is_own_error(br#"{"error":"x"}"#));
        for body in [&b"<html>"[..], b"", b"{}", b"{\"error\":null}", b"{\"error\":{},\"usage\":{}}", b"{\"error\":{"] {
            assert!(!is_own_error(body));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), numbers in any::<[i64; 3]>()) {
            let text = format!("{{\"usage\":{{\"input_tokens\":{},\"output_tokens\":{},\"cache_read_input_tokens\":{}}}}}",
                numbers[0], numbers[1], numbers[2]);
            for api in [Api::Messages, Api::Chat, Api::Responses, Api::Embeddings] {
                let _ = (of_answer(api, &bytes), of_answer(api, text.as_bytes()));
            }
        }
    }
}
