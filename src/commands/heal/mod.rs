//! `silo heal`: what is wanted and not up is brought back (D31). Intent is the registry's, observation is `parts::look`'s, and
//! here the two are joined.

mod down;
mod install;
mod many;
mod one;
mod own;
mod plan;
mod report;
mod rest;
mod watch;

use std::sync::Arc;

use crate::cli::HealArgs;
use crate::failure::Failure;
use crate::parts::context::Context;

pub(super) use down::down;

pub(super) fn run(context: &Context, arguments: &HealArgs) -> Result<u8, Failure> {
    if arguments.install {
        return install::install(context);
    }
    if arguments.uninstall {
        return install::uninstall(context);
    }
    if arguments.rest {
        return rest::run(context);
    }
    if arguments.how.watch {
        return watch::run(&Arc::new(context.clone()), arguments);
    }
    if arguments.all || !arguments.names.is_empty() {
        return many::run(context, arguments);
    }
    one::run(context, arguments)
}
