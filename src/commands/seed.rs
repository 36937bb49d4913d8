//! `silo seed`: a volume of this instance, filled from another instance's or from one that is named (docs/compose.md).

use crate::cli::SeedArgs;
use crate::failure::Failure;
use crate::parts::context::Context;
use crate::parts::scope::Scope;
use crate::parts::services::{Manner, Source, seed};
use crate::store::ask::{Ask, Occasion};
use crate::sys::{lock, signals};

pub(super) fn run(context: &Context, arguments: &SeedArgs) -> Result<u8, Failure> {
    let project = context.project()?;
    let config = project.config()?;
    let scope = Scope::of(context, &project, &config, &Ask { occasion: Occasion::Cd, ..Ask::default() })?;
    if scope.settings.compose.is_none() {
        return Err(Failure::new("This project has no `[compose]`, and so no volumes of silo's")
            .hint("Write `[compose]` in silo.toml: `silo doc compose`"));
    }
    let source = match (&arguments.from, &arguments.from_volume) {
        (Some(instance), _) => Source::Instance(instance),
        (None, Some(volume)) => Source::Volume(volume),
        (None, None) => unreachable!("clap asks for one of the two"),
    };
    let SeedArgs { force, yes, live, .. } = *arguments;
    let started = |holder| {
        Failure::new(format!("This instance is being started{holder}"))
            .hint("Stop it first: `silo down`, or Ctrl-C in its terminal")
    };
    // Nothing of the instance starts or stops meanwhile.
    lock::hold(&context.dirs.up_lock(&project.root), "the start of it", &lock::AT_ONCE, started, || {
        signals::watch();
        let site = scope.settle()?;
        seed(&site, &arguments.volume, source, Manner { force, yes, live })
    })?;
    Ok(0)
}
