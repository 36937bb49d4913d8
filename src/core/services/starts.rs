//! Which services compose starts, and what each of them needs.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::model::Model;

/// One service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Start {
    /// It starts only where one of these is active.
    pub profiles: Vec<String>,
    /// The services it depends on.
    pub needs: Vec<String>,
    /// Whether it does its work and ends: another one waits for that.
    pub is_once: bool,
}

/// All services of a project, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Starts(pub IndexMap<String, Start>);

impl Starts {
    /// Those of a project's files.
    pub fn of(model: &Model) -> Self {
        let once: Vec<&String> = model.services.values().flat_map(|service| &service.waits_for_end).collect();
        let start = |(name, service): (&String, &super::model::Service)| {
            let start = Start {
                profiles: service.profiles.clone(),
                needs: service.needs.clone(),
                is_once: once.contains(&name),
            };
            (name.clone(), start)
        };
        Self(model.services.iter().map(start).collect())
    }

    /// The same without some, which another project has.
    #[must_use]
    pub fn without(mut self, others: &[String]) -> Self {
        self.0.retain(|name, _| !others.contains(name));
        self
    }

    /// The services that stay up after a call which names these and has these profiles active: what they need is started too.
    pub fn staying(&self, named: &[String], profiles: &[&str]) -> Vec<String> {
        let is_active = |start: &Start| {
            let asked = |profile: &String| profiles.iter().any(|one| one == profile || *one == "*");
            start.profiles.is_empty() || start.profiles.iter().any(asked)
        };
        let mut found: Vec<&String> = match named {
            [] => self.0.iter().filter(|(_, start)| is_active(start)).map(|(name, _)| name).collect(),
            named => self.0.keys().filter(|name| named.contains(name)).collect(),
        };
        let mut at = 0;
        while let Some(start) = found.get(at).and_then(|name| self.0.get(*name)) {
            let more: Vec<&String> = start.needs.iter().filter(|name| self.0.contains_key(*name)).collect();
            for name in more {
                if !found.contains(&name) {
                    found.push(name);
                }
            }
            at += 1;
        }
        found.into_iter().filter(|name| !self.0[*name].is_once).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_brings_along_what_it_needs_and_what_ends_by_itself_does_not_stay() {
        let model = r#"{"services": {
            "web": {"depends_on": {"db": {"condition": "service_healthy"},
                                   "migrate": {"condition": "service_completed_successfully"}}},
            "db": {}, "migrate": {"depends_on": {"db": {}, "gone": {}}},
            "mail": {"profiles": ["more"]}, "odd": {"depends_on": ["db"]}}}"#;
        let starts = Starts::of(&Model::parse(model).expect("it is one"));
        let staying = |named: &[&str], profiles: &[&str]| {
            starts.staying(&named.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), profiles).join(" ")
        };
        assert_eq!(staying(&[], &[]), "web db odd");
        assert_eq!(staying(&[], &["more"]), "web db mail odd");
        assert_eq!(staying(&[], &["*"]), "web db mail odd");
        assert_eq!(staying(&["web"], &[]), "web db");
        assert_eq!(staying(&["mail", "nobody"], &[]), "mail");
        assert_eq!(staying(&["migrate"], &[]), "db");
        assert_eq!(staying(&["nobody"], &[]), "");
    }
}
