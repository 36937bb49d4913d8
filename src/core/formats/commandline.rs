//! Host ports that a command line or an address writes out: text in, numbers out; nothing is run or filled in.

/// How this machine is named in an address.
const HERE: [&str; 5] = ["localhost:", "127.0.0.1:", "0.0.0.0:", "[::1]:", "[::]:"];
/// Ports below are of the system, and `-p 4` is not a port at all.
const LEAST: u16 = 1024;

/// A port, and the variable it is given to where that is how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// `PORT` in `PORT=3000`.
    pub variable: Option<String>,
    /// The number.
    pub port: u16,
}

/// The ports a command line names: `PORT=3000`, `--port 3000`, `-p 3000`, `:3000`, `localhost:3000`, each once.
pub fn ports(line: &str) -> Vec<Written> {
    let mut found: Vec<Written> = Vec::new();
    let mut add = |variable: Option<&str>, port: Option<u16>| {
        if let Some(port) = port.filter(|port| *port >= LEAST && !found.iter().any(|known| known.port == *port)) {
            found.push(Written { variable: variable.map(str::to_owned), port });
        }
    };
    let mut before = "";
    for word in line.split(|c: char| c.is_whitespace() || "'\"`;&|()".contains(c)).filter(|word| !word.is_empty()) {
        let (key, value) = word.split_once('=').map_or((None, word), |(key, value)| (Some(key), value));
        match key {
            Some(flag) if flag.starts_with('-') && is_port_flag(flag) => add(None, first(value)),
            Some(name) if is_port_name(name) => add(Some(name), whole(value)),
            None if is_port_flag(before) => add(None, first(value)),
            None if matches!(before, "runserver" | "http.server") => add(None, first(value)),
            _ => {}
        }
        add(None, value.strip_prefix(':').and_then(whole));
        for port in here(value) {
            add(None, Some(port));
        }
        before = word;
    }
    found
}

/// The same, and those that a variable of its own falls back to: `${PORT:-3000}`.
pub fn with_fallbacks(line: &str) -> Vec<Written> {
    let fallback = |rest: &str| {
        let (name, value) = rest.split_once('}')?.0.split_once('-')?;
        let name = name.strip_suffix(':').unwrap_or(name);
        let port = whole(value).filter(|port| *port >= LEAST && is_port_name(name))?;
        Some(Written { variable: Some(name.to_owned()), port })
    };
    let mut found = ports(line);
    for one in line.split("${").skip(1).filter_map(fallback) {
        if !found.iter().any(|known| known.port == one.port) {
            found.push(one);
        }
    }
    found
}

/// The ports of this machine that a text names as addresses.
pub fn here(text: &str) -> Vec<u16> {
    let of = |host: &str| text.match_indices(host).filter_map(|(at, host)| leading(&text[at + host.len()..])).collect();
    HERE.iter().flat_map(|host| -> Vec<u16> { of(host) }).collect()
}

fn is_port_flag(flag: &str) -> bool {
    flag == "-p" || (flag.starts_with("--") && (flag.ends_with("-port") || flag == "--port"))
}

/// Whether a variable is called a port.
pub fn is_port_name(name: &str) -> bool {
    crate::core::shell::varname::is_identifier(name) && name.rsplit('_').next() == Some("PORT")
}

/// A number and nothing else.
pub fn whole(text: &str) -> Option<u16> {
    text.chars().all(|c| c.is_ascii_digit()).then(|| text.parse().ok())?.filter(|port| *port != 0)
}

/// The host's part of `3000`, `0.0.0.0:3000` and `3000:80`.
fn first(text: &str) -> Option<u16> {
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        [port] => whole(port),
        [host, port] => whole(host).or_else(|| whole(port)),
        [.., host, _] => whole(host),
        [] => None,
    }
}

/// The number a text begins with.
fn leading(text: &str) -> Option<u16> {
    whole(&text[..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(line: &str) -> Vec<String> {
        let name = |one: Written| one.variable.map_or_else(String::new, |name| name + "=") + &one.port.to_string();
        ports(line).into_iter().map(name).collect()
    }

    #[test]
    fn the_usual_ways_to_write_a_port_are_known() {
        for (line, expected) in [
            ("next dev -p 3000", "3000"),
            ("PORT=4000 node server.js", "PORT=4000"),
            ("cross-env API_PORT=4001 NODE_ENV=test vite --port=5173 --strictPort", "API_PORT=4001 5173"),
            ("bundle exec rails s -b 0.0.0.0 -p 3100", "3100"),
            ("gunicorn app -b :8000", "8000"),
            ("uvicorn app:app --host 0.0.0.0 --port 8001", "8001"),
            ("python manage.py runserver 0.0.0.0:8002", "8002"),
            ("docker run -p 127.0.0.1:5433:5432 -p 6380:6379 x", "5433 6380"),
            ("wait-on http://localhost:3000/health && open http://localhost:3000", "3000"),
            ("air --listen=:8081", "8081"),
        ] {
            assert_eq!(told(line).join(" "), expected, "{line}");
        }
        for line in
            ["npm-run-all -p 4 build", "next dev -p $PORT", "PORT=$WEB_PORT x", "mkdir -p 20260101", "x 3000", ""]
        {
            assert_eq!(told(line), [""; 0], "{line}");
        }
    }

    #[test]
    fn what_a_variable_falls_back_to_is_asked_for_apart() {
        for (line, expected) in [
            ("puma -p ${PORT:-3000}", "PORT=3000"),
            (
                "x --api ${API_PORT-4000} -p 5000 ${PORT:=1} ${MODE:-6000} ${PORT:-80} ${PORT:-$X}",
                "=5000 API_PORT=4000",
            ),
            ("PORT=${PORT:-3000} x ${OTHER_PORT:-3000} ${PORT:-3001", "PORT=3000"),
        ] {
            let told = |one: Written| format!("{}={}", one.variable.unwrap_or_default(), one.port);
            assert_eq!(with_fallbacks(line).into_iter().map(told).collect::<Vec<_>>().join(" "), expected, "{line}");
            assert!(ports(line).iter().all(|one| one.variable.is_none()), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-p:=0-9.PORT localhost\\[\\]é'\"]{0,60}") {
            let _ = with_fallbacks(&text);
        }
    }
}
