//! The machine: whether `*.localhost` is looked up, and how many files may be watched.

use std::path::Path;
use std::time::Duration;

use super::scene::Scene;
use crate::core::instance::resolve::{self, Resolved};
use crate::parts::finding::Finding;
use crate::sys::cmd::{self, Cmd, Ended};
use crate::sys::files;

/// A name that nobody has in `/etc/hosts`.
const NAME: &str = "silo-check.localhost";
/// How long the system's resolver may take.
const LIMIT: Duration = Duration::from_secs(3);
/// The kernel's limits for watching files, and what five instances with a watcher each need.
const WATCHES: [(&str, u64); 2] = [("max_user_watches", 524_288), ("max_user_instances", 512)];

/// Everything about the machine.
pub(super) fn examine(scene: &Scene) -> Vec<Finding> {
    let limit = |name: &str| {
        let content = files::read(&Path::new("/proc/sys/fs/inotify").join(name), 64).ok().flatten()?;
        String::from_utf8_lossy(&content.bytes).trim().parse().ok()
    };
    low(limit).into_iter().chain(names(scene)).collect()
}

/// The limits that are too low for several instances; `limit` is none where the system has none.
fn low(limit: impl Fn(&str) -> Option<u64>) -> Option<Finding> {
    let low: Vec<(&str, u64, u64)> = WATCHES
        .into_iter()
        .filter_map(|(name, least)| Some((name, limit(name).filter(|limit| *limit < least)?, least)))
        .collect();
    if low.is_empty() {
        return None;
    }
    let told: Vec<String> =
        low.iter().map(|(name, limit, least)| format!("`fs.inotify.{name}` is {limit}, below {least}")).collect();
    let lines: Vec<String> = low.iter().map(|(name, _, least)| format!("fs.inotify.{name}={least}")).collect();
    Some(
        Finding::note("inotify-low", told.join("; "))
            .why("Watchers of all instances share it, and fail with `no space left on device` or `too many open files`")
            .remedy(format!(
                "printf '%s\\n' {} | sudo tee /etc/sysctl.d/60-inotify.conf && sudo sysctl --system",
                lines.join(" ")
            )),
    )
}

fn names(scene: &Scene) -> Option<Finding> {
    let what = match resolved(scene) {
        Resolved::Here => return None,
        Resolved::Unknown => format!("`{NAME}` is not found on this machine"),
        Resolved::Elsewhere => format!("`{NAME}` is found elsewhere than on this machine"),
    };
    Some(
        Finding::note("localhost-names", what)
            .why("Browsers and curl since 7.85 know `*.localhost` by themselves; Node, Python and older programs ask the system")
            .remedy("In URLs that servers and scripts read, write `http://localhost:${PORT}`; or install nss-myhostname"),
    )
}

/// Asked of the system's own tool, for a static program must not look names up itself; else judged from its files.
fn resolved(scene: &Scene) -> Resolved {
    let ask = |program: &str, words: &[&str]| {
        cmd::find(program, &scene.outside)?;
        let arguments = words.iter().map(Into::into).collect();
        let cmd = Cmd { program, arguments, environment: &scene.outside, folder: Path::new("/") };
        let captured = cmd.capture(LIMIT).ok()?;
        // 2 is `getent`'s word for unknown.
        let answered = matches!(captured.ended, Ended::Code(0 | 2));
        answered.then(|| resolve::of_answer(&String::from_utf8_lossy(&captured.stdout)))
    };
    ask("getent", &["hosts", NAME]).or_else(|| ask("dscacheutil", &["-q", "host", "-a", "name", NAME])).unwrap_or_else(
        || {
            let content = files::read(Path::new("/etc/nsswitch.conf"), 64 * 1024).ok().flatten();
            content.map_or(Resolved::Unknown, |content| resolve::of_nsswitch(&String::from_utf8_lossy(&content.bytes)))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_limits_below_what_is_enough_are_told_with_the_line_that_raises_them() {
        assert_eq!(low(|_| None), None);
        assert_eq!(low(|_| Some(1_048_576)), None);
        let told = low(|name| Some(if name == "max_user_instances" { 128 } else { 524_288 })).expect("one is low");
        assert_eq!(told.what, "`fs.inotify.max_user_instances` is 128, below 512");
        let line = "printf '%s\\n' fs.inotify.max_user_instances=512 | sudo tee /etc/sysctl.d/60-inotify.conf";
        assert_eq!(told.remedy, format!("{line} && sudo sysctl --system"));
    }
}
