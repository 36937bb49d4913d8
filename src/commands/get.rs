//! `silo get NAME`: the value of one variable, for scripts.

use super::instance;
use crate::core::text::suggest::nearest;
use crate::failure::Failure;
use crate::parts::context::Context;
use crate::store::ask::Ask;
use crate::store::stamp::Known;

pub(super) fn run(context: &Context, name: &str, of: Option<&str>) -> Result<u8, Failure> {
    let known = known(context, of)?;
    context.ui.answer_value(value(&known, name)?)?;
    Ok(0)
}

/// The instance of this folder, or the one with a name, settled.
pub(super) fn known(context: &Context, of: Option<&str>) -> Result<Known, Failure> {
    let project = instance::project(context, of)?;
    let config = project.config()?;
    Ok(context.settle(&project, &config, &Ask::default())?.known)
}

/// The value of a variable of an instance.
pub(super) fn value<'a>(known: &'a Known, name: &str) -> Result<&'a str, Failure> {
    known.get(name).ok_or_else(|| {
        let failure = Failure::new(format!("`{name}` is not a variable of `{}`", known.name));
        let near = nearest(name, known.vars.iter().map(|(name, _)| name.as_str()));
        let failure = near.iter().fold(failure, |failure, near| failure.hint(format!("The nearest is `{near}`")));
        failure.hint("List them all: `silo diff`")
    })
}
