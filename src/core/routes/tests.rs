use super::*;
use crate::core::config::parse;
use crate::core::instance::vars::of_instance;

/// The routes of the instance `feature-x` of a file, as `HOST TARGET`.
fn routes(toml: &str) -> Vec<String> {
    let settings = parse(toml).unwrap_or_else(|error| panic!("{}", error.problem)).settings(None).expect("the base");
    let ports = settings.ports.keys().zip(3000..).map(|(name, port)| (name.clone(), port)).collect();
    let (_, vars) = of_instance(&settings, "feature-x", None, &ports, Some(3), "/home/user").expect("checked");
    of(&settings, &vars).into_iter().map(|route| format!("{} {}", route.host, route.to.shown())).collect()
}

#[test]
fn each_url_with_a_host_and_a_port_of_the_instance_is_a_route() {
    let toml = r#"
version = 1
[ports]
WEB_PORT = 3000
API_PORT = 8080
API = 8081
DB_PORT = 5432
[hosts]
APP_HOST = "App.${name}.localhost"
ADMIN_HOST = "admin.${name}.localhost"
[urls]
WEB_URL = "http://${APP_HOST}:${WEB_PORT}"
DOCS_URL = "${WEB_URL}/docs"
API_URL = "http://${APP_HOST}:${API_PORT}/v1?x=1"
OTHER_URL = "ws://${APP_HOST}:${API}#top"
AGAIN_URL = "http://${APP_HOST}:${API_PORT}"
ADMIN_URL = "http://user:pass@${ADMIN_HOST}:${WEB_PORT}"
BELOW_URL = "http://x.${ADMIN_HOST}:${API_PORT}"
DATABASE_URL = "postgres://${APP_HOST}:${DB_PORT}/shop"
LOCAL_URL = "http://localhost:${DB_PORT}"
FIXED_URL = "http://${APP_HOST}:9000"
TLS_URL = "https://${APP_HOST}:${DB_PORT}"
ODD_URL = "http://${APP_HOST}:${WEB_PORT}0"
STRANGE_URL = "http://evil${APP_HOST}:${DB_PORT}"
"#;
    assert_eq!(
        routes(toml),
        [
            "app.feature-x.localhost WEB_PORT",
            "admin.feature-x.localhost WEB_PORT",
            "x.admin.feature-x.localhost API_PORT",
            "api.app.feature-x.localhost API_PORT",
            "api-2.app.feature-x.localhost API",
        ]
    );
}

#[test]
fn the_table_adds_and_overrides() {
    let toml = r#"
version = 1
[ports]
WEB_PORT = 3000
API_PORT = 8080
[urls]
WEB_URL = "http://${APP_HOST}:${WEB_PORT}"
[routes]
"${APP_HOST}" = "API_PORT"
"docs.${name}.localhost" = "WEB_PORT"
"mail.${name_snake}.test" = 8025
"tools.test" = 8026
"#;
    assert_eq!(
        routes(&toml.replace("${name_snake}", "${id}")),
        [
            "feature-x.localhost API_PORT",
            "docs.feature-x.localhost WEB_PORT",
            "mail.78474cd5.test 8025",
            "tools.test 8026"
        ]
    );
}

#[test]
fn a_port_keeps_its_route_whatever_its_number_is() {
    let toml = "version = 1\n[ports]\nA = 1\nB = 2\n[urls]\nU = \"http://${APP_HOST}:${B}\"\nV = \"${U}${A}\"\n";
    assert_eq!(routes(toml), ["feature-x.localhost B"]);
}
