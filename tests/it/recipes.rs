//! The recipes of `docs/worktrees.md`, run as they are there: in a home with a clone `~/app`, by the shells they name.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::machine::{files_below, registry, written};
use crate::sandbox::{Ran, SILO, Sandbox, free_ports, program};

/// The code blocks of a language below a heading, in their order.
fn blocks(heading: &str, language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/worktrees.md");
    let text = fs::read_to_string(path).expect("the repository has it");
    let mut lines = text.lines().skip_while(|line| line.trim_start_matches('#').trim() != heading).skip(1);
    let mut found = Vec::new();
    while let Some(line) = lines.next().filter(|line| !line.starts_with('#')) {
        if let Some(opened) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            if opened == language {
                found.push(block.join("\n"));
            }
        }
    }
    found
}

/// The only block of a language below a heading.
#[track_caller]
fn block(heading: &str, language: &str) -> String {
    let [block] = blocks(heading, language).try_into().unwrap_or_else(|found| panic!("{heading}: {found:?}"));
    block
}

/// A user with a clone `~/app` of a project.
struct Home {
    sandbox: Sandbox,
    dir: PathBuf,
}

impl Home {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let dir = sandbox.path("home");
        let [web] = free_ports();
        let toml = format!(
            "version = 1\n[ports]\nWEB_PORT = {web}\n[urls]\nWEB_URL = \"http://${{APP_HOST}}:${{WEB_PORT}}\"\n"
        );
        let app = sandbox.project(dir.join("app"), &toml);
        fs::write(app.join(".gitignore"), ".silo.lock\n.localnet.env\n").expect("HOME is writable");
        sandbox.git(&app, ["init", "--quiet"]);
        sandbox.git(&app, ["add", "."]);
        sandbox.git(&app, ["commit", "--quiet", "--message", "first"]);
        Self { sandbox, dir }
    }

    /// The same with the clone allowed, and a worktree `~/login` on `feature/login`.
    fn with_worktree() -> Self {
        let home = Self::new();
        home.sandbox.run(home.path("app"), ["allow"]).success();
        home.sandbox.git(home.path("app"), ["worktree", "add", "--quiet", "-b", "feature/login", "../login"]);
        home
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.dir.join(relative)
    }

    /// Runs words in a folder of the home, with more variables.
    fn run<'a>(&self, folder: &str, env: &[(&str, &str)], words: impl IntoIterator<Item = &'a str>) -> Ran {
        let mut words = words.into_iter();
        let mut command = self.sandbox.command(words.next().expect("there is a program"), self.path(folder));
        command.args(words).envs(env.iter().copied());
        self.sandbox.finish(command)
    }

    /// Runs a block as somebody types it, ending at the first failure.
    fn typed(&self, folder: &str, block: &str) -> Ran {
        self.run(folder, &[], ["bash", "-ec", block])
    }

    /// The port of a worktree or the clone.
    fn port(&self, folder: &str) -> u16 {
        self.sandbox.lockfile_ports(self.path(folder))["WEB_PORT"]
    }

    /// Writes the file for `BASH_ENV`, and returns what the recipe sets the variable to.
    fn write_inside(&self) -> String {
        let [write, start, _] = blocks("Every command: BASH_ENV", "sh").try_into().expect("there are three");
        self.typed("", &write).success().stdout("").stderr("");
        let set = self.typed("", &format!("{start}\nprintf %s \"$BASH_ENV\"")).success();
        String::from_utf8(set.bytes).expect("it is a path in UTF-8")
    }
}

#[test]
fn a_worktree_made_with_git_is_an_instance_of_its_own_and_leaves_nothing() {
    let home = Home::new();
    let [make, end] = blocks("With git alone", "sh").try_into().expect("there are two");
    let told = home.typed("", &make).success();
    let name = home.sandbox.instance(home.path("login"));
    assert_eq!(name, "app-feature-login");
    let url = format!("http://{name}.localhost:{}\n", home.port("login"));
    assert!(told.stdout.ends_with(&url), "{told:#?}");
    home.typed("", &end).success();
    assert!(!home.path("login").exists());
    assert_eq!(registry(&home.sandbox).instances, []);
}

#[test]
fn files_that_a_tool_copies_along_give_way_to_the_worktrees_own() {
    let home = Home::with_worktree();
    home.sandbox.run(home.path("app"), ["env"]).success();
    for file in [".silo.lock", ".localnet.env"] {
        fs::copy(home.path("app").join(file), home.path("login").join(file)).expect("HOME is writable");
    }
    home.sandbox.run(home.path("login"), ["env"]).success();
    assert_eq!(home.sandbox.instance(home.path("login")), "app-feature-login");
    assert_ne!(home.port("login"), home.port("app"));
}

