//! Networks that containers of several instances are in: which there are, and who is in them. silo makes those, connects and
//! disconnects; compose knows none of it, for by compose a container would be called by its service's name there, too.

use std::net::Ipv4Addr;

use serde::Deserialize;

use super::docker::{self, Docker, says, unless_gone};
use super::engine::{Engine, PROJECT, escaped};
use super::labels::{LINK_FROM, LINK_TO};
use crate::core::leases::subnet::Range;
use crate::failure::Failure;

/// A network by which one instance's services reach another's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// The compose project that it goes with: that of the one who asked for it.
    pub project: String,
    /// The id of that instance.
    pub from: String,
    /// The id of the one whose services are reached.
    pub to: String,
}

/// What stands between the two compose projects in a link's name.
const BETWEEN: &str = "_silo-link-";

impl Link {
    /// The link of one project to another, by their instances' ids.
    pub fn of((project, from): (&str, &str), (other, to): (&str, &str)) -> Self {
        let name = format!("{project}{BETWEEN}{other}");
        Self { name, project: project.to_owned(), from: from.to_owned(), to: to.to_owned() }
    }

    /// The compose project whose services are reached.
    pub fn target(&self) -> &str {
        self.name.strip_prefix(&self.project).and_then(|rest| rest.strip_prefix(BETWEEN)).unwrap_or(&self.name)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    name: String,
    labels: Option<std::collections::HashMap<String, String>>,
}

impl Engine<'_> {
    /// Every link there is.
    ///
    /// # Errors
    /// A [`Failure`] when the engine does not answer in time.
    pub fn links(&self) -> Result<Vec<Link>, Failure> {
        if !self.is_local() {
            let fields = [".Name".to_owned(), docker::label(PROJECT), docker::label(LINK_FROM), docker::label(LINK_TO)];
            let filter = format!("label={LINK_FROM}");
            let rows = self.docker().rows(&["network", "ls", "--filter", &filter], &fields)?;
            return Ok(rows.into_iter().map(|[name, project, from, to]| Link { name, project, from, to }).collect());
        }
        let filter = serde_json::json!({ "label": [LINK_FROM] }).to_string();
        let listed: Vec<Listed> = self.asked(&format!("/networks?filters={}", escaped(&filter)))?;
        let link = |Listed { name, labels }: Listed| {
            let label = |key: &str| labels.as_ref().and_then(|labels| labels.get(key)).cloned().unwrap_or_default();
            Link { name, project: label(PROJECT), from: label(LINK_FROM), to: label(LINK_TO) }
        };
        Ok(listed.into_iter().map(link).collect())
    }
}

impl Docker<'_> {
    /// Makes a link's network. It leads nowhere else, so that no container's way out changes with it.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines, as where its addresses are used already.
    pub fn make_link(&self, link: &Link, subnet: Range) -> Result<(), Failure> {
        let labels = [(PROJECT, &link.project), (LINK_FROM, &link.from), (LINK_TO, &link.to)];
        let labels = labels.map(|(key, value)| format!("--label={key}={value}"));
        let subnet = format!("--subnet={subnet}");
        let mut words = vec!["network", "create", "--internal", &subnet];
        words.extend(labels.iter().map(String::as_str));
        words.push(&link.name);
        self.run(&words)
    }

    /// Connects a container with a network, where it has these names, and this address or any; without a name it is reached by its
    /// container's alone.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn connect(
        &self,
        network: &str,
        container: &str,
        names: &[String],
        address: Option<Ipv4Addr>,
    ) -> Result<(), Failure> {
        let names = names.iter().map(|name| format!("--alias={name}")).collect::<Vec<_>>();
        let address = address.map(|address| format!("--ip={address}"));
        let mut words = vec!["network", "connect"];
        words.extend(address.as_deref());
        words.extend(names.iter().map(String::as_str));
        words.extend([network, container]);
        match self.run(&words) {
            // Somebody else was as fast.
            Err(failure) if says(&failure, "already exists in network") => Ok(()),
            done => done,
        }
    }

    /// Disconnects a container from a network, running or not; one that is not in it is none to disconnect.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn disconnect(&self, network: &str, container: &str) -> Result<(), Failure> {
        match self.run(&["network", "disconnect", "--force", network, container]) {
            Err(failure) if says(&failure, "is not connected") => Ok(()),
            done => unless_gone(done),
        }
    }

    /// Removes a network that nobody is in; one that is not there is none to remove.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn remove_network(&self, network: &str) -> Result<(), Failure> {
        unless_gone(self.run(&["network", "rm", network]))
    }
}
