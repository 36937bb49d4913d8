//! Which process listens on a TCP port of this machine, where this user may see it.

use std::collections::HashSet;

use super::processes::Process;

/// The process that listens on a port; none when nobody does, or when it belongs to another user.
pub fn holder(port: u16) -> Option<Process> {
    imp::holder(port)
}

/// Every port somebody listens on; none where the system has no table of them. Unlike a try to bind, reading it is in
/// nobody's way.
pub fn ports() -> Option<HashSet<u16>> {
    imp::ports()
}

/// Every port on which a process listens that this user may see; where the system has a table, of any user.
pub fn visible_ports() -> HashSet<u16> {
    imp::visible_ports()
}

/// The ports in what `lsof -Fn` prints, a line for each field: `n127.0.0.1:3000`, `n*:3000`.
#[cfg(any(test, not(target_os = "linux")))]
fn named(fields: &str) -> HashSet<u16> {
    let port = |line: &str| line.strip_prefix('n')?.rsplit_once(':')?.1.parse().ok();
    fields.lines().filter_map(port).collect()
}

/// The rows of listeners in the text of `/proc/net/tcp` or `tcp6`: port and inode.
#[cfg(any(test, target_os = "linux"))]
fn rows(table: &str) -> Vec<(u16, u64)> {
    const LISTEN: &str = "0A";
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    rows.filter(|fields| fields.get(3) == Some(&LISTEN))
        .filter_map(|fields| {
            let (_, port) = fields.get(1)?.rsplit_once(':')?;
            Some((u16::from_str_radix(port, 16).ok()?, fields.get(9)?.parse().ok()?))
        })
        .collect()
}

#[cfg(target_os = "linux")]
mod imp {
    use std::collections::HashSet;
    use std::fs;

    use super::Process;
    use crate::sys::processes;

    pub(super) fn ports() -> Option<HashSet<u16>> {
        let first = fs::read_to_string("/proc/net/tcp").ok()?;
        // Without IPv6 there is no second table.
        let second = fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
        Some([first, second].iter().flat_map(|table| super::rows(table)).map(|(port, _)| port).collect())
    }

    pub(super) fn visible_ports() -> HashSet<u16> {
        ports().unwrap_or_default()
    }

    pub(super) fn holder(port: u16) -> Option<Process> {
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
        let rows = tables.iter().flat_map(|table| super::rows(table)).filter(|(listened, _)| *listened == port);
        let wanted: Vec<String> = rows.map(|(_, inode)| format!("socket:[{inode}]")).collect();
        if wanted.is_empty() {
            return None;
        }
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let holds = |pid: &u32| {
            let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
            let mut targets = descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
            targets.any(|target| target.to_str().is_some_and(|target| wanted.iter().any(|wanted| wanted == target)))
        };
        processes::look(pids.find(holds)?)
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::collections::HashSet;
    use std::path::Path;
    use std::time::Duration;

    use super::Process;
    use crate::core::shell::environment::Environment;
    use crate::sys::cmd::Cmd;
    use crate::sys::processes;

    pub(super) fn ports() -> Option<HashSet<u16>> {
        None
    }

    pub(super) fn visible_ports() -> HashSet<u16> {
        lsof("-iTCP", "-Fn").map(|fields| super::named(&fields)).unwrap_or_default()
    }

    pub(super) fn holder(port: u16) -> Option<Process> {
        let fields = lsof(&format!("-iTCP:{port}"), "-Fp")?;
        processes::look(fields.lines().find_map(|line| line.strip_prefix('p')?.parse().ok())?)
    }

    fn lsof(which: &str, field: &str) -> Option<String> {
        let environment: Environment = [("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")].into_iter().collect();
        let arguments = ["-nP", which, "-sTCP:LISTEN", field].map(Into::into).to_vec();
        let cmd = Cmd { program: "lsof", arguments, environment: &environment, folder: Path::new("/") };
        let captured = cmd.capture(Duration::from_secs(5)).ok()?;
        Some(String::from_utf8_lossy(&captured.stdout).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listener_of_a_port_is_this_very_process() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = std::net::TcpListener::bind(address).expect("loopback is there");
            let port = listener.local_addr().expect("it is bound").port();
            assert_eq!(holder(port).map(|process| process.pid), Some(std::process::id()));
            assert!(ports().is_none_or(|ports| ports.contains(&port)));
            assert!(visible_ports().contains(&port));
            drop(listener);
            assert_eq!(holder(port), None);
        }
    }

    #[test]
    fn lsof_names_the_address_before_the_port() {
        let fields = "p77\nf3\nn127.0.0.1:3000\nf4\nn[::1]:3001\np78\nf5\nn*:3002\nf6\nn*:*\n";
        assert_eq!(named(fields), [3000, 3001, 3002].into());
    }

    #[test]
    fn only_listening_rows_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 77 1\n\
            1: 0100007F:0BB8 0100007F:A000 01 00000000:00000000 00:00000000 00000000 0 0 78 1\n\
            2: 0100007F:0BB9 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 79 1\n";
        assert_eq!(rows(table), [(3000, 77), (3001, 79)]);
    }
}
