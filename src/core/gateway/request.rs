//! A request for a model's answer, read as far as it decides the price. What cannot be priced beforehand is refused, and so is what
//! two readers of one text may understand differently: the provider must see what was counted.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{DeserializeSeed as _, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::amount::Amount;
use super::api::Api;
use super::catalog::Model;
use super::content::{Found, Walk};

/// What providers put before a prompt that has tools, in tokens, at most.
const TOOLS: u64 = 1024;
/// The most answers to one prompt.
const ANSWERS: u64 = 128;
/// What asks a stream for its usage.
const INCLUDE: &str = r#""stream_options":{"include_usage":true}"#;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The model.
    pub model: String,
    /// Whether the answer is to come piece by piece.
    pub is_streamed: bool,
    /// The most tokens of an answer, where it says.
    output: Option<u64>,
    /// How many answers.
    answers: u64,
    /// The bytes of the request: no text has more tokens than bytes.
    bytes: u64,
    /// Whether it has what has more tokens than bytes.
    has_more_than_text: bool,
    /// What to put in, and where, so that the stream ends with its usage.
    pub usage: Option<(Range<usize>, String)>,
}

/// Why a request is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A word for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub message: String,
}

impl Refusal {
    fn invalid(message: impl Into<String>) -> Self {
        Self { code: "invalid_request", message: message.into() }
    }

    fn unpriced(what: &str) -> Self {
        let message = format!("{what} cannot be counted before it is sent, so silo's gateway does not send it");
        Self { code: "not_countable", message }
    }
}

impl Asked {
    /// The most that this can cost.
    ///
    /// # Errors
    /// A [`Refusal`] where neither the request nor the file says how long an answer may be.
    pub fn worst(&self, api: Api, model: &Model) -> Result<Amount, Refusal> {
        let input = if self.has_more_than_text { model.window } else { self.bytes.min(model.window) };
        let output = match (api, self.output.or(model.max_output)) {
            (Api::Embeddings, _) => 0,
            (_, Some(output)) => output,
            (_, None) => {
                let key = limit_keys(api).last().copied().unwrap_or_default();
                let message = format!(
                    "The request sets no `{key}`, and gateway.toml has no `max_output` for `{}`: its cost has no limit",
                    self.model
                );
                return Err(Refusal { code: "no_output_limit", message });
            }
        };
        Ok(model.worst(input, output.saturating_mul(self.answers)))
    }
}

/// The keys that limit an answer.
fn limit_keys(api: Api) -> &'static [&'static str] {
    match api {
        Api::Messages | Api::CountTokens => &["max_tokens"],
        Api::Chat => &["max_tokens", "max_completion_tokens"],
        Api::Responses => &["max_output_tokens"],
        Api::Embeddings => &[],
    }
}

/// Keys with content, which is walked through.
const CONTENT: [&str; 5] = ["messages", "system", "input", "instructions", "prediction"];
/// Keys that must not be set, and what each would bring.
const REFUSED: [(&str, &str); 10] = [
    ("mcp_servers", "A server's tool (`mcp_servers`)"),
    ("container", "A container of the provider's (`container`)"),
    ("web_search_options", "A search of the provider's (`web_search_options`)"),
    ("audio", "Audio"),
    ("prediction", "A predicted answer (`prediction`)"),
    ("previous_response_id", "A conversation that the provider has stored (`previous_response_id`)"),
    ("conversation", "A conversation that the provider has stored (`conversation`)"),
    ("prompt", "A prompt that the provider has stored (`prompt`)"),
    ("background", "An answer made in the background (`background`)"),
    ("inference_geo", "A region of its own price (`inference_geo`)"),
];
/// Other keys that decide the price.
const COUNTED: [&str; 11] = [
    "model",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "n",
    "service_tier",
    "speed",
    "modalities",
    "tools",
];
/// Tiers at the plain price, or below it.
const TIERS: [&str; 5] = ["auto", "default", "standard", "standard_only", "flex"];
/// Tools that the client runs itself.
const TOOL_TYPES: [&str; 4] = ["function", "custom", "local_shell", "apply_patch"];
/// Anthropic's own names for such tools, with a date behind each.
const TOOL_PREFIXES: [&str; 5] = ["bash_", "text_editor_", "computer_", "memory_", "tool_search_tool_"];

