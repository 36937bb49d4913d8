//! What every part of an instance answers (D21). The commands are loops over parts and name none of them.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::context::Context;
use super::finding::Finding;
use super::leftovers::{Claim, Inventory, Kind};
pub use super::scan::Scan;
use super::scope::{Scope, Site};
pub use super::seen::{How, Inspected, PartState, Report, Stand, Subject, Survey};
use crate::core::config::{Gate, Settings, Text};
use crate::core::instance::lockfile::InstanceState;
use crate::core::leases::{Instance, Wish};
use crate::core::shell::environment::Environment;
use crate::core::text::version::Version;
use crate::failure::Failure;
use crate::sys::processes::Process;

/// How long a part may take to say its state.
pub const LIMIT: Duration = Duration::from_secs(3);

/// Something an instance can run: a cluster, say.
///
/// A part is a value without state: what it says is asked of the system each time (D101). Whatever a part does not have (a
/// log, a process, a page) is answered by the methods that have a default here.
pub trait Part: Sync {
    /// How it is shown in `silo list` and `silo status`; none for what is not shown there.
    fn shown(&self) -> Option<Shown> {
        None
    }

    /// What a sentence calls it.
    fn title(&self) -> &'static str;

    /// When it is brought up.
    fn stage(&self) -> Stage;

    /// Whether a project has it: what `silo.toml` says under the profile, and what lies in the root.
    fn declared(&self, settings: &Settings, root: &Path) -> Declared;

