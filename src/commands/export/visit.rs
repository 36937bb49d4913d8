//! What silo makes of the folder a shell is in.

use std::path::{Path, PathBuf};

use crate::parts::context::Context;
use crate::store::stamp::{self, Known};

/// What becomes of this shell.
pub(super) enum Fate {
    /// The instance holds here.
    Enter(Box<Known>),
    /// The last good variables of this root stay (D108).
    Stay,
    /// No instance holds here.
    Leave,
    /// The instance was released while this shell is in its folder: it is not made again under its user's hands.
    LetGo,
}

/// What the hook compares until something has changed.
pub(super) struct Watched {
    pub(super) stamp: PathBuf,
    /// The stamp's first line; empty where there is no stamp.
    pub(super) generation: String,
}

impl Watched {
    pub(super) fn new(context: &Context, root: &Path, generation: String) -> Self {
        Self { stamp: stamp::file(&context.dirs, root, &generation), generation }
    }
}

/// What silo makes of the folder.
pub(super) struct Visit {
    pub(super) fate: Fate,
    /// None outside every project.
    pub(super) watched: Option<Watched>,
    /// The path the folder was found under, where its instance has another.
    pub(super) found: Option<PathBuf>,
    /// The user has not allowed what is there.
    pub(super) untrusted: bool,
    /// Which ports are not their defaults, and why: said where they are leased.
    pub(super) moved: Vec<(String, String)>,
    /// Whether a shell may give this answer itself where it is asked the same again (D119).
    pub(super) is_lasting: bool,
}

impl Visit {
    /// Nothing but what becomes of the shell.
    pub(super) fn new(fate: Fate, watched: Option<Watched>) -> Self {
        Self { fate, watched, found: None, untrusted: false, moved: Vec::new(), is_lasting: false }
    }
}
