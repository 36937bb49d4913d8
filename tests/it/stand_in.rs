//! A stand-in for the container engine: a socket that answers what silo asks before it leases a subnet, and a `docker` that says what
//! the compose files come to.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::sandbox::program;

/// What `docker compose config` says of every project: two services on `default`.
const MODEL: &str = r#"{"name":"x","services":{"web":{"networks":{"default":null}},"db":{"networks":{"default":null}}},"networks":{"default":{}}}"#;

/// What it answers, by the path that is asked for; all else is an empty list.
#[derive(Clone)]
pub(crate) struct StandIn(Arc<Mutex<HashMap<String, String>>>);

impl StandIn {
    /// Writes the program, and answers at the socket until the test ends.
    pub(crate) fn start(docker: &Path, socket: &Path) -> Self {
        let script = format!("case \"$*\" in *version*) echo 2.40.3;; *config*) echo '{MODEL}';; esac");
        program(docker, &format!("#!/bin/sh\n{script}\n"));
        let answers = Self(Arc::default());
        answers.say("/info", r#"{"OperatingSystem":"Linux"}"#);
        let listener = UnixListener::bind(socket).expect("the sandbox is writable");
        let said = answers.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // Whoever asked may have been killed.
                let Ok(mut stream) = stream else { continue };
                let said = said.clone();
                std::thread::spawn(move || {
                    let mut request = [0; 4096];
                    let length = stream.read(&mut request).unwrap_or(0);
                    let line = String::from_utf8_lossy(&request[..length]).into_owned();
                    let path = line.split(' ').nth(1).unwrap_or_default();
                    let answer = said.0.lock().expect("nobody panics with it in hand").get(path).cloned();
                    let _ = write!(stream, "HTTP/1.0 200 OK\r\n\r\n{}", answer.unwrap_or_else(|| "[]".to_owned()));
                });
            }
        });
        answers
    }

    /// From now on it answers this.
    pub(crate) fn say(&self, path: &str, answer: &str) {
        self.0.lock().expect("nobody panics with it in hand").insert(path.to_owned(), answer.to_owned());
    }

    /// Networks with these addresses.
    pub(crate) fn networks(&self, ranges: &[&str]) {
        let network = |range: &&str| format!("{{\"Name\":\"n\",\"IPAM\":{{\"Config\":[{{\"Subnet\":\"{range}\"}}]}}}}");
        self.say("/networks", &format!("[{}]", ranges.iter().map(network).collect::<Vec<_>>().join(",")));
    }
}
