//! What of a message's headers goes on: all but those that hold for one connection alone
//! (<https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1>). Values in, values out.

use std::net::IpAddr;

use hyper::header::{
    CONNECTION, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE, VIA,
};

/// How the proxy calls itself in `Via`.
const OWN: &str = "1.1 silo-proxy";
/// How often a request may come by before it counts as one that goes in a circle. An application that asks another through the
/// proxy hands the header on.
const ROUNDS: usize = 8;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const ONE_CONNECTION: [HeaderName; 3] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authenticate"),
];

/// The names in `Connection`, in lower case.
fn named(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let words = values.flat_map(|value| value.split(','));
    words.map(|word| word.trim().to_ascii_lowercase()).filter(|word| !word.is_empty()).collect()
}

/// The protocol a message asks to go over to, or agrees to. HTTP/2 is not passed on.
pub(crate) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let wanted = headers.get(UPGRADE)?;
    let is_named = named(headers).iter().any(|word| word == "upgrade");
    let is_other = wanted.to_str().is_ok_and(|value| !value.to_ascii_lowercase().contains("h2"));
    (is_named && is_other).then(|| wanted.clone())
}

/// Removes what holds for one connection alone, what `Connection` names included; the two that frame and route a message stay.
pub(crate) fn strip(headers: &mut HeaderMap) {
    for name in named(headers) {
        let stays = name == HOST.as_str() || name == "content-length" || name == TRANSFER_ENCODING.as_str();
        if !stays {
            headers.remove(&name);
        }
    }
    for name in [CONNECTION, UPGRADE].iter().chain(&ONE_CONNECTION) {
        headers.remove(name);
    }
}

fn put_upgrade(headers: &mut HeaderMap, upgrade: Option<&HeaderValue>) {
    if let Some(protocol) = upgrade {
        headers.insert(UPGRADE, protocol.clone());
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

/// Makes a client's headers those for the server behind a route.
pub(crate) fn to_server(headers: &mut HeaderMap, peer: IpAddr, upgrade: Option<&HeaderValue>) {
    strip(headers);
    // hyper frames the body again, and has answered `100 Continue` itself.
    for name in [TRANSFER_ENCODING, EXPECT, TE] {
        headers.remove(name);
    }
    put_upgrade(headers, upgrade);
    let before = headers.get(FORWARDED_FOR).and_then(|value| value.to_str().ok());
    let all = before.map_or_else(|| peer.to_string(), |before| format!("{before}, {peer}"));
    if let Ok(all) = HeaderValue::from_str(&all) {
        headers.insert(FORWARDED_FOR, all);
    }
    if let Some(host) = headers.get(HOST).cloned() {
        headers.insert(FORWARDED_HOST, host);
    }
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    headers.append(VIA, HeaderValue::from_static(OWN));
}

/// Makes a server's headers those for the client.
pub(crate) fn to_client(headers: &mut HeaderMap, upgrade: Option<&HeaderValue>) {
    strip(headers);
    put_upgrade(headers, upgrade);
}

/// Whether a request goes in a circle.
pub(crate) fn is_circling(headers: &HeaderMap) -> bool {
    let values = headers.get_all(VIA).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter(|by| by.trim() == OWN).count() >= ROUNDS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value"));
        }
        map
    }

    fn shown(map: &HeaderMap) -> Vec<String> {
        let mut all: Vec<String> =
            map.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or("?"))).collect();
        all.sort();
        all
    }

    #[test]
    fn what_holds_for_one_connection_goes_no_further() {
        let mut map = headers(&[
            ("host", "app.localhost:7450"),
            ("connection", "close, X-Secret"),
            ("connection", "host, content-length"),
            ("x-secret", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("expect", "100-continue"),
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("upgrade", "h2c"),
            ("cookie", "a=b"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-host", "evil"),
        ]);
        let upgrade = upgrade(&map);
        to_server(&mut map, IpAddr::from([127, 0, 0, 1]), upgrade.as_ref());
        assert_eq!(
            shown(&map),
            [
                "content-length: 5",
                "cookie: a=b",
                "host: app.localhost:7450",
                "via: 1.1 silo-proxy",
                "x-forwarded-for: 10.0.0.1, 127.0.0.1",
                "x-forwarded-host: app.localhost:7450",
                "x-forwarded-proto: http"
            ]
        );
    }

    #[test]
    fn an_upgrade_is_passed_on_where_it_is_asked_for_and_is_not_http2() {
        let asks = |connection, protocol| upgrade(&headers(&[("connection", connection), ("upgrade", protocol)]));
        assert_eq!(asks("keep-alive, Upgrade", "websocket"), Some(HeaderValue::from_static("websocket")));
        for (connection, protocol) in
            [("keep-alive", "websocket"), ("upgrade", "h2c"), ("Upgrade, HTTP2-Settings", "H2C")]
        {
            assert_eq!(asks(connection, protocol), None, "{connection} {protocol}");
        }
        let mut map = headers(&[("connection", "Upgrade"), ("upgrade", "websocket")]);
        to_client(&mut map, Some(&HeaderValue::from_static("websocket")));
        assert_eq!(shown(&map), ["connection: upgrade", "upgrade: websocket"]);
    }

    #[test]
    fn only_many_rounds_are_a_circle() {
        let rounds = |count| is_circling(&headers(&vec![("via", "1.1 silo-proxy"); count]));
        assert!(!rounds(0) && !rounds(7) && rounds(8));
        assert!(is_circling(&headers(&[("via", &["1.1 silo-proxy"; 8].join(", "))])));
        assert!(!is_circling(&headers(&[("via", &["1.1 other"; 20].join(", "))])));
    }
}
