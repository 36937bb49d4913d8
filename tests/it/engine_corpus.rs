//! Compose files as people write them (`tests/corpus/compose`, a folder each), read by the real compose, with the override and
//! without: what the override says isolates, and nothing else is changed. In a folder that begins with `broken-` compose reads
//! nothing. `compose.toml` is what is below `[compose]` where the files are none that compose finds itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::engine::Engine;
use crate::machine::files_below;

/// What secrets in the corpus begin with.
const SECRET: &str = "hush-";

fn corpus(broken: bool) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/compose");
    let names = fs::read_dir(folder).expect("it is there").map(|entry| entry.expect("it can be read").file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().expect("it is plain")).collect();
    names.retain(|name| name.starts_with("broken-") == broken);
    names.sort();
    names
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the sandbox is writable");
    for entry in fs::read_dir(from).expect("it can be read") {
        let path = entry.expect("it can be read").path();
        let into = to.join(path.file_name().expect("it has a name"));
        match path.is_dir() {
            true => copied(&path, &into),
            false => fs::copy(&path, &into).map(|_| ()).expect("the sandbox is writable"),
        }
    }
}

/// A project of the corpus in the sandbox, with a `silo.toml` of its own or what `silo init` makes of it.
fn project(engine: &Engine, name: &str) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/compose").join(name);
    let root = engine.sandbox.dir(name);
    copied(&from, &root);
    if let Ok(own) = fs::read_to_string(root.join("silo.toml")) {
        return engine.sandbox.trusted(name, &own);
    }
    if let Ok(said) = fs::read_to_string(root.join("compose.toml")) {
        return engine.sandbox.trusted(name, &format!("version = 1\n[compose]\n{said}"));
    }
    if name.starts_with("broken-") {
        return engine.sandbox.trusted(name, "version = 1\n[compose]\n");
    }
    let ran = engine.silo(&root, "init").success();
    assert!(!ran.stdout.contains(SECRET) && !ran.stderr.contains(SECRET), "{ran:?}");
    let written = fs::read_to_string(root.join("silo.toml")).expect("it was written");
    assert!(written.contains("\n[compose]\n") && !written.contains(SECRET), "{written}");
    root
}

/// The files of a project, as compose is called with them.
fn files(root: &Path) -> Vec<String> {
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
    if let Some((_, list)) = read("compose.toml").split_once("files = ") {
        return serde_json::from_str(list.trim()).expect("it is a list on one line");
    }
    if let Some((_, list)) = read(".env").split_once("COMPOSE_FILE=") {
        return list.lines().next().expect("it has a line").split(':').map(str::to_owned).collect();
    }
    let names = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
    let overs = ["compose.override.yaml", "docker-compose.override.yml"];
    let there = names.iter().chain(&overs).filter(|name| root.join(name).exists());
    there.map(|name| (*name).to_owned()).collect()
}

/// What compose makes of a project without silo, but for the instance's variables.
fn own(engine: &Engine, root: &Path, project: &str) -> Value {
    let mut command = engine.command("docker", root);
    let env = fs::read_to_string(root.join(".localnet.env")).expect("it is settled");
    for (name, value) in env.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('=')) {
        command.env(name, value.trim_matches('"'));
    }
    command.args(["compose", "--project-name", project]);
    command.args(files(root).iter().flat_map(|file| ["--file", file]));
    command.args(["--profile", "*", "config", "--format", "json"]);
    serde_json::from_str(&engine.sandbox.finish(command).success().stdout).expect("it is JSON")
}

/// The contents of the files that are not silo's.
fn contents(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let own = ["silo.toml", ".silo.lock", ".localnet.env"];
    let names = files_below(root).into_iter().filter(|name| !own.contains(&name.as_str()));
    names.map(|name| (name.clone(), fs::read(root.join(&name)).expect("it can be read"))).collect()
}

/// All that silo remembers, but for links to programs.
fn remembered(engine: &Engine) -> String {
    let folder = engine.sandbox.path("state");
    let text = |name: String| String::from_utf8_lossy(&fs::read(folder.join(name)).unwrap_or_default()).into_owned();
    let is_file = |name: &String| !folder.join(name).is_symlink();
    files_below(&folder).into_iter().filter(is_file).map(text).collect::<Vec<_>>().join("\n")
}

fn table(value: &mut Value, key: &str) -> Map<String, Value> {
    value.get_mut(key).and_then(Value::as_object_mut).map(std::mem::take).unwrap_or_default()
}

