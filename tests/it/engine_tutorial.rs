//! The tutorial (`docs/tutorial.md`) as a reader follows it, in bash on a real engine: each file is written as it says, each
//! line typed in order, and the answers are those it shows.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::docs::read;
use crate::docs_examples::fences;
use crate::engine::Engine;
use crate::newcomer::{SHOWN_HOME, at_home, is_shown, without_widths};
use crate::pty::{Session, Setup, Shell};
use crate::sandbox::{SILO, free_ports};

/// The image the tutorial names, and the one that is here.
const IMAGES: [&str; 2] = ["image: busybox:1.37", "image: silo-test-box"];

/// The folders of the tutorial, and the port it shows for each.
const SHOWN_PORTS: [(&str, &str); 5] = [
    ("shop", "8080"),
    ("shop.checkout", "61204"),
    ("shop.agent-1", "61205"),
    ("shop.agent-2", "61206"),
    ("shop.agent-3", "61207"),
];

/// A reader: where they are at home, and what this run has in place of what the page shows.
struct Reader<'a> {
    engine: &'a Engine,
    home: PathBuf,
    web: u16,
    gateway: u16,
    ports: BTreeMap<String, &'static str>,
    name: Option<String>,
}

impl Reader<'_> {
    /// Saves a file of the page.
    fn save(&self, language: &str, text: &str) {
        if language == "yaml" {
            let compose = text.replace(IMAGES[0], IMAGES[1]).replace("\"8080:80\"", &format!("\"{}:80\"", self.web));
            assert_ne!(compose, text, "the compose file has the image and the port");
            fs::write(self.home.join("shop/compose.yaml"), compose).expect("the project is writable");
        } else if text.contains("[providers.") {
            let path = self.home.join(".config/silo/gateway.toml");
            fs::create_dir_all(path.parent().expect("it has one")).expect("HOME is writable");
            fs::write(&path, format!("port = {}\n{text}", self.gateway)).expect("HOME is writable");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
        } else {
            let file = OpenOptions::new().append(true).open(self.home.join("shop/silo.toml"));
            write!(file.expect("silo init wrote it"), "\n{text}").expect("it is writable");
        }
    }

    /// An answer as the page shows it.
    fn redacted(&mut self, told: &str) -> Vec<String> {
        let sandbox = &self.engine.sandbox;
        for (folder, shown) in SHOWN_PORTS {
            let path = self.home.join(folder);
            if path.join(".silo.lock").exists() {
                self.ports.insert(sandbox.lockfile_ports(&path)["WEB_PORT"].to_string(), shown);
            }
        }
        if self.name.is_none() && self.home.join("shop/.silo.lock").exists() {
            self.name = Some(sandbox.instance(self.home.join("shop")));
        }
        let mut told = told.replace(self.home.to_str().expect("it is UTF-8"), SHOWN_HOME);
        told = told.replace(&self.gateway.to_string(), "7451");
        for (port, shown) in &self.ports {
            told = told.replace(port, shown);
        }
        if let Some(name) = &self.name {
            told = told.replace(name, "shop-a3f7");
        }
        let mut lines: Vec<String> = told.lines().map(|line| without_widths(line.trim_end_matches('\r'))).collect();
        // `silo list` sorts by name, and so by what is random in one.
        let row = |line: &String| line.contains("  running  ");
        if let (Some(first), Some(last)) = (lines.iter().position(row), lines.iter().rposition(row)) {
            lines[first..=last].sort_by_key(|line| line.trim_start_matches(['*', ' ']).to_owned());
        }
        lines
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        // Where the test failed while the gateway was up.
        let mut down = self.engine.command(SILO, &self.home);
        let _ = down.args(["gateway", "down"]).env("XDG_CONFIG_HOME", self.home.join(".config")).output();
    }
}

/// A block of a page: its language and text, or a line to type with the lines shown below it.
fn steps(page: &str) -> Vec<(String, Vec<String>)> {
    let mut steps: Vec<(String, Vec<String>)> = Vec::new();
    for fence in fences(page) {
        if fence.language != "console" {
            steps.push((format!("{}\n{}", fence.language, fence.text), Vec::new()));
            continue;
        }
        for line in fence.text.lines() {
            match line.strip_prefix("$ ") {
                Some(typed) => steps.push((typed.to_owned(), Vec::new())),
                None => steps.last_mut().expect("a block begins with a line to type").1.push(line.to_owned()),
            }
        }
    }
    steps
}

#[test]
fn the_tutorial_line_by_line_does_what_it_says() {
    let engine = Engine::new();
    let sandbox = &engine.sandbox;
    let home = sandbox.dir("home");
    fs::create_dir_all(&home).expect("the sandbox is writable");
    let before = at_home(Shell::BASH, &home);
    let config = home.join(".config");
    let settings = Engine::settings();
    let own: [(&str, &OsStr); 2] = [("HOME", home.as_os_str()), ("XDG_CONFIG_HOME", config.as_os_str())];
    let env: Vec<(&str, &OsStr)> =
        own.into_iter().chain(settings.iter().map(|(name, value)| (*name, value.as_os_str()))).collect();
    let setup = Setup { before: &before, unhooked: true, env: &env, ..Setup::default() };
    let [web, gateway] = free_ports();
    let mut reader = Reader { engine: &engine, home: home.clone(), web, gateway, ports: BTreeMap::new(), name: None };
    let mut session = Session::with(sandbox, Shell::BASH, Path::new(&home), &setup);
    let page = read("docs/tutorial.md");
    let steps = steps(&page);
    assert!(steps.len() > 30, "{steps:?}");
    for (step, shown) in steps {
        if let Some((language @ ("yaml" | "toml"), text)) = step.split_once('\n') {
            reader.save(language, text);
            continue;
        }
        let mut typed = step.replace("8080", &web.to_string());
        if typed.starts_with("docker compose exec ") {
            // It would read what the session types next.
            typed = typed.replacen("exec ", "exec -T ", 1) + " </dev/null";
        }
        // A reader takes longer to type than the server in a container to listen.
        typed = typed.replacen("curl -s ", "curl -s --retry 60 --retry-delay 1 --retry-all-errors ", 1);
        let seen = session.run(&typed);
        assert_eq!(seen.status, "0", "{step}: {}", seen.told);
        let told = reader.redacted(&seen.told);
        let lines: Vec<&str> = told.iter().map(String::as_str).collect();
        assert!(is_shown(&shown, &lines), "docs/tutorial.md, `{step}`: {shown:#?}, but told: {told:#?}");
    }
}
