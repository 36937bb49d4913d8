//! Nothing that silo can change of an override loses what services wrote, on a real engine (D23): each way is gone, and the data read
//! back, from a volume of the project's, one whose name the file writes out, and one that is kept.

use std::fs;
use std::path::PathBuf;

use crate::engine::Engine;
use crate::sandbox::free_ports;

const VOLUMES: [&str; 3] = ["plain", "global", "kept"];

/// A project whose one service has all three.
struct App {
    engine: Engine,
    dir: String,
    name: String,
    ports: [u16; 2],
}

impl App {
    fn new() -> Self {
        let engine = Engine::new();
        let app = Self { dir: "app".to_owned(), name: format!("d{}", engine.word()), ports: free_ports(), engine };
        app.toml("[compose]\nkeep = [\"kept\"]\n");
        app.compose("");
        app
    }

    fn root(&self) -> PathBuf {
        self.engine.sandbox.dir(&self.dir)
    }

    /// A `silo.toml` with a port besides.
    fn toml(&self, lines: &str) {
        let [db, _] = self.ports;
        let text = format!("version = 1\n{lines}\n[compose.ports]\nDB_PORT = \"{db}:db:5432\"\n");
        self.engine.sandbox.project(&self.dir, &text);
        self.silo("allow");
    }

    /// The compose file, with lines of the service besides.
    fn compose(&self, lines: &str) {
        let text = format!(
            "services:\n  db:\n    image: silo-test-box\n    stop_grace_period: 0s\n    command: [sleep, '600']\n{lines}    \
             volumes: ['plain:/plain', 'global:/global', 'kept:/kept']\n  other:\n    image: silo-test-box\n    \
             stop_grace_period: 0s\n    command: [sleep, '600']\n    profiles: [extra]\n    volumes: ['plain:/plain']\n\
             volumes: {{ plain: {{}}, global: {{ name: {}-global }}, kept: {{}} }}\n",
            self.name
        );
        fs::write(self.root().join("compose.yaml"), text).expect("the project is writable");
    }

    fn silo(&self, words: &str) -> String {
        self.engine.silo(&self.dir, words).success().stderr
    }

    fn bash(&self, line: &str) {
        self.engine.bash(&self.dir, line).success();
    }

    fn project(&self) -> String {
        self.engine.project(&self.dir)
    }

    fn db(&self) -> String {
        format!("{}-db-1", self.project())
    }

    fn write(&self, text: &str) {
        for volume in VOLUMES {
            let line = format!("echo {text} > /{volume}/file");
            self.engine.docker(&["exec", &self.db(), "sh", "-c", &line]).success();
        }
    }

    /// What the three say.
    fn read(&self) -> [String; 3] {
        VOLUMES.map(|volume| {
            let mut command = self.engine.command("docker", "");
            command.args(["exec", &self.db(), "cat", &format!("/{volume}/file")]);
            String::from_utf8_lossy(&command.output().expect("docker runs").stdout).trim().to_owned()
        })
    }

    #[track_caller]
    fn has(&self, text: &str, after: &str) {
        assert_eq!(self.read(), [text; 3], "after {after}");
    }

    /// Removes what is kept, too.
    fn end(&self) {
        self.silo("down --volumes");
        let list = self.engine.docker(&["volume", "ls", "--quiet"]).success().stdout;
        for volume in list.lines().filter(|volume| volume.contains(&self.name)) {
            self.engine.docker(&["volume", "rm", volume]).success();
        }
    }
}

