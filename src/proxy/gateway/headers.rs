//! Which headers go to a provider and back: those that are known to be of the API. A client's own keys and cookies never go on.

use bytes::Bytes;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use silo::core::gateway::api::Shape;

use super::super::headers::strip;

/// Where Anthropic's clients put their key.
pub(super) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// The beginnings of names that go to a provider.
const PASSED: [&str; 3] = ["anthropic-", "x-stainless-", "openai-beta"];
/// Betas that change what a token costs, or bring tools of the provider's.
const PRICED: [&str; 3] = ["context-1m", "fast-mode", "mcp-client"];
/// Headers of an answer that are the provider's business with whoever pays.
const KEPT_BACK: [&str; 4] = ["set-cookie", "openai-organization", "anthropic-organization-id", "openai-project"];

/// The placeholder that a client has sent: one, in one or both of two places.
pub(super) fn sent_key(headers: &HeaderMap) -> Option<&str> {
    let plain = headers.get_all(API_KEY).iter().map(|value| value.to_str().ok().map(str::trim));
    let bearers = headers.get_all(AUTHORIZATION).iter().map(|value| {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
    });
    let mut all = plain.chain(bearers);
    let first = all.next()??;
    all.all(|key| key == Some(first)).then_some(first)
}

/// A beta that the file has no price for, by its name.
pub(super) fn priced_beta(headers: &HeaderMap) -> Option<&'static str> {
    let values = headers.get_all("anthropic-beta").iter().filter_map(|value| value.to_str().ok());
    let mut words = values.flat_map(|value| value.split(',')).map(str::trim);
    words.find_map(|word| PRICED.into_iter().find(|priced| word.starts_with(priced)))
}

/// The headers of a request to a provider.
pub(super) fn to_provider(
    from: &HeaderMap,
    shape: Shape,
    authority: &HeaderValue,
    key: Option<&HeaderValue>,
) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(from.len() + 4);
    headers.insert(HOST, authority.clone());
    for (name, value) in from {
        let is_passed = [ACCEPT, CONTENT_TYPE, USER_AGENT].contains(name)
            || PASSED.iter().any(|start| name.as_str().starts_with(start))
            || name.as_str() == "idempotency-key";
        if is_passed {
            headers.append(name.clone(), value.clone());
        }
    }
    // What is packed cannot be read as it passes by.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some(key) = key {
        let name = if shape == Shape::Anthropic { API_KEY } else { AUTHORIZATION };
        headers.insert(name, key.clone());
    }
    headers
}

/// Makes the headers of a provider's answer those for the client.
pub(super) fn to_client(headers: &mut HeaderMap, key: Option<&HeaderValue>) {
    strip(headers);
    for name in KEPT_BACK {
        headers.remove(name);
    }
    // A server that repeats what it was sent must not give the key away.
    if let Some(key) = key {
        let secret = key.as_bytes().strip_prefix(b"Bearer ").unwrap_or(key.as_bytes());
        let shows = |value: &HeaderValue| {
            !secret.is_empty() && value.as_bytes().windows(secret.len()).any(|part| part == secret)
        };
        let named: Vec<HeaderName> =
            headers.iter().filter(|(_, value)| shows(value)).map(|(name, _)| name.clone()).collect();
        for name in named {
            headers.remove(name);
        }
    }
}

/// An error's text without the key.
pub(super) fn without_key(body: Bytes, key: Option<&HeaderValue>) -> Bytes {
    let secret = key.map(HeaderValue::as_bytes).map(|key| key.strip_prefix(b"Bearer ").unwrap_or(key));
    let Some(secret) = secret.filter(|secret| secret.len() >= 4) else { return body };
    let mut rest = &body[..];
    let mut out = Vec::new();
    while let Some(at) = rest.windows(secret.len()).position(|part| part == secret) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(b"***");
        rest = &rest[at + secret.len()..];
    }
    if out.is_empty() {
        return body;
    }
    out.extend_from_slice(rest);
    out.into()
}
