//! Subnets (D26): a range of addresses, the /24 that an instance holds, and where in it the addresses of its services lie.

use ::core::net::Ipv4Addr;
use std::fmt;
use std::str::FromStr;

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where subnets come from when the user has not said otherwise.
pub const POOL: Range = Range { first: 0x0ae0_0000, bits: 16 };
/// How many bits of a subnet's addresses are the same.
pub const BITS: u8 = 24;
/// The widest pool: all of 10.0.0.0.
pub const WIDEST: u8 = 8;

/// Neighbouring IPv4 addresses, as `10.224.3.0/24` writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Range {
    first: u32,
    bits: u8,
}

/// A text that is not a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRange;

impl Range {
    /// The range of so many equal bits that an address is in; none for more than 32 bits.
    pub fn around(address: Ipv4Addr, bits: u8) -> Option<Self> {
        (bits <= 32).then(|| Self { first: u32::from(address) & mask(bits), bits })
    }

    /// Its first address.
    pub fn first(self) -> Ipv4Addr {
        self.first.into()
    }

    /// How many bits of all its addresses are the same.
    pub fn bits(self) -> u8 {
        self.bits
    }

    /// The address so many behind the first.
    pub fn address(self, number: u8) -> Ipv4Addr {
        (self.first | u32::from(number)).into()
    }

    /// Whether an address is in it.
    pub fn has(self, address: Ipv4Addr) -> bool {
        u32::from(address) & mask(self.bits) == self.first
    }

    /// Whether an address is in both.
    pub fn overlaps(self, other: Self) -> bool {
        let bits = self.bits.min(other.bits);
        self.first & mask(bits) == other.first & mask(bits)
    }

    /// The subnets in it.
    pub fn subnets(self) -> impl ExactSizeIterator<Item = Self> {
        let count = 1u32 << BITS.saturating_sub(self.bits.max(WIDEST));
        let first = self.first;
        (0..count).map(move |at| Self { first: first + (at << (32 - BITS)), bits: BITS })
    }
}

/// The first so many bits.
fn mask(bits: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first(), self.bits)
    }
}

impl FromStr for Range {
    type Err = NoRange;

    fn from_str(text: &str) -> Result<Self, NoRange> {
        let read = || {
            let (address, bits) = text.split_once('/')?;
            let address: Ipv4Addr = address.parse().ok()?;
            let range = Self::around(address, bits.parse().ok()?)?;
            (range.to_string() == text).then_some(range)
        };
        read().ok_or(NoRange)
    }
}

impl Serialize for Range {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let no_range = |_| serde::de::Error::custom("expected a range of addresses such as 10.224.0.0/16");
        String::deserialize(deserializer)?.parse().map_err(no_range)
    }
}

/// A subnet of the pool that overlaps none of these, looked for from an instance's own place on and around: two users of one
/// machine know nothing of each other's leases and would both begin with the first.
pub fn choose(pool: Range, taken: &[Range], place: u64) -> Option<Range> {
    let all: Vec<Range> = pool.subnets().collect();
    let start = usize::try_from(place.checked_rem(all.len() as u64)?).ok()?;
    let around = all[start..].iter().chain(&all[..start]);
    around.copied().find(|subnet| !taken.iter().any(|other| other.overlaps(*subnet)))
}

/// How many bits of the addresses of an agent's network are the same: it has room for six.
const SMALL: u8 = 29;

/// Eight addresses of the pool that overlap none of these, from its end on: subnets of instances begin elsewhere. In each subnet it is
/// looked from a place of one's own on and around, for who chooses at the same time would else choose the same.
pub fn small(pool: Range, taken: &[Range], place: u64) -> Option<Range> {
    let (size, count) = (1_u32 << (32 - SMALL), 1_u32 << (SMALL - BITS));
    let start = u32::try_from(place % u64::from(count)).ok()?;
    let all: Vec<Range> = pool.subnets().collect();
    let parts = |subnet: &Range| {
        let first = subnet.first;
        (0..count).map(move |at| (start + at) % count * size + first)
    };
    let all = all.iter().rev().flat_map(parts).map(|first| Range { first, bits: SMALL });
    all.into_iter().find(|range| !taken.iter().any(|other| other.overlaps(*range)))
}

