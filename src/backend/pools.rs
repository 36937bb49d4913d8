//! The address ranges that the engine takes networks from, as its socket tells: each instance with services has a network or more.

use std::net::Ipv4Addr;

use serde::Deserialize;

use super::engine::Engine;
use crate::core::leases::subnet::Range;
use crate::failure::Failure;

/// What Docker has where `default-address-pools` says nothing: 172.17-31 as /16, and 192.168 as /20, 172.17 being its own bridge's.
/// (<https://docs.docker.com/engine/network/#automatic-subnet-allocation>)
const DEFAULTS: [(&str, u8); 2] = [("172.16.0.0/12", 16), ("192.168.0.0/16", 20)];
/// 172.16 is none of them.
const LEFT_OUT: u64 = 1;

/// How many networks there are, and may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pools {
    /// Networks in these ranges.
    pub used: u64,
    /// How many fit.
    pub fits: u64,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Info {
    default_address_pools: Option<Vec<Pool>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Pool {
    base: String,
    size: u8,
}

impl Engine<'_> {
    /// How full the engine's ranges are; none where it is not a socket of this machine.
    ///
    /// # Errors
    /// A [`Failure`] when the engine does not answer in time.
    pub fn pools(&self) -> Result<Option<Pools>, Failure> {
        if self.is_absent() {
            return Ok(None);
        }
        let subnets: Vec<Range> = self.networks()?.into_iter().flat_map(|network| network.ranges).collect();
        let info: Info = self.asked("/info")?;
        let pools = info.default_address_pools.unwrap_or_default();
        Ok(Some(Pools::of(&subnets, &pools.iter().map(|pool| (pool.base.as_str(), pool.size)).collect::<Vec<_>>())))
    }
}

impl Pools {
    /// Counts the subnets that lie in ranges, `(base, size of a network)`; without ranges those of Docker's own.
    fn of(subnets: &[Range], pools: &[(&str, u8)]) -> Self {
        let given: Vec<(Range, u8)> = pools.iter().filter_map(|(base, size)| Some((range(base)?, *size))).collect();
        let (ranges, left_out) = match given.is_empty() {
            true => (DEFAULTS.iter().filter_map(|(base, size)| Some((range(base)?, *size))).collect(), LEFT_OUT),
            false => (given, 0),
        };
        let fits = |(range, size): &(Range, u8)| 1_u64 << size.saturating_sub(range.bits()).min(32);
        let is_in = |subnet: &&Range| ranges.iter().any(|(range, _)| range.has(subnet.first()));
        let used = subnets.iter().filter(is_in).count() as u64;
        Self { used, fits: ranges.iter().map(fits).sum::<u64>() - left_out }
    }

    /// Whether fewer than a fifth is left.
    pub fn are_nearly_full(self) -> bool {
        self.used * 5 >= self.fits * 4
    }
}

/// A range as daemon.json has it: any address in it stands for it.
fn range(text: &str) -> Option<Range> {
    let (address, bits) = text.split_once('/')?;
    Range::around(address.parse::<Ipv4Addr>().ok()?, bits.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_in_the_engines_ranges_are_counted() {
        let subnets = |listed: &[&str]| listed.iter().filter_map(|one| one.parse().ok()).collect::<Vec<_>>();
        let own = Pools::of(&subnets(&["172.17.0.0/16", "192.168.16.0/20", "10.224.1.0/24", "fd00::/64", "x"]), &[]);
        assert_eq!(own, Pools { used: 2, fits: 31 });
        assert!(!own.are_nearly_full() && Pools { used: 25, fits: 31 }.are_nearly_full());
        let given = Pools::of(&subnets(&["10.199.3.0/24", "172.18.0.0/16"]), &[("10.199.0.0/16", 24), ("odd", 1)]);
        assert_eq!(given, Pools { used: 1, fits: 256 });
        for odd in [("0.0.0.0/0", 255), ("1.2.3.4/32", 0), ("1.2.3.4/33", 1)] {
            assert!(Pools::of(&subnets(&["1.2.3.4/32"]), &[odd]).fits > 0, "{odd:?}");
        }
    }
}
