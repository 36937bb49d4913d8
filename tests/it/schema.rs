//! The JSON Schema of `silo.toml` and its parser say the same, as far as a schema can.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use expect_test::expect_file;
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::Value as Json;
use silo::core::config::{self, Problem};
use toml::{Table, Value};

use crate::sandbox::{SILO, Sandbox};
use crate::schema_json::{json_of, mistake};
use crate::schema_types::schema;

const FULL: &str = include_str!("../../src/core/config/full.toml");

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| jsonschema::draft7::new(&schema()).expect("it is a schema"));

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether a schema can know of a mistake; neither where that depends on the rest of the file.
fn structural(problem: &Problem) -> Option<bool> {
    use Problem::{Agents, Gateway, Glob, Memory, NoHost, NoPorts, RouteHost, TwiceNamed};
    match problem {
        Problem::UnknownKey { .. }
        | Problem::WrongType { .. }
        | Problem::Version(_)
        | Problem::NoVersion
        | Problem::Port { .. }
        | Problem::NoCount(_)
        | Problem::Count { .. }
        | Problem::Name { .. }
        | Problem::Prefix(_)
        | Problem::Output { .. }
        | Problem::Unwritable { .. }
        | Problem::Empty { .. }
        | Problem::ProfileName(_)
        | Problem::Template { .. }
        | Problem::Published { .. }
        | Problem::NoTarget { .. }
        | Problem::ComposeFile(_)
        | Problem::RouteUnquoted(_)
        | Problem::RouteTarget { .. }
        | Problem::Network(_)
        | Problem::GateLevel { .. }
        | Problem::GateServices { .. }
        | Problem::GateTool(_) => Some(true),
        // In the base the schema knows, in a profile that takes the cluster away it does not. `TILT_HOST` is known.
        // Of hosts of routes it knows the letters, of globs whether they leave the project.
        NoPorts | TwiceNamed { .. } | NoHost | RouteHost { .. } | Glob { .. } | Gateway(_) | Agents(_) | Memory(_) => {
            None
        }
        Problem::InProfile { problem, .. } => structural(problem),
        // Every form of an IP address is more than a pattern says.
        Problem::Bind(_)
        | Problem::Syntax(_)
        | Problem::TooLong { .. }
        | Problem::BlockEnd { .. }
        | Problem::OwnBlock(_)
        | Problem::BlockName { .. }
        | Problem::UnknownVariable { .. }
        | Problem::PortInHost { .. }
        | Problem::RoutePort { .. }
        | Problem::RouteTwice { .. }
        | Problem::Later { .. }
        | Problem::EnvInUrl { .. }
        | Problem::Cycle { .. } => Some(false),
    }
}

#[test]
fn the_schema_is_kept() {
    expect_file![package().join("docs/schema/silo.schema.json")].assert_eq(&format!("{:#}\n", schema()));
    assert!(jsonschema::meta::is_valid(&schema()));
}

#[test]
fn the_schema_is_printed_wherever_one_is() {
    let sandbox = Sandbox::new();
    let mut silo = sandbox.command(SILO, "");
    silo.env_clear().args(["doc", "schema"]);
    sandbox.finish(silo).success().stdout(config::SCHEMA).stderr("");
}

