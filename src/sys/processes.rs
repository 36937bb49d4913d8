//! Other processes, asked of the system (D14): a pid alone says nothing, for pids are used again.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::clock;
use crate::core::instance::lockfile::ProcessRecord;

/// A process as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its parent's id.
    pub parent: u32,
    /// Its program's name, cut to 15 bytes on Linux.
    pub name: String,
    /// When it was started, to about a second; a clock that is set later moves this on Linux.
    pub started: SystemTime,
    /// When it was started, in clock ticks since the machine was, where the system tells: no clock moves this.
    pub ticks: Option<u64>,
    /// Its working folder, where this user may see it.
    pub folder: Option<PathBuf>,
}

/// How far two readings of one start time may lie apart: lockfiles keep whole seconds, the kernel its own ticks.
const SLACK: Duration = Duration::from_secs(3);

impl Process {
    /// What tells this process from every other one, whatever the clock says: its id, this start of the machine, and when
    /// in it the process was started. None where the system does not tell.
    pub fn birth(&self) -> Option<String> {
        Some(format!("{}@{}+{}", self.pid, imp::boot_id()?, self.ticks?))
    }

    /// Whether this is the process of that birth; none when it describes another process id.
    pub fn was_born(&self, birth: &str) -> Option<bool> {
        let of_this_pid = birth.split_once('@').is_some_and(|(pid, _)| pid == self.pid.to_string());
        Some(self.birth()? == birth).filter(|_| of_this_pid)
    }

    /// Whether both are one process, looked at twice.
    pub fn is_still(&self, before: &Self) -> bool {
        let started = match (self.ticks, before.ticks) {
            (Some(now), Some(then)) => now == then,
            _ => self.is(&before.name, before.started),
        };
        started && self.pid == before.pid && self.name == before.name
    }

    /// Whether this is the program that was started by this name at about this time.
    pub fn is(&self, name: &str, started: SystemTime) -> bool {
        let apart = self.started.duration_since(started).or_else(|_| started.duration_since(self.started));
        self.name == name && apart.is_ok_and(|apart| apart <= SLACK)
    }
}

/// A process by its id; none when it has ended (a zombie has).
pub fn look(pid: u32) -> Option<Process> {
    imp::look(pid)
}

/// Names this start of the machine, where the system tells.
pub fn boot() -> Option<String> {
    imp::boot_id()
}

/// The birth of this process, where no program has to be asked for it.
pub fn own_birth() -> Option<String> {
    imp::boot_id().and_then(|_| look(std::process::id())?.birth())
}

/// What tells this start of the machine from every other, where the system tells.
pub fn this_boot() -> Option<String> {
    imp::boot_id()
}

/// The processes above this one, its parent first, as far as they can be seen.
pub fn above() -> Vec<Process> {
    let parent = rustix::process::getppid().and_then(|pid| look(u32::try_from(pid.as_raw_nonzero().get()).ok()?));
    let chain = std::iter::successors(parent, |process| look(process.parent).filter(|_| process.parent != 0));
    // A chain cannot be longer, unless ids were used again while it was walked.
    chain.take(64).collect()
}

/// Whether a process is in this one's process group, and so gets the terminal's signals together with it.
pub fn is_in_our_group(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::getpgid(Some(pid)) == Ok(rustix::process::getpgrp()))
}

/// Whether a process was started inside the instance of a root: its environment says so, or else its folder.
pub fn belongs_to(process: &Process, root: &Path) -> bool {
    imp::variable(process.pid, "SILO_ROOT")
        .map_or_else(|| process.folder.as_ref().is_some_and(|folder| folder.starts_with(root)), |value| value == root)
}

/// Whether a process's own environment says that it was started inside the instance of a root; a folder proves nothing here.
pub fn is_inside(process: &Process, root: &Path) -> bool {
    imp::variable(process.pid, "SILO_ROOT").is_some_and(|value| value == root)
}

/// Whether two processes are in one process group.
pub fn are_in_one_group(one: u32, other: u32) -> bool {
    let group = |pid: u32| {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)?;
        rustix::process::getpgid(Some(pid)).ok()
    };
    group(one).is_some_and(|one| group(other) == Some(one))
}

/// Whether a process runs the very program that this one does, by whatever name; where the system does not tell, only itself.
pub fn is_this_program(pid: u32) -> bool {
    pid == std::process::id()
        || imp::program(pid).is_some_and(|program| imp::program(std::process::id()) == Some(program))
}

/// Every process of a name.
pub fn named(name: &str) -> Vec<Process> {
    imp::named(name)
}

/// Every process that has a folder, or one below it, as its working folder, as far as this user may see that.
pub fn below(folder: &Path) -> Vec<Process> {
    imp::below(folder)
}

/// The words a process was started with, its program first; none where this user may not see them.
pub fn words(pid: u32) -> Option<Vec<String>> {
    imp::words(pid)
}

