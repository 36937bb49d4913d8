//! `silo hook --install` and `--uninstall`: the one line in the shell's start file, shown before it is written. The marked
//! lines are the whole change, so taking them out is the whole undo.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use similar::TextDiff;

use super::login::Login;
use super::start_files::{self, Unread, text};
use crate::cli::HookArgs;
use crate::core::shell::activation::UNDO;
use crate::core::shell::startfile::{self, Unmarked};
use crate::core::shell::{self, ByHand, Folder, Shell, Start};
use crate::failure::{Failure, code, quoted, shown, shown_from};
use crate::parts::context::Context;
use crate::sys::dotfiles::Dotfile;
use crate::sys::files;
use crate::sys::program;

/// A file that is to be changed, and what it will hold; none where it goes away.
struct Change {
    file: Dotfile,
    new: Option<Vec<u8>>,
}

/// A start file that needs the line.
struct Wanted {
    path: PathBuf,
    /// Other shells than this one read it.
    shared: bool,
    /// What it reads itself; the line may are there.
    reads: Vec<PathBuf>,
}

pub(in super::super) fn run(context: &Context, arguments: &HookArgs) -> Result<u8, Failure> {
    let shell = shell(context, arguments)?;
    // To take the line out, a shell has something to say only where it decides itself where its start file lies.
    let login = match arguments.uninstall && shell.start.file.folder != Folder::Zdotdir {
        true => Login::default(),
        false => Login::ask(shell, &context.outside()),
    };
    let wanted = wanted(context, shell, &login)?;
    let changes = match arguments.uninstall {
        false => additions(context, shell, &login, wanted)?,
        true => removals(context, shell, wanted)?,
    };
    if changes.is_empty() {
        return Ok(0);
    }
    changes.iter().try_for_each(|change| show(context, change))?;
    let name = shell.name;
    if !arguments.yes {
        let word = if arguments.uninstall { "uninstall" } else { "install" };
        let failure = Failure::new("Nothing was changed: there is no terminal to ask on").code(code::USAGE);
        match context.ui.confirm("Go on?") {
            None => return Err(failure.hint(format!("Run `silo hook {name} --{word} --yes`"))),
            Some(false) => {
                context.ui.step("Nothing was changed");
                return Ok(code::FAILURE);
            }
            Some(true) => {}
        }
    }
    for Change { file, new } in &changes {
        let path = shown_from(&context.dirs.home, &file.path);
        if let Some(new) = new {
            file.replace(new)?;
            context.ui.step(&format!("Changed `{path}`"));
        } else {
            file.remove()?;
            context.ui.step(&format!("Removed `{path}`, which held nothing else"));
        }
    }
    // A new shell takes over the variables of this one, and could not give them back.
    let active = if context.environment.get(UNDO).is_some() { "; leave the project first" } else { "" };
    context.ui.step(&match arguments.uninstall {
        false => format!("New shells load it, this one with `exec {name}`; undo: `silo hook {name} --uninstall`"),
        true => format!("Shells that run keep the hook until they end, or `exec {name}`{active}"),
    });
    if let (false, Some(Unread::ByNone(path))) = (arguments.uninstall, start_files::unread(&context.dirs, &shell.start))
    {
        let (path, file) = (shown_from(&context.dirs.home, &path), shell.start.file.path);
        context.ui.step(&format!(
            "Login shells, such as those of tmux and ssh, read no start file of yours and do not load it: `echo '. ~/{file}' >>{path}`"
        ));
    }
    Ok(0)
}

fn shell(context: &Context, arguments: &HookArgs) -> Result<&'static Shell, Failure> {
    if let Some(shell) = arguments.shell {
        return Ok(shell);
    }
    let program = context.environment.text("SHELL").unwrap_or_default();
    shell::of_program(program).ok_or_else(|| {
        let failure = match program {
            "" => Failure::new("SHELL is not set"),
            program => Failure::new(format!("No hook for `{program}`")),
        };
        let word = if arguments.uninstall { "uninstall" } else { "install" };
        failure.hint(format!("Name the shell, as in `silo hook bash --{word}`")).code(code::USAGE)
    })
}

/// What adds the line where it is missing; a file that loads the hook already is told.
fn additions(context: &Context, shell: &Shell, login: &Login, wanted: Vec<Wanted>) -> Result<Vec<Change>, Failure> {
    let silo = program::own_path(&context.environment, &context.program)?;
    let word = if login.finds(&silo) { b"silo".to_vec() } else { shell.quote(silo.as_os_str().as_bytes()) };
    let line = shell.load(&word);
    if line.contains(&b'\n') {
        return Err(Failure::new(format!("The path of silo itself has a line end in it: `{}`", shown(&silo)))
            .hint("Move it to a folder of PATH, such as `~/.local/bin`"));
    }
    let mut changes = Vec::new();
    for Wanted { path, shared, reads } in wanted {
        let guard = if shared { shell.start.guard } else { "" };
        let line = [guard.as_bytes(), &line].concat();
        let by_hand =
            |failure: Failure| failure.hint(format!("Or add this line by hand: {}", String::from_utf8_lossy(&line)));
        let file = Dotfile::look(&path).map_err(by_hand)?;
        let old = file.bytes.clone().unwrap_or_default();
        // Between marks the line is silo's own, and made again where silo has moved.
        let own = (!startfile::is_marked(&old)).then(|| (path.clone(), old.clone()));
        let others = reads.into_iter().filter_map(|path| text(&path).map(|text| (path, text)));
        let mut loaded = own.into_iter().chain(others);
        if let Some((path, number)) = loaded.find_map(|(path, text)| Some((path, startfile::loaded_at(&text, shell)?)))
        {
            context.ui.answer(&format!(
                "Line {number} of `{}` loads the hook already\n",
                shown_from(&context.dirs.home, &path)
            ))?;
            continue;
        }
        let new = startfile::with_line(file.bytes.as_deref(), &line, shell);
        let new = new.map_err(|why| by_hand(unchanged(&file, why)))?;
        if new == old {
            context.ui.answer(&format!("`{}` loads the hook already\n", shown_from(&context.dirs.home, &path)))?;
        } else {
            changes.push(Change { file, new: Some(new) });
        }
    }
    Ok(changes)
}