#[test]
fn no_change_of_the_override_loses_data() {
    let app = App::new();
    app.silo(&format!("up {} -d", app.name));
    app.write("one");
    let before = app.engine.port(&app.dir, "DB_PORT");
    let up = |after: &str| {
        app.silo("up -d");
        app.has("one", after);
    };
    up("nothing at all");

    app.silo("env --move DB_PORT");
    assert_ne!(app.engine.port(&app.dir, "DB_PORT"), before);
    up("another port");
    app.silo("env --force");
    up("ports planned again");

    // Another silo: its version stands in what the override was made from, and its first line may be another.
    let folders = fs::read_dir(app.engine.sandbox.path("state/silo/instances")).expect("there is one");
    let files: Vec<PathBuf> = folders
        .flat_map(|folder| fs::read_dir(folder.expect("it can be read").path()).expect("it is a folder"))
        .map(|file| file.expect("it can be read").path())
        .filter(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("services-")))
        .collect();
    assert!(!files.is_empty());
    for file in files {
        let text = fs::read_to_string(&file).expect("it is text");
        let text =
            text.replacen("# Written by silo", "# By an earlier one", 1).replace("\"state\":\"", "\"state\":\"0");
        fs::write(&file, text).expect("it is ours");
    }
    app.bash("docker compose up -d");
    app.has("one", "an override of another silo");
    up("the same by silo");

    app.compose("    environment: { MORE: '1' }\n    container_name: fixed\n");
    up("an edit of the compose file");
    fs::write(app.root().join("more.yaml"), "services: { db: { environment: { EVEN: more } } }\n")
        .expect("it is writable");
    app.bash("docker compose -f compose.yaml -f more.yaml up -d");
    app.has("one", "other files");
    up("the project's own files again");
    app.bash("docker compose --profile extra up -d");
    app.has("one", "a profile of compose");
    app.silo("down");
    up("silo down");
    app.bash("docker compose down --remove-orphans");
    up("docker compose down");
    app.bash("docker compose up -d --force-recreate --renew-anon-volumes");
    app.has("one", "containers recreated");

    app.toml("[compose]\nkeep = [\"kept\"]\n[profiles.p.compose.ports]\nMORE_PORT = \"db:80\"\n");
    app.silo("up --profile p --force -d");
    app.has("one", "a profile of silo");
    app.silo("env --profile p");
    app.toml("[compose]\nkeep = [\"plain\", \"kept\"]\n");
    app.silo("env --force");
    up("a volume that is kept now");
    app.silo("down --volumes");
    app.silo("up -d");
    let read = app.read();
    assert_eq!([&read[0], &read[2]], ["one", "one"], "kept ones outlive `down --volumes`");
    app.write("one");
    app.toml("[compose]\n");
    up("no volume kept any more");
    app.toml("[compose]\nkeep = [\"kept\"]\n");
    up("one kept again");

    app.silo("down --clean");
    app.silo(&format!("up {} -d", app.name));
    app.has("one", "`down --clean`");
    app.silo("prune --all --yes");
    app.has("one", "`prune --all` beside it");
    app.silo("down");
    app.silo("prune --all --yes");
    up("`prune --all` while it was down");
    app.end();
}

#[test]
fn a_moved_folder_and_a_name_that_comes_back_find_their_data() {
    let mut app = App::new();
    app.silo(&format!("up {} -d", app.name));
    app.write("one");
    // While it runs, and with an id that follows from the folder.
    let moved = app.engine.sandbox.dir("moved");
    fs::rename(app.root(), &moved).expect("the sandbox is writable");
    app.dir = "moved".to_owned();
    app.silo("allow");
    app.silo("up -d");
    app.has("one", "the move of the folder");
    app.silo("prune --all --yes");
    app.has("one", "`prune --all` after the move");

    // Another name is another set of volumes, which is asked for by name and said.
    let refused = app.engine.silo(&app.dir, format!("env {}b", app.name)).exit(1).stderr;
    for volume in ["plain", "global", "kept"] {
        assert!(refused.contains(&format!("localnet-{}_{volume}", app.name)), "{refused}");
    }
    app.silo("down");
    let told = app.silo(&format!("env {}b --rename", app.name));
    assert!(told.contains(&format!("to use it again: `silo env {}`", app.name)), "{told}");
    app.silo("up -d");
    assert_eq!(app.read(), [""; 3]);
    for volume in ["plain", "global"] {
        app.silo(&format!("seed {volume} --from-volume localnet-{}_{volume} --yes", app.name));
    }
    let read = app.read();
    assert_eq!([&read[0], &read[1]], ["one", "one"], "data goes with the name by `seed`");
    app.silo("prune --all --yes");
    app.silo("down");
    app.silo(&format!("env {} --rename", app.name));
    app.silo("up -d");
    app.has("one", "the old name");
    app.silo("down");

    // A prefix is a part of the name.
    app.toml("prefix = \"other\"\n[compose]\nkeep = [\"kept\"]\n");
    let told = app.silo("up -d");
    assert!(told.contains(&format!("localnet-{}_plain", app.name)), "what is left is said: {told}");
    app.silo("down --volumes");
    app.toml("[compose]\nkeep = [\"kept\"]\n");
    app.silo("up -d");
    app.has("one", "the old prefix");
    app.end();
}

