//! What looks like a secret, by the variable's name or as a password in an address: shown to nobody who did not ask for it.

/// What stands in place of a secret.
const MASK: &str = "***";
/// Words of a name that make its value a secret, and ends of names that are written in one.
const WORDS: [&str; 9] =
    ["password", "passwd", "passphrase", "secret", "secrets", "token", "credential", "credentials", "apikey"];
/// Last words of names that only report a secret: where it is, how long it holds.
const ABOUT: [&str; 12] =
    ["file", "path", "dir", "url", "uri", "name", "ttl", "expiry", "length", "host", "port", "id"];

/// A value with what looks like a secret in it replaced; none where nothing does.
pub fn masked(name: &str, value: &str) -> Option<String> {
    if value.is_empty() {
        return None;
    }
    if is_named(name) {
        return Some(MASK.to_owned());
    }
    let shown = parameters(&address(value));
    (shown != value).then_some(shown)
}

/// Whether a name says that its value is a secret.
fn is_named(name: &str) -> bool {
    let lower = name.to_lowercase();
    let words: Vec<&str> = lower.split(['_', '-', '.']).collect();
    let last = words.last().copied().unwrap_or_default();
    if ABOUT.contains(&last) || words.contains(&"public") {
        return false;
    }
    let has_word = words.iter().any(|word| WORDS.iter().any(|secret| word.ends_with(secret)));
    has_word || last == "key" || last == "pass"
}

/// An address without its password: `postgres://user:***@host/db`.
fn address(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    // The last `@` before the query: a password that was not encoded may hold one, and a slash.
    let Some(at) = rest[..rest.find('?').unwrap_or(rest.len())].rfind('@') else { return value.to_owned() };
    match rest[..at].split_once(':') {
        // `http://host:3000/@scope`: a port and a path.
        Some((_, behind)) if behind.split('/').next().is_some_and(|port| port.parse::<u16>().is_ok()) => {
            value.to_owned()
        }
        Some((user, password)) if !password.is_empty() => format!("{scheme}://{user}:{MASK}{}", &rest[at..]),
        _ => value.to_owned(),
    }
}

/// A value without what follows `password=` and the like: in the query of an address, or in a connection string.
fn parameters(value: &str) -> String {
    let pieces = value.split_inclusive(['?', '&', ';', ' ', '#']);
    let shown = pieces.map(|piece| {
        let (text, separator) = match piece.char_indices().next_back() {
            Some((at, c)) if "?&; #".contains(c) => piece.split_at(at),
            _ => (piece, ""),
        };
        match text.split_once('=') {
            Some((name, secret)) if is_named(name) && !secret.is_empty() => format!("{name}={MASK}{separator}"),
            _ => piece.to_owned(),
        }
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_and_passwords_in_addresses_are_secrets() {
        for name in [
            "DB_PASSWORD",
            "PGPASSWORD",
            "API_KEY",
            "STRIPE_SECRET_KEY",
            "GITHUB_TOKEN",
            "aws_secret_access_key",
            "DB_PASS",
        ] {
            assert_eq!(masked(name, "x1").as_deref(), Some("***"), "{name}");
        }
        for name in [
            "WEB_PORT",
            "TOKEN_URL",
            "PASSWORD_FILE",
            "NEXT_PUBLIC_KEY",
            "PASSENGER",
            "KEYCLOAK_HOST",
            "SECRET_NAME",
            "PATH",
        ] {
            assert_eq!(masked(name, "x1"), None, "{name}");
        }
        for (value, shown) in [
            ("postgres://user:p@w/x@db:5432/a?b=c", "postgres://user:***@db:5432/a?b=c"),
            ("redis://:hush@localhost:6379/0", "redis://:***@localhost:6379/0"),
            ("https://x/?a=1&access_token=abc&b=2", "https://x/?a=1&access_token=***&b=2"),
            ("host=db password=hush user=me", "host=db password=*** user=me"),
            ("jdbc:sqlserver://db;password=hush;x=1", "jdbc:sqlserver://db;password=***;x=1"),
        ] {
            assert_eq!(masked("DATABASE_URL", value).as_deref(), Some(shown));
        }
        for value in [
            "http://x.localhost:3000/a",
            "postgres://user@db/x",
            "redis://localhost",
            "http://x:3000/@scope/a",
            "",
            "a=b",
        ] {
            assert_eq!(masked("A_URL", value), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_password_of_an_address_is_shown(password in "[a-z0-9@:!$%]{6,20}", host in "[A-Z]{1,5}") {
            let url = format!("postgres://USER:{password}@{host}:5432/DB");
            let shown = masked("DATABASE_URL", &url).expect("it has one");
            prop_assert!(!shown.contains(&password), "{}", shown);
        }

        #[test]
        fn no_text_panics(name in "\\PC{0,12}", value in "\\PC{0,40}") {
            let _ = masked(&name, &value);
        }
    }
}
