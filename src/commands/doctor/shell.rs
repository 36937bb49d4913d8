//! The shell hook: whether the shell above has it and whose it is, and whether the start file loads it.

use std::path::{Path, PathBuf};

use super::scene::Scene;
use crate::core::shell::startfile;
use crate::core::shell::{MARK, Mark, Shell};
use crate::parts::finding::Finding;
use crate::sys::files;
use crate::sys::processes::{self, Process};

/// Largest start file that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;
/// Programs that stand between a typed command and silo only as shells do.
const SHELLS: [&str; 10] = ["bash", "zsh", "fish", "nu", "elvish", "tcsh", "csh", "sh", "dash", "ksh"];

/// Everything about the hook.
pub(super) fn examine(scene: &Scene) -> Vec<Finding> {
    let above = processes::above();
    if let Some(mark) = scene.shell.text(MARK).and_then(Mark::parse).filter(|mark| is_of_this_shell(mark, &above)) {
        return other_hook(scene, &mark, &above).into_iter().collect();
    }
    let program = typed_in(&above).or_else(|| scene.shell.text("SHELL")).or_else(|| nearest_shell(&above));
    let Some(program) = program.map(str::to_owned) else { return Vec::new() };
    let Some(shell) = Shell::of_program(&program) else {
        let finding = Finding::note("hook-missing", format!("There is no shell hook for `{program}`"));
        return vec![finding.why("`cd` changes nothing in it").mend("silo exec -- COMMAND")];
    };
    let files = start_files(scene, shell);
    let loaded = files.iter().find(|file| {
        let content = files::read(file, LIMIT).ok().flatten();
        content.is_some_and(|content| startfile::loaded_at(&content.bytes, shell).is_some())
    });
    let name = shell.name();
    let Some(file) = loaded else {
        let finding = Finding::note("hook-missing", format!("No start file of {name} loads the shell hook"))
            .at(&files[0])
            .why("`cd` into a project changes nothing; `silo exec` and `silo shell` work without it")
            .mend(loading(shell));
        return vec![finding];
    };
    let finding = Finding::note("hook-not-loaded", format!("The shell hook of {name} is not loaded in this shell"))
        .at(file)
        .why("Scripts and shells older than the line in the start file do not have it; `cd` changes nothing here")
        .mend(format!("exec {name}"));
    vec![finding]
}

/// What loads the hook in new shells. nushell's line is added by hand, which is a command of its own there.
fn loading(shell: Shell) -> String {
    match shell {
        Shell::Nu => {
            let line = startfile::load_line(Shell::Nu, b"silo");
            format!("\"\\n{}\\n\" | save --append $nu.config-path", String::from_utf8_lossy(&line))
        }
        _ => format!("silo hook {} --install", shell.name()),
    }
}

/// Whether the mark is that of the shell silo was typed in, and not one that a shell further out left in the environment:
/// up to the marked process there is no shell of another name. Its own subshells have its name.
fn is_of_this_shell(mark: &Mark<'_>, above: &[Process]) -> bool {
    let Some(at) = above.iter().position(|process| process.pid == mark.pid) else { return false };
    let marked = plain(&above[at]);
    above[..at].iter().all(|process| !SHELLS.contains(&plain(process)) || plain(process) == marked)
}

/// The shell whose prompt silo was typed at, which may be another than `$SHELL`: its parent, when it has a hook and gives its
/// jobs process groups of their own, as no script does. Elvish never does.
fn typed_in(above: &[Process]) -> Option<&str> {
    let parent = above.first()?;
    let shell = Shell::of_program(&parent.name)?;
    (shell == Shell::Elvish || !processes::is_in_our_group(parent.pid)).then(|| shell.name())
}

fn nearest_shell(above: &[Process]) -> Option<&str> {
    above.iter().map(plain).find(|name| SHELLS.contains(name))
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
    let marked = above.iter().find(|process| process.pid == mark.pid).and_then(|shell| Shell::of_program(&shell.name));
    let shell = marked.or_else(|| scene.shell.text("SHELL").and_then(Shell::of_program)).map_or("$SHELL", Shell::name);
    Some(
        Finding::note("hook-other", what)
            .why("What is typed and what `cd` does come from two silos; a new shell loads the hook anew")
            .mend(format!("exec {shell}")),
    )
}

/// Where a shell's hook may be loaded, the usual place first.
fn start_files(scene: &Scene, shell: Shell) -> Vec<PathBuf> {
    let folder = |variable: &str| scene.shell.get(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = &scene.dirs.home;
    let below = |name: &str| scene.dirs.config_home().join(name);
    match shell {
        Shell::Bash => [".bashrc", ".bash_profile", ".bash_login", ".profile"].map(|file| home.join(file)).to_vec(),
        Shell::Zsh => {
            let folder = folder("ZDOTDIR").unwrap_or_else(|| home.clone());
            [".zshrc", ".zshenv", ".zprofile", ".zlogin"].map(|file| folder.join(file)).to_vec()
        }
        Shell::Fish => {
            let mut files = vec![below("fish/config.fish")];
            files.extend(files::names_in(&below("fish/conf.d")));
            files
        }
        Shell::Nu if cfg!(target_os = "macos") && folder("XDG_CONFIG_HOME").is_none() => {
            vec![home.join("Library/Application Support/nushell/config.nu")]
        }
        Shell::Nu => vec![below("nushell/config.nu")],
        Shell::Elvish => vec![below("elvish/rc.elv"), home.join(".elvish/rc.elv")],
        Shell::Tcsh => [".tcshrc", ".cshrc"].map(|file| home.join(file)).to_vec(),
    }
}
