//! One instance and its leases, and how it is in the registry's text.

use ::core::net::Ipv4Addr;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::block::{self, Blocks};
use super::subnet::{Addresses, Range};
use super::wanted::Wanted;
use crate::core::instance::name;

/// One instance and its leases.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// First 16 hex digits of the digest of `root`.
    pub id: String,
    /// Canonical project root.
    pub root: String,
    /// Instance name.
    pub name: String,
    /// Resource prefix.
    pub prefix: String,
    /// Active profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The number that no other instance of the prefix has, where its templates use one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u16>,
    /// The number of the root's folder on its disk: which other path may be the same folder. Disks give numbers out again, so
    /// it is only ever a reason to look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<u64>,
    /// The addresses it holds, where its services have some of their own (D26).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<Range>,
    /// When it was made, RFC 3339.
    pub created: String,
    /// When it was last changed, RFC 3339.
    pub changed: String,
    /// Leases in declared order; of a block the first port.
    pub ports: IndexMap<String, u16>,
    /// How many ports the blocks among them have.
    #[serde(default, skip_serializing_if = "Blocks::is_empty")]
    pub blocks: Blocks,
    /// The numbers of its services' addresses in the subnet.
    #[serde(default, skip_serializing_if = "Addresses::is_empty")]
    pub addresses: Addresses,
    /// What is to run of it (D31): no state, and no part of what a stamp follows from.
    #[serde(default, skip_serializing_if = "Wanted::is_nothing")]
    pub wanted: Wanted,
}

impl Instance {
    /// `{prefix}-{name}`, unique across the registry (D4).
    pub fn qualified(&self) -> String {
        name::qualified(&self.prefix, &self.name)
    }

    /// Every port it holds, those of blocks too.
    pub fn held(&self) -> impl Iterator<Item = u16> + use<> {
        self.spread().into_values()
    }

    /// The same under a name each, as [`block::spread`] gives them.
    pub fn spread(&self) -> IndexMap<String, u16> {
        block::spread(&self.ports, &self.blocks)
    }

    /// The service that has an address.
    pub fn service_at(&self, address: Ipv4Addr) -> Option<&str> {
        let subnet = self.subnet?;
        self.addresses.iter().find(|(_, number)| subnet.address(**number) == address).map(|(name, _)| name.as_str())
    }

    /// Its services' addresses.
    pub fn service_addresses(&self) -> impl Iterator<Item = (&str, Ipv4Addr)> {
        let subnet = self.subnet;
        self.addresses.iter().filter_map(move |(name, number)| Some((name.as_str(), subnet?.address(*number))))
    }

    /// The variable whose port or block a port is.
    pub fn variable_of(&self, port: u16) -> Option<(&str, u16)> {
        let has = |(name, first): &(&String, &u16)| {
            let count = self.blocks.get(*name).copied().unwrap_or(1);
            (**first..=block::last(**first, count)).contains(&port)
        };
        self.ports.iter().find(has).map(|(name, first)| (name.as_str(), *first))
    }
}

/// One instance without its head; its own tables are headed by the list's name.
pub(super) fn read(piece: &str) -> Option<Instance> {
    #[derive(Deserialize)]
    struct One {
        instance: [Instance; 1],
    }
    plain(piece)
        .or_else(|| toml::from_str(&format!("{ENTRY}{piece}")).ok().map(|One { instance: [instance] }| instance))
}

/// What heads each instance.
pub(super) const ENTRY: &str = "[[instance]]\n";
/// What heads the ports of each instance.
const PORTS: &str = "[instance.ports]";
/// What heads the blocks of an instance that has some.
const BLOCKS: &str = "[instance.blocks]";
/// What heads the addresses of an instance that has a subnet.
const ADDRESSES: &str = "[instance.addresses]";
/// What heads what is to run of an instance.
const WANTED: &str = "[instance.wanted]";

