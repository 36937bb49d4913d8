//! What somebody types for a port: the number, an address or URL that ends in one, or a variable's name.

/// What was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typed<'a> {
    /// This port.
    Port(u16),
    /// A word that may be a variable's name.
    Name(&'a str),
    /// An address or a number that names no port.
    Nothing,
}

/// The ports that URLs of these schemes mean where they say none.
const USUAL: [(&str, u16); 13] = [
    ("http", 80),
    ("ws", 80),
    ("https", 443),
    ("wss", 443),
    ("postgres", 5432),
    ("postgresql", 5432),
    ("mysql", 3306),
    ("redis", 6379),
    ("rediss", 6379),
    ("mongodb", 27017),
    ("amqp", 5672),
    ("nats", 4222),
    ("ssh", 22),
];

/// Reads it: `3000`, `:3000`, `localhost:3000`, `[::1]:3000`, `http://localhost:3000/path`, `3000/tcp`, `WEB_PORT`.
pub fn typed(text: &str) -> Typed<'_> {
    let text = text.trim();
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, text),
    };
    // `0.0.0.0:3000->80/tcp`, as Docker shows it.
    let rest = rest.split("->").next().unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let port = match authority.rsplit_once(']') {
        Some((_, behind)) => behind.strip_prefix(':'),
        // An address of IPv6 alone; but `:::3000` is any address and its port, as netstat shows it.
        None if authority.matches(':').count() > 1 && !authority.starts_with(":::") => None,
        None => authority.rsplit_once(':').map(|(_, port)| port),
    };
    match (port, scheme) {
        (Some(port), _) => number(port),
        (None, Some(scheme)) => {
            let usual = USUAL.iter().find(|(known, _)| known.eq_ignore_ascii_case(scheme));
            usual.map_or(Typed::Nothing, |(_, port)| Typed::Port(*port))
        }
        (None, None) if authority.starts_with(|c: char| c.is_ascii_digit()) => number(authority),
        (None, None) if !authority.is_empty() && authority.chars().all(is_of_name) => Typed::Name(authority),
        (None, None) => Typed::Nothing,
    }
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn number(digits: &str) -> Typed<'_> {
    let all_digits = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    match digits.parse().ok().filter(|port| all_digits && *port != 0) {
        Some(port) => Typed::Port(port),
        None => Typed::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_port_is_found_in_whatever_shows_one() {
        for text in [
            "3000",
            " 3000 ",
            ":3000",
            "localhost:3000",
            "*:3000",
            "127.0.0.1:3000",
            "[::1]:3000",
            ":::3000",
            "x.localhost:3000/a:1?b=:2#c",
            "http://x.localhost:3000",
            "postgres://user:p:w@localhost:3000/db",
            "http://user:8080@[::1]:3000/",
            "3000/tcp",
            "0.0.0.0:3000->80/tcp",
        ] {
            assert_eq!(typed(text), Typed::Port(3000), "{text}");
        }
        for (text, port) in [("https://example.com/a", 443), ("POSTGRES://user:8080@db/x", 5432), ("http://[::1]/", 80)]
        {
            assert_eq!(typed(text), Typed::Port(port), "{text}");
        }
    }

    #[test]
    fn a_word_may_name_a_variable_and_the_rest_names_nothing() {
        assert_eq!(typed("WEB_PORT"), Typed::Name("WEB_PORT"));
        for text in [
            "",
            "0",
            "70000",
            "-1",
            "+1",
            "3000x",
            "::1",
            "127.0.0.1",
            "localhost:",
            "localhost:x",
            "x.y",
            "mailto://x",
        ] {
            assert_eq!(typed(text), Typed::Nothing, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = typed(&text);
        }
    }
}
