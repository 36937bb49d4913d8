//! One place in a compose file that would be the same in every instance.

use std::collections::BTreeMap;

use super::interpolate::Meant;
use super::ports::HostPort;

/// What is fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `container_name`: unique on the whole machine.
    ContainerName,
    /// A host port in `ports`.
    HostPort,
    /// `name` of a volume.
    VolumeName,
    /// `name` of a network.
    NetworkName,
    /// `name` of the whole file: the instance's own name goes before it.
    ProjectName,
}

/// One place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// What it is.
    pub kind: Kind,
    /// Its line, from 1.
    pub line: usize,
    /// The service, volume or network.
    pub owner: String,
    /// What is written there.
    pub value: String,
    /// What it is in every instance.
    pub meant: Meant,
    /// What to write there, without the key; for a host port what [`super::name_all`] chooses, and with it.
    pub instead: String,
    /// For a host port: which, and the variable `instead` names.
    pub port: Option<HostPort>,
}

/// Variables that ports take from the environment, with the first line where one has no default beside it.
pub type Used = BTreeMap<String, Option<usize>>;
