//! A registry made again after it was lost or damaged: from what its text still says, and from the lockfiles of the roots
//! it is known to have held. No port moves: each instance gets what its own lockfile tells, and only where two claim
//! the same is one of them left without (D105).

use indexmap::IndexMap;
use std::collections::HashSet;

use crate::core::config::model::DEFAULT_PREFIX;
use crate::core::instance::lockfile::InstanceState;
use crate::core::instance::name;
use crate::core::leases::subnet::Range;
use crate::core::leases::{Instance, Leases};
use crate::core::leases::{block, entry};
use crate::core::text::digest;

/// What is known of one root.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RootRecord {
    /// The canonical root.
    pub root: String,
    /// What its lockfile tells; none when there is no readable one.
    pub lockfile: Option<InstanceState>,
    /// What the damaged registry still says of it.
    pub salvaged: Option<Instance>,
    /// The number of its folder, as the entry has it.
    pub folder: Option<u64>,
}

/// The registry made again.
#[derive(Debug, Clone, PartialEq)]
pub struct Rebuilt {
    /// All instances that is available.
    pub leases: Leases,
    /// What two instances claimed, a sentence each.
    pub disputed: Vec<String>,
}

/// The instances that can still be read from a damaged text, each by itself, and whose id is that of their root.
pub fn salvage(text: &str) -> Vec<Instance> {
    let read = text.split(entry::ENTRY).skip(1).filter_map(entry::read);
    read.filter(|instance| instance.id == digest::root_id(instance.root.as_bytes())).collect()
}

/// Puts a registry together; earlier records win.
pub fn rebuild(records: Vec<RootRecord>) -> Rebuilt {
    let mut rebuilt = Rebuilt { leases: Leases::none(), disputed: Vec::new() };
    let mut roots = HashSet::new();
    let mut taken = HashSet::new();
    for record in records {
        let Some(mut instance) = instance(record).filter(|instance| roots.insert(instance.root.clone())) else {
            continue;
        };
        if let Some(holder) = rebuilt.leases.named(&instance.qualified()) {
            let (root, other) = (&instance.root, &holder.root);
            rebuilt.disputed.push(format!("`{}` is claimed by `{other}` and `{root}`", instance.qualified()));
            continue;
        }
        // Settled again, the later one gets another.
        instance.slot = instance.slot.filter(|slot| !rebuilt.leases.has_slot(&instance.prefix, *slot, &[]));
        let taken_subnet = |subnet: &Range| rebuilt.leases.instances.iter().find(|one| one.subnet == Some(*subnet));
        if let Some((subnet, holder)) = instance.subnet.and_then(|subnet| Some((subnet, taken_subnet(&subnet)?))) {
            let (root, other) = (&instance.root, &holder.root);
            rebuilt.disputed.push(format!("the subnet {subnet} of `{root}` is held by `{other}`"));
            instance.subnet = None;
        }
        let ports = std::mem::take(&mut instance.ports);
        for (variable, port) in ports {
            let last = block::last(port, instance.blocks.get(&variable).copied().unwrap_or(1));
            if (port..=last).all(|port| !taken.contains(&port)) {
                taken.extend(port..=last);
                instance.ports.insert(variable, port);
            } else {
                rebuilt.disputed.push(format!("port {port} ({variable} of `{}`) has another holder", instance.root));
            }
        }
        rebuilt.leases.instances.push(instance);
    }
    rebuilt
}

/// The lockfile's word where there is one, for it is what the project was told; else what was salvaged.
fn instance(record: RootRecord) -> Option<Instance> {
    let Some(state) = record.lockfile.filter(|state| !state.name.is_empty()) else { return record.salvaged };
    let told = Some(state.identity.prefix).filter(|prefix| name::is_prefix(prefix));
    let salvaged = record.salvaged.unwrap_or_default();
    let known = Some(salvaged.prefix).filter(|prefix| !prefix.is_empty());
    let mut ports: IndexMap<String, u16> = state.ports;
    // A lease the lockfile does not know of yet: the run that made it was cut off before it got there.
    salvaged.ports.into_iter().for_each(|(variable, port)| {
        ports.entry(variable).or_insert(port);
    });
    Some(Instance {
        id: digest::root_id(record.root.as_bytes()),
        root: record.root,
        name: state.name,
        prefix: told.or(known).unwrap_or_else(|| DEFAULT_PREFIX.to_owned()),
        profile: state.profile,
        slot: state.slot.or(salvaged.slot),
        folder: record.folder,
        created: first_said(salvaged.created, state.created_at.clone()),
        changed: first_said(salvaged.changed, state.created_at),
        ports,
        // What is wanted is in the registry alone.
        wanted: salvaged.wanted,
        // The registry learns of an address first.
        subnet: salvaged.subnet.or(state.subnet),
        addresses: if salvaged.addresses.is_empty() { state.addresses } else { salvaged.addresses },
        blocks: if state.blocks.is_empty() { salvaged.blocks } else { state.blocks },
    })
}