#[test]
fn every_file_of_this_repository_is_valid_in_both() {
    let read = |path: &str| fs::read_to_string(package().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut files: Vec<(String, String)> =
        ["src/core/config/full.toml", "src/commands/init/template.toml", "example/silo.toml"]
            .map(|path| (path.to_owned(), read(path)))
            .into();
    for path in ["README.md", "docs/config.md"] {
        let text = read(path);
        let blocks = text.split("```toml\n").skip(1).filter_map(|block| Some(block.split_once("```")?.0.to_owned()));
        // The README has a part of one, which `docs_examples.rs` reads.
        let whole = blocks.filter(|block| path != "README.md" || block.contains("version = "));
        files.extend(whole.map(|block| (path.to_owned(), block)));
    }
    assert!(files.len() >= 5, "{files:?}");
    for (path, text) in files {
        assert_eq!(mistake(&text), None, "{path}");
        let said: Vec<String> = SCHEMA.iter_errors(&json_of(&text)).map(|error| error.to_string()).collect();
        assert_eq!(said, [""; 0], "{path}");
    }
}

#[test]
fn what_is_odd_but_right_is_right_in_both() {
    for text in [
        "version = 1\n[k3d]\nenabled = true\nregistry.enabled = true\n",
        "version = 1\nprefix = \"a\"\noutput = \"out/.env\"\n[ports]\nA = 0\nB = \"random\"\nC = 65_535\nD = 0x1F\n",
        "version = 1\noutput = \".github/x.git\"\n[ports]\n_a1 = 1\nNODE_ENV = 2\nBASHFUL = 3\nCARGO = 4\n",
        "version = 1\n[ports]\nA = 1\n[hosts]\nTILT_HOST = \"x\"\nH = \"$${A} $$$${ $ $\"\n",
        "version = 1\n[ports]\nA = 1\n[urls]\nU = \"\"\nV = \"$${${A}${A}}$\"\nW = \"\u{e9} \u{1f980}\\t\"\n",
        "version = 1\n[ports]\nA = 1\n[routes]\n\"x.${name}.Test\" = \"A\"\n\"${APP_HOST}\" = 0x50\n",
        "version = 1\n[ports]\nA = 1\n[gates]\n\"a.b-c+d_e\" = \"tilt\"\n_x = \"env\"\npsql = \"services\"\n\"redis-cli\" = \"services:db,my.cache-1\"\n",
        "version = 1\n[ports]\nA = 1\n[profiles.\"9.x_y-z\"]\n[profiles._]\nports.B = 1\nappend.hooks.pre-up = [\"x\"]\n",
        "version = 1\n[ports]\nA = 1\n[hooks]\npre-up = []\npost-down = [\" x \"]\n[k3d]\nargs = [\"${A}\"]\n",
    ] {
        assert_eq!(mistake(text), None, "{text}");
        let said: Vec<String> = SCHEMA.iter_errors(&json_of(text)).map(|error| error.to_string()).collect();
        assert_eq!(said, [""; 0], "{text}");
    }
}

/// Mistakes, each put behind a good beginning; the first line may replace `version = 1`.
const WRONG: &[&str] = &[
    "x = 1",
    "prefix = \"Up\"",
    "prefix = \"a-\"",
    "prefix = \"\"",
    "prefix = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
    "prefix = 1",
    "output = \"\"",
    "output = \".\"",
    "output = \"/tmp/x\"",
    "output = \"a/../x\"",
    "output = \"..\"",
    "output = \"a/\"",
    "output = \".git/x\"",
    "output = \"a/.GIT/x\"",
    "output = \"a/silo.toml\"",
    "output = \".silo.lock\"",
    "output = \"a\\nb\"",
    "ports.B = 65536",
    "ports.B = -1",
    "ports.B = 1.5",
    "ports.B = \"3000\"",
    "ports.B = true",
    "ports.A-B = 1",
    "ports.1A = 1",
    "ports.\"\" = 1",
    "ports.\"\u{e9}\" = 1",
    "ports.TILT_HOST = 1",
    "urls.TILT_HOST = \"x\"",
    "urls.PATH = \"x\"",
    "urls.LD_PRELOAD = \"x\"",
    "hosts.path = \"x\"",
    "hosts.KUBECONFIG = \"x\"",
    "hosts.name = \"x\"",
    "urls.SILO_X = \"x\"",
    "urls.__silo_x = \"x\"",
    "env.TILT_HOST = \"x\"",
    "env.PATH = \"x\"",
    "env.SILO_X = \"x\"",
    "env.A-B = \"x\"",
    "env.E = 1",
    "env.E = \"a\\nb\"",
    "env.E = \"${\"",
    "profiles.p.env.PS1 = \"x\"",
    "urls.U = 1",
    "urls.U = \"a\\nb\"",
    "compose.ingress = \"a\\nb\"",
    "urls.U = \"${P.port}\"",
    "urls.U = \"a\\u0000\"",
    "urls.U = \"${A\"",
    "urls.U = \"${}\"",
    "urls.U = \"$${A}${A:-b}\"",
    "hosts.H = \"${\"",
    "hosts = \"x\"",
    "k3d.enable = true",
    "k3d.enabled = \"yes\"",
    "k3d.args = \"x\"",
    "k3d.args = [1]",
    "k3d.args = [\" \"]",
    "k3d.args = [\"${\"]",
    "k3d.registry = true",
    "k3d.registry.port = 1",
    "k3d.registry.host = 1",
    "registry.enabled = true",
    "tilt = true",
    "tilt.enabled = \"yes\"",
    "tilt.enable = true",
    "registry.host_from_cluster_network = \"x\"",
    "registry.help = \"a\\rb\"",
    "hooks.preup = []",
    "hooks.pre-up = \"x\"",
    "hooks.pre-up = [\"\"]",
    "hooks.pre-up = [\"a\\nb\"]",
    "gates.kubectl = \"clutser\"",
    "gates.kubectl = true",
    "gates.psql = \"services:\"",
    "gates.psql = \"services:db,\"",
    "gates.psql = \"services:db, redis\"",
    "gates.psql = \"services:a/b\"",
    "gates.silo = \"env\"",
    "gates.\".x\" = \"env\"",
    "gates.\"a/b\" = \"env\"",
    "profiles.p = 1",
    "profiles.\"-p\" = {}",
    "profiles.\"a b\" = {}",
    "profiles.p.output = \"x\"",
    "profiles.p.version = 1",
    "profiles.p.gates = {}",
    "profiles.p.urls.PS1 = \"x\"",
    "profiles.p.ports.B = 70000",
    "profiles.p.append.ports = {}",
    "profiles.p.append.k3d.enabled = true",
    "profiles.p.append.hooks.pre-up = [\"\"]",
];

#[test]
fn every_mistake_of_structure_is_one_in_both() {
    let mut files: Vec<String> = WRONG.iter().map(|line| format!("version = 1\nports.A = 1\n{line}\n")).collect();
    files.extend(
        ["", "ports.A = 1\n", "version = 2\nports.A = 1\n", "version = \"1\"\nports.A = 1\n"].map(str::to_owned),
    );
    files.extend(["version = 1\n", "version = 1\n[ports]\n", "version = 1\nk3d.enabled = true\n"].map(str::to_owned));
    for text in files {
        let problem = mistake(&text).unwrap_or_else(|| panic!("the parser takes it:\n{text}"));
        assert_ne!(structural(&problem), Some(false), "{problem}:\n{text}");
        assert!(!SCHEMA.is_valid(&json_of(&text)), "the schema takes it, but {problem}:\n{text}");
    }
}

/// Every table with keys of its own below a part of the schema, by its dotted path: the keys.
fn tables(schema: &Json, part: &Json, path: &str, found: &mut Vec<(String, Vec<String>)>) {
    let part = part.pointer("/allOf/0").unwrap_or(part);
    let part = match part["$ref"].as_str() {
        Some(reference) => schema.pointer(reference.trim_start_matches('#')).expect("it is defined"),
        None => part,
    };
    if let Some(keys) = part["properties"].as_object() {
        found.push((path.to_owned(), keys.keys().cloned().collect()));
        keys.iter().for_each(|(key, part)| tables(schema, part, &format!("{path}{key}."), found));
    } else if part["additionalProperties"].is_object() {
        tables(schema, &part["additionalProperties"], &format!("{path}any."), found);
    }
}

#[test]
fn every_table_has_the_same_keys_in_both() {
    let (schema, mut found) = (schema(), Vec::new());
    tables(&schema, &schema, "", &mut found);
    assert!(found.len() >= 9, "{found:?}");
    for (path, mut keys) in found {
        let Some(Problem::UnknownKey { allowed, .. }) =
            mistake(&format!("version = 1\nports.A = 1\n{path}unknown = 1\n"))
        else {
            panic!("the parser takes `{path}unknown`");
        };
        let mut allowed: Vec<&str> = allowed;
        allowed.sort_unstable();
        keys.sort_unstable();
        assert_eq!(keys, allowed, "in `{path}`");
    }
}

#[test]
fn every_name_the_parser_refuses_is_refused_by_the_schema() {
    use silo::core::shell::varname;
    // Those behind a `~` are meant in any case.
    let cases = |name: &'static str| match name.strip_prefix('~') {
        Some(name) => vec![name.to_owned(), name.to_lowercase()],
        None => vec![name.to_owned()],
    };
    let refused = varname::refused().flat_map(cases).map(|name| name.replace('*', "ANY"));
    let own = varname::RESERVED.iter().map(|name| (*name).to_owned());
    let begun = varname::RESERVED_STARTS.iter().map(|start| format!("{start}x"));
    for name in refused.chain(own).chain(begun) {
        for table in ["ports", "profiles.p.ports"] {
            let text = format!("version = 1\nports.A = 1\n{table}.{name} = 1\n");
            assert!(matches!(mistake(&text), Some(Problem::Name { .. })), "{text}");
            assert!(!SCHEMA.is_valid(&json_of(&text)), "{text}");
        }
    }
}

