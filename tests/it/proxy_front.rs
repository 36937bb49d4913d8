//! The proxy's own pages: all instances, a route nobody listens behind, a host there is not; and who may read them.

use std::fs;

use crate::proxy::{Proxy, routed, server, wait};
use crate::sandbox::{Sandbox, free_ports};

const TOML: &str = "version = 1\nports.WEB_PORT = \"random\"\nurls.WEB_URL = \"http://${APP_HOST}:${WEB_PORT}\"\n";
const HTML: &str = "Accept: text/html\r\n";

#[test]
fn the_front_page_shows_every_instance_with_what_is_observed() {
    let sandbox = Sandbox::new();
    sandbox.trusted("one", TOML);
    sandbox.run("one", ["env", "first"]).success();
    sandbox.trusted("two", TOML);
    sandbox.git("two", ["init", "-q"]);
    sandbox.run("two", ["env", "second"]).success();
    let listener = std::net::TcpListener::bind(("127.0.0.1", sandbox.lockfile_ports("two")["WEB_PORT"]));
    let proxy = Proxy::start(&sandbox);
    let (head, body) = proxy.get("silo.localhost", "/");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && body.starts_with("<!doctype html>"), "{head}");
    for told in ["first", "second", "stopped", "taken", "branch main", "nobody listens", "taken by ", "silo up -d -C "]
    {
        assert!(body.contains(told), "no {told} in {body}");
    }
    assert!(body.contains(&format!("href=\"http://first.localhost:{}\"", proxy.port)), "{body}");
    assert!(!body.contains("<form") && !body.contains("<button"), "it shows commands and starts nothing");
    drop(listener);
    // What the script asks for is the same list, as it is now.
    wait(|| (!proxy.get("silo.localhost", "/instances").1.contains("taken by ")).then_some(()));
    let (head, script) = proxy.get("silo.localhost", "/pages.js");
    assert!(head.contains("text/javascript") && script.contains("/instances"), "{head}");
    assert!(proxy.get("silo.localhost", "/other").0.starts_with("HTTP/1.1 404 "));
}

