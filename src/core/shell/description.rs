//! What silo must know of a shell, and what it says to it. Each shell's file fills this in.

use std::fmt;

use super::activation::{Change, Turns};
use super::launch::{Inside, Launch};
use super::start::Start;
use super::template;

/// Names with their values.
pub(super) type Pairs<'a> = [(&'a str, &'a [u8])];

/// What a shell evaluates, in this order.
#[derive(Clone, Copy)]
pub(super) struct Answer<'a> {
    /// What the hook has its own functions look at; only it evaluates that.
    pub(super) turns: Option<&'a Turns<'a>>,
    /// The hook's own variables.
    pub(super) own: &'a Pairs<'a>,
    /// Variables to set.
    pub(super) set: &'a Pairs<'a>,
    /// Variables to unset.
    pub(super) unset: &'a [&'a str],
    /// The line to say where the hook gives this answer again by itself; none where it must not.
    pub(super) again: Option<&'a str>,
}

/// A shell silo has a hook for.
pub struct Shell {
    /// Its name, as typed, and that of its program.
    pub name: &'static str,
    /// What else it is called on silo's command line.
    pub aliases: &'static [&'static str],
    /// What else its program is called.
    pub programs: &'static [&'static str],
    /// What it is, with the oldest version that does, as help says it.
    pub about: &'static str,
    /// What `silo export` prints for it, as help says it.
    pub exported: &'static str,
    /// One word for this shell, whatever bytes it holds.
    pub(super) quote: fn(&[u8]) -> Vec<u8>,
    /// Commands that do what an answer says.
    pub(super) commands: fn(&Answer<'_>) -> Vec<u8>,
    /// What comes before and behind all that the hook evaluates; a bare quote in each, which no value can hold.
    pub(super) marks: [&'static [u8]; 2],
    /// Whether commands that set the hook's own variables show them, where it is not the hook that evaluates them.
    pub shows_own: bool,
    /// The text that a start file evaluates, of two words of this shell: silo, and the last of the scripts.
    pub(super) hook: fn(&[u8], &[u8]) -> Vec<u8>,
    /// What calls the hook at each prompt.
    pub called_by: &'static str,
    /// Commands in place of the shell's own that act at once on a move; nothing where the shell itself reports each.
    pub(super) moves: &'static str,
    /// What makes a typed `silo` this one, where no folder of `PATH` has it; nothing where the hook itself sees to that.
    pub(super) named: fn(&[u8]) -> Vec<u8>,
    /// What a shell without functions reads instead: files by their names, each after all it reads itself.
    pub(super) scripts: &'static [(&'static str, &'static str)],
    /// The line of a start file that evaluates that text, of silo as a word of this shell.
    pub(super) load: fn(&[u8]) -> Vec<u8>,
    /// Where that line stands.
    pub start: Start,
    /// How a login shell gives its `PATH` to `printf`; none where it cannot be asked.
    pub login_path: Option<&'static str>,
    /// Whether what is typed at its prompt gets a process group of its own.
    pub has_job_groups: bool,
    /// What makes it load the hook after the user's own start files, in `silo shell`.
    pub(super) launch: fn(&Inside<'_>) -> Launch,
    /// Arguments with which it reads a script from its input.
    pub piped: &'static [&'static str],
    /// Its completions, where silo has some.
    pub completions: Option<Completions>,
}

/// What a hook is to be, every path byte for byte.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The program it runs.
    pub silo: &'a [u8],
    /// What a shell without functions reads.
    pub script: &'a [u8],
    /// Whether the user wants `cd` wrapped.
    pub wraps_cd: bool,
    /// Whether `PATH` has a `silo`.
    pub is_on_path: bool,
}

/// What TAB asks in a shell.
#[derive(Debug)]
pub struct Completions {
    /// The shell and where the script goes, as help says it.
    pub about: &'static str,
    /// How the script is loaded, as help says it.
    pub example: &'static str,
    /// The script, as packages install it.
    pub script: &'static str,
    /// Whether the shell hands on what stands in the line: with quotes, and `--profile=x` as three words.
    pub is_raw: bool,
    /// How a candidate's help follows it.
    pub help: fn(&str) -> String,
}

