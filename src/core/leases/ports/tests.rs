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
    let given = Given {
        wanted,
        held: &held,
        held_blocks: &Blocks::new(),
        remembered: &none,
        leased: &leased,
        left: &left,
        source: &SOURCE,
    };
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
        held_blocks: &held,
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
        held_blocks: &none,
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

const fn block(default: u16, count: u16) -> PortSpec {
    PortSpec::Block { default: Some(default), count }
}

#[test]
fn a_block_is_a_run_of_neighbours_and_moves_as_a_whole() {
    let wanted = wants(&[("WEB", PortSpec::Default(102)), ("RTC", block(100, 4)), ("LOG", PortSpec::Random)]);
    let first = planned(&wanted, &[], &[49153], &[49156]).expect("there is room");
    assert_eq!(first.ports, ports(&[("WEB", 102), ("RTC", 49157), ("LOG", 49152)]));
    assert_eq!((first.moved[0].wanted, first.moved[0].reason), (102, Reason::Taken), "the one that is not available");
    let rtc = wants(&[("RTC", block(100, 4)), ("A", PortSpec::Default(103))]);
    let plan = planned(&rtc, &[], &[], &[]).expect("there is room");
    assert_eq!(plan.ports, ports(&[("RTC", 100), ("A", 49152)]), "a single port is not one of the block");
    assert_eq!(planned(&wants(&[("RTC", block(65534, 2))]), &[], &[], &[]).map(|plan| plan.moved.len()), Ok(0));
    let full: Vec<u16> = RANGE.filter(|port| port % 3 == 0).collect();
    let wanted = wants(&[("RTC", PortSpec::Block { default: None, count: 3 })]);
    assert!(planned(&wanted, &[], &full, &[]).is_err(), "there are no three neighbours");
}

#[test]
fn a_block_that_grows_or_shrinks_stays_where_that_can_be() {
    let plan_of = |count, had, leased: &[u16], busy: &[u16]| {
        let wanted = wants(&[("RTC", block(100, count)), ("A", PortSpec::Default(300))]);
        let (held, held_blocks) = (ports(&[("RTC", 200), ("A", 206)]), ports(&[("RTC", had)]));
        let (leased, none, left) = (leased.iter().copied().collect(), IndexMap::new(), HashSet::new());
        let given = Given {
            wanted: &wanted,
            held: &held,
            held_blocks: &held_blocks,
            remembered: &none,
            leased: &leased,
            left: &left,
            source: &SOURCE,
        };
        plan(&given, &mut |port| if busy.contains(&port) { Probe::Busy } else { Probe::Free }).expect("room").ports["RTC"]
    };
    assert_eq!(plan_of(4, 4, &[], &[200, 201, 202, 203]), 200, "what it has is kept though it is busy");
    assert_eq!(plan_of(2, 4, &[], &[]), 200);
    assert_eq!(plan_of(6, 4, &[], &[201]), 200);
    assert_eq!(plan_of(6, 4, &[205], &[]), 100);
    assert_eq!(plan_of(6, 4, &[], &[204]), 100);
    assert_eq!(plan_of(7, 4, &[], &[]), 100, "the next is another variable's");
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
            Given { wanted: &wanted, held: &none, held_blocks: &none, remembered: &none, leased: &leased, left: &left, source: &SOURCE };
        let first = plan(&given, &mut |_| Probe::Free).expect("there is room");
        let distinct: HashSet<u16> = first.ports.values().copied().collect();
        prop_assert_eq!(distinct.len(), wanted.len());
        prop_assert!(distinct.is_disjoint(&leased));
        prop_assert!(first.ports.keys().eq(wanted.keys()));
        let again = Given { held: &first.ports, ..given };
        prop_assert_eq!(plan(&again, &mut |_| Probe::Busy).expect("all is kept").ports, first.ports);
    }
}