    /// The programs it needs, whether it is declared or not.
    fn tools(&self) -> &'static [Tool] {
        &[]
    }

    /// What else to say where one of [`Part::tools`] is missing.
    fn without_tools(&self) -> Option<&'static str> {
        None
    }

    /// The word in `[gates]` that asks for it.
    fn gate(&self) -> Option<Gate> {
        None
    }

    /// Refuses what would collide with what runs already, before anything is done.
    ///
    /// # Errors
    /// A [`Failure`] that says what runs and how to stop it.
    fn may_start(&self, _: &Scope<'_>) -> Result<(), Failure> {
        Ok(())
    }

    /// Whether a file is missing without which it has nothing to run, such as a Makefile for make.
    fn lacks_files(&self, settings: &Settings, root: &Path) -> bool {
        let (_, _) = (settings, root);
        false
    }

    /// What is said where the profile takes it away that the base declares.
    fn taken_away(&self) -> Option<&'static str> {
        None
    }

    /// The lines that declare it, for a project without any part.
    fn how_to_declare(&self) -> Option<&'static str> {
        None
    }

    /// Brings it up: what is up stays, what is half up is repaired. Returns the exit code of the program where that had the
    /// terminal, else 0.
    ///
    /// # Errors
    /// A [`Failure`] with the last lines of the program that failed.
    fn up(&self, site: &mut Site<'_>, run: Run<'_>) -> Result<u8, Failure>;

    /// Takes the terminal once all is up, where it is brought up before it: until it ends, or is stopped with Ctrl-C. Returns the
    /// exit code.
    ///
    /// # Errors
    /// A [`Failure`] when the program cannot be started.
    fn attach(&self, _: &Site<'_>) -> Result<u8, Failure> {
        Ok(0)
    }

    /// Stops what a foreground `up` has started, as it ends; what stays then does nothing.
    ///
    /// # Errors
    /// A [`Failure`] when it could not be stopped.
    fn end(&self, _: &Site<'_>) -> Result<(), Failure> {
        Ok(())
    }

    /// Whether it leaves its start to another part whose own files name compose files: nothing in `silo.toml` says who starts it.
    fn is_left_to_others(&self, _: &Settings) -> bool {
        false
    }

    /// Whether it can be run once, for `ci`.
    fn runs_once(&self) -> bool {
        false
    }

    /// Whether it can be run apart from the instance, under a name and leases of its own, for `ci` (D30).
    fn runs_apart(&self) -> bool {
        false
    }

    /// Shows the end of its log, where it did not come up and nobody can look later.
    fn show_end(&self, site: &Site<'_>) {
        let _ = site;
    }

    /// Whether it keeps the terminal in a foreground `up`.
    fn keeps_terminal(&self) -> bool {
        false
    }

    /// Refuses to stop what is not this instance's, before anything is stopped.
    ///
    /// # Errors
    /// A [`Failure`] that says whose it is.
    fn may_stop(&self, site: &Site<'_>, stop: Stop) -> Result<Leave, Failure> {
        let (_, _) = (site, stop);
        Ok(Leave::Given)
    }

    /// Takes it down. Every part is asked, in every project: it may never have been up, and not be declared.
    ///
    /// # Errors
    /// A [`Failure`] when it still runs, or could not be asked to stop.
    fn down(&self, site: &Site<'_>, stop: Stop) -> Result<Stopped, Failure>;

    /// The process of its own that a lockfile records, if that very process still runs, or that was started inside the instance.
    fn process(&self, state: &InstanceState, root: &Path) -> Option<Process> {
        let (_, _) = (state, root);
        None
    }

    /// What stops it by hand, as of the instance with this name, where silo cannot; none where [`Part::process`] tells.
    fn stopped_by(&self, settings: &Settings, name: &str) -> Option<String> {
        let (_, _) = (settings, name);
        None
    }

    /// What of it is up after a start in the background with these words, and so is wanted (D31); nothing of what has done its
    /// work.
    ///
    /// # Errors
    /// A [`Failure`] when it cannot be asked.
    fn wishes(&self, site: &Site<'_>, words: &[OsString]) -> Result<Vec<Wish>, Failure> {
        let (_, _) = (site, words);
        Ok(self.shown().map(|shown| Wish::part(shown.column)).into_iter().collect())
    }

    /// Why something that is wanted and not up is left as it is, such as what has done its work; none where it is to be brought
    /// back.
    fn is_left(&self, outside: &Environment, stand: &Stand) -> Option<&'static str> {
        let (_, _) = (outside, stand);
        None
    }

    /// Brings back some of what it has and nothing else, without a terminal: those of its things with these names, or all of it
    /// where there are none. Returns what failed, by its name, with the last lines of the program that failed.
    fn bring_back(&self, site: &mut Site<'_>, names: &[String]) -> Vec<(Option<String>, Failure)> {
        let _ = names;
        self.up(site, Run::Background(&[])).err().map(|failure| (None, failure)).into_iter().collect()
    }

    /// Stops it where nobody uses it, in a way that loses nothing and that the next start takes back. Why it was not stopped; none
    /// where it was, or there is nothing of it.
    ///
    /// # Errors
    /// A [`Failure`] when it cannot be stopped, or who is to be asked does not answer.
    fn rest(&self, _: &Site<'_>) -> Result<Option<String>, Failure> {
        Ok(None)
    }

    /// The last lines that something of it has logged, for a terminal.
    fn last_lines(&self, site: &Site<'_>, name: &str) -> Vec<String> {
        let (_, _) = (site, name);
        Vec::new()
    }

    /// Whether it is up, judged in a few milliseconds and without a program: a gate asks each time.
    fn is_up(&self, _: &Scope<'_>) -> bool {
        false
    }

    /// The same for some of what it has, such as single services.
    fn is_up_with(&self, scope: &Scope<'_>, only: &[Text]) -> bool {
        let _ = only;
        self.is_up(scope)
    }

    /// Brings up some of what it has in the background, and what that depends on, until it is ready.
    ///
    /// # Errors
    /// As [`Part::up`].
    fn up_with(&self, site: &mut Site<'_>, only: &[Text]) -> Result<(), Failure> {
        let _ = only;
        self.up(site, Run::Background(&[])).map(|_| ())
    }

    /// What tells whether it is ready, asked again and again; none for a part that is ready when it is up.
    ///
    /// # Errors
    /// A [`Failure`] when it does not run.
    fn readiness<'a>(&self, scope: &'a Scope<'a>) -> Result<Option<ReadyCheck<'a>>, Failure> {
        let _ = scope;
        Ok(None)
    }

    /// Shows its log; none where it has none, or has no resource of that name.
    ///
    /// # Errors
    /// A [`Failure`] when the log cannot be read.
    fn logs(&self, scope: &Scope<'_>, log: Log<'_>) -> Result<Option<u8>, Failure> {
        let (_, _) = (scope, log);
        Ok(None)
    }

    /// Asks the system once about all instances of the user; none where it says nothing in `silo list`. It runs in a thread
    /// of its own and keeps to [`LIMIT`].
    fn survey(&self, outside: &Environment, instances: &[Instance]) -> Option<Survey> {
        let (_, _) = (outside, instances);
        None
    }

    /// All there is to say of it in `silo status`, within [`LIMIT`]; none where it says nothing.
    fn report(&self, _: &Subject<'_>) -> Option<Report> {
        None
    }

    /// What `silo doctor` finds about it at one root, besides its tools. Nothing is started.
    fn check(&self, _: &Inspected<'_>) -> Vec<Finding> {
        Vec::new()
    }

    /// What its own files in a root say to `silo doctor`; they are read, never run.
    fn scan(&self, _: &Path) -> Scan {
        Scan::default()
    }

    /// Brings to its end what goes on of a root that is gone, before what it left is removed.
    ///
    /// # Errors
    /// A [`Failure`] where that cannot be: nothing of the root is removed then.
    fn finish(&self, _: &Context, _: &Path) -> Result<(), Failure> {
        Ok(())
    }

    /// What the instance of a root that is gone left of it in Docker, as far as its claim goes.
    fn left(&self, _: &Inventory, _: &Claim) -> Vec<(Kind, String)> {
        Vec::new()
    }
}

