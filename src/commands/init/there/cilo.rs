//! What a project says for cilo, in `.cilo/config.yml`.

use std::path::Path;

use crate::core::formats::cilo::{self, Cilo};
use crate::core::text::glob::Glob;
use crate::core::text::source::one_line;
use crate::parts::unread;
use crate::sys::files;

/// Where it says so.
pub(super) const FILE: &str = ".cilo/config.yml";

/// Reads it; and what of it `silo.toml` has no place for, a line each. One that cannot be read is said, and taken for none.
pub(super) fn look(root: &Path) -> (Option<Cilo>, Vec<String>) {
    let path = root.join(FILE);
    if !files::is_file(&path) {
        return (None, Vec::new());
    }
    let read = unread::text_within(root, &path).ok().and_then(|text| cilo::read(&text).ok());
    let Some(mut cilo) = read else { return (None, vec![format!("`{FILE}` cannot be read, and is left out")]) };
    let mut notes: Vec<String> = cilo
        .left
        .iter()
        .map(|(key, line)| format!("`{}` of `{FILE}:{line}` is left out: `silo doc migration`", one_line(key)))
        .collect();
    let mut is_glob = |glob: &String| {
        let is = Glob::parse(glob).is_ok();
        if !is {
            notes.push(format!("`{}` of `{FILE}` is left out: it is no path in the project", one_line(glob)));
        }
        is
    };
    cilo.filled.retain(&mut is_glob);
    cilo.ignored.retain(&mut is_glob);
    if let cilo::Copied::These(files) = &mut cilo.copy {
        files.retain(&mut is_glob);
    }
    let leaves = |file: &String| file.starts_with(['/', '~']) || file.split('/').any(|part| part == "..");
    cilo.files.retain(|file| !leaves(file));
    // A value of `silo.toml` is one line.
    let is_line = |text: &String| !text.chars().any(char::is_control);
    if cilo.init.as_ref().is_some_and(|act| !is_line(act)) {
        notes.push(format!(
            "`env.init_hook` of `{FILE}` has several lines: put it into a script, and that below `[workspace] init`"
        ));
    }
    cilo.init = cilo.init.filter(is_line);
    for text in [&mut cilo.project, &mut cilo.suffix, &mut cilo.ingress] {
        *text = text.take().filter(is_line);
    }
    cilo.files.retain(is_line);
    (Some(cilo), notes)
}
