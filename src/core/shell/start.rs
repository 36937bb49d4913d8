//! Where a shell's start files lie, as paths below folders that only the caller knows.

/// Where the line that loads the hook stands.
pub struct Start {
    /// The file that the shell reads last of its own.
    pub file: Place,
    /// The same file as help names it, with what is to be said of its place in it.
    pub shown: &'static str,
    /// Its older place, used where only that is there.
    pub older: Option<Place>,
    /// Files below the home folder that it reads itself by custom.
    pub reads: &'static [&'static str],
    /// The folder of more files that the shell reads, with the ending of their names.
    pub snippets: Option<(Place, &'static str)>,
    /// Files below the home folder of which a login shell reads the first that is there, and none of the others.
    pub login: &'static [&'static str],
    /// More files beside it that the shell reads, in which the user may have put the line.
    pub others: &'static [&'static str],
    /// Which of all these other programs read too.
    pub shared: &'static [&'static str],
    /// What comes before the line in one of those, so that only this shell takes it.
    pub guard: &'static str,
    /// The words for it where silo does not write it: the line would not be the whole change.
    pub by_hand: Option<ByHand>,
}

/// How the user adds the line and takes it out.
pub struct ByHand {
    /// The shell, as a sentence calls it.
    pub shell: &'static str,
    /// The start file, as the shell calls it.
    pub file: &'static str,
    /// What is typed when the line is out.
    pub undo: &'static str,
    /// A command of the shell that adds the line, in two parts around it.
    pub add: (&'static str, &'static str),
    /// What loads the hook in another way, as help shows it.
    pub example: &'static str,
}

/// A file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The folder it lies below.
    pub folder: Folder,
    /// Its path there.
    pub path: &'static str,
}

/// A folder of the user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// The home folder.
    Home,
    /// Where programs keep their configuration.
    Config,
    /// The same, but on macOS that of its applications where no `XDG_CONFIG_HOME` is set.
    AppConfig,
    /// What zsh's `ZDOTDIR` names, else the home folder.
    Zdotdir,
}

impl Start {
    /// A start file of which nothing more is to be known.
    pub(super) const fn plain(folder: Folder, path: &'static str, shown: &'static str) -> Self {
        Self {
            file: Place { folder, path },
            shown,
            older: None,
            reads: &[],
            snippets: None,
            login: &[],
            others: &[],
            shared: &[],
            guard: "",
            by_hand: None,
        }
    }
}
