//! Whether git keeps silo's own files out: they differ in every clone, and the env file may hold passwords.

use std::path::Path;
use std::time::Duration;

use super::scene::{Here, Scene};
use crate::core::config::DEFAULT_OUTPUT;
use crate::core::instance::lockfile::FILE_NAME;
use crate::core::shell::environment::Environment;
use crate::failure::quoted;
use crate::parts::context::copy_line;
use crate::parts::finding::{Finding, Fix};
use crate::store::project::CONFIG_NAME;
use crate::sys::cmd::{self, Cmd, Ended};
use crate::sys::files;

/// How long git may take.
const LIMIT: Duration = Duration::from_secs(2);
/// Largest `.gitignore` that is read, in bytes.
const SIZE: u64 = 1024 * 1024;

/// Everything about git and the project here.
pub(super) fn examine(scene: &Scene) -> Vec<Finding> {
    let Some(here) = &scene.here else { return Vec::new() };
    let root = here.root.as_path();
    if !root.ancestors().any(|folder| files::exists(&folder.join(".git"))) {
        return Vec::new();
    }
    let output = here.config.as_ref().map_or(DEFAULT_OUTPUT, |config| config.output.as_str());
    let names = [FILE_NAME, output];
    let git = Git::of(scene, root);
    let mut found: Vec<Finding> = here.astray.iter().map(|top| without_config(here, top)).collect();
    let (tracked, free): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| git.tracks(name));
    found.extend(tracked.iter().map(|name| {
        Finding::problem("tracked", format!("git tracks `{name}`, which is this folder's alone"))
            .at(&root.join(name))
            .why("Every clone starts with another one's name and ports, and each commit carries them on")
            .remedy(format!("git -C {} rm --cached -- {}", quoted(root), shell_words::quote(name)))
    }));
    let open: Vec<String> = free.iter().filter(|name| !git.ignores(name)).map(|name| (*name).to_owned()).collect();
    if !open.is_empty() {
        let list = open.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
        let verb = if open.len() == 1 { "is" } else { "are" };
        let words = shell_words::join(std::iter::once("%s\\n").chain(open.iter().map(String::as_str)));
        found.push(
            Finding::problem("not-ignored", format!("{list} {verb} not ignored by git"))
                .at(&root.join(".gitignore"))
                .why("A `git add .` would commit this folder's own ports, and whatever its URLs hold")
                .remedy(format!("printf {words} >> {}", quoted(&root.join(".gitignore"))))
                .fix(Fix::Ignore(root.to_path_buf(), open)),
        );
    }
    found
}

/// A worktree whose branch has no `silo.toml` lies below another checkout that has one.
fn without_config(here: &Here, top: &Path) -> Finding {
    Finding::problem("worktree-without-config", format!("This worktree has no `{CONFIG_NAME}`"))
        .at(top)
        .why("It lies below another checkout, and so has that one's instance: the same ports and data")
        .remedy(copy_line(&here.root.join(CONFIG_NAME), top))
}

/// git in a root; without git, its `.gitignore` alone.
pub(super) struct Git<'a> {
    root: &'a Path,
    environment: Option<Environment>,
}

impl<'a> Git<'a> {
    pub(super) fn of(scene: &Scene, root: &'a Path) -> Self {
        let mut environment = scene.outside.clone();
        // Inside a hook of git's these name another repository.
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX"] {
            environment.remove(variable);
        }
        environment.set("GIT_OPTIONAL_LOCKS", "0");
        // A partial clone would fetch what it lacks, by a command that the repository's own settings name.
        environment.set("GIT_NO_LAZY_FETCH", "1");
        environment.set("GIT_ALLOW_PROTOCOL", "");
        Self { root, environment: cmd::find("git", &environment).map(|_| environment) }
    }

    /// Whether it has taken in a file.
    pub(super) fn tracks(&self, name: &str) -> bool {
        self.asked(&["ls-files", "--error-unmatch", "--", name]) == Some(true)
    }

    fn ignores(&self, name: &str) -> bool {
        self.asked(&["check-ignore", "--quiet", "--no-index", "--", name]).unwrap_or_else(|| {
            let content = files::read(&self.root.join(".gitignore"), SIZE).ok().flatten();
            let text = content.map(|content| String::from_utf8_lossy(&content.bytes).into_owned()).unwrap_or_default();
            text.lines().any(|line| line.trim().trim_start_matches('/') == name)
        })
    }

    /// Whether git says yes; none when it cannot be asked. A repository's own settings start no program here.
    fn asked(&self, words: &[&str]) -> Option<bool> {
        let environment = self.environment.as_ref()?;
        let safe = ["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"];
        let arguments = safe.iter().chain(words).map(Into::into).collect();
        let cmd = Cmd { program: "git", arguments, environment, folder: self.root };
        match cmd.capture(LIMIT).ok()?.ended {
            Ended::Code(0) => Some(true),
            Ended::Code(1) => Some(false),
            _ => None,
        }
    }
}
