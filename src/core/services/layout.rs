//! Which network of a project lies where in the instance's subnet, and which service has which address there (D26).

use ::core::net::Ipv4Addr;

use indexmap::IndexMap;

use super::model::{Model, Service};
use crate::core::leases::subnet::{self, Addresses, Range, Zone};

/// The network that every service is in which names none.
const DEFAULT: &str = "default";

/// The subnet of an instance, laid out for its services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The subnet.
    pub subnet: Range,
    /// The networks that have a part of it.
    zones: IndexMap<String, Zone>,
    /// The services that have an address, with the network it is in.
    homes: IndexMap<String, (String, Ipv4Addr)>,
}

/// The services that can have an address of their own, by the network that they have it in: the `default` one, and another only
/// for those that are not in it. One of which several containers run has none, and neither has one in a network of others.
fn residents(model: &Model) -> IndexMap<&str, Vec<&str>> {
    let mut residents: IndexMap<&str, Vec<&str>> = IndexMap::new();
    for (name, service) in &model.services {
        if let Some(home) = home(model, service) {
            residents.entry(home).or_default().push(name);
        }
    }
    residents
}

fn home<'a>(model: &Model, service: &'a Service) -> Option<&'a str> {
    if service.network_mode.is_some() || service.is_scaled {
        return None;
    }
    let has_room =
        |name: &&String| model.networks.get(*name).is_none_or(|network| !network.is_external && network.is_bridge());
    let own = || service.networks.keys().filter(has_room);
    own().find(|name| *name == DEFAULT).or_else(|| own().next()).map(String::as_str)
}

/// The part of the subnet that each network has: where its services have had their addresses, else the next that is free. A
/// network for which there is none any more is left to the engine.
fn zones<'a>(residents: &IndexMap<&'a str, Vec<&'a str>>, known: &Addresses) -> IndexMap<&'a str, Zone> {
    let mut zones: IndexMap<&str, Zone> = IndexMap::new();
    let has_been = |zone: &Zone, services: &[&str]| {
        services.iter().any(|service| known.get(*service).is_some_and(|number| zone.numbers().contains(number)))
    };
    let further = || residents.iter().filter(|(network, _)| **network != DEFAULT);
    if residents.contains_key(DEFAULT) {
        zones.insert(DEFAULT, Zone::DEFAULT);
    }
    for (network, services) in further() {
        let had = Zone::FURTHER.into_iter().find(|zone| has_been(zone, services));
        if let Some(had) = had.filter(|had| zones.values().all(|taken| taken != had)) {
            zones.insert(network, had);
        }
    }
    for (network, _) in further() {
        let is_free = |zone: &Zone| zones.values().all(|taken| taken != zone);
        let is_new = |zone: &Zone| known.values().all(|number| !zone.numbers().contains(number));
        let free = || Zone::FURTHER.into_iter().filter(is_free);
        if !zones.contains_key(network)
            && let Some(zone) = free().find(is_new).or_else(|| free().next())
        {
            zones.insert(network, zone);
        }
    }
    zones
}

/// The numbers of all services' addresses: those that are known, and new ones for services that have none where they are now.
pub fn numbered(model: &Model, known: &Addresses) -> Addresses {
    let residents = residents(model);
    let mut numbers = known.clone();
    for (network, zone) in zones(&residents, known) {
        subnet::number(&residents[network], zone, &mut numbers);
    }
    numbers
}

impl Layout {
    /// A subnet laid out by the numbers that [`numbered`] gave.
    pub fn of(model: &Model, subnet: Range, numbers: &Addresses) -> Self {
        let residents = residents(model);
        let zones = zones(&residents, numbers);
        let mut homes = IndexMap::new();
        for (network, zone) in &zones {
            for service in &residents[network] {
                if let Some(number) = numbers.get(*service).filter(|number| zone.numbers().contains(number)) {
                    homes.insert((*service).to_owned(), ((*network).to_owned(), subnet.address(*number)));
                }
            }
        }
        let zones = zones.into_iter().map(|(network, zone)| (network.to_owned(), zone)).collect();
        Self { subnet, zones, homes }
    }

    /// The address of a service in a network.
    pub(super) fn address(&self, service: &str, network: &str) -> Option<Ipv4Addr> {
        self.homes.get(service).filter(|(home, _)| home == network).map(|(_, address)| *address)
    }

    /// Whether a service is reached by an address.
    pub(super) fn has(&self, service: &str) -> bool {
        self.homes.contains_key(service)
    }

    /// What a network's `ipam` says.
    pub(super) fn ipam(&self, network: &str) -> Option<String> {
        let zone = self.zones.get(network)?;
        let (own, dynamic, gateway) = (zone.of(self.subnet), zone.dynamic(self.subnet), zone.gateway(self.subnet));
        Some(format!("{{config: [{{subnet: {own}, ip_range: {dynamic}, gateway: {gateway}}}]}}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn model() -> Model {
        let text = json!({
            "name": "p",
            "services": {
                "web": { "networks": { "default": null, "back": null } },
                "db": { "networks": { "back": null } },
                "many": { "networks": { "default": null }, "deploy": { "replicas": 2 } },
                "host": { "network_mode": "host" },
                "guest": { "networks": { "others": null } },
                "cache": { "networks": { "third": null, "back": null } },
                "far": { "networks": { "swarm": null } },
            },
            "networks": { "default": {}, "back": {}, "third": {}, "others": { "external": true }, "swarm": { "driver": "overlay" } },
        });
        Model::parse(&text.to_string()).expect("it is a model")
    }

    #[test]
    fn services_have_addresses_on_default_and_elsewhere_only_those_that_are_off_it() {
        let model = model();
        let numbers = numbered(&model, &Addresses::new());
        let expected: Addresses = [("web".to_owned(), 10), ("db".to_owned(), 130), ("cache".to_owned(), 162)].into();
        assert_eq!(numbers, expected);
        let layout = Layout::of(&model, "10.224.3.0/24".parse().expect("it is one"), &numbers);
        assert_eq!(layout.address("db", "back"), Some([10, 224, 3, 130].into()));
        assert_eq!((layout.address("web", "back"), layout.has("many"), layout.has("host")), (None, false, false));
        assert_eq!(
            layout.ipam("third").as_deref(),
            Some("{config: [{subnet: 10.224.3.160/27, ip_range: 10.224.3.176/28, gateway: 10.224.3.161}]}")
        );
        assert_eq!(layout.ipam("others"), None);
    }

    #[test]
    fn a_network_keeps_its_place_though_one_before_it_comes_or_goes() {
        let mut model = model();
        let known: Addresses = [("cache".to_owned(), 130), ("gone".to_owned(), 10)].into();
        let numbers = numbered(&model, &known);
        let at = |name: &str| numbers[name];
        assert_eq!((at("cache"), at("db"), at("web"), at("gone")), (130, 162, 11, 10), "{numbers:?}");
        assert_eq!(numbered(&model, &numbers), numbers, "nothing changes where nothing did");
        model.services.shift_remove("cache");
        assert_eq!(numbered(&model, &numbers), numbers);
    }
}