/// Whether a process was started inside an instance, whichever, and hands that on to what it starts; where the system does not
/// tell, it was not.
pub fn is_inside_any(process: &Process) -> bool {
    imp::variable(process.pid, "SILO_ROOT").is_some()
}

/// The process a lockfile records, if that very process still runs in this root: name, start and folder must agree, for a pid
/// is used again (D14).
pub fn recorded(record: &ProcessRecord, root: &Path) -> Option<Process> {
    let process = look(record.pid)?;
    let by_clock = || process.is(record.program, clock::parse(record.started_at.as_deref()?)?).then_some(());
    match record.birth.as_deref().and_then(|birth| process.was_born(birth)) {
        Some(same) => same.then_some(())?,
        None => by_clock()?,
    }
    (process.name == record.program && process.folder.as_deref() == Some(root)).then_some(process)
}

#[cfg(target_os = "linux")]
mod imp {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::time::{Duration, SystemTime};

    use super::Process;

    pub(super) fn look(pid: u32) -> Option<Process> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in brackets and may itself hold brackets and spaces.
        let (head, rest) = stat.rsplit_once(") ")?;
        let name = head.split_once('(')?.1.to_owned();
        let fields: Vec<&str> = rest.split(' ').collect();
        if matches!(*fields.first()?, "Z" | "X") {
            return None;
        }
        let ticks: u64 = fields.get(19)?.parse().ok()?;
        let per_second = rustix::param::clock_ticks_per_second();
        let started = boot()? + Duration::from_millis(ticks * 1000 / per_second);
        let folder = fs::read_link(format!("/proc/{pid}/cwd")).ok();
        Some(Process { pid, parent: fields.get(1)?.parse().ok()?, name, started, ticks: Some(ticks), folder })
    }

    pub(super) fn named(name: &str) -> Vec<Process> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        // One small file of each tells its name, and most have another.
        let has_name = |pid: &u32| {
            fs::read(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim_ascii_end() == name.as_bytes())
        };
        pids.filter(has_name).filter_map(look).collect()
    }

    pub(super) fn below(folder: &Path) -> Vec<Process> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let is_there = |pid: &u32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|at| at.starts_with(folder));
        pids.filter(is_there).filter_map(look).collect()
    }

    /// A variable of a process's first environment, where this user may see it.
    pub(super) fn variable(pid: u32, name: &str) -> Option<PathBuf> {
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let start = format!("{name}=");
        let mut entries = environment.split(|byte| *byte == 0);
        let value = entries.find_map(|entry| entry.strip_prefix(start.as_bytes()))?;
        Some(std::os::unix::ffi::OsStringExt::from_vec(value.to_vec())).map(|value: std::ffi::OsString| value.into())
    }

    pub(super) fn words(pid: u32) -> Option<Vec<String>> {
        let text = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let words = text.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
        Some(words.collect())
    }

    /// The file a process was started from.
    pub(super) fn program(pid: u32) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{pid}/exe")).ok()
    }

    /// Names this start of the machine.
    pub(super) fn boot_id() -> Option<String> {
        Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
    }

    /// When the machine was started.
    fn boot() -> Option<SystemTime> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let seconds = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.trim().parse().ok()?))
    }
}

/// Without `/proc` (macOS) the system's own `ps` and `lsof` are asked (D19).
#[cfg(not(target_os = "linux"))]
mod imp {
    use std::path::{Path, PathBuf};
    use std::time::{Duration, SystemTime};

    use super::Process;
    use crate::core::shell::environment::Environment;
    use crate::sys::cmd::{Cmd, Ended};

    const LIMIT: Duration = Duration::from_secs(5);

    pub(super) fn look(pid: u32) -> Option<Process> {
        let mut found = rows(&["-o", "pid=,ppid=,etime=,state=,comm=", "-p", &pid.to_string()]);
        let mut process = found.pop()?;
        process.folder = folder(pid);
        Some(process)
    }

    pub(super) fn named(name: &str) -> Vec<Process> {
        let mut found = rows(&["-axo", "pid=,ppid=,etime=,state=,comm="]);
        found.retain(|process| process.name == name);
        found.iter_mut().for_each(|process| process.folder = folder(process.pid));
        found
    }

    pub(super) fn below(folder: &Path) -> Vec<Process> {
        let answer = answer("lsof", &["-a", "-d", "cwd", "-Fpn"]);
        let text = String::from_utf8_lossy(&answer).into_owned();
        let (mut pid, mut found) = (None, Vec::new());
        for line in text.lines() {
            match line.split_at_checked(1) {
                Some(("p", number)) => pid = number.parse().ok(),
                Some(("n", at)) if Path::new(at).starts_with(folder) => found.extend(pid.and_then(look)),
                _ => {}
            }
        }
        found
    }

    /// Not without a program for each.
    pub(super) fn program(_: u32) -> Option<PathBuf> {
        None
    }

    pub(super) fn boot_id() -> Option<String> {
        None
    }