#[test]
fn no_page_of_another_site_can_read_it() {
    let sandbox = Sandbox::new();
    sandbox.trusted("one", TOML);
    sandbox.run("one", ["env", "first"]).success();
    let proxy = Proxy::start(&sandbox);
    let own = format!("http://silo.localhost:{}", proxy.port);
    let code = |lines: &str| proxy.get_with("silo.localhost", "/instances", lines).0[9..12].to_owned();
    for refused in [
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: http://silo.localhost\r\n",
        "Origin: http://first.localhost\r\n",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: script\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n",
    ] {
        assert_eq!(code(refused), "403", "{refused}");
    }
    for taken in [
        "",
        &format!("Origin: {own}\r\nSec-Fetch-Site: same-origin\r\n"),
        "Sec-Fetch-Site: none\r\n",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n",
    ] {
        assert_eq!(code(taken), "200", "{taken}");
    }
    let (head, _) = proxy.get("silo.localhost", "/");
    let head = head.to_lowercase();
    assert!(!head.contains("access-control"), "{head}");
    for line in
        ["x-frame-options: deny", "frame-ancestors 'none'", "cross-origin-resource-policy: same-origin", "no-store"]
    {
        assert!(head.contains(line), "no {line} in {head}");
    }
    // A name of the site's own that leads here (DNS rebinding) meets neither the page nor a name of an instance.
    for host in ["evil.example", "first.localhost.evil.example", "10.0.0.1"] {
        for path in ["/", "/instances"] {
            let (head, body) = proxy.get_with(host, path, HTML);
            assert!(head.starts_with("HTTP/1.1 404 ") && !body.contains("first.localhost:"), "{host}: {body}");
        }
    }
    let post = format!(
        "POST /instances HTTP/1.1\r\nHost: silo.localhost\r\nOrigin: {own}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    assert!(proxy.say(post.as_bytes()).starts_with("HTTP/1.1 405 "));
}

#[test]
fn a_route_without_a_listener_says_how_to_start_it() {
    let sandbox = Sandbox::new();
    sandbox.trusted("one", TOML);
    sandbox.run("one", ["env", "first"]).success();
    let proxy = Proxy::start(&sandbox);
    let command = format!("silo up -d -C {}", sandbox.dir("one").display());
    for lines in ["", HTML] {
        let (head, body) = proxy.get_with("first.localhost", "/any", lines);
        assert!(head.starts_with("HTTP/1.1 503 ") && body.contains(&command), "{head} {body}");
        assert_eq!(body.starts_with("<!doctype html>"), lines == HTML);
    }
}

#[test]
fn an_unknown_host_is_told_the_nearest_and_this_machine_the_front_page() {
    let sandbox = Sandbox::new();
    sandbox.trusted("one", TOML);
    sandbox.run("one", ["env", "first"]).success();
    let proxy = Proxy::start(&sandbox);
    let (head, body) = proxy.get("frist.localhost", "/");
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    assert!(body.contains(&format!("http://first.localhost:{}", proxy.port)), "{body}");
    for host in ["localhost", "127.0.0.1:1", "[::1]:1"] {
        let (head, _) = proxy.get(host, "/");
        let to = format!("location: http://silo.localhost:{}", proxy.port);
        assert!(head.starts_with("HTTP/1.1 302 ") && head.contains(&to), "{head}");
    }
}

#[test]
fn a_folder_with_markup_in_its_name_is_text_on_every_page() {
    let sandbox = Sandbox::new();
    let name = "<img src=x onerror=alert(1)>&\"'";
    sandbox.trusted(name, TOML);
    sandbox.run(name, ["env", "first"]).success();
    let proxy = Proxy::start(&sandbox);
    for (host, path) in [("silo.localhost", "/"), ("silo.localhost", "/instances"), ("first.localhost", "/")] {
        let (_, body) = proxy.get_with(host, path, HTML);
        assert!(body.contains("&lt;img") && !body.contains("<img"), "{body}");
    }
}

#[test]
fn the_proxy_is_started_asked_reloaded_and_stopped_by_silo() {
    let sandbox = Sandbox::new();
    let [port, next] = free_ports();
    let setting = |port: u16| {
        fs::create_dir_all(sandbox.path("config/silo")).expect("writable");
        fs::write(sandbox.path("config/silo/config.toml"), format!("proxy.port = {port}\n")).expect("writable");
    };
    setting(port);
    sandbox.run("", ["proxy", "status"]).exit(1).stdout("No proxy runs. Start it: silo proxy up -d\n");
    sandbox.run("", ["proxy", "reload"]).exit(1).stderr_has("silo proxy up -d");
    sandbox.run("", ["proxy", "down", "--json"]).exit(2).stderr_has("`--json` does not go with");
    let up = sandbox.run("", ["proxy", "up", "-d"]).success();
    assert!(up.stdout.contains(&format!("All instances: http://silo.localhost:{port}")), "{up:?}");
    assert!(sandbox.run("", ["proxy", "up", "-d"]).success().stdout.starts_with("The proxy runs (pid "));
    assert!(sandbox.run("", ["proxy", "status", "--json"]).success().stdout.contains(&format!("\"port\": {port}")));
    let other = server(drop);
    routed(&sandbox, &[other]);
    let routes = sandbox.run("", ["routes"]).success();
    assert!(routes.stdout.contains(&format!("http://a.test:{port}")), "{routes:?}");
    // Another port, without a restart.
    setting(next);
    sandbox.run("", ["proxy", "reload"]).success();
    wait(|| (crate::proxy::port(&sandbox) == Some(next)).then_some(()));
    sandbox.run("", ["proxy", "down"]).success().stderr_has("The proxy has stopped");
    sandbox.run("", ["proxy", "down"]).success().stderr_has("No proxy runs");
    sandbox.run("", ["proxy", "status", "--json"]).exit(1).stdout("null\n");
}