/// Takes away what may differ, and looks at it. What is left must be the same on both sides.
struct Sides<'a> {
    name: &'a str,
    project: &'a str,
    leases: BTreeSet<u64>,
    own: Value,
    isolated: Value,
}

impl Sides<'_> {
    fn compare(mut self) {
        let (mut own, mut isolated) = (table(&mut self.own, "services"), table(&mut self.isolated, "services"));
        let built: Vec<Value> = own.values().filter(|service| service.get("build").is_some()).cloned().collect();
        let images = built.iter().flat_map(|service| {
            let tags = service["build"].get("tags").and_then(Value::as_array).into_iter().flatten();
            service.get("image").into_iter().chain(tags).cloned().collect::<Vec<_>>()
        });
        let images: Vec<Value> = images.collect();
        let containers: BTreeMap<String, String> = own
            .iter()
            .filter_map(|(name, service)| Some((service.get("container_name")?.as_str()?.to_owned(), name.clone())))
            .collect();
        for (service, isolated) in &mut isolated {
            let place = format!("{}: {service}", self.name);
            let own =
                own.get_mut(service).unwrap_or_else(|| panic!("{place} is new")).as_object_mut().expect("a table");
            let isolated = isolated.as_object_mut().expect("a service is a table");
            self.ports(&place, isolated.get("ports"));
            isolated.remove("ports");
            own.remove("ports");
            self.names(&place, own, isolated, &images);
            let service_of = |mode: &Value| containers.get(mode.as_str()?.strip_prefix("container:")?).cloned();
            // Whose container it names, it depends on.
            let mut needs = Vec::new();
            for key in ["network_mode", "pid", "ipc"] {
                if let Some(service) = own.get(key).and_then(service_of) {
                    own.insert(key.to_owned(), format!("service:{service}").into());
                    needs.push(service);
                }
            }
            for from in own.get_mut("volumes_from").and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(service) = service_of(from) {
                    *from = service.clone().into();
                    needs.push(service);
                }
            }
            for service in needs {
                let all = own.entry("depends_on").or_insert_with(|| Map::new().into());
                let need = json!({ "condition": "service_started", "required": true });
                all.as_object_mut().expect("a table").entry(service).or_insert(need);
            }
        }
        assert_eq!(pretty(&own.into()), pretty(&isolated.into()), "{}", self.name);
        self.top("networks");
        self.top("volumes");
        assert_eq!(pretty(&self.own), pretty(&self.isolated), "{}", self.name);
    }

    /// Published is what is leased, or any free port, on this machine alone.
    fn ports(&self, place: &str, ports: Option<&Value>) {
        for port in ports.and_then(Value::as_array).into_iter().flatten() {
            assert_eq!(port["host_ip"], "127.0.0.1", "{place}: {port}");
            let host = port.get("published").map(|host| host.as_str().expect("a string").parse().expect("a number"));
            assert!(host.is_none_or(|host| self.leases.contains(&host)), "{place}: {port}");
        }
    }

    fn names(&self, place: &str, own: &mut Map<String, Value>, isolated: &mut Map<String, Value>, images: &[Value]) {
        let alias = own.remove("container_name");
        let kept = isolated.remove("container_name");
        let is_own = |name: &Value| name.as_str().is_some_and(|name| name.contains(self.project));
        assert!(kept.as_ref().is_none_or(is_own), "{place}: {kept:?}");
        if own.get("image").is_some_and(|image| images.contains(image)) {
            assert!(is_own(&isolated["image"]), "{place}: {:?}", isolated["image"]);
            own.remove("image");
            isolated.remove("image");
        }
        let tags = isolated.get("build").and_then(|build| build.get("tags"));
        assert!(tags.is_none(), "{place}: {tags:?}");
        if let Some(build) = own.get_mut("build").and_then(Value::as_object_mut) {
            build.remove("tags");
        }
        assert!(isolated.remove("mac_address").is_none(), "{place}");
        own.remove("mac_address");
        for side in [&mut *own, isolated] {
            let labels = side.entry("labels").or_insert_with(|| Map::new().into()).as_object_mut().expect("a table");
            labels.remove("silo.instance");
            let networks = side.get_mut("networks").and_then(Value::as_object_mut);
            for (_, network) in networks.into_iter().flat_map(|networks| networks.iter_mut()) {
                let Some(said) = network.as_object_mut() else { continue };
                for key in ["ipv4_address", "ipv6_address", "link_local_ips", "mac_address"] {
                    said.remove(key);
                }
                let mut aliases: Vec<Value> =
                    said.remove("aliases").and_then(|all| all.as_array().cloned()).unwrap_or_default();
                aliases.retain(|one| alias.as_ref() != Some(one));
                if !aliases.is_empty() {
                    said.insert("aliases".to_owned(), aliases.into());
                }
                if said.is_empty() {
                    *network = Value::Null;
                }
            }
        }
    }

    fn top(&mut self, key: &str) {
        let (mut own, mut isolated) = (table(&mut self.own, key), table(&mut self.isolated, key));
        for side in [&mut own, &mut isolated] {
            for (_, body) in side.iter_mut().filter(|(_, body)| body.get("external") != Some(&Value::Bool(true))) {
                let body = body.as_object_mut().expect("it has a name");
                let name = body.remove("name").unwrap_or_default();
                let is_own = name.as_str().is_some_and(|name| name.contains(self.project));
                body.insert("is_own".to_owned(), is_own.into());
            }
        }
        for (one, body) in &isolated {
            let is_fine = body.get("is_own").is_none_or(|is_own| *is_own == Value::Bool(true));
            assert!(is_fine, "{}: the {key} {one} are the same everywhere", self.name);
            let bridge = body.get("driver_opts").and_then(|options| options.get("com.docker.network.bridge.name"));
            assert!(bridge.is_none() && body.get("ipam").is_none_or(|ipam| ipam.get("config").is_none()), "{one}");
        }
        for side in [&mut own, &mut isolated] {
            for (_, body) in side.iter_mut() {
                let body = body.as_object_mut().expect("a table");
                body.remove("is_own");
                body.remove("ipam");
                let options = body.get_mut("driver_opts").and_then(Value::as_object_mut);
                if options.is_some_and(|options| {
                    options.remove("com.docker.network.bridge.name");
                    options.is_empty()
                }) {
                    body.remove("driver_opts");
                }
            }
        }
        assert_eq!(pretty(&own.into()), pretty(&isolated.into()), "{}: {key}", self.name);
    }
}