impl Shell {
    /// One word for this shell, whatever bytes it holds (all but NUL, which no variable can). Strings of nushell are UTF-8:
    /// what is not arrives replaced. No variable can hold such bytes there, for nushell would not have started.
    pub fn quote(&self, value: &[u8]) -> Vec<u8> {
        (self.quote)(value)
    }

    /// Commands that set the hook's own variables, then change the environment.
    ///
    /// Own variables come first: a readonly variable of the user's may end the evaluation, and the next prompt must not
    /// try again.
    pub fn commands(&self, own: &[(&str, &[u8])], changes: &[Change]) -> Vec<u8> {
        self.text(None, own, changes, None)
    }

    fn text(
        &self,
        turns: Option<&Turns<'_>>,
        own: &[(&str, &[u8])],
        changes: &[Change],
        again: Option<&str>,
    ) -> Vec<u8> {
        let set = changes.iter().filter_map(|change| Some((change.name.as_str(), change.value.as_deref()?)));
        let set: Vec<_> = set.collect();
        let unset = changes.iter().filter(|change| change.value.is_none()).map(|change| change.name.as_str());
        let unset: Vec<_> = unset.collect();
        (self.commands)(&Answer { turns, own, set: &set, unset: &unset, again })
    }

    /// The same for the hook, which evaluates nothing but this of what arrives: a trap, a trace, or a program around silo may
    /// add to it. With a line in `again` it may give this answer by itself where it is asked the same again (D119).
    pub fn answer(&self, turns: &Turns<'_>, own: &[(&str, &[u8])], changes: &[Change], again: Option<&str>) -> Vec<u8> {
        let [before, behind] = self.marks;
        [before, &self.text(Some(turns), own, changes, again), behind].concat()
    }

    /// The shell hook. Where it is to wrap `cd`, commands of the shell's own that move are others, which act at once.
    pub fn hook(&self, wanted: &Wanted<'_>) -> Vec<u8> {
        let moves = if wanted.wraps_cd { self.moves } else { "" };
        let named = if wanted.is_on_path { Vec::new() } else { (self.named)(wanted.silo) };
        [(self.hook)(&self.quote(wanted.silo), &self.quote(wanted.script)), moves.into(), named].concat()
    }

    /// Whether the hook is functions of the shell; else it is files, which it reads at each prompt.
    pub fn has_functions(&self) -> bool {
        self.scripts.is_empty()
    }

    /// The files a shell without functions reads, by their names in the order they are written: shells that run may read
    /// one at any moment, and with it those before.
    pub fn scripts(&self) -> impl Iterator<Item = (&'static str, Vec<u8>)> {
        self.scripts.iter().map(|(name, text)| (*name, template::versioned(text)))
    }

    /// The line of a start file that loads the hook; `silo` is a word of this shell.
    pub fn load(&self, silo: &[u8]) -> Vec<u8> {
        (self.load)(silo)
    }

    /// What makes the shell load the hook after the user's own start files.
    pub fn launch(&self, inside: &Inside<'_>) -> Launch {
        (self.launch)(inside)
    }

    /// Whether a process of this name, as the system tells it, is this shell; login shells are called with a dash before it.
    pub fn runs_as(&self, process: &str) -> bool {
        let process = process.trim_start_matches('-');
        self.name == process || self.programs.contains(&process)
    }
}

impl PartialEq for Shell {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Shell {}

impl fmt::Debug for Shell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

#[cfg(test)]
impl Shell {
    /// One own variable, one that is set and one that is unset, in the shell's words.
    pub(super) fn sample(&self) -> String {
        let set = Change { name: "A".into(), value: Some(b"1".to_vec()) };
        let unset = Change { name: "B".into(), value: None };
        String::from_utf8(self.commands(&[("__silo_s", b"x")], &[unset, set])).expect("it is text")
    }
}
