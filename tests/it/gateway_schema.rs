//! The JSON Schema of `gateway.toml` and its parser say the same, as far as a schema can.

use std::path::Path;

use expect_test::expect_file;
use schemars::JsonSchema as _;
use serde_json::{Value, json};
use silo::core::config::providers;

use crate::sandbox::Sandbox;
use crate::schema_gateway::Budget;
use crate::schema_json::json_of;

/// What the words of a name are made of: no space, not `-` alone.
const NAME: &str = r"^([^\s-]|-[^\s]|[^\s]{2,})[^\s]*$";
/// An address of a provider, without a user, a query or dots that lead up.
const URL: &str = r"^https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:0*[1-9][0-9]{0,4})?(/[A-Za-z0-9/._~-]*)?$";

fn schema() -> Value {
    let names = json!({ "pattern": NAME, "maxLength": 200 });
    let number =
        |text: &str| json!({ "description": text, "type": "integer", "minimum": 1, "maximum": (1_u64 << 40) - 1 });
    let price = |text: &str| json!({ "description": text, "type": "number", "minimum": 0 });
    let text = |text: &str| json!({ "description": text, "type": "string", "minLength": 1 });
    let budget = Budget::json_schema(&mut schemars::SchemaGenerator::default()).to_value();
    let model = json!({
        "type": "object",
        "properties": {
            "input": price("What a million tokens of a prompt cost."),
            "output": price("What a million tokens of an answer cost."),
            "cache_read": price("What a million tokens cost that come from the cache; without it as `input`."),
            "cache_write": price("What a million tokens cost that go into the cache; without it as `input`."),
            "cache_write_hour": price("The same for an hour; without it as `cache_write`."),
            "window": number("The most tokens of a prompt."),
            "max_output": number("The most tokens of an answer, where a request sets no limit."),
        },
        "required": ["input", "output", "window"],
        "additionalProperties": false,
    });
    let provider = json!({
        "type": "object",
        "properties": {
            "shape": { "description": "The API that the address speaks.", "enum": ["anthropic", "openai"] },
            "url": { "description": "Its address; `http://` with a key only on this machine or in a network of your own.", "type": "string", "pattern": URL },
            "key": { "description": "The real key.", "type": "string", "pattern": r"^\s*[!-~]+\s*$" },
            "key_command": text("A command whose first line is the real key."),
            "ca": text("A PEM file with the certificate of who signs the provider's."),
            "timeout": {
                "description": "How long it may be silent, as 90s or 10m.",
                "type": "string",
                "pattern": "^([0-9]+|([0-9]+[smh])+)$",
                "not": { "pattern": "^0+[smh]?$" },
            },
            "models": { "description": "What it offers.", "type": "object", "propertyNames": names, "additionalProperties": model },
        },
        "required": ["shape", "url", "models"],
        "not": { "required": ["key", "key_command"] },
        "additionalProperties": false,
    });
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "silo gateway",
        "description": "Providers of language models with their keys, $XDG_CONFIG_HOME/silo/gateway.toml.",
        "type": "object",
        "properties": {
            "port": { "description": "The port of 127.0.0.1 the gateway listens on.", "type": "integer", "minimum": 1, "maximum": 65535 },
            "providers": { "description": "Who is asked.", "type": "object", "propertyNames": names, "additionalProperties": provider },
            "instances": {
                "description": "What an instance may have that asks by `[gateway]` of its silo.toml.",
                "type": "object",
                "properties": {
                    "budget": budget,
                    "models": { "description": "The models each may ask; without it all.", "type": "array", "items": { "type": "string" } },
                    "requests": number("How many requests each may send in a minute."),
                    "tokens": number("How many tokens each may take in a minute."),
                },
                "required": ["budget"],
                "additionalProperties": false,
            },
        },
        "additionalProperties": false,
    })
}

