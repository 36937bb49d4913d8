//! `[compose]`: the services of a project (D22). Their ports are leases like those of `[ports]`, so their defaults stand here
//! and nothing that runs on `cd` reads a compose file.

use ::core::net::IpAddr;

use indexmap::IndexMap;
use toml::de::DeValue;

use super::model::{ComposeLayer, Network, Published, Text};
use super::problem::{ConfigError, Problem};
use super::table::{Entry, Table, Value, named, not_a_host};

const KEYS: &[&str] = &["files", "start", "network", "ingress", "keep", "seed", "link", "share", "ports"];

/// Reads the table.
pub(super) fn read(table: &Table<'_>) -> Result<ComposeLayer, ConfigError> {
    table.only(KEYS)?;
    Ok(ComposeLayer {
        files: table.texts("files")?.map(|files| files.into_iter().map(file).collect()).transpose()?,
        start: table.boolean("start")?,
        network: table.find("network").map(|value| network(&value)).transpose()?,
        ingress: table.text("ingress")?,
        keep: table.texts("keep")?,
        seed: table.table("seed")?.map(|seed| sources(&seed)).transpose()?,
        link: table.texts("link")?,
        share: table.texts("share")?,
        ports: table.table("ports")?.map_or_else(|| Ok(IndexMap::new()), |ports| named(&ports, port))?,
    })
}

/// A compose file, which lies in the project: where it is found must be the same in every worktree.
fn file(text: Text) -> Result<Text, ConfigError> {
    let leaves = text.value.starts_with(['/', '~']) || text.value.split('/').any(|part| part == "..");
    match leaves {
        false => Ok(text),
        true => Err(ConfigError { problem: Problem::ComposeFile(text.value), span: text.span }),
    }
}

/// Volumes by key, each with the instance it is filled from.
fn sources(table: &Table<'_>) -> Result<IndexMap<String, Text>, ConfigError> {
    let keys: Vec<String> = table.entries().map(|entry| entry.key.to_owned()).collect();
    let source = |key: String| Ok(table.filled_text(&key)?.map(|source| (key, source)));
    keys.into_iter().filter_map(|key| source(key).transpose()).collect()
}

fn network(value: &Value<'_>) -> Result<Network, ConfigError> {
    match value.text()?.value.as_str() {
        "ports" => Ok(Network::Ports),
        "subnet" => Ok(Network::Subnet),
        other => Err(value.fail(Problem::Network(other.to_owned()))),
    }
}

fn port(entry: &Entry<'_>) -> Result<Published, ConfigError> {
    not_a_host(entry, "compose.ports")?;
    let (to, bind) = match entry.value.get() {
        DeValue::Table(_) => {
            let table = entry.value.table()?;
            table.only(&["to", "bind"])?;
            let Some(to) = table.find("to") else {
                return Err(entry.value.fail(Problem::NoTarget { name: entry.key.to_owned() }));
            };
            (to, table.find("bind").map(|bind| address(&bind)).transpose()?)
        }
        _ => (entry.value.clone(), None),
    };
    let text = to.text()?;
    let (service, target, udp, default) = place(&text.value)
        .ok_or_else(|| to.fail(Problem::Published { name: entry.key.to_owned(), value: text.value.clone() }))?;
    Ok(Published { service, target, udp, default, bind, span: text.span })
}

fn address(value: &Value<'_>) -> Result<IpAddr, ConfigError> {
    let text = value.text()?.value;
    text.parse().map_err(|_| value.fail(Problem::Bind(text)))
}

/// Whether a text can name a service.
pub(super) fn is_service(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// `SERVICE:PORT` or `DEFAULT:SERVICE:PORT`, with or without `/tcp` or `/udp` behind it.
fn place(text: &str) -> Option<(String, u16, bool, u16)> {
    let (text, udp) = match text.rsplit_once('/') {
        Some((text, "udp")) => (text, true),
        Some((text, "tcp")) => (text, false),
        Some(_) => return None,
        None => (text, false),
    };
    let (before, target) = text.rsplit_once(':')?;
    let number = |text: &str| {
        let plain = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        text.parse::<u16>().ok().filter(|number| plain && *number > 0)
    };
    let target = number(target)?;
    let (default, service) = match before.split_once(':') {
        Some((default, service)) => (number(default)?, service),
        None => (target, before),
    };
    is_service(service).then(|| (service.to_owned(), target, udp, default))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::parse;
    use crate::core::leases::ports::PortSpec;

    #[test]
    fn a_place_has_a_service_and_a_port_and_maybe_a_default() {
        let read =
            |text| place(text).map(|(service, target, udp, default)| format!("{default}:{service}:{target} {udp}"));
        for (text, expected) in [
            ("db:5432", Some("5432:db:5432 false")),
            ("5433:db:5432", Some("5433:db:5432 false")),
            ("my.db-1_x:53/udp", Some("53:my.db-1_x:53 true")),
            ("db:5432/tcp", Some("5432:db:5432 false")),
            ("db", None),
            ("db:0", None),
            ("db:65536", None),
            ("db:+1", None),
            (":5432", None),
            ("db:5432/sctp", None),
            ("0:db:5432", None),
            ("127.0.0.1:1:db:5432", None),
            ("a b:1", None),
            ("", None),
        ] {
            assert_eq!(read(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn its_ports_are_leases_and_profiles_replace_single_ones() {
        let file = parse(
            "version = 1\n[compose]\nfiles = ['a.yaml']\nseed = { data = 'main' }\n[compose.ports]\nDB = 'db:5432'\nWEB = '3000:web:80'\n\
             [profiles.p.compose]\nnetwork = 'subnet'\nkeep = ['data']\nports.DB = { to = '5433:db:5432', bind = '0.0.0.0' }\n",
        )
        .expect("it is valid");
        let base = file.settings(None).expect("the base");
        assert_eq!(base.ports.values().collect::<Vec<_>>(), [&PortSpec::Default(5432), &PortSpec::Default(3000)]);
        let over = file.settings(Some("p")).expect("the profile");
        assert_eq!(over.ports.values().collect::<Vec<_>>(), [&PortSpec::Default(5433), &PortSpec::Default(3000)]);
        let compose = over.compose.expect("it is declared");
        assert_eq!(compose.network, Some(Network::Subnet));
        assert_eq!(compose.files.map(|files| files.len()), Some(1));
        assert_eq!(compose.keep.map(|keep| keep.len()), Some(1));
        let sources = compose.seed.expect("the base has it");
        assert_eq!(
            sources.iter().map(|(key, of)| (key.as_str(), of.value.as_str())).collect::<Vec<_>>(),
            [("data", "main")]
        );
        assert_eq!(compose.ports["DB"].bind, Some([0, 0, 0, 0].into()));
    }
}
