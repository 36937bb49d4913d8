//! The shell hook: whether the shell above has it and whose it is, and whether the start file loads it.

use std::path::{Path, PathBuf};

use super::finding::Finding;
use super::scene::Scene;
use crate::core::shell::{MARK, Mark, Shell};
use crate::core::startfile;
use crate::failure::quoted;
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
        return other_hook(scene, &mark).into_iter().collect();
    }
    let login = scene.shell.text("SHELL").map(str::to_owned);
    let Some(program) = login.or_else(|| nearest_shell(&above).map(str::to_owned)) else { return Vec::new() };
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
            .mend(loading(shell, &files[0]));
        return vec![finding];
    };
    let finding = Finding::note("hook-not-loaded", format!("The shell hook of {name} is not loaded in this shell"))
        .at(file)
        .why("Scripts and shells older than the line in the start file do not have it; `cd` changes nothing here")
        .mend(format!("exec {name}"));
    vec![finding]
}

/// What loads the hook in new shells.
fn loading(shell: Shell, file: &Path) -> String {
    let line = match shell {
        Shell::Bash | Shell::Zsh | Shell::Fish => return format!("silo hook {} --install", shell.name()),
        Shell::Nu => {
            "mkdir ($nu.data-dir | path join vendor/autoload); silo hook nu | save -f ($nu.data-dir | path join vendor/autoload/silo.nu)"
        }
        Shell::Elvish => "eval (silo hook elvish | slurp)",
        Shell::Tcsh => r#"eval "`silo hook tcsh`""#,
    };
    format!("echo {} >> {}", shell_words::quote(line), quoted(file))
}

/// Whether the mark is that of the shell silo was typed in, and not one that a shell further out left in the environment:
/// up to the marked process there is no shell of another name. Its own subshells have its name.
fn is_of_this_shell(mark: &Mark<'_>, above: &[Process]) -> bool {
    let Some(at) = above.iter().position(|process| process.pid == mark.pid) else { return false };
    let marked = plain(&above[at]);
    above[..at].iter().all(|process| !SHELLS.contains(&plain(process)) || plain(process) == marked)
}

fn nearest_shell(above: &[Process]) -> Option<&str> {
    above.iter().map(plain).find(|name| SHELLS.contains(name))
}

/// The program's name; login shells are called with a dash before it.
fn plain(process: &Process) -> &str {
    process.name.trim_start_matches('-')
}

/// The hook in this shell calls a silo that is gone, or that is another one than this.
fn other_hook(scene: &Scene, mark: &Mark<'_>) -> Option<Finding> {
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
    let shell = scene.shell.text("SHELL").and_then(Shell::of_program).map_or("$SHELL", Shell::name);
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
    let config = folder("XDG_CONFIG_HOME");
    let below = |name: &str| config.clone().unwrap_or_else(|| home.join(".config")).join(name);
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
        Shell::Nu if cfg!(target_os = "macos") && config.is_none() => {
            vec![home.join("Library/Application Support/nushell/config.nu")]
        }
        Shell::Nu => vec![below("nushell/config.nu")],
        Shell::Elvish => vec![below("elvish/rc.elv"), home.join(".elvish/rc.elv")],
        Shell::Tcsh => [".tcshrc", ".cshrc"].map(|file| home.join(file)).to_vec(),
    }
}
