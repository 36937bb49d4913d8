//! A published port, as compose says it: long, or short where an older one left it so.

use serde_json::Value;

/// A port that a service publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The port inside the container.
    pub target: u16,
    /// The port on this machine; none is any.
    pub published: Option<u16>,
    /// Whether it is a UDP port.
    pub udp: bool,
}

impl Port {
    /// The ports an entry of `ports` comes to, a range being several; none when it cannot be read.
    pub(super) fn of(entry: &Value) -> Option<Vec<Self>> {
        match entry {
            Value::String(text) => short(text),
            Value::Number(number) => short(&number.to_string()),
            Value::Object(long) => {
                let text = |key: &str| match long.get(key) {
                    Some(Value::String(text)) => text.clone(),
                    Some(Value::Number(number)) => number.to_string(),
                    _ => String::new(),
                };
                let udp = protocol(&text("protocol"))?;
                let (target, _) = range(&text("target"))?;
                let published = text("published");
                let published = match published.as_str() {
                    "" => None,
                    // Any of a range will do, so the first says no more than none.
                    some => range(some).filter(|(first, last)| first == last).map(|(first, _)| first),
                };
                Some(vec![Self { target, published, udp }])
            }
            _ => None,
        }
    }
}

/// `[[ADDRESS:][HOST]:]CONTAINER[/PROTOCOL]`; an address of IPv6 stands in brackets.
fn short(text: &str) -> Option<Vec<Port>> {
    let (text, name) = text.rsplit_once('/').unwrap_or((text, ""));
    let udp = protocol(name)?;
    let (before, target) = text.rsplit_once(':').map_or((None, text), |(before, target)| (Some(before), target));
    let (first, last) = range(target)?;
    // What comes before the last colon of the rest is an address.
    let host = before.map_or("", |before| before.rsplit_once(':').map_or(before, |(_, host)| host));
    let (host, _) = range(host).map_or((None, None), |(first, last)| (Some(first), Some(last)));
    let is_same_length = before.is_some_and(|before| {
        range(before.rsplit_once(':').map_or(before, |(_, host)| host))
            .is_some_and(|(one, two)| two - one == last - first)
    });
    let port = |target: u16| {
        let published = host.filter(|_| is_same_length).and_then(|host| host.checked_add(target - first));
        Port { target, published, udp }
    };
    Some((first..=last).map(port).collect())
}

/// None for a protocol that is published nowhere a lease could be.
fn protocol(name: &str) -> Option<bool> {
    match name {
        "" | "tcp" => Some(false),
        "udp" => Some(true),
        _ => None,
    }
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (0 < first && first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(entry: &str) -> String {
        let entry: Value = serde_json::from_str(entry).expect("it is JSON");
        let Some(ports) = Port::of(&entry) else { return "none".to_owned() };
        let one = |port: &Port| {
            let host = port.published.map_or_else(|| "?".to_owned(), |host| host.to_string());
            format!("{host}>{}{}", port.target, if port.udp { "/udp" } else { "" })
        };
        ports.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_form_of_a_port_is_read() {
        for (entry, expected) in [
            (r#""5432""#, "?>5432"),
            (r#""5433:5432""#, "5433>5432"),
            (r#""127.0.0.1:5433:5432/udp""#, "5433>5432/udp"),
            (r#""[::1]:5433:5432""#, "5433>5432"),
            (r#""127.0.0.1::5432""#, "?>5432"),
            (r#""8000-8001:80-81""#, "8000>80 8001>81"),
            (r#""8000-8005:80""#, "?>80"),
            (r#""${OTHER}:80""#, "?>80"),
            (r#""80:${OTHER}""#, "none"),
            (r#""80:81/sctp""#, "none"),
            (r#""2-1""#, "none"),
            (r#""""#, "none"),
            ("80", "?>80"),
            (r#"{"target": 80, "published": "8080", "protocol": "udp"}"#, "8080>80/udp"),
            (r#"{"target": 80, "published": "8000-8005", "mode": "host"}"#, "?>80"),
            (r#"{"target": 80}"#, "?>80"),
            (r#"{"published": "80"}"#, "none"),
            ("true", "none"),
        ] {
            assert_eq!(said(entry), expected, "{entry}");
        }
    }
}