/// What takes the marked lines out, and a file that silo made for them; a line that was written by hand is reported and left.
fn removals(context: &Context, shell: &Shell, wanted: Vec<Wanted>) -> Result<Vec<Change>, Failure> {
    let mut paths: Vec<PathBuf> =
        wanted.into_iter().flat_map(|wanted| std::iter::once(wanted.path).chain(wanted.reads)).collect();
    paths.extend(shell.start.login.iter().map(|name| context.dirs.home.join(name)));
    let mut changes: Vec<Change> = Vec::new();
    for path in paths {
        let Some(old) = text(&path) else { continue };
        let mut rest = old.clone();
        if startfile::is_marked(&old) {
            let by_hand = |failure: Failure| failure.hint("Or take the lines out by hand, marks included");
            let file = Dotfile::look(&path).map_err(by_hand)?;
            rest = startfile::without_line(&old).map_err(|why| unchanged(&file, why))?.unwrap_or_default();
            if !changes.iter().any(|change| change.file.path == file.path) {
                let goes = startfile::is_own(&old) && !file.is_behind_link();
                changes.push(Change { new: (!goes).then(|| rest.clone()), file });
            }
        }
        if let Some(number) = startfile::loaded_at(&rest, shell) {
            let path = shown_from(&context.dirs.home, &path);
            context
                .ui
                .step(&format!("Line {number} of `{path}` was written by hand and stays; an editor takes it out"));
        }
    }
    if changes.is_empty() {
        context.ui.answer(&format!("Nothing to take out: no start file of {} has silo's marks\n", shell.name))?;
    }
    Ok(changes)
}

/// The start files a shell needs the line in.
fn wanted(context: &Context, shell: &Shell, login: &Login) -> Result<Vec<Wanted>, Failure> {
    let (start, home) = (&shell.start, &context.dirs.home);
    if let Some(by_hand) = &start.by_hand {
        return Err(told(shell, by_hand));
    }
    if start.file.folder == Folder::Zdotdir {
        let set = context.environment.get("ZDOTDIR").filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let folder = set.or_else(|| login.zdotdir.clone()).unwrap_or_else(|| home.clone());
        if !folder.is_absolute() {
            return Err(Failure::new(format!("ZDOTDIR is not an absolute path: `{}`", shown(&folder)))
                .hint("Run `export ZDOTDIR=~/.zsh` first, or where it really is"));
        }
        return Ok(vec![Wanted { path: folder.join(start.file.path), shared: false, reads: Vec::new() }]);
    }
    let place = |place| start_files::path(&context.dirs, &context.environment, place);
    let (usual, older) = (place(start.file), start.older.map(place));
    let older = older.filter(|older| !files::exists(&usual) && files::exists(older));
    let path = older.unwrap_or(usual);
    let reads = start.reads.iter().map(|name| home.join(name));
    let reads = reads.chain(start_files::snippets(&context.dirs, &context.environment, start)).collect();
    let login = start_files::unread(&context.dirs, start).and_then(|unread| match unread {
        // A new one would hide what others write into `.profile` later; on macOS there is no terminal without.
        Unread::ByNone(_) if !cfg!(target_os = "macos") => None,
        Unread::By(path) | Unread::ByNone(path) => Some(path),
    });
    let login = login.map(|path| Wanted { shared: is_shared(start, &path), path, reads: Vec::new() });
    Ok([Wanted { shared: is_shared(start, &path), path, reads }].into_iter().chain(login).collect())
}

/// Whether other programs read a start file too.
fn is_shared(start: &Start, path: &Path) -> bool {
    start.shared.iter().any(|name| path.file_name().is_some_and(|file| file == *name))
}

fn show(context: &Context, change: &Change) -> Result<(), Failure> {
    let (named, path) =
        (shown_from(&context.dirs.home, &change.file.named), shown_from(&context.dirs.home, &change.file.path));
    if change.file.is_behind_link() {
        context.ui.step(&format!("`{named}` is a link: the file it leads to, `{path}`, is changed"));
    }
    let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    let name = |bytes: Option<&[u8]>| if bytes.is_some() { path.as_str() } else { "/dev/null" };
    let (old, new) = (change.file.bytes.as_deref(), change.new.as_deref());
    let (before, after) = (name(old), name(new));
    let (old, new) = (told(old.unwrap_or_default()), told(new.unwrap_or_default()));
    let diff = TextDiff::from_lines(old.as_str(), new.as_str());
    context.ui.answer(&diff.unified_diff().context_radius(1).header(before, after).to_string())
}

/// What the user does where silo does not write the line.
fn told(shell: &Shell, by_hand: &ByHand) -> Failure {
    let line = String::from_utf8_lossy(&shell.load(b"silo")).into_owned();
    Failure::new(format!("In {} the hook is added and taken out by hand", by_hand.shell))
        .hint(format!("To add it, put this at the end of the file `{}`: `{line}`", by_hand.file))
        .hint(format!("To take it out, remove that line, and run `{}`", by_hand.undo))
}

fn unchanged(file: &Dotfile, why: Unmarked) -> Failure {
    Failure::new(format!("Will not change `{}`: {why}", shown(&file.named)))
        .hint(format!("Look at it: `grep -n 'silo hook' {}`", quoted(&file.named)))
}
