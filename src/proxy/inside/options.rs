//! What `silo-proxy init` is asked for.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use silo::failure::Failure;

use super::words::{Words, shown};

/// How long an agent may take to end when it was told to.
const GRACE: Duration = Duration::from_secs(5);

/// What is asked for.
pub(super) struct Options {
    /// How long the agent may run.
    pub(super) deadline: Option<Duration>,
    /// How long it may take to end when it was told to.
    pub(super) grace: Duration,
    /// The end of the standard input ends it.
    pub(super) ends_with_stdin: bool,
    /// Programs it needs.
    pub(super) needs: Vec<String>,
    /// Addresses at which nothing may answer.
    pub(super) probes: Vec<Probe>,
    /// The engine's resolver may not know the outside.
    pub(super) asks_resolver: bool,
    /// How many bytes may be taken below the measured folders.
    pub(super) disk: Option<u64>,
    /// How many bytes must stay free on their disks.
    pub(super) free: Option<u64>,
    /// Where that is measured.
    pub(super) measured: Vec<PathBuf>,
    /// The program and its arguments.
    pub(super) command: Vec<OsString>,
}

/// An address at which nothing may answer, on one port or on any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Probe {
    /// The address.
    pub(super) address: IpAddr,
    /// One port; without it some that are usual are tried.
    pub(super) port: Option<u16>,
}

impl std::str::FromStr for Probe {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Ok(address) = text.parse() {
            return Ok(Self { address, port: None });
        }
        let place: SocketAddr = text.parse().map_err(drop)?;
        Ok(Self { address: place.ip(), port: Some(place.port()) })
    }
}

impl Options {
    /// Reads the command line.
    pub(super) fn read(words: &[OsString]) -> Result<Self, Failure> {
        let mut options = Self {
            deadline: None,
            grace: GRACE,
            ends_with_stdin: false,
            needs: Vec::new(),
            probes: Vec::new(),
            asks_resolver: false,
            disk: None,
            free: None,
            measured: Vec::new(),
            command: Vec::new(),
        };
        let mut words = Words::new("init", words);
        while let Some(flag) = words.flag()? {
            match flag.as_str() {
                "--deadline" => options.deadline = Some(words.seconds()?),
                "--grace" => options.grace = words.seconds()?,
                "--end-with-stdin" => options.ends_with_stdin = true,
                "--needs" => options.needs.push(shown(&words.value()?)),
                "--probe" => options.probes.push(words.parsed()?),
                "--probe-resolver" => options.asks_resolver = true,
                "--disk" => options.disk = Some(words.parsed()?),
                "--free" => options.free = Some(words.parsed()?),
                "--measure" => options.measured.push(words.value()?.into()),
                _ => return Err(words.unknown()),
            }
        }
        options.command = words.rest().to_vec();
        let measures = options.disk.is_some() || options.free.is_some();
        match () {
            () if options.command.is_empty() => Err(words.usage("no command follows `--`")),
            () if measures && options.measured.is_empty() => Err(words.usage("`--disk` and `--free` need `--measure`")),
            () => Ok(options),
        }
    }
}
