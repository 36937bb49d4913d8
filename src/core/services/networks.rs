//! What an override says of networks, and of each service in them.

use std::fmt::Write as _;

use super::isolation::{Isolation, quoted};
use super::model::{Model, Service};

/// What is said of a service in its networks: its own address and no other fixed one, and as other names of it the name its
/// container had and those it has for the whole machine.
pub(super) fn attachments(model: &Model, name: &str, service: &Service, isolation: &Isolation<'_>) -> Vec<String> {
    if service.network_mode.is_some() {
        return Vec::new();
    }
    let is_own = |network: &str| model.networks.get(network).is_none_or(|network| !network.is_external);
    let given = service.container_name.as_ref().filter(|given| isolation.is_for_all(Some(given)));
    let names = isolation.names.get(name).into_iter().flatten();
    let aliases: Vec<String> =
        given.filter(|alias| *alias != name).into_iter().chain(names).map(|alias| quoted(alias)).collect();
    let attachment = |(network, fixed): (&String, &Vec<String>)| {
        let address = isolation.layout.and_then(|layout| layout.address(name, network));
        let resets = fixed.iter().filter(|key| address.is_none() || *key != "ipv4_address");
        let resets = resets.map(|key| format!("{key}: !reset null"));
        let address = address.map(|address| format!("ipv4_address: {address}"));
        let aliases = (!aliases.is_empty()).then(|| format!("aliases: [{}]", aliases.join(", ")));
        let said: Vec<String> = address.into_iter().chain(resets).chain(aliases).collect();
        (!said.is_empty() && is_own(network)).then(|| format!("{}: {{{}}}", quoted(network), said.join(", ")))
    };
    service.networks.iter().filter_map(attachment).collect()
}

/// What is said of the networks themselves.
pub(super) fn networks(model: &Model, isolation: &Isolation<'_>, notices: &mut Vec<String>) -> String {
    let mut lines = String::new();
    for (key, network) in &model.networks {
        if network.is_external {
            let name = network.global_name.as_ref().unwrap_or(key);
            notices.push(format!(
                "The network `{name}` is external: the services of every instance meet there under the same names"
            ));
            continue;
        }
        let mut said = Vec::new();
        said.extend(isolation.is_for_all(network.global_name.as_ref()).then(|| "name: !reset null".to_owned()));
        match isolation.layout.and_then(|layout| layout.ipam(key)) {
            Some(ipam) => said.push(format!("ipam: !override {ipam}")),
            None => said.extend(network.has_ipam.then(|| "ipam: !reset null".to_owned())),
        }
        if !network.bridge_options.is_empty() {
            let options: Vec<String> =
                network.bridge_options.iter().map(|option| format!("{}: !reset null", quoted(option))).collect();
            said.push(format!("driver_opts: {{{}}}", options.join(", ")));
        }
        if !said.is_empty() {
            let _ = writeln!(lines, "  {}: {{{}}}", quoted(key), said.join(", "));
        }
    }
    lines
}
