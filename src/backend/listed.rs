//! The containers of compose projects as `docker ps` tells them, for an engine that has no socket here.

use indexmap::IndexMap;

use super::docker::{self, Docker};
use super::engine::{Container, Engine, NEEDS, ONE_OFF, PROJECT, SERVICE, WORKING_DIR, needs};
use super::labels::{LABEL, SHARED};
use crate::failure::Failure;

impl Engine<'_> {
    /// The containers with a label, as `docker ps` tells them: their addresses are not among it.
    pub(super) fn by_docker(&self, label: &str) -> Result<Vec<Container>, Failure> {
        let docker = Docker { program: "docker", environment: self.environment, folder: self.folder };
        let labels = [PROJECT, SERVICE, LABEL, SHARED, WORKING_DIR, ONE_OFF, NEEDS].map(docker::label);
        let [project, service, instance, shared, folder, one_off, needed] = labels;
        let fields = [".ID", ".Names", ".State", ".Status", ".Ports", ".Networks"].map(str::to_owned);
        let [id, name, state, status, ports, networks] = fields;
        let fields =
            [id, name, state, status, ports, networks, project, service, instance, shared, folder, one_off, needed];
        let rows = docker.rows_within(
            self.by_program(),
            &["ps", "--all", "--no-trunc", "--filter", &format!("label={label}")],
            &fields,
        )?;
        let container = |[
            id,
            name,
            state,
            status,
            ports,
            networks,
            project,
            service,
            instance,
            shared,
            folder,
            one_off,
            needed,
        ]: [String; 13]| {
            let networks = networks.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
            let published = ports.split(", ").filter(|port| port.contains("->")).map(str::to_owned).collect();
            (one_off != "True").then_some(Container {
                id,
                name,
                project,
                service,
                instance,
                shared,
                needs: needs(&needed),
                folder,
                state,
                status,
                addresses: IndexMap::new(),
                networks,
                ports: published,
            })
        };
        Ok(rows.into_iter().filter_map(container).collect())
    }
}
