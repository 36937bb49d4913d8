//! What was said to the user once and does not have to be said again while it is the same: digests, a line each. Lost or damaged, it
//! only means that something is said twice.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::core::text::digest;
use crate::sys::dirs::Dirs;
use crate::sys::files;
use crate::sys::writing::{self, Writing};

/// Largest file that is read, in bytes.
const LIMIT: u64 = 64 * 1024;

/// Which of these texts were said before; afterwards all of them are.
pub fn before(dirs: &Dirs, texts: &[String]) -> Vec<bool> {
    let path = path(dirs);
    let content = files::read(&path, LIMIT).ok().flatten().map(|content| content.bytes).unwrap_or_default();
    let content = String::from_utf8_lossy(&content);
    let known: HashSet<&str> = content.lines().collect();
    let now: Vec<String> = texts.iter().map(|text| digest::of(text.as_bytes())).collect();
    let told = now.iter().map(|one| known.contains(one.as_str())).collect();
    // What is no longer so is forgotten: it would be news again.
    if known.len() != now.len() || now.iter().any(|one| !known.contains(one.as_str())) {
        let text = now.join("\n") + "\n";
        // Where nothing can be written, it is said again.
        let _ = files::make_folder(&dirs.state)
            .and_then(|()| writing::replace(&path, text.as_bytes(), Writing { durable: false, ..Writing::PRIVATE }));
    }
    told
}

/// Whether something was said of the instance of a root that is said once.
pub fn was(dirs: &Dirs, root: &Path, topic: &str) -> bool {
    files::is_file(&mark(dirs, root, topic))
}

/// Whether it was said while this was so: said again where it is another by now.
pub fn was_of(dirs: &Dirs, root: &Path, topic: &str, state: &str) -> bool {
    let content = files::read(&mark(dirs, root, topic), LIMIT).ok().flatten();
    content.is_some_and(|content| content.bytes == digest::of(state.as_bytes()).into_bytes())
}

/// Remembers that it was, while `state` is so; where that cannot be written, it is said again.
pub fn note(dirs: &Dirs, root: &Path, topic: &str, state: &str) {
    let text = digest::of(state.as_bytes());
    let _ = files::make_folder(&dirs.instance(root)).and_then(|()| {
        writing::replace(&mark(dirs, root, topic), text.as_bytes(), Writing { durable: false, ..Writing::PRIVATE })
    });
}

fn mark(dirs: &Dirs, root: &Path, topic: &str) -> PathBuf {
    dirs.instance(root).join(format!("said-{topic}"))
}

fn path(dirs: &Dirs) -> PathBuf {
    dirs.state.join("doctor-said")
}