/// What only the parser knows (docs/config.md names these): the meaning of `${NAME}`, one name in two tables, the length
/// of all values together, what is left under a profile, and how a number is written.
#[test]
fn mistakes_of_meaning_are_the_parsers_alone() {
    let long = format!("urls.U = \"{}\"", "x".repeat(125_000));
    for line in [
        "urls.U = \"${NOPE}\"",
        "urls.A = \"x\"",
        "hosts.H = \"${A}\"",
        "urls.U = \"${V}\"\nurls.V = \"x\"",
        "urls.U = \"${V}\"\nurls.V = \"${U}\"",
        "env.E = \"${NOPE}\"",
        "env.A = \"x\"",
        "env.E = \"x\"\nurls.U = \"${E}\"",
        "k3d.args = [\"${NOPE}\"]",
        "profiles.p.urls.U = \"${NOPE}\"",
        &long,
    ] {
        let text = format!("version = 1\nports.A = 1\n{line}\n");
        let problem = mistake(&text).unwrap_or_else(|| panic!("the parser takes it:\n{text}"));
        assert_ne!(structural(&problem), Some(true), "{problem}:\n{text}");
        assert!(SCHEMA.is_valid(&json_of(&text)), "{problem}:\n{text}");
    }
    let left = "version = 1\nk3d.enabled = true\nk3d.registry.enabled = true\nprofiles.p.k3d.enabled = false\n";
    for text in [left, "version = 0x1\nports.A = 1\n", "version = 1.0\nports.A = 1\n"] {
        assert!(mistake(text).is_some(), "{text}");
        assert!(SCHEMA.is_valid(&json_of(text)), "{text}");
    }
}

