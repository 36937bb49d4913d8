//! `silo.toml` as types for its JSON Schema: what `core::config` reads, said again for editors.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};
use silo::core::shell::varname;

use crate::schema_agents::Agents;
use crate::schema_gateway::{Gateway, Memory};
use crate::schema_json::{list, without_null};
use crate::schema_workspace::Workspace;

/// No newline and no NUL: env files, compose and Tilt read one line per value.
pub(crate) const LINE: &str = r"^[^\n\r\x00]*$";

/// As [`LINE`], and every `${` that is not `$${` begins a whole `${NAME}`.
const TEMPLATE: &str = r"^([^$\n\r\x00]|\$+[^${\n\r\x00]|\$\$+\{|\$\{[A-Za-z0-9_]+(\.host)?\})*\$*$";

/// Something but blanks.
pub(crate) const FILLED: &str = r"\S";

/// A number from 1 to 65535, zeros before it or not.
const PORT: &str = "0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";

/// Names a type for the schema, and says what it is.
macro_rules! described {
    ($($name:ident: $make:expr;)+) => { $(
        struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let make: fn(&mut SchemaGenerator) -> Schema = $make;
                make(generator)
            }
        }
    )+ };
}

described! {
    Version: |_| json_schema!({ "type": "integer", "const": 1 });
    Prefix: |_| json_schema!({ "type": "string", "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", "maxLength": 32 });
    Output: |_| json_schema!({
        "type": "string",
        "pattern": LINE,
        "not": { "anyOf": [
            { "enum": ["", "."] },
            { "pattern": "^/" },
            { "pattern": "/$" },
            { "pattern": r"(^|/)\.\.(/|$)" },
            { "pattern": r"(^|/)\.[gG][iI][tT](/|$)" },
            { "pattern": r"(^|/)(silo\.toml|\.silo\.lock)$" },
        ] },
    });
    Variable: |_| {
        let (any_case, exact): (Vec<&str>, Vec<&str>) = varname::refused().partition(|name| name.starts_with('~'));
        let any_case = any_case.into_iter().map(|name| {
            let letter = |c: char| if c == '_' { "_".to_owned() } else { format!("[{c}{}]", c.to_ascii_lowercase()) };
            let (name, end) = name[1..].strip_suffix('*').map_or((&name[1..], "$"), |start| (start, ""));
            name.chars().map(letter).collect::<String>() + end
        });
        let any_case = format!("^({})", any_case.collect::<Vec<_>>().join("|"));
        let (families, names): (Vec<&str>, Vec<&str>) = exact.into_iter().partition(|name| name.ends_with('*'));
        let families = families.iter().map(|name| name.trim_end_matches('*')).chain(varname::RESERVED_STARTS.iter().copied());
        json_schema!({
            "description": "A variable's name: none that changes how shells and programs behave, none of silo's own.",
            "type": "string",
            "pattern": "^[A-Za-z_][A-Za-z0-9_]*$",
            "maxLength": 256,
            "not": { "anyOf": [
                { "enum": names.iter().chain(varname::RESERVED).collect::<Vec<_>>() },
                { "pattern": format!("^({})", families.collect::<Vec<_>>().join("|")) },
                { "pattern": any_case },
            ] },
        })
    };
    Port: |_| {
        let one = json!([{ "type": "integer", "minimum": 0, "maximum": 65535 }, { "const": "random" }]);
        json_schema!({
            "description": "The default port; \"random\" or 0 is always one from 49152-65535. Or a block of neighbouring ports.",
            "oneOf": [one[0], one[1], {
                "type": "object",
                "properties": {
                    "default": { "description": "The first port.", "oneOf": one },
                    "count": { "description": "How many ports.", "type": "integer", "minimum": 1, "maximum": 1024 },
                },
                "required": ["count"],
                "additionalProperties": false,
            }],
        })
    };
    Ports: |generator| variables::<Port>(generator, &["TILT_HOST"]);
    ComposeFiles: |_| list(&json!({
        "type": "string",
        "allOf": [{ "pattern": FILLED }, { "pattern": LINE }],
        "not": { "anyOf": [{ "pattern": "^[/~]" }, { "pattern": r"(^|/)\.\.(/|$)" }] },
    }));
    Line: |_| json_schema!({ "type": "string", "pattern": LINE });
    Words: |_| list(&json!({ "type": "string", "allOf": [{ "pattern": FILLED }, { "pattern": LINE }] }));
    Seeds: |_| json_schema!({ "type": "object", "additionalProperties": { "type": "string", "allOf": [{ "pattern": FILLED }, { "pattern": LINE }] } });
    Place: |_| json_schema!({
        "description": "SERVICE:PORT, or DEFAULT:SERVICE:PORT, with /udp behind it or not.",
        "type": "string",
        "pattern": format!("^({PORT}:)?[A-Za-z0-9._-]+:{PORT}(/(tcp|udp))?$"),
    });
    Publish: |generator| {
        let place = generator.subschema_for::<Place>();
        json_schema!({ "oneOf": [place, {
            "type": "object",
            "additionalProperties": false,
            "required": ["to"],
            "properties": {
                "to": place,
                "bind": { "description": "The address it is published on; 127.0.0.1 by default.", "type": "string", "pattern": LINE },
            },
        }] })
    };
    Published: |generator| variables::<Publish>(generator, &["TILT_HOST"]);
    Hosts: |generator| variables::<Template>(generator, &[]);
    Urls: |generator| variables::<Template>(generator, &["TILT_HOST"]);
    Env: |generator| variables::<Template>(generator, &["TILT_HOST"]);
    Template: |_| json_schema!({
        "description": "A text with ${NAME} in it; $${ stands for a literal ${.",
        "type": "string",
        "pattern": TEMPLATE,
    });
    Address: |_| json_schema!({ "type": "string", "allOf": [{ "pattern": FILLED }, { "pattern": TEMPLATE }] });
    Arguments: |_| list(&json!({ "type": "string", "allOf": [{ "pattern": FILLED }, { "pattern": TEMPLATE }] }));
    Commands: |_| list(&json!({ "type": "string", "allOf": [{ "pattern": FILLED }, { "pattern": LINE }] }));
    Gates: |_| json_schema!({
        "type": "object",
        "propertyNames": { "pattern": "^[A-Za-z0-9_+][A-Za-z0-9_.+-]*$", "not": { "const": "silo" } },
        "additionalProperties": { "anyOf": [
            { "enum": ["env", "services", "cluster", "tilt"] },
            {
                "description": "Some of the services, such as services:db,redis",
                "type": "string",
                "pattern": "^services:[A-Za-z0-9_.-]+(,[A-Za-z0-9_.-]+)*$",
            },
        ] },
    });
    Routes: |_| json_schema!({
        "type": "object",
        "propertyNames": { "pattern": TEMPLATE },
        "additionalProperties": {
            "description": "A variable of a port, or a port of this machine.",
            "oneOf": [
                { "type": "integer", "minimum": 1, "maximum": 65535 },
                { "type": "string", "allOf": [{ "pattern": FILLED }, { "pattern": LINE }] },
            ],
        },
    });
    Profiles: |generator| json_schema!({
        "type": "object",
        "propertyNames": { "pattern": "^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,99}$" },
        "additionalProperties": generator.subschema_for::<Profile>(),
    });
}

