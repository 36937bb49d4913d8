//! `[agents]` as types for the JSON Schema of `silo.toml`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use crate::schema_gateway::{Budget, Models};
use crate::schema_types::{FILLED, LINE};

/// Programs that run in containers of their own, behind a wall, by name.
pub(crate) struct Agents;

impl JsonSchema for Agents {
    fn schema_name() -> Cow<'static, str> {
        "Agents".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut agent = generator.subschema_for::<Agent>();
        // Exactly one of the two.
        let either = json!([{ "required": ["image"] }, { "required": ["build"] }]);
        agent.insert("oneOf".to_owned(), either);
        let persistent = json!({ "required": ["lifetime"], "properties": { "lifetime": { "const": "persistent" } } });
        agent.insert("dependentSchemas".to_owned(), json!({ "listen": persistent }));
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": "^[a-z]([a-z0-9-]{0,22}[a-z0-9])?$" },
            "additionalProperties": agent,
        })
    }
}

/// An agent.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the derive")]
struct Agent {
    /// What its container is made from, such as python:3.12-alpine.
    image: Option<Image>,
    /// A folder of the project with a Dockerfile, in place of an image.
    build: Option<Inside>,
    /// What runs in it; without it what the image says.
    command: Option<Words>,
    /// Until its command ends (transient), or as long as the instance is up (persistent).
    lifetime: Option<Lifetime>,
    /// Whether it gets a clone of the repository at /work.
    repository: Option<bool>,
    /// Memory, such as 512m; default 1g.
    memory: Option<Amount>,
    /// Processors, such as 2 or 0.5; default 1.
    cpus: Option<Cpus>,
    /// Processes and threads; default 256.
    pids: Option<Pids>,
    /// What clone and findings may take, such as 1g; default 2g.
    disk: Option<Amount>,
    /// How long it may run, such as 30m; default 1h where it is transient.
    time: Option<Time>,
    /// Services of the compose files that it reaches; default none.
    services: Option<Words>,
    /// Agents of the instance that it reaches, each by its name and its `listen`; default none.
    agents: Option<Words>,
    /// The port on which other agents reach it, where it is persistent.
    listen: Option<Listen>,
    /// Hosts outside that it reaches, such as pypi.org; default none.
    egress: Option<Hosts>,
    /// The models it may ask by the gateway.
    models: Option<Models>,
    /// What it may spend by the gateway.
    budget: Option<Budget>,
    /// Its variables; values can use ${VAR}.
    env: Option<Env>,
    /// Folders and files of the project that it sees, read-only: `FOLDER:/TARGET`.
    mounts: Option<Mounts>,
}

/// A type with a schema written by hand.
macro_rules! written {
    ($($name:ident = $schema:expr;)*) => {
        $(struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                concat!("Agent", stringify!($name)).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        })*
    };
}

/// Leads out of the project.
const OUT: &str = r"(^[/~])|((^|/)\.\.(/|$))";

written! {
    Image = json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9_./:@-]{0,254}$" });
    Inside = json_schema!({
        "type": "string", "allOf": [{ "pattern": FILLED }, { "pattern": LINE }], "not": { "pattern": OUT },
    });
    Words = json_schema!({
        "type": "array", "items": { "type": "string", "allOf": [{ "pattern": FILLED }, { "pattern": LINE }] },
    });
    Lifetime = json_schema!({ "enum": ["transient", "persistent"] });
    Amount = json_schema!({
        "anyOf": [
            { "type": "integer", "minimum": 1 },
            { "type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]{1,6})?\s*([kKmMgGtT]([iI]?[bB])?|[bB])?\s*$" },
        ],
    });
    Cpus = json_schema!({ "type": "number", "minimum": 0.01, "maximum": 1000 });
    Pids = json_schema!({ "type": "integer", "minimum": 2, "maximum": 4_194_304 });
    Listen = json_schema!({ "type": "integer", "minimum": 1, "maximum": 65535 });
    Time = json_schema!({
        "type": "string", "pattern": "^([0-9]+|([0-9]+[smh])+)$", "not": { "pattern": "^0+[smh]?$" },
    });
    Hosts = json_schema!({
        "type": "array",
        "items": {
            "type": "string",
            "pattern": r"^(\*\.)?[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*(:0*[1-9][0-9]{0,4})?$",
        },
    });
    Env = json_schema!({ "type": "object", "additionalProperties": { "type": "string", "pattern": LINE } });
    Mounts = json_schema!({
        "type": "array", "items": { "type": "string", "pattern": r"^[^:]+:(/[^:,/]+)+$", "not": { "pattern": OUT } },
    });
}
