//! The image of an agent: the one that is named, from its registry where it is not here, or one built from a folder of the project.

use super::order::Order;
use super::outside::Outside;
use crate::backend::agents::Image;
use crate::core::agents::names;
use crate::core::config::agents::Source;
use crate::core::text::source::one_line;
use crate::failure::Failure;
use crate::sys::files;

/// The image, made or fetched where it is missing.
pub(super) fn image(order: &Order<'_>, outside: &Outside) -> Result<Image, Failure> {
    let context = order.site.scope.context;
    let name = match &order.agent.source {
        Source::Image(text) => {
            if outside.engine().image(&text.value)?.is_none() {
                context.ui.step(&format!("Pulling the image `{}`", one_line(&text.value)));
                outside.docker().pull(&text.value)?;
            }
            text.value.clone()
        }
        Source::Build(text) => {
            let project = order.site.scope.project;
            let folder = files::canonical(&project.root.join(&text.value))?;
            if !folder.starts_with(&project.root) {
                let what = format!("`agents.{}.build` leads out of the project by a link", order.name);
                return Err(project.misfit(&what, &text.span).hint("Name a folder that lies in the project itself"));
            }
            let name = names::image(&order.site.scope.id, order.name);
            context.ui.detail(&format!("Building the image of `{}`", order.name));
            outside.docker().build(&folder, &name, &order.site.scope.id)?;
            name
        }
    };
    outside.engine().image(&name)?.ok_or_else(|| {
        Failure::new(format!("The image `{}` was there, and is gone", one_line(&name))).hint("Run it again")
    })
}