/// A table of variables; `taken` are names that mean something else.
fn variables<T: JsonSchema>(generator: &mut SchemaGenerator, taken: &[&str]) -> Schema {
    let name = generator.subschema_for::<Variable>();
    let name = match taken {
        [] => json!(name),
        taken => json!({ "allOf": [name], "not": { "enum": taken } }),
    };
    json_schema!({
        "type": "object",
        "propertyNames": name,
        "additionalProperties": generator.subschema_for::<T>(),
    })
}

/// What a project needs: ports, hosts, URLs, variables, cluster, lifecycle hooks, profiles.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "silo.toml")]
#[expect(dead_code, reason = "read by the derive")]
struct Config {
    /// Version of the format: always 1.
    version: Version,
    /// Start of every resource name.
    #[schemars(extend("default" = "localnet"))]
    prefix: Option<Prefix>,
    /// The env file, inside the project.
    #[schemars(extend("default" = ".localnet.env"))]
    output: Option<Output>,
    /// The ports silo leases: a variable and its default each.
    ports: Option<Ports>,
    /// Host names for the browser.
    hosts: Option<Hosts>,
    /// Addresses derived from hosts, ports and the URLs above.
    urls: Option<Urls>,
    /// Host names beside those of the URLs, and the port each leads to.
    routes: Option<Routes>,
    /// Any other variable; it may use hosts, ports, URLs and the variables above.
    env: Option<Env>,
    /// The instance's own k3d cluster.
    k3d: Option<K3d>,
    /// The services of the project's compose files.
    compose: Option<Compose>,
    /// Whether Tilt runs the project.
    tilt: Option<Tilt>,
    /// Commands around start and stop.
    hooks: Option<Hooks>,
    /// What a new worktree gets beside what git brings.
    workspace: Option<Workspace>,
    /// Named overlays.
    profiles: Option<Profiles>,
    /// How an image registry outside k3d is announced in the cluster.
    registry: Option<Registry>,
    /// What a tool needs before it runs: the vars, the cluster, or a running Tilt.
    gates: Option<Gates>,
    /// What the instance asks of the gateway for language models.
    gateway: Option<Gateway>,
    /// Programs that run in containers of their own, behind a wall.
    agents: Option<Agents>,
    /// Where what agents find is kept.
    memory: Option<Memory>,
}

