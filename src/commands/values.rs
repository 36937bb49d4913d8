//! `silo export dotenv`, `gha` and `systemd`: every var of the instance, as a file that another program reads. Unlike the
//! commands for shells it does not depend on what is in the environment already.

use super::{ci, consent};
use crate::core::formats::github;
use crate::core::instance::envfile;
use crate::failure::{Failure, code, shown};
use crate::parts::context::Context;
use crate::store::ask::{Ask, Occasion};
use crate::store::trust;
use crate::sys::random;

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum File {
    Dotenv,
    Gha,
    Systemd,
}

pub(super) fn run(context: &Context, file: File) -> Result<u8, Failure> {
    context.dirs.require_own(&context.environment)?;
    let project = context.project()?;
    let trust = trust::judge(&context.dirs, &project)?;
    if let Some(state) = consent::refusal(context, &project, trust) {
        let failure =
            Failure::new(format!("The file `{}` {state}", shown(&project.file))).hint("`silo allow` trusts it");
        return Err(failure.code(code::NOT_TRUSTED));
    }
    let config = project.config()?;
    let settled = context.settle(&project, &config, &Ask { occasion: Occasion::Cd, ..Ask::default() })?;
    let vars = &settled.known.vars;
    let pairs = || vars.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let text = match file {
        File::Gha => {
            ci::hide_secrets(context, vars);
            github::render(vars, &random::suffix)
        }
        File::Dotenv => envfile::lines(pairs()),
        // It reads single and double quotes as `sh` does, and expands nothing (systemd.exec, EnvironmentFile).
        File::Systemd => match pairs().find(|(_, value)| value.contains(refused_by_systemd)) {
            None => envfile::lines(pairs()),
            Some((name, _)) => {
                return Err(Failure::new(format!("The value of `{name}` holds a character that systemd refuses"))
                    .hint("Run the service's command by `silo exec` instead"));
            }
        },
    };
    context.ui.answer_bytes(text.as_bytes())?;
    Ok(0)
}

/// The byte order mark and Unicode's noncharacters: systemd rejects a whole file for one of them.
fn refused_by_systemd(c: char) -> bool {
    matches!(c, '\u{feff}' | '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}
