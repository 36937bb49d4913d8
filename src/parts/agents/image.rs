//! The image of an agent: the one that is named, from its registry where it is not here, or one built from a folder.

use std::path::Path;

use super::order::Order;
use super::outside::Outside;
use crate::backend::agents::Image;
use crate::core::agents::names;
use crate::core::config::agents::Source;
use crate::core::text::source::one_line;
use crate::failure::Failure;
use crate::sys::files;

/// The image, made or fetched where it is missing; `root` has the folder it is built from, and `own` is the run's folder.
pub(super) fn image(order: &Order<'_>, outside: &Outside, root: &Path, own: &Path) -> Result<Image, Failure> {
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
            let (origin, root) = (order.origin, files::canonical(root)?);
            let folder = files::canonical(&root.join(&text.value))?;
            if !folder.starts_with(&root) {
                let (key, word) = (origin.key("build"), origin.word());
                let what = format!("`{key}` leads out of the {word} by a link");
                return Err(origin
                    .misfit(&what, &text.span)
                    .hint(format!("Name a folder that lies in the {word} itself")));
            }
            let name = names::image(&order.site.scope.id, order.name);
            context.ui.detail(&format!("Building the image of `{}`", order.name));
            // By its id: another run may build under the same name meanwhile.
            outside.docker().build(&folder, &name, &order.site.scope.id, &own.join("image"))?
        }
    };
    outside.engine().image(&name)?.ok_or_else(|| {
        Failure::new(format!("The image `{}` was there, and is gone", one_line(&name))).hint("Run it again")
    })
}