/// The first of two values that is not empty.
fn first_said(first: String, second: String) -> String {
    if first.is_empty() { second } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn instance(root: &str, name: &str, ports: &[(&str, u16)]) -> Instance {
        Instance {
            id: digest::root_id(root.as_bytes()),
            root: root.into(),
            name: name.into(),
            prefix: "localnet".into(),
            ports: ports.iter().map(|(name, port)| ((*name).to_owned(), *port)).collect(),
            ..Instance::default()
        }
    }

    fn state(name: &str, ports: &[(&str, u16)]) -> InstanceState {
        let ports = ports.iter().map(|(name, port)| ((*name).to_owned(), *port)).collect();
        InstanceState { name: name.into(), ports, ..InstanceState::default() }
    }

    #[test]
    fn whole_instances_come_back_from_a_damaged_text() {
        let leases = Leases::of(vec![
            instance("/a", "a", &[("A", 1)]),
            instance("/b", "b", &[]),
            instance("/c", "c", &[("C", 3)]),
        ]);
        assert_eq!(salvage(&leases.render()), leases.instances);
        let damaged = leases.render().replace("root = \"/b\"", "root = \"/B\"");
        assert_eq!(salvage(&damaged), [leases.instances[0].clone(), leases.instances[2].clone()]);
        assert_eq!(salvage("[[instance]]\nid = "), []);
    }

    #[test]
    fn the_lockfile_has_the_last_word_and_a_gone_root_keeps_its_leases() {
        let records = vec![
            RootRecord {
                root: "/a".into(),
                lockfile: Some(state("a", &[("A", 10), ("B", 11)])),
                salvaged: Some(instance("/a", "old", &[("A", 99), ("C", 12)])),
                folder: None,
            },
            RootRecord {
                root: "/gone".into(),
                salvaged: Some(instance("/gone", "g", &[("A", 20)])),
                ..RootRecord::default()
            },
            RootRecord { root: "/unknown".into(), ..RootRecord::default() },
        ];
        let rebuilt = rebuild(records);
        assert_eq!(rebuilt.disputed, [""; 0]);
        let expected = [instance("/a", "a", &[("A", 10), ("B", 11), ("C", 12)]), instance("/gone", "g", &[("A", 20)])];
        assert_eq!(rebuilt.leases.instances, expected);
    }

    #[test]
    fn a_number_comes_back_from_the_lockfile_and_only_once() {
        let record = |root: &str, name: &str| RootRecord {
            root: root.into(),
            lockfile: Some(InstanceState { slot: Some(1), ..state(name, &[]) }),
            ..RootRecord::default()
        };
        let rebuilt = rebuild(vec![record("/a", "x"), record("/b", "y")]);
        assert_eq!(rebuilt.leases.instances.iter().map(|one| one.slot).collect::<Vec<_>>(), [Some(1), None]);
    }

    #[test]
    fn a_subnet_comes_back_from_the_lockfile_and_only_once() {
        let subnet = "10.224.3.0/24".parse().ok();
        let record = |root: &str, name: &str| RootRecord {
            root: root.into(),
            lockfile: Some(InstanceState { subnet, addresses: [("db".into(), 10)].into(), ..state(name, &[]) }),
            ..RootRecord::default()
        };
        let rebuilt = rebuild(vec![record("/a", "x"), record("/b", "y")]);
        let all: Vec<_> = rebuilt.leases.instances.iter().map(|one| (one.subnet, one.addresses["db"])).collect();
        assert_eq!(all, [(subnet, 10), (None, 10)]);
        assert_eq!(rebuilt.disputed, ["the subnet 10.224.3.0/24 of `/b` is held by `/a`"]);
    }

    #[test]
    fn what_two_claim_the_first_gets() {
        let record = |root: &str, name: &str| RootRecord {
            root: root.into(),
            lockfile: Some(state(name, &[("A", 10)])),
            ..RootRecord::default()
        };
        let rebuilt = rebuild(vec![record("/a", "x"), record("/b", "x"), record("/c", "y"), record("/a", "z")]);
        assert_eq!(rebuilt.leases.instances, [instance("/a", "x", &[("A", 10)]), instance("/c", "y", &[])]);
        assert_eq!(rebuilt.disputed.len(), 2);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,200}", at in 0usize..400, byte in any::<u8>()) {
            let _ = salvage(&text);
            let whole = Leases::of(vec![instance("/é", "x", &[("A", 1)])]).render();
            let mut bytes = whole.into_bytes();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = salvage(&String::from_utf8_lossy(&bytes));
        }
    }
}
