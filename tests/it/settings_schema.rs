//! The JSON Schema of the user's settings and their parser say the same, as far as a schema can.

use std::borrow::Cow;
use std::path::Path;

use expect_test::expect_file;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use silo::core::config::user::{self, SettingsProblem};

use crate::sandbox::Sandbox;
use crate::schema_json::json_of;

/// The user's own settings of silo, `$XDG_CONFIG_HOME/silo/config.toml`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, title = "silo settings")]
#[expect(dead_code, reason = "only its schema is wanted")]
struct Settings {
    /// The shell hook says nothing but failures.
    #[schemars(default)]
    quiet: Option<bool>,
    /// Folders below which every silo.toml of the user's own is trusted; `~/` is the home folder.
    #[schemars(default, inner(regex(pattern = r"^(/|~/)")))]
    trusted: Option<Vec<String>>,
    /// Where ports come from when a default is not available: two ports of 1024-65535.
    #[schemars(default, regex(pattern = r"^\s*\+?0*[1-9][0-9]{3,4}\s*-\s*\+?0*[1-9][0-9]{3,4}\s*$"))]
    port_range: Option<String>,
    /// How the shell hook's lines look; `%s`, once, is what is said.
    #[schemars(default, regex(pattern = r"^([^%]|%[^s]|%$)*%s([^%]|%[^s]|%$)*$"))]
    log_format: Option<String>,
    /// Whether `cd` acts at once also in bash and nushell, which do not report a move.
    #[schemars(default)]
    wrap_cd: Option<bool>,
    /// What services run in.
    #[schemars(default)]
    engine: Option<Engine>,
    /// How long nobody must have used an instance until `silo heal --watch` stops its services, as 2h or 45m; default: never.
    #[schemars(default)]
    idle: Option<Time>,
    /// How `silo proxy` serves routes.
    #[schemars(default)]
    proxy: Option<Proxy>,
    /// The addresses and names that instances get.
    #[schemars(default)]
    network: Option<Network>,
    /// Where `silo new` makes workspaces.
    #[schemars(default)]
    workspaces: Option<Workspaces>,
    /// What agents get beyond what a silo.toml may ask for.
    #[schemars(default)]
    agents: Option<Agents>,
}

/// The table of agents.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is wanted")]
struct Agents {
    /// The engine's runtime for agents, such as runsc or kata.
    #[schemars(default, regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$"))]
    runtime: Option<String>,
    /// Addresses of this machine and private networks that a name of `egress` may lead to, each with a port.
    #[schemars(default, inner(regex(pattern = r"^(([0-9]{1,3}\.){3}[0-9]{1,3}|\[[0-9a-fA-F:.]+\]):[1-9][0-9]{0,4}$")))]
    egress_private: Option<Vec<String>>,
    /// What agents of some projects get.
    #[schemars(default)]
    grants: Option<Vec<Grant>>,
}

/// What agents of a project get.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is wanted")]
struct Grant {
    /// The project's folder, or one above it; `~/` is the home folder.
    #[schemars(regex(pattern = r"^(/|~/)"))]
    project: String,
    /// The agent; without it all of the project's.
    #[schemars(default, regex(pattern = r"^[a-z]([a-z0-9-]{0,22}[a-z0-9])?$"))]
    agent: Option<String>,
    /// Folders and files that they see read-only: `/FOLDER:/TARGET`.
    #[schemars(default, inner(regex(pattern = r"^(/|~/)[^:]*:(/[^:,/]+)+$")))]
    mounts: Option<Vec<String>>,
    /// Variables that they get as they are outside.
    #[schemars(default, inner(regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$")))]
    env: Option<Vec<String>>,
}

/// The table of workspaces.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is wanted")]
struct Workspaces {
    /// The folder in which they are made; default: beside the repository. `~/` is the home folder.
    #[schemars(default, regex(pattern = r"^(/|~/)"))]
    folder: Option<String>,
}

/// A container engine.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is wanted")]
enum Engine {
    Docker,
    Podman,
}

/// A length of time.
struct Time;

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^([0-9]+|([0-9]+[smh])+)$", "not": { "pattern": "^(0+[smh]?)+$" } })
    }
}

/// The table of the proxy.
struct Proxy;

impl JsonSchema for Proxy {
    fn schema_name() -> Cow<'static, str> {
        "Proxy".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": {
                "port": {
                    "description": "The port of loopback it listens on.",
                    "type": "integer",
                    "minimum": 1,
                    "maximum": 65535,
                },
                "timeout": {
                    "description": "How long a server behind a route may take to begin its answer, as 90s or 5m.",
                    "type": "string",
                    "pattern": "^([0-9]+|([0-9]+[smh])+)$",
                    "not": { "pattern": "^0+[smh]?$" },
                },
            },
            "additionalProperties": false,
        })
    }
}

