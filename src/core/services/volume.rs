//! The volumes of an instance as its override names them, and what they were called without it: whoever used compose before silo
//! has the data there.

use indexmap::IndexMap;

use super::model::{Model, Volume};

/// A volume that is an instance's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnVolume {
    /// Its name in Docker.
    pub name: String,
    /// The name that the files write out for it, where the override takes that away.
    pub before: Option<String>,
    /// Whether no command removes it.
    pub is_kept: bool,
    /// What the files say of it.
    pub said: Volume,
}

impl OwnVolume {
    /// Every volume that is not external, by key.
    pub(super) fn all(model: &Model, project: &str, keep: &[String]) -> IndexMap<String, Self> {
        let own = model.volumes.iter().filter(|(_, volume)| !volume.is_external);
        own.map(|(key, volume)| {
            (key.clone(), Self::of(key, volume, project, keep.contains(key) && volume.device.is_none()))
        })
        .collect()
    }

    fn of(key: &str, volume: &Volume, project: &str, is_kept: bool) -> Self {
        let (name, before) = match &volume.global_name {
            // It is kept under the name that the files give it, or that is the instance's already.
            Some(global) if is_kept || !is_for_all(global, project) => (global.clone(), None),
            before => (format!("{project}_{key}"), before.clone()),
        };
        Self { name, before, is_kept, said: volume.clone() }
    }
}

/// Whether a name is the same in every instance: one with the instance's own name in it is not.
pub(super) fn is_for_all(name: &str, project: &str) -> bool {
    !name.contains(project)
}