/// An instance as silo writes nearly all of them: a line for each key, strings without escapes. None for anything else,
/// which is TOML's to read: that takes five times as long, and with the whole port range leased most of an activation.
fn plain(piece: &str) -> Option<Instance> {
    let mut lines = piece.lines().filter(|line| !line.is_empty());
    let mut instance = Instance::default();
    let mut missing = 6;
    for line in lines.by_ref().take_while(|line| *line != PORTS) {
        let (key, value) = line.split_once(" = ")?;
        let is_second = match key {
            "slot" => Some(instance.slot.replace(value.parse().ok()?).is_some()),
            "folder" => Some(instance.folder.replace(value.parse().ok()?).is_some()),
            _ => None,
        };
        match is_second {
            Some(true) => return None,
            Some(false) => continue,
            None => {}
        }
        let value = value.strip_prefix('"')?.strip_suffix('"')?;
        if key == "subnet" {
            if instance.subnet.replace(value.parse().ok()?).is_some() {
                return None;
            }
            continue;
        }
        let place = match key {
            "id" => &mut instance.id,
            "root" => &mut instance.root,
            "name" => &mut instance.name,
            "prefix" => &mut instance.prefix,
            "created" => &mut instance.created,
            "changed" => &mut instance.changed,
            "profile" => instance.profile.get_or_insert_default(),
            _ => return None,
        };
        if !place.is_empty() || value.is_empty() || value.contains(|c: char| c.is_control() || matches!(c, '"' | '\\'))
        {
            return None;
        }
        value.clone_into(place);
        missing -= usize::from(key != "profile");
    }
    let mut table = Table::Ports;
    for line in lines {
        match (line, table) {
            (BLOCKS, Table::Ports) => table = Table::Blocks,
            (ADDRESSES, Table::Ports | Table::Blocks) => table = Table::Addresses,
            (WANTED, Table::Ports | Table::Blocks | Table::Addresses) => table = Table::Wanted,
            (line, Table::Wanted) => instance.wanted.read_line(line).then_some(())?,
            _ => {
                let (name, number) = line.split_once(" = ")?;
                let bare =
                    |c: char| c.is_ascii_alphanumeric() || c == '_' || (c == '-' && matches!(table, Table::Addresses));
                let name = Some(name).filter(|name| !name.is_empty() && name.chars().all(bare))?.to_owned();
                let is_second = match table {
                    Table::Ports => instance.ports.insert(name, number.parse().ok()?).is_some(),
                    Table::Blocks => instance.blocks.insert(name, number.parse().ok()?).is_some(),
                    Table::Addresses => instance.addresses.insert(name, number.parse().ok()?).is_some(),
                    Table::Wanted => true,
                };
                if is_second {
                    return None;
                }
            }
        }
    }
    (missing == 0 && piece.contains(PORTS)).then_some(instance)
}

/// The tables of an instance, in the order in which they are written.
#[derive(Clone, Copy)]
enum Table {
    Ports,
    Blocks,
    Addresses,
    Wanted,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::leases::{Leases, Wish};

