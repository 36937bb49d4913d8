//! The Tilt extension that a project gets from `silo init --tilt`.

use std::path::Path;

use super::super::context::Context;
use crate::failure::{Failure, quoted};
use crate::store::project;
use crate::sys::files;
use crate::sys::writing::{self, Writing};

/// The Tilt extension: path below the project's folder, and content.
const EXTENSION: [(&str, &str); 2] = [
    ("tilt-extensions/silo/require/Tiltfile", include_str!("../../../tilt-extensions/silo/require/Tiltfile")),
    (
        "tilt-extensions/silo/docker_compose/Tiltfile",
        include_str!("../../../tilt-extensions/silo/docker_compose/Tiltfile"),
    ),
];

/// Writes the Tilt extension below a canonical root; a file that says something else is somebody's own.
///
/// # Errors
/// A [`Failure`] that names the file that could not be written.
pub fn extend(context: &Context, root: &Path) -> Result<(), Failure> {
    for (name, text) in EXTENSION {
        let path = root.join(name);
        let folder = path.parent().unwrap_or(root);
        if project::leads_out(root, folder)? {
            return Err(Failure::new(format!("Will not write `{name}`: a link leads out of the project"))
                .hint(format!("See where it leads: `ls -ld {}`", quoted(&root.join("tilt-extensions")))));
        }
        match files::read(&path, 1024 * 1024)? {
            Some(old) if old.bytes == text.as_bytes() => {}
            Some(_) => context.ui.warn(&format!("`{name}` is there with another content; it stays as it is")),
            None => {
                files::make_folder(folder)?;
                writing::replace(&path, text.as_bytes(), Writing::SHARED)?;
                context.ui.step(&format!("Writing `{name}`"));
            }
        }
    }
    context.ui.step("Next: load('./tilt-extensions/silo/require/Tiltfile', 'SILO_REQUIRE') in the Tiltfile");
    Ok(())
}
