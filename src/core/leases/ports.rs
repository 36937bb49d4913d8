//! The port plan (docs/ports.md; D2, D3): default first, then one of a range, in declared order.

use std::collections::HashSet;

use indexmap::IndexMap;

use super::source::Source;

/// What `silo.toml` asks for one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortSpec {
    /// This port when it can be had, else one from the range.
    Default(u16),
    /// `"random"` or `0`: always from the range.
    Random,
}

/// What the operating system says of a port that no instance holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// It can be bound.
    Free,
    /// Something else holds it.
    Busy,
    /// The user may not bind it (below 1024).
    Denied,
}

/// Why a port is not the declared default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Another instance holds a lease on it.
    Leased,
    /// An earlier variable of the same project took it.
    Taken,
    /// A program on this machine has it.
    Busy,
    /// It is below 1024 and needs more rights.
    Denied,
    /// It is the one that is to be left.
    Left,
}

/// One port that was given out in place of its default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The variable.
    pub name: String,
    /// What was wanted.
    pub wanted: u16,
    /// What it got.
    pub got: u16,
    /// Why.
    pub reason: Reason,
}

/// Ports for an instance, and what was moved on the way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Every declared port, in declared order.
    pub ports: IndexMap<String, u16>,
    /// Defaults that could not be had.
    pub moved: Vec<Moved>,
}

/// No port is left in the range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeFull {
    /// The variable that found none.
    pub name: String,
    /// Leases of other instances.
    pub leases: usize,
}

/// What the plan starts from.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// Declared ports in order.
    pub wanted: &'a IndexMap<String, PortSpec>,
    /// This instance's own leases: kept without asking whether they are busy, for it may be this instance that runs.
    pub held: &'a IndexMap<String, u16>,
    /// Ports a lockfile names without a lease: kept when nobody else has them.
    pub remembered: &'a IndexMap<String, u16>,
    /// Ports leased to other instances.
    pub leased: &'a HashSet<u16>,
    /// Ports of this instance that are to be left for others.
    pub left: &'a HashSet<u16>,
    /// Where ports come from when a default cannot be had.
    pub source: &'a Source,
}

/// Plans every declared port; `probe` is asked only about ports that no lease holds.
///
/// # Errors
/// [`RangeFull`] when the range has no port left.
pub fn plan(given: &Given<'_>, probe: &mut dyn FnMut(u16) -> Probe) -> Result<Plan, RangeFull> {
    let mut planner = Planner {
        given,
        probe,
        kept: given.wanted.keys().filter_map(|name| given.held.get(name)).copied().collect(),
        taken: HashSet::new(),
        rest: None,
    };
    let mut plan = Plan::default();
    for (name, spec) in given.wanted {
        let port = match (planner.kept(name), spec) {
            (Some(port), _) => port,
            (None, PortSpec::Random) => planner.next_of_range(name)?,
            (None, &PortSpec::Default(wanted)) => match planner.refusal(wanted) {
                None => wanted,
                Some(reason) => {
                    let got = planner.next_of_range(name)?;
                    plan.moved.push(Moved { name: name.clone(), wanted, got, reason });
                    got
                }
            },
        };
        planner.taken.insert(port);
        plan.ports.insert(name.clone(), port);
    }
    Ok(plan)
}

/// A plan in the making.
struct Planner<'a> {
    given: &'a Given<'a>,
    probe: &'a mut dyn FnMut(u16) -> Probe,
    /// Ports this instance keeps, set aside first, so that no earlier variable takes a later one's lease.
    kept: HashSet<u16>,
    /// Ports that variables before this one have got.
    taken: HashSet<u16>,
    /// What has not been tried yet of the range.
    rest: Option<std::vec::IntoIter<u16>>,
}

