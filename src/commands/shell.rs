//! `silo shell [DIR]`: `$SHELL` inside the instance, with the shell hook, and no start file changed.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use super::activation_line::activation_line;
use super::consent;
use crate::core::shell::Shell;
use crate::core::shell::environment::Environment;
use crate::failure::Failure;
use crate::parts::context::Context;
use crate::parts::enter;
use crate::store::ask::Ask;
use crate::store::project::Project;
use crate::sys::files;
use crate::sys::program;
use crate::sys::writing::{self, Writing};
use crate::sys::{cmd, dirs::Dirs};

/// zsh reads its start files from `ZDOTDIR`; these hand over to the user's own, then load the hook.
const ZSHENV: &str = r"# Written by silo for `silo shell`.
if [[ -n ${__SILO_ZDOTDIR-} ]]; then ZDOTDIR=$__SILO_ZDOTDIR; else unset ZDOTDIR; fi
if [[ -f ${ZDOTDIR-$HOME}/.zshenv ]]; then source ${ZDOTDIR-$HOME}/.zshenv; fi
__SILO_ZDOTDIR=${ZDOTDIR-}
ZDOTDIR=@FOLDER@
";
const ZSHRC: &str = r#"# Written by silo for `silo shell`.
if [[ -n ${__SILO_ZDOTDIR-} ]]; then ZDOTDIR=$__SILO_ZDOTDIR; else unset ZDOTDIR; fi
unset __SILO_ZDOTDIR
if [[ ${HISTFILE-} == @FOLDER@/* ]]; then HISTFILE=${ZDOTDIR-$HOME}/.zsh_history; fi
if [[ -f ${ZDOTDIR-$HOME}/.zshrc ]]; then source ${ZDOTDIR-$HOME}/.zshrc; fi
eval "$(@SILO@ hook zsh)"
"#;
const BASHRC: &str = r#"# Written by silo for `silo shell`.
if [[ -f ~/.bashrc ]]; then . ~/.bashrc; fi
eval "$(@SILO@ hook bash)"
"#;

/// Elvish takes one start file: the user's own with this behind it, in the same scope.
const ELVISHRC: &str = "
# Written by silo for `silo shell`.
eval (@SILO@ hook elvish | slurp)
";
/// tcsh looks for its start file in `HOME` alone. Within backquotes only an alias keeps its quotes.
const TCSHRC: &str = r#"# Written by silo for `silo shell`.
setenv HOME @HOME@
set home = "$HOME:q"
if ( -r ~/.tcshrc ) then
  source ~/.tcshrc
else if ( -r ~/.cshrc ) then
  source ~/.cshrc
endif
set __silo_bin = @SILO@
alias __silo_ask '"$__silo_bin:q" hook tcsh'
eval "`__silo_ask`"
"#;

pub(super) fn run(context: &Context, dir: Option<&Path>) -> Result<u8, Failure> {
    let folder = dir.map_or_else(|| Ok(context.folder.clone()), |dir| files::canonical(&context.folder.join(dir)))?;
    let project = Project::load(&folder, context.config.as_deref())?;
    let config = project.config()?;
    let settled = context.settle(&project, &config, &Ask::default())?;
    let mut environment = enter::inside(context, &project, &settled);
    environment.set("PWD", folder.as_os_str());
    consent::give(&mut environment, &project);
    let program = environment.get("SHELL").filter(|shell| !shell.is_empty()).unwrap_or("/bin/sh".as_ref()).to_owned();
    // The hints name `silo`; where it was called by its path, as `cargo run` does, it must be found all the same.
    let silo = program::own_path(&context.environment, &context.program)?;
    if let (None, Some(folder)) = (cmd::find("silo", &environment), silo.parent()) {
        let mut path = environment.get("PATH").unwrap_or_default().to_owned();
        path.push(":");
        path.push(folder);
        environment.set("PATH", path);
    }
    let mut arguments = Vec::new();
    let shell = Shell::of_program(&program.to_string_lossy());
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
    } else if shell == Some(Shell::Nu) {
        // It reads no script from its input unless it is told to.
        arguments.push("/dev/stdin".into());
    }
    Err(cmd::exec(&program, &arguments, &environment, Some(&folder)))
}

/// The arguments, variables and generated files that make a shell load the hook after the user's own start files.
fn start(shell: Shell, silo: &[u8], dirs: &Dirs, environment: &mut Environment) -> Result<Vec<OsString>, Failure> {
    let filled = |text: &str, mark: &str, value: &[u8]| -> Vec<u8> {
        let (before, after) = text.split_once(mark).expect("each template has its mark once");
        [before.as_bytes(), &shell.quote(value), after.as_bytes()].concat()
    };
    let folder = dirs.state.join("shell").join(shell.name());
    files::make_folder(&folder)?;
    let write = |name: &str, text: &[u8]| {
        writing::replace(&folder.join(name), text, Writing { durable: false, ..Writing::PRIVATE })
    };
    match shell {
        Shell::Bash => {
            write("bashrc", &filled(BASHRC, "@SILO@", silo))?;
            Ok(vec!["--rcfile".into(), folder.join("bashrc").into()])
        }
        Shell::Zsh => {
            write(".zshenv", &filled(ZSHENV, "@FOLDER@", folder.as_os_str().as_bytes()))?;
            let zshrc = String::from_utf8_lossy(&filled(ZSHRC, "@SILO@", silo)).into_owned();
            write(".zshrc", &filled(&zshrc, "@FOLDER@", folder.as_os_str().as_bytes()))?;
            if let Some(own) = environment.get("ZDOTDIR").map(ToOwned::to_owned) {
                environment.set("__SILO_ZDOTDIR", own);
            }
            environment.set("ZDOTDIR", folder);
            Ok(Vec::new())
        }
        Shell::Fish => {
            let command = [&shell.quote(silo), b" hook fish | source".as_slice()].concat();
            Ok(vec!["--init-command".into(), OsString::from_vec(command)])
        }
        Shell::Nu => {
            write("hook.nu", &shell.hook(silo, b""))?;
            let source = [b"source ".as_slice(), &shell.quote(folder.join("hook.nu").as_os_str().as_bytes())].concat();
            Ok(vec!["--execute".into(), OsString::from_vec(source)])
        }
        Shell::Elvish => {
            let own = files::read(&dirs.config_home().join("elvish/rc.elv"), 1024 * 1024)?
                .map_or_else(Vec::new, |own| own.bytes);
            write("rc.elv", &[own, filled(ELVISHRC, "@SILO@", silo)].concat())?;
            Ok(vec!["-rc".into(), folder.join("rc.elv").into()])
        }
        Shell::Tcsh => {
            let home =
                String::from_utf8_lossy(&filled(TCSHRC, "@HOME@", dirs.home.as_os_str().as_bytes())).into_owned();
            write(".tcshrc", &filled(&home, "@SILO@", silo))?;
            environment.set("HOME", folder);
            Ok(Vec::new())
        }
    }
}
