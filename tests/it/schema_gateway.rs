//! `[gateway]` and `[memory]` as types for the JSON Schema of `silo.toml`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use crate::schema_types::{FILLED, LINE};

/// A budget in a string: money, tokens, or both.
const BUDGET: &str =
    r"^\s*([0-9]+(\.[0-9]+)?|[0-9]+[kM]?\s*tokens)\s*(,\s*([0-9]+(\.[0-9]+)?|[0-9]+[kM]?\s*tokens)\s*)*$";

/// A placeholder key of the instance's own, as `LLM_GATEWAY_KEY`; the user's gateway.toml decides what it may have.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the derive")]
pub(crate) struct Gateway {
    /// The models it may ask; without it every one that instances may.
    models: Option<Models>,
    /// What it may spend in all: money as a number, tokens as a string such as "2M tokens".
    budget: Option<Budget>,
}

pub(crate) struct Models;

impl JsonSchema for Models {
    fn schema_name() -> Cow<'static, str> {
        "Models".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let model = json!({ "type": "string", "allOf": [{ "pattern": FILLED }, { "pattern": LINE }] });
        json_schema!({ "type": "array", "items": model })
    }
}

pub(crate) struct Budget;

impl JsonSchema for Budget {
    fn schema_name() -> Cow<'static, str> {
        "Budget".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "number", "minimum": 0 }, { "type": "string", "pattern": BUDGET }] })
    }
}

/// Where what agents find is kept: a service that is a Postgres, or a server of the user's memory.toml.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the derive")]
pub(crate) struct Memory {
    /// A service of the compose files, whose port is below `[compose.ports]`.
    service: Option<Word>,
    /// The database of the service.
    #[schemars(extend("default" = "postgres"))]
    database: Option<Word>,
    /// The role of the service that owns the memory.
    #[schemars(extend("default" = "postgres"))]
    user: Option<Word>,
    /// A file in the project whose first line is the password of that role.
    password_file: Option<Word>,
    /// The variable with the password of that role: of `.env`, or of the shell. Its name ends in PASSWORD.
    password_variable: Option<Word>,
    /// The name of a server in the user's memory.toml.
    server: Option<Word>,
}

struct Word;

impl JsonSchema for Word {
    fn schema_name() -> Cow<'static, str> {
        "Word".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "allOf": [{ "pattern": FILLED }, { "pattern": LINE }] })
    }
}