/// The entries of the request, in order, none read yet.
struct Top<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Top<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Top<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Top<'de>, A::Error> {
                let mut entries: Vec<(String, &RawValue)> = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    if entries.len() >= 256 {
                        return Err(A::Error::custom("it has too many keys"));
                    }
                    if entries.iter().any(|(before, _)| *before == key) {
                        return Err(A::Error::custom(format_args!("it says `{}` twice", short(&key))));
                    }
                    entries.push((key, map.next_value()?));
                }
                Ok(Top(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// The beginning of a word that somebody else chose.
fn short(word: &str) -> String {
    word.chars().filter(|c| !c.is_control()).take(64).collect()
}

impl<'a> Top<'a> {
    /// A value that is there and not null.
    fn find(&self, key: &str) -> Option<&'a RawValue> {
        let (_, value) = self.0.iter().find(|(name, _)| name == key)?;
        (value.get() != "null").then_some(*value)
    }

    fn read<T: Deserialize<'a>>(&self, key: &str, expected: &str) -> Result<Option<T>, Refusal> {
        let Some(value) = self.find(key) else { return Ok(None) };
        let read = serde_json::from_str(value.get());
        read.map(Some).map_err(|_| Refusal::invalid(format!("`{key}` must be {expected}")))
    }
}

/// Reads a request.
///
/// # Errors
/// A [`Refusal`] for what is no such request, or cannot be counted before it is sent.
pub fn read(api: Api, body: &[u8]) -> Result<Asked, Refusal> {
    let top: Top<'_> = serde_json::from_slice(body)
        .map_err(|error| Refusal::invalid(format!("The body is not a JSON object: {}", without_excerpt(&error))))?;
    one_spelling(&top)?;
    let Some(model) = top.read::<String>("model", "a string")? else {
        return Err(Refusal::invalid("The request names no `model`"));
    };
    for (key, what) in REFUSED {
        match top.find(key).map(RawValue::get) {
            None | Some("false" | "[]") => {}
            Some("\"global\"") if key == "inference_geo" => {}
            // Their meaning elsewhere is another one.
            Some(_) if api == Api::Embeddings => {}
            Some(_) => return Err(Refusal::unpriced(what)),
        }
    }
    priced(&top)?;
    let mut found = Found::default();
    for key in CONTENT {
        if let Some(value) = top.find(key) {
            let mut reader = serde_json::Deserializer::from_str(value.get());
            let walked = Walk(&mut found).deserialize(&mut reader);
            walked.map_err(|error| Refusal::invalid(format!("`{key}` cannot be read: {}", without_excerpt(&error))))?;
        }
    }
    if let Some(what) = found.refused {
        return Err(Refusal::unpriced(&format!("What names {what}")));
    }
    let whole = "a whole number above 0";
    let mut output = None;
    for key in limit_keys(api) {
        output = output.max(top.read::<u64>(key, whole)?);
    }
    let answers = top.read::<u64>("n", whole)?.unwrap_or(1);
    if answers == 0 || answers > ANSWERS {
        return Err(Refusal::invalid(format!("`n` must be a number from 1 to {ANSWERS}")));
    }
    let is_streamed = top.read::<bool>("stream", "true or false")?.unwrap_or(false) && api != Api::Embeddings;
    let tools = if top.find("tools").is_some() { TOOLS } else { 0 };
    Ok(Asked {
        usage: (api == Api::Chat && is_streamed).then(|| usage(&top, body)).transpose()?.flatten(),
        model,
        is_streamed,
        output,
        answers,
        bytes: u64::try_from(body.len()).unwrap_or(u64::MAX).saturating_add(tools),
        has_more_than_text: found.has_more_than_text,
    })
}

