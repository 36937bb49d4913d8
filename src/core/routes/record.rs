//! The routes of an instance as they are kept beside its stamp: written where the instance is settled, read by whoever shows or
//! serves routes without reading a `silo.toml`.

use serde::{Deserialize, Serialize};

use super::host;
use super::target::Route;

/// The version this silo reads and writes.
const VERSION: u32 = 1;

/// The file.
#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    root: String,
    routes: Vec<Route>,
}

/// The text of the file of a root.
pub fn render(root: &str, routes: &[Route]) -> String {
    let file = File { version: VERSION, root: root.to_owned(), routes: routes.to_vec() };
    serde_json::to_string(&file).expect("strings, numbers and lists always serialise") + "\n"
}

/// The routes in a file of this root; anything else has none. A name that is none, whoever wrote it there, is left out.
pub fn parse(text: &[u8], root: &str) -> Vec<Route> {
    let file = serde_json::from_slice::<File>(text).ok();
    let file = file.filter(|file| file.version == VERSION && file.root == root);
    let mut routes = file.map(|file| file.routes).unwrap_or_default();
    routes.retain(|route| host::problem(&route.host).is_none());
    routes
}

#[cfg(test)]
mod tests {
    use super::super::target::Target;
    use super::*;

    #[test]
    fn routes_come_back_and_those_of_another_root_or_version_do_not() {
        let routes = vec![
            Route { host: "a.localhost".into(), to: Target::Variable("WEB_PORT".into()) },
            Route { host: "b.localhost".into(), to: Target::Port(8080) },
        ];
        let text = render("/p", &routes);
        assert_eq!(parse(text.as_bytes(), "/p"), routes);
        assert_eq!(parse(text.as_bytes(), "/q"), []);
        assert_eq!(parse(text.replace("\"version\":1", "\"version\":2").as_bytes(), "/p"), []);
        assert_eq!(parse(text.replace("a.localhost", "silo.localhost").as_bytes(), "/p"), routes[1..]);
        for cut in 0..text.len() - 1 {
            assert_eq!(parse(&text.as_bytes()[..cut], "/p"), [], "cut at {cut}");
        }
    }
}