fn pretty(value: &Value) -> String {
    let mut value = value.clone();
    value.sort_all_objects();
    serde_json::to_string_pretty(&value).expect("it serialises")
}

#[test]
fn every_project_of_the_corpus_is_isolated_and_else_as_it_was() {
    let engine = Engine::new();
    let names = corpus(false);
    assert!(names.len() >= 30, "{names:?}");
    for name in names {
        let root = project(&engine, &name);
        let before = contents(&root);
        let ran = engine.bash(&root, "docker compose --profile '*' config --format json").success();
        let isolated: Value = serde_json::from_str(&ran.stdout).expect("it is JSON");
        let again = engine.bash(&root, "docker compose --profile '*' config --format json").success();
        assert_eq!(again.stdout, ran.stdout, "{name} {}", ran.stderr);
        assert!(!ran.stderr.contains(SECRET), "{name}: {}", ran.stderr);
        let project = engine.project(&root);
        let leases = engine.sandbox.lockfile_ports(&root).values().map(|port| u64::from(*port)).collect();
        let own = own(&engine, &root, &project);
        Sides { name: &name, project: &project, leases, own, isolated }.compare();
        assert_eq!(contents(&root), before, "{name}");
        let printed = engine.silo(&root, "compose").success();
        assert!(!printed.stdout.contains(SECRET) && !printed.stderr.contains(SECRET), "{name}: {printed:?}");
    }
    let remembered = remembered(&engine);
    assert!(remembered.contains("ports: !override"), "the overrides are among it");
    assert!(!remembered.contains(SECRET), "{remembered}");
}

#[test]
fn what_compose_cannot_read_is_an_error_in_its_words_and_changes_nothing() {
    let engine = Engine::new();
    let mut names = corpus(true);
    for (name, text) in [("broken-binary", &b"\x7fELF\x02\0\0\xff\xfe services:"[..]), ("broken-empty", b"")] {
        let root = engine.sandbox.dir(name);
        fs::create_dir_all(&root).expect("the sandbox is writable");
        fs::write(root.join("compose.yaml"), text).expect("the sandbox is writable");
        names.push(name.to_owned());
    }
    for name in names {
        let root = match engine.sandbox.dir(&name).exists() {
            true => engine.sandbox.trusted(&name, "version = 1\n[compose]\n"),
            false => project(&engine, &name),
        };
        let before = contents(&root);
        let ran = engine.silo(&root, "up -d").exit(1);
        let said = ran.stderr.lines().filter(|line| line.starts_with("Error: Docker Compose cannot read")).count();
        assert!(said == 1 && ran.stderr.contains("Hint: "), "{name}: {}", ran.stderr);
        let plain = engine.bash(&root, "docker compose up -d");
        assert!(!plain.succeeded() && plain.stderr.contains("Docker Compose cannot read"), "{name}: {}", plain.stderr);
        assert_eq!(contents(&root), before, "{name}");
    }
    assert!(!remembered(&engine).contains("Written by silo for one instance"), "no override is left");
}

