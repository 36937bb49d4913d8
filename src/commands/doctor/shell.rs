//! The shell hook: whether the shell above has it and whose it is, and whether the start file loads it.

use std::path::Path;

use super::super::elsewhere;
use super::super::hook::start_files::{self, Unread};
use super::scene::{Here, Scene};
use crate::core::shell::startfile;
use crate::core::shell::{self, MARK, Mark, Shell};
use crate::failure::quoted;
use crate::parts::context::Context;
use crate::parts::finding::Finding;
use crate::sys::files;
use crate::sys::processes::{self, Process};

/// Largest start file that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;
/// Other programs that stand between a typed command and silo only as shells do.
const OTHER_SHELLS: [&str; 3] = ["sh", "dash", "ksh"];

/// Everything about the hook.
pub(super) fn examine(scene: &Scene) -> Vec<Finding> {
    let above = processes::above();
    if let Some(mark) = scene.shell.text(MARK).and_then(Mark::parse).filter(|mark| is_of_this_shell(mark, &above)) {
        let uncalled = scene.uncalled.clone().map(|(instead, remedy)| {
            let what = format!("The shell hook is loaded, but nothing calls it: `{instead}` has taken its place");
            let why = "It goes last in the start file; until then `cd`, edits of `silo.toml` and your word on it are not noticed";
            Finding::problem("hook-not-called", what).why(why).remedy(remedy)
        });
        return uncalled.into_iter().chain(other_hook(scene, &mark, &above)).collect();
    }
    let program = typed_in(&above).or_else(|| scene.shell.text("SHELL")).or_else(|| nearest_shell(&above));
    let Some(program) = program.map(str::to_owned) else { return Vec::new() };
    let Some(shell) = shell::of_program(&program) else {
        let finding = Finding::note("hook-missing", format!("There is no shell hook for `{program}`"));
        return vec![finding.why("`cd` changes nothing in it").remedy("silo exec -- COMMAND")];
    };
    let files = start_files::every(&scene.dirs, &scene.shell, &shell.start);
    let loaded = files.iter().find(|file| {
        let content = files::read(file, LIMIT).ok().flatten();
        content.is_some_and(|content| startfile::loaded_at(&content.bytes, shell).is_some())
    });
    let name = shell.name;
    let Some(file) = loaded else {
        let finding = Finding::note("hook-missing", format!("No start file of {name} loads the shell hook"))
            .at(&files[0])
            .why("`cd` into a project changes nothing; `silo exec` and `silo shell` work without it")
            .remedy(loading(shell));
        return vec![finding];
    };
    if above.first().is_some_and(is_login)
        && let Some(Unread::By(read) | Unread::ByNone(read)) = start_files::unread(&scene.dirs, &shell.start)
    {
        let finding =
            Finding::note("hook-not-in-login-shells", format!("Login shells of {name} do not load the shell hook"))
                .at(file)
                .why("tmux and ssh start them; what they read does not hand on to this file")
                .remedy(format!("echo '. ~/{}' >>{}", shell.start.file.path, quoted(&read)));
        return vec![finding];
    }
    let finding = Finding::note("hook-not-loaded", format!("The shell hook of {name} is not loaded in this shell"))
        .at(file)
        .why("Scripts and shells older than the line in the start file do not have it; `cd` changes nothing here")
        .remedy(format!("exec {name}"));
    vec![finding]
}

/// Variables of another project's instance, which whatever is started here would use.
pub(super) fn of_another_project(context: &Context, here: Option<&Here>) -> Option<Finding> {
    let here = here.map(|here| here.root.as_path());
    let root = elsewhere::active_root(context, here.and_then(Path::to_str))?;
    elsewhere::is_asked_of_here(context, here).then(|| {
        Finding::problem("shell-elsewhere", format!("The variables in this shell are those of `{root}`"))
            .why("Programs started here have its ports, names and database; an editor or a terminal was started there")
            .remedy("silo exec -- COMMAND")
    })
}

/// What loads the hook in new shells; a line that is added by hand by a command of the shell's.
fn loading(shell: &Shell) -> String {
    match &shell.start.by_hand {
        Some(by_hand) => {
            let (before, after) = by_hand.add;
            format!("{before}{}{after}", String::from_utf8_lossy(&shell.load(b"silo")))
        }
        None => format!("silo hook {} --install", shell.name),
    }
}

/// Whether the mark is that of the shell silo was typed in, and not one that a shell further out left in the environment:
/// up to the marked process there is no shell of another name. Its own subshells have its name.
fn is_of_this_shell(mark: &Mark<'_>, above: &[Process]) -> bool {
    let Some(at) = above.iter().position(|process| process.pid == mark.pid) else { return false };
    let marked = plain(&above[at]);
    above[..at].iter().all(|process| !is_shell(plain(process)) || plain(process) == marked)
}

/// The shell whose prompt silo was typed at, which may be another than `$SHELL`: its parent, when it has a hook and gives its
/// jobs process groups of their own, as no script does. Elvish never does.
fn typed_in(above: &[Process]) -> Option<&str> {
    let parent = above.first()?;
    let shell = shell::of_program(&parent.name)?;
    (!shell.has_job_groups || !processes::is_in_our_group(parent.pid)).then_some(shell.name)
}

/// Whether a shell was started as a login shell.
fn is_login(shell: &Process) -> bool {
    let words = processes::words(shell.pid).unwrap_or_default();
    let is_asked = |word: &String| ["-l", "--login"].contains(&word.as_str());
    words.first().is_some_and(|name| name.starts_with('-')) || words.iter().any(is_asked)
}

fn nearest_shell(above: &[Process]) -> Option<&str> {
    above.iter().map(plain).find(|name| is_shell(name))
}

/// Whether a program of this name is a shell.
fn is_shell(name: &str) -> bool {
    OTHER_SHELLS.contains(&name) || shell::ALL.iter().any(|shell| shell.runs_as(name))
}

/// The program's name; login shells are called with a dash before it.
fn plain(process: &Process) -> &str {
    process.name.trim_start_matches('-')
}

/// The hook in this shell calls a silo that is gone, or that is another one than this.
fn other_hook(scene: &Scene, mark: &Mark<'_>, above: &[Process]) -> Option<Finding> {
    let silo = Path::new(mark.silo);
    let what = if !files::is_executable(silo) {
        format!("The hook in this shell calls `{}`, which is gone", mark.silo)
    } else if mark.version != env!("CARGO_PKG_VERSION") {
        format!("The hook in this shell is that of silo {}, and this is {}", mark.version, env!("CARGO_PKG_VERSION"))
    } else if scene.silo.as_ref().is_some_and(|own| !files::same(own, silo)) {
        format!("The hook in this shell calls `{}`, which is another silo than this", mark.silo)
    } else {
        return None;
    };
    let marked = above.iter().find(|process| process.pid == mark.pid).and_then(|shell| shell::of_program(&shell.name));
    let shell =
        marked.or_else(|| scene.shell.text("SHELL").and_then(shell::of_program)).map_or("$SHELL", |shell| shell.name);
    Some(
        Finding::note("hook-other", what)
            .why("What is typed and what `cd` does come from two silos; a new shell loads the hook again")
            .remedy(format!("exec {shell}")),
    )
}
