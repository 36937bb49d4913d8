//! Routes as configuration of web servers that pass requests on: nginx, Caddy, Traefik. Whole files, the same text for the same
//! routes.
//!
//! Host names are checked before they come here ([`super::host::problem`]); each format quotes them anyway.

use crate::core::text::source::one_line;
use ::core::fmt::Write as _;
use ::core::net::SocketAddr;

/// A route somebody listens behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The host name.
    pub host: String,
    /// Where the listener is.
    pub at: SocketAddr,
    /// The instance.
    pub instance: String,
}

/// A web server whose configuration can be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// nginx, a file for its `http` block.
    Nginx,
    /// A Caddyfile to import.
    Caddy,
    /// Traefik, a file of its file provider (YAML).
    Traefik,
}

/// What heads each file.
pub const HEAD: &str = "# Routes of silo's instances that run. Written by `silo routes`; changes are lost.\n";

impl Server {
    /// The file for these routes. nginx and Caddy listen on `port` of loopback; Traefik has entry points of its own.
    pub fn render(self, served: &[Served], port: u16) -> String {
        match self {
            Self::Nginx => nginx(served, port),
            Self::Caddy => caddy(served, port),
            Self::Traefik => traefik(served),
        }
    }
}

fn nginx(served: &[Served], port: u16) -> String {
    let mut text = HEAD.to_owned();
    if served.is_empty() {
        return text;
    }
    text.push_str("map $http_upgrade $silo_connection {\n    default upgrade;\n    \"\" \"\";\n}\n");
    for Served { host, at, instance } in served {
        let _ = write!(
            text,
            "\n# {}\nserver {{\n    listen 127.0.0.1:{port};\n    server_name {};\n    client_max_body_size 0;\n    \
             location / {{\n        proxy_pass http://{at};\n        proxy_http_version 1.1;\n        \
             proxy_buffering off;\n        proxy_request_buffering off;\n        proxy_read_timeout 1h;\n        \
             proxy_set_header Host $http_host;\n        proxy_set_header Upgrade $http_upgrade;\n        \
             proxy_set_header Connection $silo_connection;\n        \
             proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n        \
             proxy_set_header X-Forwarded-Host $http_host;\n        proxy_set_header X-Forwarded-Proto $scheme;\n    }}\n}}\n",
            one_line(instance),
            quoted(host),
        );
    }
    text
}

fn caddy(served: &[Served], port: u16) -> String {
    let mut text = HEAD.to_owned();
    for Served { host, at, instance } in served {
        let _ = write!(
            text,
            "\n# {}\n{} {{\n\tbind 127.0.0.1\n\treverse_proxy {at} {{\n\t\tflush_interval -1\n\t}}\n}}\n",
            one_line(instance),
            quoted(&format!("http://{host}:{port}")),
        );
    }
    text
}

fn traefik(served: &[Served]) -> String {
    let mut text = HEAD.to_owned();
    if served.is_empty() {
        return text;
    }
    text.push_str("http:\n  routers:\n");
    for Served { host, instance, .. } in served {
        let name = key(host);
        let _ = write!(
            text,
            "    # {}\n    {name}:\n      rule: {}\n      service: {name}\n",
            one_line(instance),
            quoted(&format!("Host(`{host}`)")),
        );
    }
    text.push_str("  services:\n");
    for Served { host, at, .. } in served {
        let _ = write!(
            text,
            "    {}:\n      loadBalancer:\n        passHostHeader: true\n        servers:\n          - url: {}\n",
            key(host),
            quoted(&format!("http://{at}")),
        );
    }
    text
}

/// A name of Traefik's own for a route: it may have no dot in it.
fn key(host: &str) -> String {
    quoted(&format!("silo-{}", host.replace('.', "_")))
}

/// In double quotes, as nginx, Caddy and YAML read them.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> Vec<Served> {
        vec![Served {
            host: "app.feature-x.localhost".into(),
            at: SocketAddr::from(([127, 0, 0, 1], 3001)),
            instance: "feature-x\nevil".into(),
        }]
    }

    #[test]
    fn each_format_names_the_host_and_the_listener_once_and_forges_no_line() {
        for (server, told) in [
            (Server::Nginx, ["server_name \"app.feature-x.localhost\";", "proxy_pass http://127.0.0.1:3001;"]),
            (Server::Caddy, ["\"http://app.feature-x.localhost:7450\" {", "reverse_proxy 127.0.0.1:3001 {"]),
            (Server::Traefik, ["rule: \"Host(`app.feature-x.localhost`)\"", "- url: \"http://127.0.0.1:3001\""]),
        ] {
            let text = server.render(&one(), 7450);
            for told in told {
                assert_eq!(text.matches(told).count(), 1, "{told} in {text}");
            }
            assert!(!text.contains("\nevil"), "{text}");
            assert_eq!(server.render(&[], 7450), HEAD);
        }
    }

    #[test]
    fn an_address_of_ipv6_is_in_brackets() {
        let served = [Served { at: "[::1]:3001".parse().expect("an address"), ..one().remove(0) }];
        assert!(Server::Nginx.render(&served, 80).contains("proxy_pass http://[::1]:3001;"));
        assert!(Server::Caddy.render(&served, 80).contains("reverse_proxy [::1]:3001 {"));
    }
}