/// One change of a file, at any of its keys.
#[derive(Debug, Clone)]
enum Change {
    Remove,
    Replace(Value),
    Rename(String),
    Insert(String, Value),
}

fn any_change() -> impl Strategy<Value = Change> {
    let keys = "version|prefix|output|ports|hosts|urls|env|k3d|tilt|hooks|profiles|registry|gates|append|enabled|args|pre-up|help|p|\
                host|A|TILT_HOST|PATH|LD_X|A-B|1A|name|SILO_X|K3D_REGISTRY_PORT|silo|kubectl|-x|[.]x|unknown";
    let texts = "|[.]|random|x|\\$\\{name\\}|\\$\\{NOPE\\}|\\$\\{|\\$\\$\\{x|\\$|a\\nb|/abs|[.][.]/x|a/[.][.]/b|a/|[.]git/x|\
                 x/silo[.]toml|UP|-x|x-|env|cluster|clusters| |[$a{}A]{1,8}|a{33}";
    let leaf = prop_oneof![
        prop::sample::select(vec![0, 1, 2, -1, 65_535, 65_536]).prop_map(Value::Integer),
        Just(Value::Float(1.5)),
        any::<bool>().prop_map(Value::Boolean),
        texts.prop_map(Value::String),
    ];
    let value = leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::vec(("[AB]|enabled|args|pre-up", inner), 0..3)
                .prop_map(|pairs| Value::Table(pairs.into_iter().collect())),
        ]
    });
    prop_oneof![
        Just(Change::Remove),
        value.clone().prop_map(Change::Replace),
        keys.prop_map(Change::Rename),
        (keys, value).prop_map(|(key, value)| Change::Insert(key, value)),
    ]
}

/// Changes the key that is `pick` keys away, if there are so many.
fn change(table: &mut Table, pick: &mut usize, what: &Change) -> bool {
    for key in table.keys().cloned().collect::<Vec<_>>() {
        if *pick == 0 {
            let old = table.remove(&key).expect("it was just listed");
            let new = match what.clone() {
                Change::Remove => vec![],
                Change::Replace(value) => vec![(key, value)],
                Change::Rename(name) => vec![(name, old)],
                Change::Insert(name, value) => vec![(key, old), (name, value)],
            };
            table.extend(new);
            return true;
        }
        *pick -= 1;
        if let Some(Value::Table(inner)) = table.get_mut(&key)
            && change(inner, pick, what)
        {
            return true;
        }
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn changed_files_are_judged_alike(changes in prop::collection::vec((0usize..70, any_change()), 1..3)) {
        let mut table: Table = FULL.parse().expect("it is valid");
        for (mut pick, what) in changes {
            change(&mut table, &mut pick, &what);
        }
        let text = toml::to_string(&table).expect("every table can be written");
        let valid = SCHEMA.is_valid(&json_of(&text));
        match mistake(&text) {
            None => prop_assert!(valid, "only the schema refuses:\n{}", text),
            Some(problem) => prop_assert!(!valid || structural(&problem) != Some(true), "only the parser: {}\n{}", problem, text),
        }
    }
}
