//! What `silo shell` gives a shell so that it loads the hook, though no start file of the user's does.

/// Where a shell is started, every path byte for byte.
#[derive(Debug, Clone, Copy)]
pub struct Inside<'a> {
    /// silo's own path.
    pub silo: &'a [u8],
    /// The folder of the files that are written for the shell.
    pub folder: &'a [u8],
    /// The user's home folder.
    pub home: &'a [u8],
    /// `ZDOTDIR`, where it is set.
    pub zdotdir: Option<&'a [u8]>,
    /// Whether the user wants `cd` wrapped.
    pub wraps_cd: bool,
}

/// How it is started.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// The files written for it.
    pub files: Vec<Written>,
    /// The program's arguments.
    pub arguments: Vec<Vec<u8>>,
    /// Variables set for it.
    pub variables: Vec<(&'static str, Vec<u8>)>,
}

/// A file written for a shell.
#[derive(Debug, PartialEq, Eq)]
pub struct Written {
    /// Its name.
    pub name: &'static str,
    /// Whether all of the user's own start file comes before the text.
    pub is_behind_own: bool,
    /// The text.
    pub text: Vec<u8>,
}

impl Inside<'_> {
    /// The path of a file written for the shell.
    pub(super) fn path(&self, name: &str) -> Vec<u8> {
        [self.folder, b"/", name.as_bytes()].concat()
    }
}

impl Written {
    /// A file that stands for itself.
    pub(super) fn new(name: &'static str, text: Vec<u8>) -> Self {
        Self { name, is_behind_own: false, text }
    }
}
