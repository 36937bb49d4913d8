//! The names by which services are reached on the whole machine, and from each other: `SERVICE.INSTANCE.SUFFIX`, and
//! `INSTANCE.SUFFIX` for the one that a browser is meant for (D27).

use indexmap::IndexMap;

use super::model::{Model, Service};
use super::refused::Refused;
use crate::core::routes::host::is_label;
use crate::core::text::suggest::nearest;

/// Ports on which a web server is likely, and hardly anything else.
const WEB: [u16; 14] = [80, 443, 3000, 3001, 4000, 4200, 5000, 5173, 8000, 8008, 8080, 8081, 8443, 8888];

/// Names by service.
pub type Names = IndexMap<String, Vec<String>>;

/// What names are made of.
#[derive(Debug, Clone, Copy)]
pub struct Naming<'a> {
    /// The instance's name, which is a part of a host name.
    pub instance: &'a str,
    /// What all names end in.
    pub suffix: &'a str,
    /// `ingress`.
    pub ingress: Option<&'a str>,
}

impl Naming<'_> {
    /// The names of all services, and what the user should know of those that have none.
    ///
    /// # Errors
    /// [`Refused`] where `ingress` names a service that is not there.
    pub fn of(&self, model: &Model) -> Result<(Names, Vec<String>), Refused> {
        let (mut names, mut notices) = (Names::new(), Vec::new());
        let ingress = self.ingress(model)?;
        let whole = format!("{}.{}", self.instance, self.suffix);
        for (service, _) in model.services.iter().filter(|(_, service)| service.network_mode.is_none()) {
            let own = names.entry(service.clone()).or_default();
            match name_of(service, self.instance, self.suffix) {
                Some(name) => own.push(name),
                None => notices.push(format!(
                    "The service `{service}` has no name in `{}`: a part of a host name is letters, digits and `-`, at most 63",
                    self.suffix
                )),
            }
            own.extend((ingress == Some(service)).then(|| whole.clone()));
        }
        names.retain(|_, own| !own.is_empty());
        Ok((names, notices))
    }

    /// The service that has the instance's own name.
    fn ingress<'a>(&self, model: &'a Model) -> Result<Option<&'a String>, Refused> {
        let Some(named) = self.ingress else {
            let mut web = model.services.iter().filter(|(_, service)| has_web_port(service));
            return Ok(web.next().filter(|_| web.next().is_none()).map(|(name, _)| name));
        };
        match model.services.get_key_value(named) {
            Some((name, _)) => Ok(Some(name)),
            None => Err(Refused {
                what: format!("`compose.ingress` names the service `{named}`, which the compose files do not have"),
                hints: nearest(named, model.services.keys().map(String::as_str))
                    .map(|near| format!("The nearest service is `{near}`"))
                    .into_iter()
                    .collect(),
                variable: None,
            }),
        }
    }
}

/// The name of a service of an instance; none where its own is no part of a host name.
pub fn name_of(service: &str, instance: &str, suffix: &str) -> Option<String> {
    is_label(service).then(|| format!("{}.{instance}.{suffix}", service.to_ascii_lowercase()))
}

fn has_web_port(service: &Service) -> bool {
    let published = service.ports.iter().filter(|port| !port.udp).map(|port| port.target);
    service.network_mode.is_none() && published.chain(service.exposed.iter().copied()).any(|port| WEB.contains(&port))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn model() -> Model {
        let text = json!({ "name": "p", "services": {
            "Web": { "expose": ["8080"] }, "db": { "expose": ["5432"] }, "my_db": {}, "host": { "network_mode": "host" },
        } });
        Model::parse(&text.to_string()).expect("it is a model")
    }

    #[test]
    fn each_service_has_a_name_and_the_one_with_a_web_port_the_instances() {
        let naming = Naming { instance: "feature-x", suffix: "test", ingress: None };
        let (names, notices) = naming.of(&model()).expect("it fits");
        let expected: Names = [
            ("Web".to_owned(), vec!["web.feature-x.test".to_owned(), "feature-x.test".to_owned()]),
            ("db".to_owned(), vec!["db.feature-x.test".to_owned()]),
        ]
        .into();
        assert_eq!(names, expected);
        assert_eq!(notices.len(), 1, "{notices:?}");
        let (names, _) = Naming { ingress: Some("my_db"), ..naming }.of(&model()).expect("it fits");
        assert_eq!((&names["my_db"][..], names["Web"].len()), (&["feature-x.test".to_owned()][..], 1));
        let refused = Naming { ingress: Some("wep"), ..naming }.of(&model()).expect_err("it is not there");
        assert_eq!(refused.what, "`compose.ingress` names the service `wep`, which the compose files do not have");
    }
}
