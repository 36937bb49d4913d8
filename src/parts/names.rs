//! The names of an instance's services: where they lead is what the engine says, never what a file remembers (D27).

use std::collections::BTreeSet;
use std::path::Path;

use crate::backend::engine::Container;
use crate::core::leases::Instance;
use crate::failure::Failure;
use crate::store::names;
use crate::sys::dirs::Dirs;

/// What the file of an instance is to say, from its containers; and the names that another instance has already.
pub fn expected(dirs: &Dirs, instance: &Instance, containers: &[Container]) -> (String, Vec<String>) {
    let root = Path::new(&instance.root);
    let (wanted, taken) = (names::wanted(dirs, root), names::of_others(dirs, root));
    let (mut lines, mut refused) = (BTreeSet::new(), Vec::new());
    // Those of shared services have an address in the subnet, too.
    let is_ours = |one: &&Container| one.project == instance.qualified() || !one.shared.is_empty();
    let running = containers.iter().filter(is_ours).filter(|one| one.state == "running");
    for container in running {
        let own = || container.addresses.values().filter(|one| instance.subnet.is_some_and(|subnet| subnet.has(**one)));
        let remembered = instance.service_addresses().find(|(name, _)| *name == container.service).map(|(_, at)| at);
        let Some(address) = own().find(|one| Some(**one) == remembered).or_else(|| own().next()) else { continue };
        for name in wanted.get(&container.service).into_iter().flatten() {
            match taken.contains(name) {
                true => refused.push(name.clone()),
                false => _ = lines.insert(format!("{address} {name}\n")),
            }
        }
    }
    (lines.into_iter().collect(), refused)
}

/// Writes where the names of an instance lead now; the names that another instance has are handed back.
///
/// # Errors
/// A [`Failure`] when the file cannot be written.
pub fn publish(dirs: &Dirs, instance: &Instance, containers: &[Container]) -> Result<Vec<String>, Failure> {
    let (text, refused) = expected(dirs, instance, containers);
    names::publish(dirs, Path::new(&instance.root), &text).map(|()| refused)
}
