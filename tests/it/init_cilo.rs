//! `silo init` in a project that has a `.cilo/config.yml`: what it says is taken over, and its command is not trusted unseen.

use expect_test::expect;

use crate::adopt::{read, write};
use crate::sandbox::Sandbox;

const COMPOSE: &str = "services:\n  nginx:\n    image: nginx\n    ports: ['80:80']\n";

#[test]
fn names_files_and_tokens_are_taken_over() {
    let sandbox = Sandbox::new();
    let dir = sandbox.dir("shop");
    write(&dir, "deploy/compose.yml", COMPOSE);
    write(
        &dir,
        ".cilo/config.yml",
        "project: my shop\ncompose_files: [deploy/compose.yml]\ndefault_ingress_service: nginx\nhostnames: [admin.test]\nenv:\n  copy_mode: all\n  \
         ignore: ['**/.env.production', ../out]\n  render:\n    - file: .env\n      tokens: true\n",
    );
    let ran = sandbox.run(&dir, ["init"]).success();
    for line in [
        "`hostnames` of `.cilo/config.yml:4` is left out: `silo doc migration`\n",
        "`../out` of `.cilo/config.yml` is left out: it is no path in the project\n",
        "silo.toml`, trusted as it is",
    ] {
        assert!(ran.stderr.contains(line), "{line}: {}", ran.stderr);
    }
    let toml = read(dir.join("silo.toml"));
    let (_, tables) = toml.split_once("version = 1\n").expect("it begins so");
    expect![[r#"

        [compose]
        files = ["deploy/compose.yml"]
        network = "subnet"
        ingress = "nginx"

        [compose.ports]
        NGINX_PORT = "nginx:80"

        [urls]
        NGINX_URL = "http://${APP_HOST}:${NGINX_PORT}"
        CILO_BASE_URL = "http://${name}.test"

        [env]
        CILO_PROJECT = "my shop"
        CILO_ENV = "${name}"
        CILO_DNS_SUFFIX = ".test"

        [workspace]
        copy = ["**/.env*", "!**/.env.production"]
        render = [".env"]
    "#]]
    .assert_eq(tables);
    // The tokens of its files are variables now.
    write(&dir, ".env", "URL=${CILO_BASE_URL} of ${CILO_PROJECT}\n");
    sandbox.run(&dir, ["adopt"]).success();
    assert_eq!(read(dir.join(".env")), format!("URL=http://{}.test of my shop\n", sandbox.instance(&dir)));
}

#[test]
fn a_command_that_came_with_the_project_is_shown_and_not_trusted() {
    let sandbox = Sandbox::new();
    let dir = sandbox.dir("shop");
    write(&dir, "compose.yaml", COMPOSE);
    write(&dir, ".cilo/config.yml", "project: shop\nenv:\n  copy_mode: none\n  init_hook: \"touch \\\"a b\\\"\"\n");
    let ran = sandbox.run(&dir, ["init"]).success();
    let said =
        "`silo adopt` would run `touch \"a b\"`, which `.cilo/config.yml` says; look at it, then: `silo allow`\n";
    assert!(ran.stderr.contains(said) && ran.stderr.contains("not trusted yet"), "{}", ran.stderr);
    sandbox.run(&dir, ["adopt"]).exit(3);
    assert!(!dir.join("a b").exists());
    sandbox.run(&dir, ["allow"]).success();
    sandbox.run(&dir, ["adopt"]).success();
    assert!(dir.join("a b").exists());
    // What cannot be read is said, and one more line in a command is no way past a look.
    for (text, line) in [
        ("a: [", "`.cilo/config.yml` cannot be read, and is left out\n"),
        ("env:\n  init_hook: |\n    a\n    b\n", "`env.init_hook` of `.cilo/config.yml` has several lines"),
    ] {
        std::fs::remove_file(dir.join("silo.toml")).expect("it was written");
        write(&dir, ".cilo/config.yml", text);
        let ran = sandbox.run(&dir, ["init"]).success();
        assert!(ran.stderr.contains(line), "{}", ran.stderr);
    }
}
