//! What there is of agents in the engine, for those who remove what instances left.

use std::collections::HashSet;

use super::docker::{Docker, label};
use super::labels::LABEL as INSTANCE;
use crate::core::agents::names;
use crate::failure::Failure;

/// What there is of agents, each by its name with the id of its instance. Whoever only has the labels is left out: the names are
/// those that silo gives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OfAgents {
    /// Agents, their relays, and what reads their repositories.
    pub containers: Vec<(String, String)>,
    /// Their networks.
    pub networks: Vec<(String, String)>,
    /// The images that were built for them.
    pub images: Vec<(String, String)>,
}

impl Docker<'_> {
    /// Everything of all agents. A root is known by its path alone, which another user's may have as well: what belongs to a run that
    /// goes on and is not among `known` is somebody else's, and so are the images of its instance.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn of_agents(&self, known: &HashSet<String>) -> Result<OfAgents, Failure> {
        let filter = format!("label={}", names::LABEL);
        let list = |words: &[&str], name: &str, names: &dyn Fn(&str) -> Vec<String>| {
            let fields = [name.to_owned(), label(names::LABEL), label(INSTANCE)];
            let rows = self.rows(&[words, &["--filter", &filter]].concat(), &fields)?;
            let is_silos = |[name, run, _]: &[String; 3]| names::is_id(run) && names(run).contains(name);
            Ok::<_, Failure>(rows.into_iter().filter(is_silos).map(|[name, _, instance]| (name, instance)).collect())
        };
        let filtered = ["ps", "--filter", &filter];
        let running = self.rows(&filtered, &[label(names::LABEL), label(INSTANCE)])?;
        let others: Vec<[String; 2]> = running.into_iter().filter(|[run, _]| !known.contains(run)).collect();
        let is_others = |name: &str| {
            others.iter().any(|[run, _]| {
                [names::container(run), names::relay(run), names::bundler(run)].iter().any(|other| other == name)
            })
        };
        let containers = |run: &str| vec![names::container(run), names::relay(run), names::bundler(run)];
        let mut images = self.own_images(&names::image("*", "*"))?;
        images.retain(|(name, instance)| {
            name.starts_with(&names::image(instance, "")) && !others.iter().any(|[_, other]| other == instance)
        });
        let mut own = OfAgents {
            containers: list(&["ps", "--all"], ".Names", &containers)?,
            networks: list(&["network", "ls"], ".Name", &|run| vec![names::network(run)])?,
            images,
        };
        own.containers.retain(|(name, _)| !is_others(name));
        // A network is called as the agent's container is.
        own.networks.retain(|(name, _)| !is_others(name));
        Ok(own)
    }
}
