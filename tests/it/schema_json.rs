//! TOML and JSON: what a schema of the one says of the other.

use schemars::{Schema, json_schema};
use serde_json::{Map, Value, json};
use silo::core::config::{self, Problem};

/// TOML has no null: what may be absent is simply not required.
pub(crate) fn without_null(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Object(object) => {
            object.values_mut().for_each(without_null);
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                let only = types[0].take();
                object.insert("type".into(), only);
            }
            if let Some(Value::Array(mut choices)) = object.remove("anyOf") {
                choices.retain(|choice| choice.get("type") != Some(&json!("null")));
                let key = if choices.len() == 1 { "allOf" } else { "anyOf" };
                object.insert(key.into(), Value::Array(choices));
            }
        }
        _ => {}
    }
}

/// What the parser says: nothing, or its first mistake.
pub(crate) fn mistake(toml: &str) -> Option<Problem> {
    config::parse(toml).err().map(|error| error.problem)
}

/// A TOML file as editors hand it to the schema.
pub(crate) fn json_of(toml: &str) -> Value {
    let table: Map<String, Value> = toml::from_str(toml).unwrap_or_else(|error| panic!("{error} in:\n{toml}"));
    Value::Object(table)
}

/// A list of such items.
pub(crate) fn list(items: &Value) -> Schema {
    json_schema!({ "type": "array", "items": items })
}
