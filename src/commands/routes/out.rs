//! `silo routes --out FILE`: the configuration as a file another program reads. It is written as a whole; a test decides whether
//! it counts, and where that says no the old file stays or comes back.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::RoutesArgs;
use crate::core::routes::serve::HEAD;
use crate::failure::{Failure, quoted, shown};
use crate::parts::context::Context;
use crate::sys::cmd::Cmd;
use crate::sys::writing::{self, Writing};
use crate::sys::{files, signals};

/// How long the test or the reload may take.
const LIMIT: Duration = Duration::from_secs(30);
/// Largest file that is compared, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;
/// How long between two looks of `--watch`, and in how many steps that is waited, so that Ctrl-C acts at once.
const PAUSE: Duration = Duration::from_millis(500);
const STEPS: u32 = 10;
/// What stands for the new file in the test.
const PLACE: &str = "{}";
const MODE: Writing = Writing { durable: false, ..Writing::SHARED };

/// The file and the commands around it.
struct Out<'a> {
    context: &'a Context,
    path: PathBuf,
    test: Option<&'a str>,
    reload: Option<&'a str>,
}

/// Writes what `make` makes to `path`, once or whenever it changes.
pub(super) fn run(
    context: &Context,
    arguments: &RoutesArgs,
    path: &Path,
    make: impl Fn() -> Result<String, Failure>,
) -> Result<u8, Failure> {
    let path = context.folder.join(path);
    let out = Out { context, path, test: arguments.test.as_deref(), reload: arguments.reload.as_deref() };
    out.recover()?;
    if !arguments.watch {
        if out.put(&make()?)? {
            out.tell_reload()?;
        }
        return Ok(0);
    }
    signals::watch();
    // The first look reloads too: what runs may have read an older file.
    let mut is_due = true;
    let mut refused: Option<String> = None;
    loop {
        let now = make()?;
        if refused.as_ref() != Some(&now) {
            refused = None;
            match out.put(&now) {
                Ok(changed) => is_due |= changed,
                Err(failure) => {
                    context.ui.fail(&failure);
                    refused = Some(now);
                }
            }
        }
        if is_due && refused.is_none() {
            match out.tell_reload() {
                Ok(()) => is_due = false,
                Err(failure) => context.ui.fail(&failure),
            }
        }
        for _ in 0..STEPS {
            if let Some(asked) = signals::asked() {
                return Ok(if asked.sent { asked.code() } else { 0 });
            }
            std::thread::sleep(PAUSE / STEPS);
        }
    }
}

/// A file as it is; none where there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    Ok(files::read(path, LARGEST)?.map(|content| content.bytes))
}

impl Out<'_> {
    fn beside(&self, end: &str) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.path.with_file_name(format!("{name}.{end}"))
    }

    fn before(&self) -> PathBuf {
        self.beside("silo-before")
    }

    /// Puts back what a test that was cut off had not decided.
    fn recover(&self) -> Result<(), Failure> {
        match read(&self.before())? {
            None => Ok(()),
            Some(old) => {
                writing::replace(&self.path, &old, MODE)?;
                files::remove(&self.before())
            }
        }
    }

    /// Writes the file where it says something else, and says whether it did.
    fn put(&self, new: &str) -> Result<bool, Failure> {
        let old = read(&self.path)?;
        if old.as_deref() == Some(new.as_bytes()) {
            return Ok(false);
        }
        let foreign = old.as_ref().is_some_and(|old| !old.is_empty() && !old.starts_with(HEAD.as_bytes()));
        if foreign {
            return Err(Failure::new(format!("`{}` was not written by `silo routes`", shown(&self.path)))
                .hint(format!("Name another file, or move it away: `mv {0} {0}.old`", quoted(&self.path))));
        }
        match self.test {
            None => writing::replace(&self.path, new.as_bytes(), MODE)?,
            Some(test) if test.contains(PLACE) => {
                let beside = self.beside("silo-new");
                writing::replace(&beside, new.as_bytes(), MODE)?;
                let tested = self.call(&test.replace(PLACE, &quoted(&beside)));
                files::remove(&beside)?;
                tested.map_err(|failure| self.kept(failure))?;
                writing::replace(&self.path, new.as_bytes(), MODE)?;
            }
            Some(test) => self.try_in_place(test, old.as_deref(), new)?,
        }
        self.context.ui.step(&format!("Writing `{}`", shown(&self.path)));
        Ok(true)
    }

    /// A test that reads the whole configuration meets the new file in its place; where it says no, the old one comes back.
    fn try_in_place(&self, test: &str, old: Option<&[u8]>, new: &str) -> Result<(), Failure> {
        writing::replace(&self.before(), old.unwrap_or(HEAD.as_bytes()), MODE)?;
        writing::replace(&self.path, new.as_bytes(), MODE)?;
        let tested = self.call(test);
        if tested.is_err() {
            match old {
                Some(old) => writing::replace(&self.path, old, MODE)?,
                None => files::remove(&self.path)?,
            }
        }
        files::remove(&self.before())?;
        tested.map_err(|failure| self.kept(failure))
    }

    fn kept(&self, failure: Failure) -> Failure {
        failure.hint(format!("`{}` is as it was before", shown(&self.path)))
    }

    fn tell_reload(&self) -> Result<(), Failure> {
        self.reload.map_or(Ok(()), |reload| self.call(reload))
    }

    /// Runs a command line of the user's.
    fn call(&self, line: &str) -> Result<(), Failure> {
        let environment = self.context.outside();
        let arguments = vec!["-c".into(), line.into()];
        let cmd = Cmd { program: "/bin/sh", arguments, environment: &environment, folder: &self.context.folder };
        cmd.capture(LIMIT)?.success(&cmd).map(|_| ())
    }
}