    /// `ps` here shows no environments that could be told from arguments.
    pub(super) fn variable(_: u32, _: &str) -> Option<PathBuf> {
        None
    }

    /// Split at every space, as `ps` prints them.
    pub(super) fn words(pid: u32) -> Option<Vec<String>> {
        let answer = answer("ps", &["-o", "args=", "-p", &pid.to_string()]);
        let text = String::from_utf8_lossy(&answer).into_owned();
        Some(text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).filter(|words| !words.is_empty())
    }

    fn rows(arguments: &[&str]) -> Vec<Process> {
        String::from_utf8_lossy(&answer("ps", arguments)).lines().filter_map(super::row).collect()
    }

    fn folder(pid: u32) -> Option<PathBuf> {
        let answer = answer("lsof", &["-a", "-p", &pid.to_string(), "-d", "cwd", "-Fn"]);
        String::from_utf8_lossy(&answer).lines().find_map(|line| line.strip_prefix('n').map(PathBuf::from))
    }

    fn answer(program: &str, arguments: &[&str]) -> Vec<u8> {
        let environment: Environment =
            [("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LC_ALL", "C")].into_iter().collect();
        let arguments = arguments.iter().map(Into::into).collect();
        let cmd = Cmd { program, arguments, environment: &environment, folder: Path::new("/") };
        match cmd.capture(LIMIT) {
            Ok(captured) if captured.ended == Ended::Code(0) => captured.stdout,
            _ => Vec::new(),
        }
    }
}

/// One row of `ps -o pid=,ppid=,etime=,state=,comm=`; none for a zombie.
#[cfg(any(test, not(target_os = "linux")))]
fn row(line: &str) -> Option<Process> {
    let mut words = line.split_whitespace();
    let (pid, parent) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let running = elapsed(words.next()?)?;
    let state = words.next()?;
    let command = words.collect::<Vec<_>>().join(" ");
    let name = command.rsplit('/').next().unwrap_or_default().to_owned();
    let started = SystemTime::now().checked_sub(running)?;
    (!state.starts_with('Z')).then_some(Process { pid, parent, name, started, ticks: None, folder: None })
}

/// `[[days-]hours:]minutes:seconds`, as `ps` prints how long a process has run.
#[cfg(any(test, not(target_os = "linux")))]
fn elapsed(text: &str) -> Option<Duration> {
    let (days, clock) = text.split_once('-').unwrap_or(("0", text));
    let seconds = clock.split(':').try_fold(0, |sum: u64, part| Some(sum * 60 + part.parse::<u64>().ok()?))?;
    Some(Duration::from_secs(days.parse::<u64>().ok()? * 86400 + seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_process_is_found_with_name_start_and_folder() {
        let own = look(std::process::id()).expect("it runs");
        assert!(own.started <= SystemTime::now() + SLACK);
        assert_eq!(own.folder.as_deref(), std::env::current_dir().ok().as_deref());
        assert!(own.is(&own.name, own.started) && !own.is("tilt", own.started));
        assert!(!own.is(&own.name, own.started - Duration::from_mins(1)));
        assert_eq!(look(u32::MAX), None);
        let above = above();
        assert_eq!(above.first().map(|parent| parent.pid), Some(own.parent));
        assert!(above.len() < 64 && above.iter().all(|process| process.pid != own.pid));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_clock_that_is_set_does_not_make_it_another_process() {
        let own = look(std::process::id()).expect("it runs");
        let birth = own.birth().expect("Linux tells");
        let later = Process { started: own.started + Duration::from_hours(1), ..own.clone() };
        assert!(later.is_still(&own) && !later.is(&own.name, own.started));
        assert_eq!(later.was_born(&birth), Some(true));
        let again = Process { ticks: own.ticks.map(|ticks| ticks + 1), ..own.clone() };
        assert!(!again.is_still(&own));
        assert_eq!(again.was_born(&birth), Some(false), "its id was used again");
        assert_eq!(own.was_born(&birth.replace('@', "1@")), None, "it describes another one");
    }

    #[test]
    fn every_process_of_a_name_is_found_and_no_other() {
        let own = look(std::process::id()).expect("it runs");
        let named = named(&own.name);
        // What the system says of the start may be another second at the next look.
        assert!(
            named.iter().any(|process| process.is_still(&own)) && named.iter().all(|process| process.name == own.name)
        );
        assert_eq!(super::named("no program is called so"), []);
    }

    #[test]
    fn a_row_of_ps_is_read() {
        let process = row("  42     1  1-02:03:04 S    /usr/local/bin/tilt").expect("it is a row");
        assert_eq!((process.pid, process.parent, process.name.as_str()), (42, 1, "tilt"));
        assert_eq!(elapsed("1-02:03:04"), Some(Duration::from_secs(93784)));
        assert_eq!(elapsed("03:04"), Some(Duration::from_secs(184)));
        assert_eq!(row("42 1 00:01 Z tilt"), None);
    }
}
