//! The image of an agent: the one that is named, from its registry where it is not here, or one built from a folder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::order::Order;
use super::outside::Outside;
use crate::backend::agents::Image;
use crate::core::agents::names;
use crate::core::agents::record::{Run, Stage};
use crate::core::config::agents::Source;
use crate::core::text::source::one_line;
use crate::failure::Failure;
use crate::parts::context::Context;
use crate::store::agents;
use crate::sys::files;
use crate::sys::lock::{self, Wait};

/// How long another agent's build may take.
const TURN: Duration = Duration::from_mins(30);

/// The image, made or fetched where it is missing; `root` has the folder it is built from, and `own` is the run's folder.
pub(super) fn image(
    order: &Order<'_>,
    outside: &Outside,
    root: &Path,
    own: &Path,
    run: &mut Run,
) -> Result<Image, Failure> {
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
            return build(order, outside, (&folder, &name), own, run);
        }
    };
    let image = known(outside, &name)?;
    run.image.clone_from(&image.id);
    Ok(image)
}

fn known(outside: &Outside, name: &str) -> Result<Image, Failure> {
    outside.engine().image(name)?.ok_or_else(|| {
        Failure::new(format!("The image `{}` was there, and is gone", one_line(name))).hint("Run it again")
    })
}

/// Builds it, and lets the one go that had its name before. Another run may build under that name meanwhile: so it is known by its id,
/// and one after the other the runs of an instance build theirs and record it.
fn build(
    order: &Order<'_>,
    outside: &Outside,
    (folder, name): (&Path, &str),
    own: &Path,
    run: &mut Run,
) -> Result<Image, Failure> {
    let scope = order.site.scope;
    let context = scope.context;
    let wait = Wait { limit: TURN, tell: &|text| context.ui.step(text) };
    let busy = |holder| Failure::new(format!("Another agent's image is being built{holder}")).hint("Run it again");
    lock::hold(&lock_of(context, &scope.project.root), "another agent", &wait, busy, || {
        let before = outside.engine().image(name)?;
        let text = format!("Building the image of `{}`", order.name);
        match before {
            Some(_) => context.ui.detail(&text),
            // Docker says nothing until it is done, which takes minutes where packages are installed.
            None => context.ui.step(&text),
        }
        let id = outside.docker().build(folder, name, &scope.id, &own.join("image"))?;
        let image = known(outside, &id)?;
        run.image.clone_from(&image.id);
        run.is_built = true;
        agents::save(&context.dirs, run)?;
        if let Some(before) = before.filter(|before| before.id != image.id) {
            drop_unused(context, outside, &before.id, run);
        }
        Ok(image)
    })
}

/// By this the runs of an instance build and drop images one after the other.
fn lock_of(context: &Context, root: &Path) -> PathBuf {
    context.dirs.instance(root).join("images.lock")
}

/// Removes the image of a run that has ended, where silo built it and it has lost its name to a newer one. One that somebody builds
/// meanwhile is left to whoever builds the next: it does no harm.
pub(super) fn drop_former(context: &Context, outside: &Outside, run: &Run) {
    let root = Path::new(&run.root);
    if run.is_built && files::is_folder(&context.dirs.instance(root)) {
        let _ = lock::hold(&lock_of(context, root), "another agent", &lock::AT_ONCE, Failure::new, || {
            drop_unused(context, outside, &run.image, run);
            Ok(())
        });
    }
}

/// Removes an image without a name, unless another run that has not ended is made from it.
fn drop_unused(context: &Context, outside: &Outside, image: &str, run: &Run) {
    let is_used = |other: &Run| other.id != run.id && other.image == image && other.stage != Stage::Ended;
    if !agents::all(&context.dirs).iter().any(is_used) {
        outside.docker().drop_former(image, &run.instance);
    }
}