#[test]
fn the_schema_is_kept_and_printed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/gateway.schema.json");
    expect_file![path].assert_eq(&format!("{:#}\n", schema()));
    assert!(jsonschema::meta::is_valid(&schema()));
    Sandbox::new().run("", ["doc", "gateway-schema"]).success().stdout(providers::SCHEMA);
}

#[test]
fn parser_and_schema_take_and_refuse_the_same() {
    let schema = jsonschema::draft7::new(&schema()).expect("it is a schema");
    let model = "models.m = { input = 3, output = 1.5, window = 100 }";
    let provider = |more: &str| format!("[providers.p]\nshape = \"openai\"\nurl = \"https://h/v1\"\n{more}\n{model}\n");
    let page = include_str!("../../docs/gateway.md");
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the page has one");
    let good = [
        String::new(),
        example.to_owned(),
        "port = 7452\n".into(),
        provider(""),
        provider("key = \"sk-a\"\nca = \"~/ca.pem\"\ntimeout = \"1h30m\""),
        provider("key_command = \"pass show x\""),
        format!("[instances]\nbudget = 5\nmodels = [\"m\"]\nrequests = 3\ntokens = 1000\n{}", provider("")),
        "[instances]\nbudget = \"5, 2M tokens\"\n".into(),
        "[providers.p]\nshape = \"anthropic\"\nurl = \"http://127.0.0.1:8000\"\nkey = \"a\"\n[providers.p.models.'a/b:c']\ninput = 0\noutput = 0\nwindow = 1\n\
         cache_read = 0.1\ncache_write = 1\ncache_write_hour = 2\nmax_output = 7\n"
            .into(),
    ];
    for good in good {
        let parsed = providers::parse(&good);
        assert!(parsed.is_ok() && schema.is_valid(&json_of(&good)), "{good}: {parsed:?}");
    }
    let bad = [
        "ports = 1".into(),
        "port = 0".into(),
        "port = 65536".into(),
        "port = \"7451\"".into(),
        "providers = []".into(),
        "[providers.p]\n".into(),
        "[providers.p]\nshape = \"openai\"\nurl = \"https://h\"\n".into(),
        provider("keys = \"a\""),
        provider("key = \"\""),
        provider("key = \"a b\""),
        provider("key = \"a\"\nkey_command = \"b\""),
        provider("key_command = \"\""),
        provider("timeout = \"0s\""),
        provider("timeout = 5"),
        provider("").replace("openai", "other"),
        provider("").replace("https://h/v1", "h/v1"),
        provider("").replace("https://h/v1", "ftp://h"),
        provider("").replace("https://h/v1", "https://u:p@h"),
        provider("").replace("https://h/v1", "https://h/?a=b"),
        provider("").replace("https://h/v1", "https://h:0/"),
        provider("").replace("input = 3, ", ""),
        provider("").replace("input = 3", "input = -3"),
        provider("").replace("input = 3", "input = \"3\""),
        provider("").replace("window = 100", "window = 0"),
        provider("").replace("window = 100", "windows = 100"),
        provider("").replace("[providers.p]", "[providers.\"a b\"]"),
        provider("").replace("[providers.p]", "[providers.-]"),
        "[instances]\n".into(),
        "[instances]\nbudget = -1\n".into(),
        "[instances]\nbudget = \"much\"\n".into(),
        "[instances]\nbudget = 1\nrequests = 0\n".into(),
    ];
    for bad in bad {
        assert!(providers::parse(&bad).is_err() && !schema.is_valid(&json_of(&bad)), "{bad}");
    }
    // What a schema cannot know: what is near, and that a model has one provider of each shape.
    let far = provider("key = \"a\"").replace("https", "http");
    let twice = format!("{}{}", provider(""), provider("").replace("providers.p", "providers.q"));
    for bad in [far.replace("//h/", "//h.example.org/"), twice] {
        assert!(providers::parse(&bad).is_err() && schema.is_valid(&json_of(&bad)), "{bad}");
    }
}
