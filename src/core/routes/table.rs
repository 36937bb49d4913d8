//! The routes of all instances, each host with the one instance that has it.

use std::collections::HashMap;

use super::target::{Route, Target};
use crate::core::leases::Instance;
use crate::core::text::suggest::nearest;

/// A route of one instance among all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The host name.
    pub host: String,
    /// The instance.
    pub instance: String,
    /// Its root.
    pub root: String,
    /// Where it leads.
    pub to: Target,
    /// The port; none where the instance holds none for the variable yet.
    pub port: Option<u16>,
    /// The instance that has the host, where that is another one.
    pub clash: Option<String>,
}

/// Joins the instances with their routes, oldest first: the instance that was made first has a host that two claim.
pub fn join(instances: Vec<(Instance, Vec<Route>)>) -> Vec<Row> {
    let mut instances = instances;
    instances.sort_by(|(one, _), (other, _)| (&one.created, &one.root).cmp(&(&other.created, &other.root)));
    let mut holders: HashMap<String, String> = HashMap::new();
    let mut rows = Vec::new();
    for (instance, routes) in instances {
        for Route { host, to } in routes {
            let clash = holders.get(&host).cloned();
            if clash.is_none() {
                holders.insert(host.clone(), instance.name.clone());
            }
            let port = to.port(&instance.ports);
            let (name, root) = (instance.name.clone(), instance.root.clone());
            rows.push(Row { host, instance: name, root, to, port, clash });
        }
    }
    rows.sort_by(|one, other| (&one.instance, &one.root).cmp(&(&other.instance, &other.root)));
    rows
}

/// The hosts most like one that nobody has, nearest first: at most five.
pub fn near<'a>(rows: &'a [Row], host: &str) -> Vec<&'a str> {
    let mut left: Vec<&str> = rows.iter().filter(|row| row.clash.is_none()).map(|row| row.host.as_str()).collect();
    let mut found = Vec::new();
    while let Some(next) = nearest(host, left.iter().copied()).filter(|_| found.len() < 5) {
        found.push(next);
        left.retain(|name| *name != next);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(name: &str, created: &str) -> Instance {
        Instance {
            name: name.into(),
            root: format!("/{name}"),
            created: created.into(),
            ports: [("WEB".to_owned(), 3000)].into_iter().collect(),
            ..Instance::default()
        }
    }

    #[test]
    fn the_older_instance_has_a_host_that_two_claim() {
        let route = |host: &str, to: &str| Route { host: host.into(), to: Target::Variable(to.into()) };
        let rows = join(vec![
            (instance("a", "2026-02-01"), vec![route("x.test", "WEB"), route("a.test", "WEB")]),
            (instance("b", "2026-01-01"), vec![route("x.test", "WEB"), route("b.test", "NONE")]),
        ]);
        let told: Vec<_> =
            rows.iter().map(|row| (row.instance.as_str(), row.host.as_str(), row.port, row.clash.as_deref())).collect();
        assert_eq!(
            told,
            [
                ("a", "x.test", Some(3000), Some("b")),
                ("a", "a.test", Some(3000), None),
                ("b", "x.test", Some(3000), None),
                ("b", "b.test", None, None)
            ]
        );
        assert_eq!(near(&rows, "y.test"), ["a.test", "x.test", "b.test"]);
        assert!(near(&rows, "production.example.com").is_empty());
    }
}