/// A part of a subnet that one network of the project has for itself. The first is the `default` network's; it is the larger one,
/// and where each lies never changes, so that no address does when a project gets another network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone {
    /// The number of its first address in the subnet.
    first: u8,
    /// How many bits of its addresses are the same.
    bits: u8,
    /// The number of the first service's address in the zone.
    services: u8,
    /// The number in the zone from which on the engine gives addresses out itself.
    dynamic: u8,
}

impl Zone {
    /// The `default` network's: services at .10 to .63, and what the engine gives out at .64 to .127.
    pub const DEFAULT: Self = Self { first: 0, bits: 25, services: 10, dynamic: 64 };
    /// Those of further networks: 14 services each, at the second address and those behind it.
    pub const FURTHER: [Self; 4] = [Self::further(128), Self::further(160), Self::further(192), Self::further(224)];

    const fn further(first: u8) -> Self {
        Self { first, bits: 27, services: 2, dynamic: 16 }
    }

    /// The numbers of its services' addresses.
    pub fn numbers(self) -> std::ops::Range<u8> {
        self.first + self.services..self.first + self.dynamic
    }

    /// The zone's own range of a subnet.
    pub fn of(self, subnet: Range) -> Range {
        Range { first: subnet.first | u32::from(self.first), bits: self.bits }
    }

    /// The half of it from which the engine gives addresses out.
    pub fn dynamic(self, subnet: Range) -> Range {
        Range { first: subnet.first | u32::from(self.first + self.dynamic), bits: self.bits + 1 }
    }

    /// The address of the host in it.
    pub fn gateway(self, subnet: Range) -> Ipv4Addr {
        subnet.address(self.first + 1)
    }
}

/// The numbers of services' addresses in the subnet, by service; remembered for good.
pub type Addresses = IndexMap<String, u8>;

