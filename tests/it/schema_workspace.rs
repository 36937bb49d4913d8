//! `[workspace]` as types for the JSON Schema of `silo.toml`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use crate::schema_types::{FILLED, LINE};

/// What a new worktree gets beside what git brings, from the main checkout.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the derive")]
pub(crate) struct Workspace {
    /// Globs of ignored files that are copied; without it those of .worktreeinclude, else env files.
    copy: Option<Globs>,
    /// Globs of ignored folders that are cloned, where the disk can.
    clone: Option<Globs>,
    /// Globs of ignored files in which ${VAR} is filled.
    render: Option<Globs>,
    /// Commands that run once inside the instance.
    init: Option<Commands>,
}

struct Globs;

impl JsonSchema for Globs {
    fn schema_name() -> Cow<'static, str> {
        "Globs".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let glob = json!({
            "type": "string",
            "allOf": [{ "pattern": FILLED }, { "pattern": LINE }],
            "not": { "anyOf": [{ "pattern": "^!?[/~]" }, { "pattern": r"(^!?|/)\.\.(/|$)" }] },
        });
        json_schema!({ "type": "array", "items": glob })
    }
}

struct Commands;

impl JsonSchema for Commands {
    fn schema_name() -> Cow<'static, str> {
        "Commands".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let line = json!({ "type": "string", "allOf": [{ "pattern": FILLED }, { "pattern": LINE }] });
        json_schema!({ "type": "array", "items": line })
    }
}
