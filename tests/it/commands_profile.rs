//! Profiles: who may choose one, and what changing it needs (docs/profiles.md).

use std::fs;

use expect_test::expect;

use crate::machine::{assert_agreed, env_file, run_with, value_in};
use crate::sandbox::{Sandbox, free_ports};

const WRITING: &str = "Writing `.localnet.env`\nWriting `.silo.lock`\n";
const NEEDS_FORCE: &str = "Error: Profile change requires --force (current: testnet, requested: devnet)\n\
                           Hint: Run `silo env --profile devnet --force`; its ports may change\n";

fn two_profiles(sandbox: &Sandbox) -> std::path::PathBuf {
    let toml = r#"version = 1
[ports]
WEB_PORT = "random"
[urls]
API_URL = "http://localhost:${WEB_PORT}"
WEB_URL = "http://localhost"
[profiles.testnet]
urls.API_URL = "https://api.testnet.example.com"
urls.EXTRA_URL = "https://extra.example.com"
[profiles.devnet]
ports.DEV_PORT = "random"
"#;
    sandbox.project("app", toml)
}

/// The profile that lockfile, registry and env file agree on.
fn profile(sandbox: &Sandbox) -> Option<String> {
    let app = sandbox.dir("app");
    assert_agreed(sandbox, &app);
    let held = sandbox.lockfile(&app)["instance"]["profile"].as_str().map(str::to_owned);
    assert_eq!(crate::machine::registry(sandbox).instances[0].profile, held);
    assert_eq!(value_in(&env_file(&app), "SILO_PROFILE"), held.as_deref());
    held
}

