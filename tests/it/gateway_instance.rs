//! `[gateway]` of a `silo.toml`: an instance's own placeholder, as the user's file allows it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::gateway::{Scene, message, small};

const TOML: &str = "version = 1\nports.A = 0\n[gateway]\nmodels = [\"claude\"]\nbudget = 1\n[env]\n\
    ANTHROPIC_BASE_URL = \"${LLM_GATEWAY_URL}\"\nANTHROPIC_AUTH_TOKEN = \"${LLM_GATEWAY_KEY}\"\n";

fn get(scene: &Scene, dir: &Path, name: &str) -> String {
    let ran = scene.sandbox.run(dir, ["get", name]).success();
    String::from_utf8(ran.bytes).expect("it is text").trim().to_owned()
}

fn inside(scene: &Scene, dir: &Path, name: &str) -> String {
    let ran = scene.sandbox.run(dir, ["exec", "--", "sh", "-c", &format!("printf %s \"${name}\"")]).success();
    String::from_utf8(ran.bytes).expect("it is text")
}

/// The file, with what instances may have.
fn allowing(scene: &Scene, instances: &str) -> String {
    format!("{}[instances]\n{instances}\n", scene.file())
}

#[test]
fn an_instance_that_asks_gets_a_key_of_its_own_where_the_user_allows_it() {
    let scene = Scene::saying(message(20, 7));
    let app = scene.sandbox.project("app", TOML);
    assert_eq!(get_all(&scene, &app), ["http://127.0.0.1:7451", "sk-silo-none"], "nothing is allowed yet");
    assert!(!scene.sandbox.path("state/silo/gateway/keys.json").exists());
    scene.write(&format!("port = 7460\n{}", allowing(&scene, "budget = 0.5\nrequests = 100")));
    let [url, key] = get_all(&scene, &app);
    assert_eq!(url, "http://127.0.0.1:7460");
    assert!(key.starts_with("sk-silo-") && key.len() == 48, "{key}");
    assert_eq!(get_all(&scene, &app)[1], key, "it stays");
    assert_eq!(get(&scene, &app, "ANTHROPIC_AUTH_TOKEN"), key);
    let env_file = app.join(".localnet.env");
    assert!(fs::read_to_string(&env_file).expect("it is there").contains(&key));
    assert_eq!(fs::metadata(&env_file).expect("it is there").permissions().mode() & 0o777, 0o600);
    let lockfile = fs::read_to_string(app.join(".silo.lock")).expect("it is there");
    assert!(!lockfile.contains(&key), "what may be committed has no key");
    let told = scene.sandbox.run(&app, ["diff"]).success().stdout;
    assert!(!told.contains(&key), "{told}");

    assert!(scene.post("/v1/messages", &key, &small()).0.starts_with("HTTP/1.1 200"));
    let (head, body) = scene.post("/v1/messages", &key, &small().replace("claude", "gpt"));
    assert!(head.starts_with("HTTP/1.1 403"), "{body}");
    assert_eq!(scene.spend()["keys"][0]["budget"]["money"], "0.50", "the tighter of both");
    let other = scene.sandbox.project("other", TOML);
    assert_ne!(get_all(&scene, &other)[1], key);
}

fn get_all(scene: &Scene, dir: &Path) -> [String; 2] {
    ["LLM_GATEWAY_URL", "LLM_GATEWAY_KEY"].map(|name| inside(scene, dir, name))
}

#[test]
fn nothing_untrusted_gets_a_key_and_one_that_is_let_go_of_opens_nothing() {
    let scene = Scene::saying(message(20, 7));
    scene.write(&allowing(&scene, "budget = 2"));
    let app = scene.sandbox.project("app", TOML);
    scene.sandbox.run(&app, ["export", "bash", "--seen", ""]).success();
    assert!(!scene.sandbox.path("state/silo/gateway/keys.json").exists());
    scene.sandbox.run(&app, ["allow"]).success();
    let told = scene.sandbox.run(&app, ["export", "bash", "--seen", ""]).success().stdout;
    let key = get(&scene, &app, "LLM_GATEWAY_KEY");
    assert!(told.contains(&format!("ANTHROPIC_AUTH_TOKEN='{key}'")), "{told}");
    assert!(scene.post("/v1/messages", &key, &small()).0.starts_with("HTTP/1.1 200"));
    let spent = scene.spent();

    scene.sandbox.run(&app, ["down", "--clean"]).success();
    assert!(scene.post("/v1/messages", &key, &small()).0.starts_with("HTTP/1.1 401"));
    let next = inside(&scene, &app, "LLM_GATEWAY_KEY");
    assert_ne!(next, key);
    assert!(scene.post("/v1/messages", &next, &small()).0.starts_with("HTTP/1.1 200"));
    assert_eq!(scene.spent().2, spent.2 + 1, "what the root has spent stays with it");

    scene.sandbox.run("", ["key", "revoke", "k1"]).success();
    assert_eq!(inside(&scene, &app, "LLM_GATEWAY_KEY"), "sk-silo-none");
    assert!(scene.post("/v1/messages", &next, &small()).0.starts_with("HTTP/1.1 401"));
    scene.sandbox.run("", ["key", "revoke", "k1", "--undo"]).success();
    assert!(inside(&scene, &app, "LLM_GATEWAY_KEY").len() == 48);
    scene
        .sandbox
        .project("app", &TOML.replace("[gateway]\nmodels = [\"claude\"]\nbudget = 1\n", "").replace("${LLM", "$${LLM"));
    let key = inside(&scene, &app, "LLM_GATEWAY_KEY");
    assert_eq!(key, "", "who asks no more has none");
    let list = scene.sandbox.run("", ["key", "list"]).success().stdout;
    assert!(list.contains("no instance"), "{list}");
}

#[test]
fn a_users_file_that_cannot_be_read_breaks_no_instance_and_takes_no_key() {
    let scene = Scene::saying(message(20, 7));
    scene.write(&allowing(&scene, "budget = 2"));
    let app = scene.sandbox.project("app", TOML);
    let key = inside(&scene, &app, "LLM_GATEWAY_KEY");
    scene.write("broken = ");
    assert_eq!(inside(&scene, &app, "LLM_GATEWAY_KEY"), key);
    scene.write(&allowing(&scene, "budget = 2\nmodels = [\"gpt\"]"));
    assert_eq!(inside(&scene, &app, "LLM_GATEWAY_KEY"), "sk-silo-none", "no model is left");
}

#[test]
fn what_is_asked_wrongly_is_said_with_its_place() {
    let scene = Scene::saying(message(20, 7));
    for (line, said) in [
        ("budget = \"5 dollars\"", "`gateway.budget` is not a budget: `5 dollars`"),
        ("budgte = 5", "Unknown key `budgte` in `gateway`"),
        ("models = \"claude\"", "`gateway.models` must be a list of strings"),
    ] {
        let app = scene.sandbox.project("app", &format!("version = 1\nports.A = 0\n[gateway]\n{line}\n"));
        scene.sandbox.run(&app, ["env"]).exit(1).stderr_has(said).stderr_has("silo.toml:4:");
    }
}