#[test]
fn two_hundred_services_are_isolated_in_no_time() {
    let engine = Engine::new();
    let service = |n: usize| {
        let mounts = (0..20).map(|m| format!("\"./v{m}:/v{m}\"")).collect::<Vec<_>>().join(", ");
        format!(
            "  s{n}:\n    image: x/s{n}\n    build: ./s{n}\n    container_name: many-{n}\n    ports: [\"{}:80\", \"{}:81\"]\n\
             \x20   networks: [a, b]\n    volumes: [{mounts}]\n",
            10000 + n,
            20000 + n
        )
    };
    let services: String = (0..200).map(service).collect();
    let root = engine.sandbox.trusted("many", "version = 1\n[compose]\n");
    let text = format!("services:\n{services}networks: {{ a: {{ name: many-a }}, b: {{}} }}\n");
    fs::write(root.join("compose.yaml"), &text).expect("the sandbox is writable");
    engine.silo(&root, "env").success();
    let start = Instant::now();
    own(&engine, &root, &engine.project(&root));
    let before = start.elapsed();
    let start = Instant::now();
    let ran = engine.silo(&root, "compose").success();
    let with = start.elapsed();
    let start = Instant::now();
    own(&engine, &root, &engine.project(&root));
    // What else the machine does comes and goes.
    let alone = before.max(start.elapsed());
    assert_eq!(ran.stdout.matches("container_name: !reset null").count(), 200);
    assert_eq!(ran.stdout.matches("127.0.0.1::8").count(), 400);
    // Larger than what is followed.
    fs::write(root.join("compose.yaml"), text + &"# more\n".repeat(700_000)).expect("the sandbox is writable");
    let large = engine.bash(&root, "docker compose config").success();
    assert_eq!(large.stdout.matches("host_ip: 127.0.0.1").count(), 400);
    assert!(with < alone * 6 + Duration::from_secs(10), "{with:?}, and compose alone {alone:?}");
}

#[test]
fn an_env_file_of_the_call_or_of_an_include_counts_and_is_followed() {
    let engine = Engine::new();
    let root = engine.sandbox.trusted("app", "version = 1\n[compose]\n");
    let write = |name: &str, text: &str| fs::write(root.join(name), text).expect("the sandbox is writable");
    fs::create_dir(root.join("sub")).expect("the sandbox is writable");
    write("sub/inner.yaml", "services: { in: { image: x, container_name: \"${INNER}\" } }\n");
    write("sub/inner.env", "INNER=in-1\n");
    write(
        "compose.yaml",
        "include: [{ path: sub/inner.yaml, env_file: sub/inner.env }]\n\
         services: { web: { image: x, container_name: \"${NAME:?a name}\", ports: [\"${WEB:?a port}:80\"] } }\n",
    );
    let aliases = |name: &str, inner: &str| {
        write("sub/own.env", &format!("NAME={name}\nWEB=8080\n"));
        write("sub/inner.env", &format!("INNER={inner}\n"));
        let ran = engine.bash(root.join("sub"), "docker compose --env-file own.env config --format json").success();
        let read: Value = serde_json::from_str(&ran.stdout).expect("it is JSON");
        ["web", "in"].map(|service| read["services"][service]["networks"]["default"]["aliases"].clone())
    };
    assert_eq!(aliases("web-1", "in-1"), [json!(["web-1"]), json!(["in-1"])]);
    assert_eq!(aliases("web-22", "in-1"), [json!(["web-22"]), json!(["in-1"])]);
    assert_eq!(aliases("web-22", "in-22"), [json!(["web-22"]), json!(["in-22"])]);
    let without = engine.bash(&root, "docker compose up -d");
    // Whichever compose meets first.
    let is_told = ["a name", "a port"].iter().any(|why| without.stderr.contains(why));
    assert!(!without.succeeded() && is_told, "{}", without.stderr);
}