#[test]
fn what_worktrunk_runs_makes_the_instance_and_lets_go_of_it() {
    let home = Home::with_worktree();
    let hooks: toml::Table = block("worktrunk", "toml").parse().expect("it is TOML");
    let run = |hook: &str| home.run("login", &[], ["sh", "-c", hooks[hook].as_str().expect("it is a command")]);
    run("pre-start").success();
    assert_eq!(home.sandbox.instance(home.path("login")), "app-feature-login");
    run("pre-remove").success();
    assert_eq!(registry(&home.sandbox).instances, []);
    run("pre-remove").success();
    home.sandbox.git(home.path("app"), ["worktree", "remove", "../login"]);
}

#[test]
fn single_commands_run_inside_without_any_hook() {
    let home = Home::with_worktree();
    let ran = home.typed("login", &block("Agents", "sh")).success();
    let url = format!("http://app-feature-login.localhost:{}\n", home.port("login"));
    assert_eq!(ran.stdout, format!("{url}{url}"));
}

#[test]
fn with_bash_env_the_folder_decides_in_every_bash_and_nothing_is_told() {
    let home = Home::with_worktree();
    let file = home.write_inside();
    let env = [("BASH_ENV", file.as_str())];
    let show = "echo \"${WEB_PORT-none} ${SILO_WORKSPACE-none}\"";
    let login = home.run("login", &env, ["bash", "-c", show]).success().stderr("");
    let login_line = format!("{} app-feature-login\n", home.port("login"));
    assert_eq!(login.stdout, login_line);
    for strict in [&["-euo", "pipefail", "-c"][..], &["-ec"], &["-c"]] {
        let words = ["bash"].iter().chain(strict).copied().chain([show]);
        home.run("login", &env, words).success().stdout(&login_line).stderr("");
    }
    let script = home.path("show.sh");
    program(&script, &format!("#!/usr/bin/env bash\n{show}\n"));
    let line = format!("bash -c '{show}'; ~/show.sh; sh -c '{show}'; cd ../app; ~/show.sh; cd ..; ~/show.sh; {show}");
    let app = home.run("app", &env, ["bash", "-c", show]).success().stderr("").stdout;
    let nested = home.run("login", &env, ["bash", "-c", &line]).success().stderr("");
    assert_eq!(nested.stdout, format!("{login_line}{login_line}{login_line}{app}none none\n{login_line}"));
    home.run("", &env, ["bash", "-c", show]).success().stdout("none none\n").stderr("");
    // A command that fails, reads, or is given words is as it is without.
    let mut words = home.sandbox.command("bash", home.path("login"));
    words.args(["-c", "cat; echo \"$0 $*\"; exit 7", "zero", "a b", "c"]).envs(env);
    words.stdin(fs::File::open(&script).expect("it was written"));
    let text = fs::read_to_string(&script).expect("it was written");
    home.sandbox.finish(words).exit(7).stdout(&format!("{text}zero a b c\n")).stderr("");
}

#[test]
fn bash_env_is_read_after_the_profile_of_a_login_shell() {
    let home = Home::with_worktree();
    let file = home.write_inside();
    let silo = home.sandbox.path("bin");
    fs::write(home.path(".bash_profile"), format!("PATH={}:$PATH\n", silo.display())).expect("HOME is writable");
    let env = [("BASH_ENV", file.as_str()), ("PATH", "/usr/local/bin:/usr/bin:/bin")];
    let ran = home.run("login", &env, ["bash", "-lc", "echo $SILO_WORKSPACE"]).success();
    ran.stdout("app-feature-login\n").stderr("");
    // And a shell that does not find silo goes on without a word.
    home.run("login", &env, ["bash", "-euc", "echo ${SILO_WORKSPACE-none}"]).success().stdout("none\n").stderr("");
}

#[test]
fn with_bash_env_what_is_not_trusted_is_told_and_the_command_runs() {
    let home = Home::new();
    let file = home.write_inside();
    let ran = home.run("app", &[("BASH_ENV", &file)], ["bash", "-euc", "echo ${WEB_PORT-none}"]).success();
    ran.stdout("none\n").stderr_has("is not trusted; `silo allow` trusts it\n");
}

