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
        let (run, instance) = (label(names::LABEL), label(INSTANCE));
        let fields = [".Names".to_owned(), run.clone(), instance.clone(), ".State".to_owned()];
        let all: Vec<[String; 4]> = self.rows(&["ps", "--all", "--filter", &filter], &fields)?;
        let is_others =
            |[_, run, _, state]: &&[String; 4]| !known.contains(run) && ["running", "paused"].contains(&state.as_str());
        let others: Vec<[String; 4]> = all.iter().filter(is_others).cloned().collect();
        let is_kept = |id: &str| others.iter().any(|[_, run, ..]| run == id);
        let of_run = |run: &str| [names::container(run), names::relay(run), names::bundler(run)];
        let containers = all.into_iter().filter(|[name, run, ..]| names::is_id(run) && of_run(run).contains(name));
        let fields = [".Name".to_owned(), run, instance];
        let networks: Vec<[String; 3]> = self.rows(&["network", "ls", "--filter", &filter], &fields)?;
        let networks = networks.into_iter().filter(|[name, run, _]| names::is_id(run) && names::network(run) == *name);
        let mut images = self.own_images(&names::image("*", "*"))?;
        images.retain(|(name, instance)| {
            name.starts_with(&names::image(instance, "")) && !others.iter().any(|[_, _, other, _]| other == instance)
        });
        Ok(OfAgents {
            containers: containers
                .filter(|[_, run, ..]| !is_kept(run))
                .map(|[name, _, instance, _]| (name, instance))
                .collect(),
            networks: networks
                .filter(|[_, run, _]| !is_kept(run))
                .map(|[name, _, instance]| (name, instance))
                .collect(),
            images,
        })
    }
}