/// The addresses and names that instances get.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is wanted")]
struct Network {
    /// Where the subnets of instances come from, such as 10.224.0.0/16: a /8 to a /24.
    #[schemars(default, regex(pattern = r"^([0-9]{1,3}\.){3}[0-9]{1,3}/(8|9|1[0-9]|2[0-4])$"))]
    pool: Option<String>,
    /// What the names of services end in.
    #[schemars(default, regex(pattern = r"^[A-Za-z0-9.-]+$"))]
    suffix: Option<String>,
    /// Whether a suffix that is used on the Internet is the user's own.
    #[schemars(default)]
    force_suffix: Option<bool>,
    /// Where silo's dnsmasq listens on loopback.
    #[schemars(default, range(min = 1024, max = 65535))]
    dns_port: Option<u16>,
}

fn schema() -> Value {
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    let mut schema: Schema = settings.into_generator().into_root_schema_for::<Settings>();
    // TOML has no null: a key that is not wanted is left out.
    for (_, key) in schema.get_mut("properties").and_then(Value::as_object_mut).expect("it has keys").iter_mut() {
        let key = key.as_object_mut().expect("each is described");
        if let Some(Value::Array(types)) = key.get("type") {
            let first = types[0].clone();
            key.insert("type".to_owned(), first);
        }
        key.remove("default");
        // What may be left out and is a table of its own.
        if let Some(Value::Array(either)) = key.remove("anyOf") {
            key.extend(either[0].as_object().expect("the first is the table").clone());
        }
    }
    schema.to_value()
}

#[test]
fn the_schema_is_kept_and_printed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/config.schema.json");
    expect_file![path].assert_eq(&format!("{:#}\n", schema()));
    assert!(jsonschema::meta::is_valid(&schema()));
    Sandbox::new().run("", ["doc", "settings-schema"]).success().stdout(user::SCHEMA);
}

#[test]
fn parser_and_schema_take_and_refuse_the_same() {
    let schema = jsonschema::draft7::new(&schema()).expect("it is a schema");
    for good in [
        "",
        "quiet = true\ntrusted = [\"~/work\", \"/srv\"]\nport_range = \"20000 - 20099\"\nlog_format = \"[%s] 100%\"\nwrap_cd = false\n",
        "idle = \"2h\"\n[proxy]\nport = 80\ntimeout = \"1h30m\"\n",
        "proxy = {}\n",
        "[agents]\negress_private = [\"127.0.0.1:8080\", \"[::1]:80\"]\n",
        "[workspaces]\nfolder = \"~/work\"\n",
        "[agents]\nruntime = \"runsc\"\n[[agents.grants]]\nproject = \"~/work/shop\"\nagent = \"scout\"\nmounts = [\"/opt/models:/models\"]\nenv = [\"HF_TOKEN\"]\n",
        "[network]\npool = \"10.224.0.0/16\"\nsuffix = \"test\"\nforce_suffix = false\ndns_port = 5354\n",
        "trusted = []\nport_range = \"1024-65535\"\nlog_format = \"%s\"\n",
    ] {
        assert!(user::parse(good).is_ok() && schema.is_valid(&json_of(good)), "{good}");
    }
    for bad in [
        "quite = true",
        "workspaces.folder = \"work\"",
        "agents.runtime = \"--x\"",
        "agents.grants = [{ agent = \"scout\" }]",
        "agents.grants = [{ project = \"work\" }]",
        "agents.grants = [{ project = \"/work\", mounts = [\"x:/y\"] }]",
        "quiet = 1",
        "wrap_cd = \"bash\"",
        "trusted = \"~/work\"",
        "trusted = [\"work\"]",
        "trusted = [\"~\"]",
        "proxy = 80",
        "proxy.port = 0",
        "proxy.port = 65536",
        "proxy.port = \"80\"",
        "proxy.host = \"x\"",
        "idle = \"never\"",
        "idle = \"0s\"",
        "proxy.timeout = \"soon\"",
        "proxy.timeout = \"0s\"",
        "proxy.timeout = 5",
        "agents.egress_private = \"127.0.0.1:80\"",
        "agents.egress_private = [\"127.0.0.1\"]",
        "agents.egress_private = [\"localhost:80\"]",
        "agents.egress_private = [\"127.0.0.1:0\"]",
        "agents.egress = []",
        "port_range = 20000",
        "port_range = \"20000\"",
        "port_range = \"80-90\"",
        "port_range = \"0-65535\"",
        "log_format = \"\"",
        "log_format = \"%s %s\"",
        "log_format = \"%\"",
        "[network]\npool = \"10.224.0.0/25\"",
        "[network]\npool = \"10.224.0.0\"",
        "[network]\nsuffix = \"a_b\"",
        "[network]\ndns_port = 53",
        "[network]\npools = \"10.0.0.0/8\"",
    ] {
        assert!(user::parse(bad).is_err() && !schema.is_valid(&json_of(bad)), "{bad}");
    }
    // What a schema cannot know: which of two numbers is larger, and where ports end.
    for bad in ["port_range = \"3000-2000\"", "port_range = \"2000-99999\""] {
        let problem = user::parse(bad).expect_err("it is wrong").problem;
        assert!(matches!(problem, SettingsProblem::Range(_)) && schema.is_valid(&json_of(bad)), "{bad}");
    }
}
