//! `silo shell [DIR]`: `$SHELL` inside the instance, with the shell hook, and no start file changed.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use super::activation_line::activation_line;
use super::consent;
use super::hook::start_files;
use crate::core::shell::environment::Environment;
use crate::core::shell::{self, Inside, Shell, Written};
use crate::failure::Failure;
use crate::parts::context::Context;
use crate::parts::enter;
use crate::store::ask::Ask;
use crate::store::settings;
use crate::sys::files;
use crate::sys::program;
use crate::sys::writing::{self, Writing};
use crate::sys::{cmd, dirs::Dirs};

/// Largest start file of the user's that is taken over, in bytes.
const LIMIT: u64 = 1024 * 1024;

pub(super) fn run(context: &Context, dir: Option<&Path>) -> Result<u8, Failure> {
    let folder = dir.map_or_else(|| Ok(context.folder.clone()), |dir| files::canonical(&context.folder.join(dir)))?;
    let project = context.project_in(&folder)?;
    let config = project.config()?;
    let settled = context.settle(&project, &config, &Ask::default())?;
    let mut environment = enter::inside(context, &project, &settled);
    environment.set("PWD", folder.as_os_str());
    consent::give(&mut environment, &project);
    let program = environment.get("SHELL").filter(|shell| !shell.is_empty()).unwrap_or("/bin/sh".as_ref()).to_owned();
    // The hints name `silo`; where it was called by its path, as `cargo run` does, it must be found anyway.
    let silo = program::own_path(&context.environment, &context.program)?;
    if let (None, Some(folder)) = (cmd::find("silo", &environment), silo.parent()) {
        let mut path = environment.get("PATH").unwrap_or_default().to_owned();
        path.push(":");
        path.push(folder);
        environment.set("PATH", path);
    }
    let shell = shell::of_program(&program.to_string_lossy());
    let mut arguments = Vec::new();
    if std::io::stdin().is_terminal() {
        context.ui.hook(&activation_line(&settled.known.name, &settled.known.ports));
        match shell {
            Some(shell) => {
                arguments = start(shell, silo.as_os_str().as_bytes(), &context.dirs, &mut environment)?;
            }
            None => {
                context.ui.warn("This shell has no silo hook: the variables are set, but `cd` will not change them");
            }
        }
    } else if let Some(shell) = shell {
        arguments.extend(shell.piped.iter().map(OsString::from));
    }
    Err(cmd::exec(&program, &arguments, &environment, Some(&folder)))
}

/// Writes the files and sets the variables that make a shell load the hook after the user's own start files; its arguments.
fn start(shell: &Shell, silo: &[u8], dirs: &Dirs, environment: &mut Environment) -> Result<Vec<OsString>, Failure> {
    let folder = dirs.state.join("shell").join(shell.name);
    files::make_folder(&folder)?;
    let launch = shell.launch(&Inside {
        silo,
        folder: folder.as_os_str().as_bytes(),
        home: dirs.home.as_os_str().as_bytes(),
        zdotdir: environment.get("ZDOTDIR").map(OsStr::as_bytes),
        wraps_cd: settings::wraps_cd(dirs),
    });
    for Written { name, is_behind_own, text } in launch.files {
        let own = match is_behind_own {
            true => files::read(&start_files::path(dirs, environment, shell.start.file), LIMIT)?,
            false => None,
        };
        let text = [own.map_or_else(Vec::new, |own| own.bytes), text].concat();
        writing::replace(&folder.join(name), &text, Writing { durable: false, ..Writing::PRIVATE })?;
    }
    for (name, value) in launch.variables {
        environment.set(name, OsString::from_vec(value));
    }
    Ok(launch.arguments.into_iter().map(OsString::from_vec).collect())
}
