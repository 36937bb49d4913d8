//! dnsmasq, run for the user alone: it listens on loopback, reads no file of the system, and answers for silo's names only.

use std::ffi::OsString;
use std::path::Path;

use crate::core::shell::environment::Environment;
use crate::sys::cmd::Cmd;

/// The program.
pub const PROGRAM: &str = "dnsmasq";
/// What to type where it is missing.
pub const INSTALL: &str =
    "Install dnsmasq: the package `dnsmasq-base` of Debian and Ubuntu, else `dnsmasq`, by brew too";

/// A name server for the names that end in a suffix. What it does not know it refuses, so that whoever asks goes on to the next.
pub fn server<'a>(
    environment: &'a Environment,
    folder: &'a Path,
    hosts: &Path,
    suffix: &str,
    port: u16,
    is_root: bool,
) -> Cmd<'a> {
    let mut hosts_flag = OsString::from("--hostsdir=");
    hosts_flag.push(hosts);
    let mut arguments: Vec<OsString> = [
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--pid-file=",
        "--no-resolv",
        "--no-hosts",
        "--bind-interfaces",
        "--listen-address=127.0.0.1",
        "--cache-size=0",
    ]
    .map(OsString::from)
    .to_vec();
    arguments.extend([format!("--port={port}").into(), format!("--local=/{suffix}/").into(), hosts_flag]);
    // As root it would become a user who may not read the folder.
    arguments.extend(is_root.then(|| "--user=root".into()));
    Cmd { program: PROGRAM, arguments, environment, folder }
}
