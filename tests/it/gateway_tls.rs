//! A provider behind TLS: it is asked where its certificate is one that the file trusts, for the name in the file, and nowhere else.

use std::io::Write as _;
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::gateway::{Log, REAL, Scene, message, own_file, request, small};
use crate::proxy::server;
use crate::sandbox::Sandbox;

/// A certificate for a name that has signed itself: as PEM, and as what a server shows.
fn signed(name: &str) -> (String, Arc<ServerConfig>) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("it is a name");
    let key = PrivateKeyDer::from(made.signing_key);
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key));
    (made.cert.pem(), Arc::new(config.expect("they belong together")))
}

/// A scene whose provider has a certificate for `name` and is asked at `host`; `line` stands in its table.
fn scene(name: &str, host: &'static str, line: &'static str) -> Scene {
    let (pem, config) = signed(name);
    let log = Log::default();
    let seen = Arc::clone(&log);
    let port = server(move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).expect("the configuration is right");
        let mut stream = StreamOwned::new(connection, stream);
        while let Some(said) = request(&mut stream) {
            seen.lock().expect("no test panics with it").push(said);
            if stream.write_all(message(20, 7).as_bytes()).and_then(|()| stream.flush()).is_err() {
                return;
            }
        }
    });
    let sandbox = Sandbox::new();
    own_file(&sandbox, "config/silo/own.pem", pem);
    Scene::before(sandbox, port, log, |port| file(host, port, line))
}

fn file(host: &str, port: u16, line: &str) -> String {
    format!(
        "[providers.own]\nshape = \"anthropic\"\nurl = \"https://{host}:{port}\"\nkey = \"{REAL}\"\n{line}\n\
         models.claude = {{ input = 1, output = 10, window = 100000 }}\n"
    )
}

/// That a call is refused with these words, that nothing has reached the provider, and that it cost nothing.
fn is_refused(scene: &Scene, why: &str) {
    let key = scene.key("1", &[]);
    let (head, body) = scene.post("/v1/messages", &key, &small());
    assert!(head.starts_with("HTTP/1.1 502"), "{head}{body}");
    assert!(body.contains("provider_unreachable"), "{body}");
    assert!(body.contains(&format!("the provider `own` {why}")) && body.contains("nothing was sent"), "{body}");
    assert_eq!(scene.reached(), 0);
    assert_eq!(scene.spent(), ("0.00".to_owned(), 0, 1));
}

#[test]
fn a_provider_on_localhost_whose_certificate_is_in_ca_is_asked() {
    let scene = scene("localhost", "localhost", "ca = \"own.pem\"");
    let key = scene.key("1", &[]);
    // The second goes over the connection of the first.
    for calls in 1..3 {
        let (head, body) = scene.post("/v1/messages", &key, &small());
        assert!(head.starts_with("HTTP/1.1 200") && body.contains("\"text\":\"hello\""), "{head}{body}");
        assert_eq!((scene.reached(), scene.spent().1), (calls, 27 * calls as u64));
    }
    let (head, _) = scene.log.lock().expect("no test panics with it")[0].clone();
    let lower = head.to_ascii_lowercase();
    assert!(lower.contains(&format!("host: localhost:{}", scene.provider)), "{head}");
    assert!(lower.contains(&format!("x-api-key: {}", REAL.to_ascii_lowercase())), "{head}");
}

#[test]
fn a_certificate_that_nobody_known_has_signed_is_refused() {
    let why = "has a certificate that nobody known has signed: name its signer's with `ca` in gateway.toml";
    is_refused(&scene("localhost", "localhost", ""), why);
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let why = "has a certificate for another name than that of its `url` in gateway.toml";
    is_refused(&scene("api.example.com", "localhost", "ca = \"own.pem\""), why);
    is_refused(&scene("localhost", "127.0.0.1", "ca = \"own.pem\""), why);
}

#[test]
fn a_provider_that_speaks_no_tls_is_told_nothing() {
    let log = Log::default();
    let seen = Arc::clone(&log);
    let port = server(move |mut stream| {
        let mut bytes = [0; 4096];
        let length = std::io::Read::read(&mut stream, &mut bytes).unwrap_or(0);
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        seen.lock().expect("no test panics with it").push((text, String::new()));
        let _ = stream.write_all(message(20, 7).as_bytes());
    });
    let scene = Scene::before(Sandbox::new(), port, log, |port| file("localhost", port, ""));
    let key = scene.key("1", &[]);
    let (head, body) = scene.post("/v1/messages", &key, &small());
    assert!(head.starts_with("HTTP/1.1 502") && body.contains("speaks no TLS that is understood"), "{head}{body}");
    let log = scene.log.lock().expect("no test panics with it");
    assert!(log.iter().all(|(bytes, _)| !bytes.contains(REAL) && !bytes.contains("claude")), "{log:?}");
}

#[test]
fn a_ca_without_a_certificate_starts_no_gateway() {
    let sandbox = Sandbox::new();
    own_file(&sandbox, "config/silo/gateway.toml", file("localhost", 1, "ca = \"own.pem\""));
    let (pem, _) = signed("localhost");
    let said = "`$SANDBOX/config/silo/own.pem` has no certificates that can be read";
    for text in ["", "hello", &pem.replace("MII", "MXX"), &pem[..pem.len() / 2]] {
        own_file(&sandbox, "config/silo/own.pem", text);
        sandbox.run("", ["gateway", "up", "-d"]).exit(1).stderr_has(said);
    }
    std::fs::remove_file(sandbox.path("config/silo/own.pem")).expect("it is there");
    sandbox.run("", ["gateway", "up", "-d"]).exit(1).stderr_has(said);
}