/// A named overlay: tables merge by key, lists are replaced.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the derive")]
struct Profile {
    /// Ports that differ or are new.
    ports: Option<Ports>,
    /// Hosts that differ or are new.
    hosts: Option<Hosts>,
    /// URLs that differ or are new.
    urls: Option<Urls>,
    /// Routes that differ or are new.
    routes: Option<Routes>,
    /// Variables that differ or are new.
    env: Option<Env>,
    /// What differs about the cluster.
    k3d: Option<K3d>,
    /// What differs about the services.
    compose: Option<Compose>,
    /// What differs about Tilt.
    tilt: Option<Tilt>,
    /// Lists of lifecycle hooks in place of the base's.
    hooks: Option<Hooks>,
    /// Lists in place of the base's.
    workspace: Option<Workspace>,
    /// What comes behind the base's lists.
    append: Option<Append>,
    /// What differs about the announced image registry.
    registry: Option<Registry>,
}

/// What comes behind the lists of the base.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the derive")]
struct Append {
    /// More lifecycle hooks.
    hooks: Option<Hooks>,
    /// More about the cluster.
    k3d: Option<AppendK3d>,
}

/// More about the cluster.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the derive")]
struct AppendK3d {
    /// More arguments for `k3d cluster create`.
    args: Option<Arguments>,
}

/// The instance's own k3d cluster.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the derive")]
struct K3d {
    /// Whether the instance has a cluster.
    #[schemars(extend("default" = false))]
    enabled: Option<bool>,
    /// More arguments for `k3d cluster create`.
    args: Option<Arguments>,
    /// The image registry beside the cluster.
    registry: Option<K3dRegistry>,
}

/// How services are reached from this machine.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "read by the derive")]
enum Network {
    /// By the ports they publish.
    Ports,
    /// By an address for each, too.
    Subnet,
}

/// The services of the project's compose files.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the derive")]
struct Compose {
    /// The compose files, in the order in which they are merged; without it those that compose finds.
    files: Option<ComposeFiles>,
    /// Whether `silo up` starts the services; without it, unless a Tiltfile does.
    start: Option<bool>,
    /// Whether each service also has an address of its own.
    #[schemars(extend("default" = "ports"))]
    network: Option<Network>,
    /// The service that has the instance's own name; without it the only one with a web port.
    ingress: Option<Line>,
    /// Volumes that no command of silo's removes.
    keep: Option<Words>,
    /// The instance from whose volume a new one is filled, by the volume's key.
    seed: Option<Seeds>,
    /// Other instances, whose services this one's reach.
    link: Option<Words>,
    /// Services that are one for all instances of the repository.
    share: Option<Words>,
    /// A variable for each published port of a service.
    ports: Option<Published>,
}

/// Whether Tilt runs the project.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the derive")]
struct Tilt {
    /// Whether `silo up` starts Tilt; without it, when there is a Tiltfile or no other part.
    enabled: Option<bool>,
}

/// The image registry beside the cluster.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the derive")]
struct K3dRegistry {
    /// Whether there is one; it brings the port `K3D_REGISTRY_PORT`.
    #[schemars(extend("default" = false))]
    enabled: Option<bool>,
    #[serde(flatten)]
    announced: Registry,
}

/// How an image registry is announced in the cluster.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "read by the derive")]
struct Registry {
    /// Whether it is announced.
    #[schemars(extend("default" = true))]
    advertise: Option<bool>,
    /// Its address for the developer's machine.
    host: Option<Address>,
    /// Its address for the container runtime of the nodes.
    host_from_container_runtime: Option<Address>,
    /// Its address for pods.
    host_from_cluster_network: Option<Address>,
    /// Where help is found.
    help: Option<Template>,
}

/// Commands around start and stop, run in order in the project's folder.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(dead_code, reason = "read by the derive")]
struct Hooks {
    /// Before the cluster is made.
    pre_up: Option<Commands>,
    /// After the cluster, before Tilt.
    post_up: Option<Commands>,
    /// Before Tilt is stopped.
    pre_down: Option<Commands>,
    /// At the very end of `silo down`.
    post_down: Option<Commands>,
}

/// The whole schema, in the draft that editors of TOML know.
pub(crate) fn schema() -> Value {
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<Config>().to_value();
    without_null(&mut schema);
    let has = |key: &str, rest: Value| json!({ "required": [key], "properties": { key: rest } });
    let yes = json!({ "const": true });
    let root = schema.as_object_mut().expect("a schema is an object");
    let told = ["$schema", "title", "description"].map(|key| root.shift_remove_entry(key).expect("it has one"));
    *root = told.into_iter().chain(std::mem::take(root)).collect();
    // What can stand in for `[ports]`: services, agents, and the implicit port of an image registry.
    let registry = has("k3d", json!({ "allOf": [has("enabled", yes.clone()), has("registry", has("enabled", yes))] }));
    let others = [json!({ "required": ["compose"] }), has("agents", json!({ "minProperties": 1 }))];
    root.insert("if".into(), json!({ "anyOf": others.into_iter().chain([registry]).collect::<Vec<_>>() }));
    root.insert("else".into(), has("ports", json!({ "minProperties": 1 })));
    schema
}