#[test]
fn a_name_that_keep_brings_back_is_said_with_the_volume_that_has_the_data() {
    let app = App::new();
    app.silo(&format!("up {} -d", app.name));
    app.write("one");
    // Kept, it has the name that the file writes out: one for all instances.
    app.toml("[compose]\nkeep = [\"global\", \"kept\"]\n");
    let told = app.silo("up -d");
    let (own, global) = (format!("localnet-{}_global", app.name), format!("{}-global", app.name));
    let seed = format!("silo seed global --from-volume {own}");
    assert!(told.contains(&seed), "{told}");
    app.silo(&seed["silo ".len()..]);
    app.has("one", "bringing it over");
    let again = app.silo("up -d");
    assert!(!again.contains(&seed), "{again}");
    app.engine.docker(&["exec", &app.db(), "sh", "-c", "echo two > /global/file"]).success();
    app.toml("[compose]\nkeep = [\"kept\"]\n");
    let told = app.silo("up -d");
    assert!(told.contains(&format!("silo seed global --from-volume {global}")), "{told}");
    app.has("one", "what the instance had is there as it was");
    app.silo(&format!("seed global --from-volume {global} --force"));
    assert_eq!(app.read()[1], "two");
    app.end();
}

#[test]
fn a_silo_toml_that_may_not_act_leaves_plain_compose_with_nothing_to_lose() {
    let app = App::new();
    app.silo(&format!("up {} -d", app.name));
    // The one that somebody wrote before silo, under the name that the file has for it.
    let global = format!("{}-global", app.name);
    app.engine.docker(&["volume", "create", &global]).success();
    app.silo("down");
    let file = app.root().join("silo.toml");
    let trusted = fs::read_to_string(&file).expect("it is text");
    let active = "eval \"$(silo hook bash)\"; __silo_hook";
    for (edit, way_out) in [("# More.\n", "silo allow"), ("[compose\n", "Fix `")] {
        // In a shell that was active before, at the prompt after the edit, and in one that comes later.
        let lines = format!("{active}; printf '%s' '{}' >> silo.toml; __silo_hook", edit.replace('\n', "'$'\\n''"));
        for words in ["up -d", "run --rm db true", "create", "down -v", "down --volumes -t 1"] {
            fs::write(&file, &trusted).expect("it is writable");
            let ran = app.engine.bash(&app.dir, format!("{lines}; docker compose {words}").as_str());
            ran.exit(3).stderr_has("would run without the instance's isolation").stderr_has(way_out);
        }
        fs::write(&file, &trusted).expect("it is writable");
        app.engine.bash(&app.dir, &format!("{lines}; docker compose ps && docker compose down")).success();
        let gone = format!("{lines}; silo deactivate; docker compose ps");
        app.engine.bash(&app.dir, &gone).success();
        // What is about another project does not get the instance's name.
        let other = app.engine.sandbox.dir("other");
        fs::create_dir_all(&other).expect("the sandbox is writable");
        fs::write(other.join("compose.yaml"), "services: { x: { image: silo-test-box } }\n").expect("it is writable");
        fs::write(&file, &trusted).expect("it is writable");
        let line = format!("{lines}; docker compose -f {}/compose.yaml config", other.display());
        let config = app.engine.bash(&app.dir, &line).success().stdout;
        assert!(config.starts_with("name: other\n"), "{config}");
    }
    let volumes = app.engine.docker(&["volume", "ls", "--quiet"]).success().stdout;
    assert!(volumes.lines().any(|volume| volume == global), "{volumes}");
    fs::write(&file, &trusted).expect("it is writable");
    app.silo("up -d");
    app.end();
}