/// An error of the reader without what it has read.
fn without_excerpt(error: &serde_json::Error) -> String {
    let text = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early".to_owned(),
        _ if error.to_string().contains("recursion limit") => "it is nested too deeply".to_owned(),
        _ if error.to_string().starts_with("it ") => {
            error.to_string().split(" at line").next().unwrap_or_default().to_owned()
        }
        _ => "it is malformed".to_owned(),
    };
    format!("{text} (line {}, column {})", error.line(), error.column())
}

/// Some readers take `Max_Tokens` for `max_tokens`.
fn one_spelling(top: &Top<'_>) -> Result<(), Refusal> {
    let known = || COUNTED.into_iter().chain(CONTENT).chain(REFUSED.map(|(key, _)| key));
    for (key, _) in &top.0 {
        let folded: String = key.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect();
        if let Some(meant) = known().find(|known| folded == *known && key != known) {
            return Err(Refusal::invalid(format!("`{}` is not how `{meant}` is written", short(key))));
        }
    }
    Ok(())
}

/// A tool, as far as it tells who runs it.
#[derive(Deserialize)]
struct Tool {
    r#type: Option<String>,
    /// Of a group of tools: those in it.
    tools: Option<Vec<Tool>>,
}

/// The type of a group of tools.
const GROUP: &str = "namespace";

/// A tool that the provider would run, by its type.
fn of_provider(tool: Tool, is_in_group: bool) -> Option<String> {
    let kind = tool.r#type?;
    let is_clients = TOOL_TYPES.contains(&kind.as_str()) || TOOL_PREFIXES.iter().any(|own| kind.starts_with(own));
    match tool.tools {
        _ if is_clients => None,
        Some(tools) if kind == GROUP && !is_in_group => tools.into_iter().find_map(|tool| of_provider(tool, true)),
        _ => Some(kind),
    }
}

/// Makes sure that what decides the price is at the price of the file.
fn priced(top: &Top<'_>) -> Result<(), Refusal> {
    let tier = top.read::<String>("service_tier", "a string")?;
    if let Some(tier) = tier.filter(|tier| !TIERS.contains(&tier.as_str())) {
        return Err(Refusal::unpriced(&format!("The tier `{}`", short(&tier))));
    }
    if top.read::<String>("speed", "a string")?.is_some_and(|speed| speed != "standard") {
        return Err(Refusal::unpriced("A faster answer (`speed`)"));
    }
    let modes = top.read::<Vec<String>>("modalities", "a list of strings")?.unwrap_or_default();
    if modes.iter().any(|mode| mode != "text") {
        return Err(Refusal::unpriced("An answer that is no text (`modalities`)"));
    }
    for tool in top.read::<Vec<Tool>>("tools", "a list of tools")?.unwrap_or_default() {
        if let Some(kind) = of_provider(tool, false) {
            return Err(Refusal::unpriced(&format!("A tool that the provider runs, `{}`,", short(&kind))));
        }
    }
    Ok(())
}

/// `stream_options`, as far as it matters.
#[derive(Deserialize)]
struct Options {
    include_usage: Option<bool>,
}

/// What has a stream of the chat API end with its usage; none where it is asked for already.
fn usage(top: &Top<'_>, body: &[u8]) -> Result<Option<(Range<usize>, String)>, Refusal> {
    let options = top.read::<Options>("stream_options", "an object")?;
    if options.is_some_and(|options| options.include_usage == Some(true)) {
        return Ok(None);
    }
    let Some((_, value)) = top.0.iter().find(|(key, _)| key == "stream_options") else {
        let end = body.iter().rposition(|byte| *byte == b'}').unwrap_or(body.len());
        return Ok(Some((end..end, format!(",{INCLUDE}"))));
    };
    let start = value.get().as_ptr().addr() - body.as_ptr().addr();
    let mut object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(value.get()).unwrap_or_default();
    object.insert("include_usage".to_owned(), true.into());
    Ok(Some((start..start + value.get().len(), serde_json::Value::Object(object).to_string())))
}

#[cfg(test)]
mod tests;
