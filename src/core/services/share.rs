//! Services that are one for all instances of a repository (D28): they run in a compose project of their own. In an instance's
//! override each stays declared, under a profile that nobody turns on, for compose refuses a project whose services depend on one
//! that is not there; who depends on it goes without, and silo connects it with the instance's networks before anything starts.

use ::core::net::Ipv4Addr;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::isolation::{Isolation, quoted};
use super::model::{Model, Service};
use super::refused::Refused;
use crate::core::text::suggest::nearest;

/// The profile that a shared service has in the override of an instance.
const PROFILE: &str = "silo-shared";

/// A shared service, as an instance is to reach it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// The service.
    pub service: String,
    /// What it is called in the instance's networks: its own name first.
    pub names: Vec<String>,
    /// The instance's networks it is to be in, by key, with its address there where it has one of its own.
    pub networks: IndexMap<String, Option<Ipv4Addr>>,
}

impl Shared {
    /// Those of an instance.
    pub(super) fn all(model: &Model, isolation: &Isolation<'_>) -> Vec<Self> {
        let shared = model.services.iter().filter(|(name, _)| isolation.shares(name));
        shared.map(|(name, service)| Self::of(model, isolation, name, service)).collect()
    }

    fn of(model: &Model, isolation: &Isolation<'_>, name: &str, service: &Service) -> Self {
        let linked = model.services.values().flat_map(|one| &one.links);
        let linked =
            linked.filter_map(|link| link.split_once(':')).filter(|(to, _)| *to == name).map(|(_, alias)| alias);
        let whole = isolation.names.get(name).into_iter().flatten().map(String::as_str);
        let given = service.container_name.as_deref();
        let mut names: Vec<String> = Vec::new();
        for one in [name].into_iter().chain(given).chain(linked).chain(whole) {
            if names.iter().all(|known| known != one) {
                names.push(one.to_owned());
            }
        }
        let own =
            service.networks.keys().filter(|key| model.networks.get(*key).is_none_or(|network| !network.is_external));
        let address = |key: &String| isolation.layout.and_then(|layout| layout.address(name, key));
        Self { service: name.to_owned(), names, networks: own.map(|key| (key.clone(), address(key))).collect() }
    }
}

/// What an override says of a service because some are shared, a line each.
pub(super) fn lines(name: &str, service: &Service, isolation: &Isolation<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    if isolation.shares(name) {
        lines.push(format!("profiles: !override [{}]", quoted(PROFILE)));
    }
    let without = service.conditions.iter().filter(|(needed, _)| isolation.shares(needed));
    let without = without.map(|(needed, condition)| {
        format!("{}: {{condition: {}, required: false}}", quoted(needed), quoted(condition))
    });
    let without = without.collect::<Vec<_>>().join(", ");
    if !without.is_empty() {
        lines.push(format!("depends_on: {{{without}}}"));
    }
    if service.links.iter().any(|link| isolation.shares(linked(link))) {
        let kept = service.links.iter().filter(|link| !isolation.shares(linked(link))).map(|link| quoted(link));
        let kept = kept.collect::<Vec<_>>().join(", ");
        lines.push(if kept.is_empty() { "links: !reset []".to_owned() } else { format!("links: !override [{kept}]") });
    }
    lines
}

/// The service of a link, which may give it another name.
fn linked(link: &str) -> &str {
    link.split_once(':').map_or(link, |(service, _)| service)
}

/// Makes sure that the services can be shared: they are there, stand alone, and nobody is in a space of theirs.
///
/// # Errors
/// [`Refused`] that says what is in the way.
pub(super) fn check(model: &Model, share: &[String]) -> Result<(), Refused> {
    let refused = |what: String, hints: Vec<String>| Err(Refused { what, hints, variable: None });
    for name in share {
        let Some(service) = model.services.get(name) else {
            let near = nearest(name, model.services.keys().map(String::as_str));
            return refused(
                format!("`compose.share` names the service `{name}`, which the compose files do not have"),
                near.into_iter().map(|near| format!("The nearest service is `{near}`")).collect(),
            );
        };
        if let Some(mode) = service.mode() {
            return refused(
                format!("`compose.share` names `{name}`, which has no network of its own (`network_mode: {mode}`)"),
                vec!["Instances could not be connected with it: take it out of `share`".to_owned()],
            );
        }
        let needed = service.needs.iter().map(String::as_str).chain(service.links.iter().map(|link| linked(link)));
        let needed = needed.chain(service.borrowed());
        if let Some(other) = needed.into_iter().find(|other| !share.iter().any(|name| name == other)) {
            return refused(
                format!("`compose.share` names `{name}`, which needs `{other}`, and that is each instance's own"),
                vec![format!("Share both, or neither: `share = [\"{name}\", \"{other}\"]`")],
            );
        }
    }
    let own = model.services.iter().filter(|(name, _)| !share.contains(name));
    for (name, service) in own {
        if let Some(other) = service.borrowed().find(|other| share.iter().any(|name| name == other)) {
            return refused(
                format!(
                    "`compose.share` names `{other}`, and `{name}`, which is each instance's own, is in its network or has its volumes"
                ),
                vec![format!("Share both, or neither: `share = [\"{other}\", \"{name}\"]`")],
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::core::services::{Names, Override};

    #[test]
    fn a_shared_service_stays_declared_and_nobody_waits_for_it() {
        let text = json!({
            "name": "p",
            "services": {
                "search": { "networks": { "default": null, "others": null }, "container_name": "es" },
                "web": {
                    "networks": { "default": null },
                    "depends_on": { "search": { "condition": "service_healthy" }, "db": { "condition": "service_started" } },
                    "links": ["search:finder", "db"],
                },
                "db": { "networks": { "default": null }, "links": ["search"] },
            },
            "networks": { "default": {}, "others": { "external": true } },
        });
        let model = Model::parse(&text.to_string()).expect("it is a model");
        let (names, share, none) = (Names::new(), ["search".to_owned()], IndexMap::new());
        let leases = IndexMap::new();
        let isolation = Isolation {
            project: "localnet-x",
            id: "1",
            label: "silo.instance",
            root: "/r",
            published: &none,
            leases: &leases,
            keep: &[],
            is_apart: false,
            share: &share,
            layout: None,
            names: &names,
        };
        let made = Override::of(&model, &isolation).expect("it fits");
        for line in [
            "    profiles: !override [\"silo-shared\"]\n",
            "    depends_on: {\"search\": {condition: \"service_healthy\", required: false}}\n",
            "    links: !override [\"db\"]\n",
            "    links: !reset []\n",
        ] {
            assert_eq!(made.text.matches(line).count(), 1, "{line}: {}", made.text);
        }
        // An external network is the same for all, and it is in there by itself.
        let [shared] = &made.shared[..] else { panic!("{:?}", made.shared) };
        assert_eq!(shared.names, ["search", "es", "finder"]);
        assert_eq!(shared.networks.keys().collect::<Vec<_>>(), ["default"]);
        // For the shared ones alone, it is an ordinary service.
        let own = Override::of_shared(&model, &Isolation { share: &[], ..isolation }, &share).expect("it fits");
        assert!(!own.text.contains("profiles:") && !own.text.contains("\"web\""), "{}", own.text);
    }
}