impl Planner<'_> {
    /// What a variable has already: its lease, or else its remembered port where that is still to be had.
    fn kept(&mut self, name: &str) -> Option<u16> {
        match self.given.held.get(name) {
            Some(port) => Some(*port).filter(|port| !self.taken.contains(port) && !self.given.leased.contains(port)),
            None => self.given.remembered.get(name).copied().filter(|port| self.refusal(*port).is_none()),
        }
    }

    /// Why a port cannot be given out.
    fn refusal(&mut self, port: u16) -> Option<Reason> {
        if self.taken.contains(&port) || self.kept.contains(&port) {
            return Some(Reason::Taken);
        }
        if self.given.leased.contains(&port) {
            return Some(Reason::Leased);
        }
        match (self.probe)(port) {
            Probe::Free => self.given.left.contains(&port).then_some(Reason::Left),
            Probe::Busy => Some(Reason::Busy),
            Probe::Denied => Some(Reason::Denied),
        }
    }

    /// The next port of the range that can be given out.
    fn next_of_range(&mut self, name: &str) -> Result<u16, RangeFull> {
        let mut rest = self.rest.take().unwrap_or_else(|| self.given.source.ports().into_iter());
        let found = rest.find(|port| self.refusal(*port).is_none());
        self.rest = Some(rest);
        found.ok_or_else(|| RangeFull { name: name.to_owned(), leases: self.given.leased.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::leases::source::RANGE;
    use proptest::prelude::*;

    /// The usual range from its first port on.
    const SOURCE: Source = Source { range: RANGE, outgoing: 0..=0, place: 0 };

    fn wants(specs: &[(&str, PortSpec)]) -> IndexMap<String, PortSpec> {
        specs.iter().map(|(name, spec)| ((*name).to_owned(), *spec)).collect()
    }

    fn ports(list: &[(&str, u16)]) -> IndexMap<String, u16> {
        list.iter().map(|(name, port)| ((*name).to_owned(), *port)).collect()
    }

    fn planned(
        wanted: &IndexMap<String, PortSpec>,
        held: &[(&str, u16)],
        leased: &[u16],
        busy: &[u16],
    ) -> Result<Plan, RangeFull> {
        let leased = leased.iter().copied().collect();
        let (held, none, left) = (ports(held), IndexMap::new(), HashSet::new());
        let given = Given { wanted, held: &held, remembered: &none, leased: &leased, left: &left, source: &SOURCE };
        plan(&given, &mut |port| if busy.contains(&port) { Probe::Busy } else { Probe::Free })
    }

    #[test]
    fn defaults_come_first_in_declared_order() {
        let wanted = wants(&[("WEB", PortSpec::Default(3000)), ("API", PortSpec::Default(8080))]);
        assert_eq!(planned(&wanted, &[], &[], &[]).map(|plan| plan.ports), Ok(ports(&[("WEB", 3000), ("API", 8080)])));
    }

    #[test]
    fn second_port_with_same_default_gets_one_of_the_range() {
        let wanted = wants(&[("A", PortSpec::Default(8080)), ("B", PortSpec::Default(8080))]);
        let plan = planned(&wanted, &[], &[], &[]).expect("there is room");
        assert_eq!(plan.ports, ports(&[("A", 8080), ("B", 49152)]));
        assert_eq!(plan.moved[0].reason, Reason::Taken);
    }

    #[test]
    fn a_leased_or_busy_default_moves_and_says_why() {
        let wanted = wants(&[("A", PortSpec::Default(1)), ("B", PortSpec::Default(2)), ("C", PortSpec::Random)]);
        let plan = planned(&wanted, &[], &[1, 49152], &[2, 49153]).expect("there is room");
        assert_eq!(plan.ports, ports(&[("A", 49154), ("B", 49155), ("C", 49156)]));
        assert_eq!(plan.moved.iter().map(|m| m.reason).collect::<Vec<_>>(), [Reason::Leased, Reason::Busy]);
    }

    #[test]
    fn an_own_lease_is_kept_though_it_is_busy_and_another_variable_wants_it() {
        let wanted = wants(&[("NEW", PortSpec::Default(3000)), ("WEB", PortSpec::Default(3000))]);
        let plan = planned(&wanted, &[("WEB", 3000)], &[], &[3000]).expect("there is room");
        assert_eq!(plan.ports, ports(&[("NEW", 49152), ("WEB", 3000)]));
    }

    #[test]
    fn a_remembered_port_is_kept_only_when_nobody_has_it() {
        let wanted = wants(&[("A", PortSpec::Default(1)), ("B", PortSpec::Default(2))]);
        let (held, remembered) = (IndexMap::new(), ports(&[("A", 700), ("B", 701)]));
        let (leased, left) = (HashSet::from([701]), HashSet::new());
        let given = Given {
            wanted: &wanted,
            held: &held,
            remembered: &remembered,
            leased: &leased,
            left: &left,
            source: &SOURCE,
        };
        let plan = plan(&given, &mut |_| Probe::Free).expect("there is room");
        assert_eq!(plan.ports, ports(&[("A", 700), ("B", 2)]));
    }

    #[test]
    fn a_port_that_is_to_be_left_goes_to_no_variable() {
        let wanted = wants(&[("A", PortSpec::Default(1)), ("B", PortSpec::Default(1))]);
        let (none, remembered) = (IndexMap::new(), ports(&[("A", 1), ("B", 49152)]));
        let (leased, left) = (HashSet::new(), HashSet::from([1, 49152]));
        let given = Given {
            wanted: &wanted,
            held: &none,
            remembered: &remembered,
            leased: &leased,
            left: &left,
            source: &SOURCE,
        };
        let plan = plan(&given, &mut |_| Probe::Free).expect("there is room");
        assert_eq!(plan.ports, ports(&[("A", 49153), ("B", 49154)]));
        assert_eq!(plan.moved.iter().map(|m| m.reason).collect::<Vec<_>>(), [Reason::Left, Reason::Left]);
    }

    #[test]
    fn a_full_range_says_how_many_leases_there_are() {
        let wanted = wants(&[("A", PortSpec::Random)]);
        let leased: Vec<u16> = RANGE.collect();
        assert_eq!(planned(&wanted, &[], &leased, &[]), Err(RangeFull { name: "A".into(), leases: 16384 }));
    }

    proptest! {
        #[test]
        fn a_plan_is_distinct_stable_and_avoids_leases(
            specs in proptest::collection::vec(proptest::option::of(1u16..9000), 1..12),
            leased in proptest::collection::hash_set(1u16..9000, 0..30),
        ) {
            let wanted: IndexMap<String, PortSpec> = specs.iter().enumerate()
                .map(|(i, spec)| (format!("P{i}"), spec.map_or(PortSpec::Random, PortSpec::Default))).collect();
            let none = IndexMap::new();
            let left = HashSet::new();
            let given =
                Given { wanted: &wanted, held: &none, remembered: &none, leased: &leased, left: &left, source: &SOURCE };
            let first = plan(&given, &mut |_| Probe::Free).expect("there is room");
            let distinct: HashSet<u16> = first.ports.values().copied().collect();
            prop_assert_eq!(distinct.len(), wanted.len());
            prop_assert!(distinct.is_disjoint(&leased));
            prop_assert!(first.ports.keys().eq(wanted.keys()));
            let again = Given { held: &first.ports, ..given };
            prop_assert_eq!(plan(&again, &mut |_| Probe::Busy).expect("all is kept").ports, first.ports);
        }
    }
}