#[test]
fn a_profile_lies_over_the_base_and_is_kept() {
    let sandbox = Sandbox::new();
    let app = two_profiles(&sandbox);
    sandbox.run(&app, ["env", "x", "-p", "testnet"]).success();
    let text = env_file(&app);
    let (_, urls) = text.split_once("# === Derived URLs ===\n").expect("there are URLs");
    expect![[r"
        API_URL=https://api.testnet.example.com
        WEB_URL=http://localhost
        EXTRA_URL=https://extra.example.com
    "]]
    .assert_eq(urls);
    sandbox.run(&app, ["env"]).success().stderr("");
    sandbox.run(&app, ["env", "-p", "testnet"]).success().stderr("");
    assert_eq!(profile(&sandbox).as_deref(), Some("testnet"));
}

#[test]
fn variables_of_env_are_everywhere_behind_the_urls() {
    let sandbox = Sandbox::new();
    let toml = r#"version = 1
[env]
ORIGINS = "${WEB_URL},${name}"
LEVEL = "debug"
BOTH = "${LEVEL} ${ORIGINS}"
[ports]
WEB_PORT = "random"
[urls]
WEB_URL = "http://${APP_HOST}"
[profiles.quiet.env]
LEVEL = "warn"
MORE = "1"
"#;
    let app = sandbox.project("app", toml);
    assert!(sandbox.run(&app, ["diff"]).success().stdout.contains("+ LEVEL=debug\n"));
    sandbox.run(&app, ["env", "x"]).success();
    let text = env_file(&app);
    let (urls, env) = text.split_once("\n# === Environment ===\n").expect("it has a part of its own");
    assert!(urls.ends_with("# === Derived URLs ===\nWEB_URL=http://x.localhost\n"), "{text}");
    assert_eq!(env, "ORIGINS=http://x.localhost,x\nLEVEL=debug\nBOTH='debug http://x.localhost,x'\n");
    assert_agreed(&sandbox, &app);
    let answer: serde_json::Value =
        serde_json::from_slice(&sandbox.run(&app, ["env", "--json"]).success().bytes).expect("it is JSON");
    let names: Vec<&String> = answer["vars"].as_object().expect("it has vars").keys().collect();
    assert_eq!(names[names.len() - 4..], ["WEB_URL", "ORIGINS", "LEVEL", "BOTH"]);
    sandbox.run(&app, ["exec", "--", "printenv", "BOTH"]).success().stdout("debug http://x.localhost,x\n");
    assert!(!sandbox.run(&app, ["status", "--json"]).success().stdout.contains("LEVEL"), "it is no URL");
    sandbox.run(&app, ["env", "-p", "quiet", "--force"]).success();
    assert!(env_file(&app).ends_with("LEVEL=warn\nBOTH='warn http://x.localhost,x'\nMORE=1\n"), "{}", env_file(&app));
}

#[test]
fn another_profile_needs_force() {
    let sandbox = Sandbox::new();
    let app = two_profiles(&sandbox);
    sandbox.run(&app, ["env", "-p", "testnet"]).success();
    sandbox.run(&app, ["env", "-p", "devnet"]).exit(1).stdout("").stderr(NEEDS_FORCE);
    run_with(&sandbox, &app, &[("SILO_PROFILE", "devnet")], ["env"]).exit(1).stdout("").stderr(NEEDS_FORCE);
    assert_eq!(profile(&sandbox).as_deref(), Some("testnet"));
    sandbox.run(&app, ["env", "-p", "devnet", "-f"]).success().stderr(WRITING);
    assert_eq!(profile(&sandbox).as_deref(), Some("devnet"));
    assert!(sandbox.lockfile_ports(&app).contains_key("DEV_PORT"));
}

#[test]
fn a_first_profile_for_an_instance_without_one_needs_force_too() {
    let sandbox = Sandbox::new();
    let app = two_profiles(&sandbox);
    sandbox.run(&app, ["env"]).success();
    sandbox.run(&app, ["env", "-p", "testnet"]).exit(1).stdout("").stderr(
        "Error: Profile change requires --force (current: none, requested: testnet)\n\
         Hint: Run `silo env --profile testnet --force`; its ports may change\n",
    );
    assert_eq!(profile(&sandbox), None);
}

#[test]
fn the_flag_comes_before_the_variable_and_the_variable_before_the_lockfile() {
    let sandbox = Sandbox::new();
    let app = two_profiles(&sandbox);
    let devnet = [("SILO_PROFILE", "devnet")];
    run_with(&sandbox, &app, &devnet, ["env", "-p", "testnet"]).success();
    assert_eq!(profile(&sandbox).as_deref(), Some("testnet"));
    run_with(&sandbox, &app, &devnet, ["env", "--force"]).success();
    assert_eq!(profile(&sandbox).as_deref(), Some("devnet"));
    run_with(&sandbox, &app, &[("SILO_PROFILE", "")], ["env"]).success().stderr("");
    assert_eq!(profile(&sandbox).as_deref(), Some("devnet"), "an empty variable asks for nothing");
}

#[test]
fn force_alone_clears_the_profile() {
    let sandbox = Sandbox::new();
    let app = two_profiles(&sandbox);
    sandbox.run(&app, ["env", "-p", "testnet"]).success();
    sandbox.run(&app, ["env", "--force"]).success();
    assert_eq!(profile(&sandbox), None);
}

#[test]
fn an_unknown_profile_is_refused_with_the_nearest_one() {
    let sandbox = Sandbox::new();
    let app = two_profiles(&sandbox);
    let told = "Error: Unknown profile `tesnet`\n\
                Hint: The nearest known name is `testnet`\n\
                Hint: Profiles in `silo.toml`: `testnet`, `devnet`\n";
    sandbox.run(&app, ["env", "-p", "tesnet"]).exit(1).stdout("").stderr(told);
    run_with(&sandbox, &app, &[("SILO_PROFILE", "tesnet")], ["env"]).exit(1).stdout("").stderr(told);
    assert!(!app.join(".silo.lock").exists());
}

#[test]
fn a_profile_where_none_is_defined_is_refused() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", "version = 1\n[ports]\nA = 0\n");
    sandbox.run(&app, ["env", "-p", "x"]).exit(1).stdout("").stderr(
        "Error: Profile `x` was asked for, but `silo.toml` defines no profiles\n\
         Hint: Add `[profiles.NAME]` to `silo.toml`, or leave out --profile and SILO_PROFILE\n",
    );
}

#[test]
fn an_instance_whose_profile_is_gone_from_the_file_says_so_until_forced() {
    let sandbox = Sandbox::new();
    let app = two_profiles(&sandbox);
    sandbox.run(&app, ["env", "-p", "testnet"]).success();
    let toml = fs::read_to_string(app.join("silo.toml")).expect("it is there").replace("testnet", "mainnet");
    sandbox.project("app", &toml);
    sandbox.run(&app, ["env"]).exit(1).stdout("").stderr(
        "Error: This instance has profile `testnet`, which `silo.toml` no longer defines\n\
         Hint: Run `silo env --force` to go on without a profile\n",
    );
    sandbox.run(&app, ["env", "--force"]).success();
    assert_eq!(profile(&sandbox), None);
}

#[test]
fn a_profiles_port_is_tried_first_and_leased() {
    let sandbox = Sandbox::new();
    let [base, over] = free_ports();
    let toml = format!("version = 1\n[ports]\nA = {base}\n[profiles.p]\nports.A = {over}\n");
    let app = sandbox.project("app", &toml);
    sandbox.run(&app, ["env"]).success();
    sandbox.run(&app, ["env", "-p", "p", "-f"]).success();
    assert_eq!(sandbox.lockfile_ports(&app)["A"], over);
    sandbox.run(&app, ["env", "-f"]).success();
    assert_eq!(sandbox.lockfile_ports(&app)["A"], base);
}

#[test]
fn profiles_are_listed_and_the_active_one_is_marked() {
    let sandbox = Sandbox::new();
    let app = two_profiles(&sandbox);
    sandbox.run(&app, ["profiles"]).success().stderr("").stdout("Available profiles:\n  testnet\n  devnet\n");
    sandbox.run(&app, ["env", "-p", "devnet"]).success();
    sandbox.run(&app, ["profiles"]).success().stdout("Available profiles:\n  testnet\n  devnet (active)\n");
    let json = "{\n  \"profiles\": [\n    \"testnet\",\n    \"devnet\"\n  ],\n  \"active\": \"devnet\"\n}\n";
    sandbox.run(&app, ["profiles", "--json"]).success().stdout(json);
    sandbox.project("app", "version = 1\n[ports]\nA = 0\n");
    sandbox.run(&app, ["profiles"]).success().stdout("No profiles defined\n");
}