#[test]
fn a_silo_that_is_a_bash_script_does_not_ask_itself() {
    let home = Home::with_worktree();
    let file = home.write_inside();
    let wrapper = home.path("bin/silo");
    fs::create_dir(home.path("bin")).expect("HOME is writable");
    // It gives up after some calls, so that this test can fail.
    let text = format!(
        "#!/usr/bin/env bash\necho call >>~/calls\n[ \"$(wc -l <~/calls)\" -le 20 ] || exit 1\nexec {SILO} \"$@\"\n"
    );
    program(&wrapper, &text);
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", home.path("bin").display());
    let env = [("BASH_ENV", file.as_str()), ("PATH", &path)];
    home.run("login", &env, ["bash", "-c", "echo $SILO_WORKSPACE"]).success().stdout("app-feature-login\n").stderr("");
    assert_eq!(fs::read_to_string(home.path("calls")).expect("the wrapper wrote it"), "call\n");
}

#[test]
fn zsh_reads_the_same_file_unless_it_is_interactive() {
    let home = Home::with_worktree();
    home.write_inside();
    home.typed("", &blocks("Every command: BASH_ENV", "sh")[2]).success();
    let show = "echo ${SILO_WORKSPACE-none}";
    home.run("login", &[], ["zsh", "-c", show]).success().stdout("app-feature-login\n").stderr("");
    home.run("login", &[], ["zsh", "-euc", show]).success().stdout("app-feature-login\n").stderr("");
    home.run("", &[], ["zsh", "-c", show]).success().stdout("none\n").stderr("");
    home.run("login", &[], ["zsh", "-dic", show]).success().stdout("none\n");
}

#[test]
fn fish_enters_in_its_configuration_unless_it_is_interactive() {
    let home = Home::with_worktree();
    let folder = home.sandbox.path("config/fish");
    // Without the second, an interactive fish starts to read every manual page in the background.
    for folder in [&folder, &home.sandbox.path("data/fish/generated_completions")] {
        fs::create_dir_all(folder).expect("the sandbox is writable");
    }
    fs::write(folder.join("config.fish"), block("Every command: BASH_ENV", "fish")).expect("the sandbox is writable");
    let show = "echo $SILO_WORKSPACE";
    home.run("login", &[], ["fish", "-c", show]).success().stdout("app-feature-login\n").stderr("");
    home.run("", &[], ["fish", "-c", show]).success().stdout("\n").stderr("");
    home.run("login", &[], ["fish", "-ic", show]).success().stdout("\n");
}

#[test]
fn what_a_session_of_claude_code_writes_once_decides_by_folder_at_each_command() {
    let home = Home::with_worktree();
    let settings: Value = serde_json::from_str(&block("Claude Code", "json")).expect("it is JSON");
    let hook = &settings["hooks"]["SessionStart"][0]["hooks"][0];
    assert_eq!(hook["type"], "command");
    let hook = hook["command"].as_str().expect("it is a command");
    let file = home.path("session-env.sh");
    fs::write(&file, "export MINE=1\n").expect("HOME is writable");
    // A session that is resumed runs its hooks again.
    for _ in 0..2 {
        let env = [("CLAUDE_ENV_FILE", file.to_str().expect("it is ASCII"))];
        home.run("app", &env, ["sh", "-c", hook]).success().stdout("").stderr("");
    }
    let text = fs::read_to_string(&file).expect("it was written");
    assert_eq!(text.lines().count(), 2, "what was there stays, and one line is added: {text}");
    // The file's text goes before each command, joined to it.
    let command = format!("{} && eval 'echo \"$MINE ${{SILO_WORKSPACE-none}}\"' && pwd -P", text.trim());
    for shell in ["bash", "zsh"] {
        let ran = |folder| home.run(folder, &[], [shell, "-c", &command]).success().stderr("").stdout;
        assert_eq!(ran("login"), "1 app-feature-login\n$SANDBOX/home/login\n");
        assert_eq!(ran(""), "1 none\n$SANDBOX/home\n");
    }
    // A worktree as Claude Code makes it, inside the clone, used from a shell that has the clone's instance.
    let inside = [".claude/worktrees/login", "worktree-login"];
    home.sandbox.git(home.path("app"), ["worktree", "add", "--quiet", "-b", inside[1], inside[0]]);
    let started = home.run("app", &[], ["silo", "exec", "bash", "-c", &format!("cd {} && {command}", inside[0])]);
    started.success().stdout("1 app-worktree-login\n$SANDBOX/home/app/.claude/worktrees/login\n");
}

#[test]
fn to_enter_a_settled_instance_nothing_need_be_written() {
    let home = Home::with_worktree();
    home.sandbox.run(home.path("login"), ["env"]).success();
    let state = home.sandbox.path("state/silo");
    let files = || files_below(&state).into_iter().map(|file| state.join(file)).collect::<Vec<_>>();
    let before = written(&files());
    let ran = home.sandbox.run(home.path("login"), ["export", "bash"]).success();
    assert!(ran.stdout.contains("SILO_WORKSPACE='app-feature-login'"), "{ran:#?}");
    assert_eq!(written(&files()), before);
}