/// Gives each service of a network that has no number there yet the next one, in the order in which they come. Those for which
/// there is none any more get their address from the engine.
pub fn number(services: &[&str], zone: Zone, known: &mut Addresses) {
    for service in services {
        if known.get(*service).is_some_and(|number| zone.numbers().contains(number)) {
            continue;
        }
        let is_taken = |number: &u8| known.values().any(|taken| taken == number);
        if let Some(free) = zone.numbers().find(|number| !is_taken(number)) {
            known.insert((*service).to_owned(), free);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(text: &str) -> Range {
        text.parse().expect("it is one")
    }

    #[test]
    fn a_range_is_read_as_it_is_written_and_nothing_else_is() {
        assert_eq!(POOL.to_string(), "10.224.0.0/16");
        for text in ["10.224.3.0/24", "0.0.0.0/0", "127.0.0.1/32"] {
            assert_eq!(range(text).to_string(), text);
        }
        for text in ["10.224.3.1/24", "10.224.3.0", "10.224.3.0/33", "10.224.03.0/24", "10.224.3.0/+24", "", "/"] {
            assert_eq!(text.parse::<Range>(), Err(NoRange));
        }
    }

    #[test]
    fn a_subnet_overlaps_nothing_that_is_there() {
        let pool = range("10.224.0.0/22");
        let choose = |taken: &[&str], place| {
            let taken: Vec<Range> = taken.iter().map(|text| range(text)).collect();
            choose(pool, &taken, place).map(|found| found.to_string())
        };
        assert_eq!(choose(&[], 0).as_deref(), Some("10.224.0.0/24"));
        assert_eq!(choose(&[], 7).as_deref(), Some("10.224.3.0/24"));
        assert_eq!(choose(&["10.224.3.128/25"], 7).as_deref(), Some("10.224.0.0/24"), "it goes around");
        assert_eq!(choose(&["10.224.0.0/23", "10.224.3.7/32"], 0).as_deref(), Some("10.224.2.0/24"));
        assert_eq!(choose(&["10.0.0.0/8"], 0), None);
        assert_eq!(choose(&["10.225.0.0/16", "192.168.0.0/16"], 1).as_deref(), Some("10.224.1.0/24"));
        assert_eq!(super::choose(range("10.224.5.0/24"), &[], 9), Some(range("10.224.5.0/24")));
    }

    #[test]
    fn eight_addresses_are_found_from_the_end_of_the_pool() {
        let pool = range("10.224.0.0/22");
        let small = |taken: &[&str], place| {
            let taken: Vec<Range> = taken.iter().map(|text| range(text)).collect();
            small(pool, &taken, place).map(|found| found.to_string())
        };
        assert_eq!(small(&[], 0).as_deref(), Some("10.224.3.0/29"));
        assert_eq!(small(&["10.224.3.0/29", "10.224.3.8/30"], 32).as_deref(), Some("10.224.3.16/29"));
        assert_eq!(small(&["10.224.3.240/29"], 30).as_deref(), Some("10.224.3.248/29"), "from its place on");
        assert_eq!(small(&["10.224.3.248/29"], 31).as_deref(), Some("10.224.3.0/29"), "and around");
        assert_eq!(small(&["10.224.3.0/24"], 7).as_deref(), Some("10.224.2.56/29"));
        assert_eq!(small(&["10.0.0.0/8"], 1), None);
    }

    #[test]
    fn the_zones_of_a_subnet_share_no_address() {
        let subnet = range("10.224.3.0/24");
        let zones: Vec<Zone> = [Zone::DEFAULT].into_iter().chain(Zone::FURTHER).collect();
        for (at, zone) in zones.iter().enumerate() {
            assert!(zones[..at].iter().all(|other| !other.of(subnet).overlaps(zone.of(subnet))), "{zone:?}");
            let own = zone.of(subnet);
            assert!(own.has(zone.gateway(subnet)) && !zone.dynamic(subnet).has(zone.gateway(subnet)));
            assert!(own.overlaps(zone.dynamic(subnet)) && subnet.overlaps(own));
            for number in zone.numbers() {
                let address = subnet.address(number);
                assert!(own.has(address) && !zone.dynamic(subnet).has(address) && address != zone.gateway(subnet));
            }
        }
        assert_eq!(Zone::DEFAULT.of(subnet).to_string(), "10.224.3.0/25");
        assert_eq!(Zone::DEFAULT.dynamic(subnet).to_string(), "10.224.3.64/26");
        assert_eq!(subnet.address(Zone::DEFAULT.numbers().start).to_string(), "10.224.3.10");
    }

    #[test]
    fn a_service_keeps_its_number_whatever_comes_and_goes() {
        let mut known = Addresses::new();
        number(&["web", "db"], Zone::DEFAULT, &mut known);
        number(&["cache", "db"], Zone::DEFAULT, &mut known);
        assert_eq!(known, [("web".to_owned(), 10), ("db".to_owned(), 11), ("cache".to_owned(), 12)].into());
        number(&["db"], Zone::FURTHER[0], &mut known);
        assert_eq!(known["db"], 130, "another network is another address");
        let many: Vec<String> = (0..20).map(|at| format!("s{at}")).collect();
        number(&many.iter().map(String::as_str).collect::<Vec<_>>(), Zone::FURTHER[0], &mut known);
        assert_eq!(known.len(), 3 + 13, "the zone is full, and no number comes twice");
    }

    proptest! {
        #[test]
        fn no_two_services_have_one_number(names in proptest::collection::vec("[a-z]{1,3}", 0..80), zone in 0usize..5) {
            let zone = [Zone::DEFAULT].into_iter().chain(Zone::FURTHER).nth(zone).expect("there are five");
            let mut known = Addresses::new();
            number(&names.iter().map(String::as_str).collect::<Vec<_>>(), zone, &mut known);
            let mut numbers: Vec<u8> = known.values().copied().collect();
            numbers.sort_unstable();
            numbers.dedup();
            prop_assert_eq!(numbers.len(), known.len());
        }

        #[test]
        fn what_is_chosen_overlaps_nothing(taken in proptest::collection::vec((any::<u32>(), 8u8..=32), 0..40), place in any::<u64>()) {
            let taken: Vec<Range> = taken.into_iter().filter_map(|(first, bits)| Range::around((0x0ae0_0000 | first >> 16).into(), bits.max(18))).collect();
            if let Some(found) = choose(POOL, &taken, place) {
                prop_assert!(POOL.overlaps(found) && taken.iter().all(|other| !other.overlaps(found)));
            }
        }
    }
}