    #[test]
    fn the_usual_entry_is_read_without_toml_and_what_toml_would_not_read_is_not() {
        let usual = Instance {
            id: "0123".into(),
            created: "2026-01-01T00:00:00Z".into(),
            changed: "2026-01-01T00:00:00Z".into(),
            profile: Some("staging".into()),
            slot: Some(3),
            folder: Some(1 << 40),
            root: "/p/app é".into(),
            name: "app-1a2b".into(),
            prefix: "localnet".into(),
            ports: [("P0".to_owned(), 3000), ("P1".to_owned(), 49152)].into_iter().collect(),
            blocks: [("P1".to_owned(), 61)].into_iter().collect(),
            subnet: Some("10.224.3.0/24".parse().expect("it is one")),
            addresses: [("db-1".to_owned(), 10), ("web".to_owned(), 11)].into_iter().collect(),
            wanted: Wanted {
                up: vec![Wish::of("services", "db-1"), Wish::part("tilt")],
                gates: vec![Wish::part("cluster")],
                boot: "7c1d".into(),
            },
        };
        let leases = Leases::of(vec![usual.clone()]);
        let text = leases.render();
        let piece = text.split(ENTRY).nth(1).expect("it has one entry");
        assert_eq!(plain(piece), Some(usual));
        let broken =
            ["id = \"0123\"\n", "root = \"/\"\n", "web = 1\n", "new = \"x\"\n", "P2 = 70000\n", "\u{7}", "P2\n"];
        for more in broken {
            assert_eq!(read(&format!("{piece}{more}")), None, "{more}");
            assert_eq!(read(&format!("{more}{piece}")), None, "{more}");
        }
        assert_eq!(read(&format!("slot = 4\n{piece}")), None, "two numbers");
        assert_eq!(read(&format!("folder = 4\n{piece}")), None, "two folders");
        assert_eq!(read(&format!("subnet = \"10.224.3.0/24\"\n{piece}")), None, "two subnets");
        assert_eq!(read(&piece.replace("10.224.3.0/24", "10.224.3.1/24")), None, "no subnet");
        for again in ["up = [\"tilt\"]", "gates = [\"tilt\"]", "boot = \"b\"", "down = [\"tilt\"]", "up = []"] {
            assert_eq!(read(&format!("{piece}{again}\n")), None, "{again}");
        }
        let may_lack =
            ["P", "profile", "slot", "folder", "subnet", "db-1", "web", ADDRESSES, "up", "gates", "boot", WANTED];
        for line in piece.lines().filter(|line| !line.is_empty() && !may_lack.iter().any(|key| line.starts_with(key))) {
            assert_eq!(read(&piece.replace(&format!("{line}\n"), "")), None, "without {line}");
        }
    }

    proptest! {
        #[test]
        fn a_plain_entry_reads_as_toml_reads_it(
            texts in proptest::collection::vec("[\\PC\n\"\\\\]{0,12}", 6),
            profile in proptest::option::of("\\PC{0,6}"),
            slot in proptest::option::of(any::<u16>()),
            folder in proptest::option::of(0..i64::MAX.cast_unsigned()),
            ports in proptest::collection::hash_map("[A-Z_]{1,4}|\\PC{0,4}", any::<u16>(), 0..4),
            blocks in proptest::collection::hash_map("[A-Z_]{1,4}|\\PC{0,4}", any::<u16>(), 0..3),
            addresses in proptest::collection::hash_map("[a-z-]{1,4}|\\PC{0,4}", any::<u8>(), 0..3),
            subnet in proptest::option::of((any::<u32>(), 0u8..=32)),
            up in proptest::collection::vec("[a-z:]{1,4}|\\PC{0,4}", 0..3),
            gates in proptest::collection::vec("[a-z:]{1,4}|[\\PC\n\"]{0,4}", 0..3),
            boot in "[a-z0-9-]{0,4}|\\PC{0,4}",
        ) {
            let wish = |texts: Vec<String>| texts.iter().map(|text| Wish::part(text)).collect();
            let [id, root, name, prefix, created, changed] = texts.try_into().expect("there are six");
            let (ports, blocks) = (ports.into_iter().collect(), blocks.into_iter().collect());
            let entry = Instance {
                id, root, name, prefix, profile, slot, folder, created, changed, ports, blocks,
                addresses: addresses.into_iter().collect(),
                subnet: subnet.and_then(|(first, bits)| Range::around(first.into(), bits)),
                wanted: Wanted { up: wish(up), gates: wish(gates), boot },
            };
            let text = Leases::of(vec![entry.clone()]).render();
            prop_assert_eq!(Leases::parse(&text), Ok(Leases::of(vec![entry.clone()])));
            let piece = text.split_once(ENTRY).expect("it has one").1;
            prop_assert!(plain(piece).is_none_or(|read| read == entry));
        }
    }
}