/// The words by which a part is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// The head of its column in `silo list`, and its key in `silo list --json`.
    pub column: &'static str,
    /// Its key in `silo status --json`.
    pub key: &'static str,
}

/// Whether a project has a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declared {
    /// It has.
    Yes,
    /// It has, if it has no other part.
    Alone,
    /// It has not.
    No,
}

impl From<bool> for Declared {
    fn from(declared: bool) -> Self {
        if declared { Self::Yes } else { Self::No }
    }
}

/// When a part is brought up: the `post-up` hooks run between the two (docs/hooks.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// What the project's programs need: it stays when a foreground `up` ends.
    Foundation,
    /// The project's programs themselves.
    Program,
}

/// A program that a part needs.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// Its name on `PATH`.
    pub name: &'static str,
    /// What to type or read where it is missing.
    pub install: &'static str,
    /// How it tells its version; nothing of it asks a server or a cluster.
    pub version: &'static [&'static str],
    /// The oldest version silo works with, and why.
    pub least: Option<(Version, &'static str)>,
    /// A program that does as well.
    pub or: Option<&'static str>,
}

/// How a part is to run.
#[derive(Debug, Clone, Copy)]
pub enum Run<'a> {
    /// In silo's terminal, with words for its program.
    Foreground(&'a [OsString]),
    /// In the background (D18).
    Background(&'a [OsString]),
    /// Once, as in CI: until all is done or `timeout`, in the program's own words.
    Once {
        /// Longest run.
        timeout: Option<&'a str>,
        /// Words for its program.
        words: &'a [OsString],
    },
}

/// How far a part is taken down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// Whether a cluster, which a stop leaves, goes too.
    pub delete_cluster: bool,
    /// Whether the data of services goes too.
    pub volumes: bool,
}

/// Whether a part may be taken down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leave {
    /// It may.
    Given,
    /// That cannot be known now, so it stays as it is; the rest is taken down anyway.
    Unknown(Failure),
}

/// What [`Part::down`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// It took something down, or had the program do so.
    Done,
    /// It does not run here, and `silo down` says so.
    Nothing,
    /// There is nothing to say: it stays until its end is asked for, or the project does not have it.
    Kept,
}

/// How near a part is to being ready.
#[derive(Debug)]
pub enum Readiness {
    /// It is.
    Ready,
    /// It still waits for something.
    Waiting(Pending),
    /// It cannot be asked just now, as in its first moments.
    Silent(Failure),
}

/// What a part waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// In words.
    pub what: String,
    /// The resource whose log tells most; none is the whole log.
    pub log: Option<String>,
}

/// Asks a part again whether it is ready; a [`Failure`] when it will not be.
pub type ReadyCheck<'a> = Box<dyn FnMut() -> Result<Readiness, Failure> + 'a>;

/// Which log is shown, and how.
#[derive(Debug, Clone, Copy)]
pub struct Log<'a> {
    /// Whether to go on as it grows.
    pub follow: bool,
    /// Of what alone; none is all.
    pub resource: Option<&'a str>,
}
