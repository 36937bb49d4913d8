//! What a request is about: a call that costs something, one that is free, the list of models, or nothing there is.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use serde_json::{Value, json};
use silo::core::gateway::api::{Api, Shape};
use silo::core::gateway::keys::Key;
use silo::core::gateway::request::{self, Asked};
use silo::core::gateway::stream::Stream;
use silo::core::gateway::usage;
use silo::core::routes::host;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::super::guard::Guard;
use super::call::Call;
use super::metered::{Answered, Metered, Reader};
use super::origin::Origin;
use super::says::{No, json_answer};
use super::shared::{Gateway, ROOM};
use super::upstream::{Failed, Upstream};
use super::{admit, headers};

/// The largest request, in bytes.
const BODY: usize = 32 * 1024 * 1024;
/// How long a client may take to send one.
const SENDING: Duration = Duration::from_mins(2);
/// The longest error of a provider that is passed on, in bytes.
const ERROR: usize = 1024 * 1024;
/// Under which names the gateway is asked.
const NAMES: [&str; 6] =
    ["localhost", "127.0.0.1", "::1", "host.docker.internal", "host.containers.internal", "gateway"];

/// Answers one request.
pub(super) async fn answer(
    gateway: &Arc<Gateway>,
    guard: &Guard,
    origin: &Origin,
    request: Request<Incoming>,
) -> Response<Answered> {
    guard.is_in_body(!request.body().is_end_stream());
    let path = request.uri().path().to_owned();
    let is_anthropics = path.starts_with("/v1/messages") || request.headers().contains_key("anthropic-version");
    let shape = if is_anthropics { Shape::Anthropic } else { Shape::OpenAi };
    let has_body = !request.body().is_end_stream();
    match decide(gateway, guard, origin, &path, request).await {
        Ok(answer) => answer,
        Err(no) => {
            let mut answer = no.answer(shape);
            // What is left of a request that was not read would be taken for the next one.
            if has_body {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            answer
        }
    }
}

async fn decide(
    gateway: &Arc<Gateway>,
    guard: &Guard,
    origin: &Origin,
    path: &str,
    request: Request<Incoming>,
) -> Result<Response<Answered>, No> {
    let bad = |message: &str| No::new(StatusCode::BAD_REQUEST, "invalid_request", message).for_good();
    if guard.has_refused() {
        return Err(bad("the request says its length twice: by Content-Length and by Transfer-Encoding"));
    }
    // Nobody but its agent can come by an agent's socket, whatever name it has for it.
    if matches!(origin, Origin::Loopback) && !is_own_name(&request) {
        let message = "the request names another host; clients ask the gateway itself, at its own address";
        return Err(No::new(StatusCode::MISDIRECTED_REQUEST, "other_host", message).for_good());
    }
    let is_list = path == "/v1/models" || path.starts_with("/v1/models/");
    let api = Api::at(path);
    if !is_list && api.is_none() {
        let message = "this path is not passed on: /v1/messages, /v1/messages/count_tokens, /v1/chat/completions, \
                       /v1/responses, /v1/embeddings and /v1/models are";
        return Err(No::new(StatusCode::FORBIDDEN, "path_not_allowed", message).for_good());
    }
    let key = admit::key(gateway, origin, request.headers())?;
    let Some(api) = api else {
        return match *request.method() {
            Method::GET => models(gateway, &key, path.strip_prefix("/v1/models/")),
            _ => Err(wrong_method()),
        };
    };
    if request.method() != Method::POST {
        return Err(wrong_method());
    }
    if request.headers().get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        let message = "a request that is packed cannot be counted; send it without Content-Encoding";
        return Err(No::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "packed", message).for_good());
    }
    if let Some(beta) = headers::priced_beta(request.headers()) {
        let message = format!("the beta `{beta}` has prices of its own, so it is not passed on");
        return Err(No::new(StatusCode::BAD_REQUEST, "not_countable", message).for_good());
    }
    let (head, body) = request.into_parts();
    // Held until the request is sent.
    let room = room(gateway, origin, &body).await?;
    let body = read(body).await?;
    guard.is_in_body(false);
    let asked = request::read(api, &body).map_err(|refusal| admit::refused(&refusal))?;
    let (upstream, model) = admit::model(gateway, &key, api.shape(), &asked.model)?;
    let call = match api.is_counted() {
        true => Some(admit::hold(gateway, &key, api, &asked, model)?),
        false => None,
    };
    let sent = to_provider(&upstream, api, &head.headers, head.uri.query(), spliced(body, &asked));
    let answered = upstream.send(sent).await;
    drop(room);
    let (answer, connection) = match answered {
        Ok(answered) => answered,
        Err(failed) => return Err(unanswered(&upstream, call, &failed)),
    };
    let connection = (upstream, connection);
    if !answer.status().is_success() {
        return error_of(call, connection, answer).await;
    }
    let (mut head, body) = answer.into_parts();
    let reader = reader(api, &asked, &head.headers, call.is_some());
    headers::to_client(&mut head.headers, connection.0.key.as_ref());
    if matches!(reader, Reader::Stream(_)) {
        head.headers.remove(hyper::header::CONTENT_LENGTH);
    }
    Ok(Response::from_parts(head, Metered::over(body, reader, call, connection)))
}

fn wrong_method() -> No {
    No::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", "this path is not asked by this method").for_good()
}

/// Whether a request is for the gateway: no page of another site comes by a name of its own that leads here.
fn is_own_name(request: &Request<Incoming>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    let header = hosts.next().map(|value| value.to_str().unwrap_or("?"));
    let is_one = hosts.next().is_none();
    let target = request.uri().authority().map(hyper::http::uri::Authority::as_str);
    let is_own = |authority: &str| {
        host::named(authority).is_some_and(|name| NAMES.contains(&name.as_str()) || name.ends_with(".localhost"))
    };
    is_one && header.is_some_and(is_own) && target.is_none_or(is_own)
}

/// Places in memory that are held: an agent's own, and those of all.
type Room = (Option<OwnedSemaphorePermit>, OwnedSemaphorePermit);

/// Places in memory for a request: as much as it says it is, or the most.
async fn room(gateway: &Gateway, origin: &Origin, body: &Incoming) -> Result<Room, No> {
    let most = u64::try_from(BODY).unwrap_or(u64::MAX);
    let size = body.size_hint().upper().unwrap_or(most);
    if size > most {
        return Err(too_large());
    }
    let places = u32::try_from(size / 1024 + 1).unwrap_or(ROOM).min(ROOM);
    let busy = || No::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many large requests are on their way").after(5);
    let held = async |room: &Arc<Semaphore>| {
        let place = timeout(SENDING, Arc::clone(room).acquire_many_owned(places)).await;
        place.ok().and_then(Result::ok).ok_or_else(busy)
    };
    // An agent waits for its own requests, and not others for them.
    let own = match origin {
        Origin::Loopback => None,
        Origin::Agent(agent) => Some(held(&agent.room).await?),
    };
    Ok((own, held(&gateway.room).await?))
}

fn too_large() -> No {
    let message = format!("a request has at most {} MiB", BODY / 1024 / 1024);
    No::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message).for_good()
}

/// The whole request.
async fn read(body: Incoming) -> Result<Bytes, No> {
    match timeout(SENDING, Limited::new(body, BODY).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(No::new(StatusCode::BAD_REQUEST, "invalid_request", "the request broke off").for_good()),
        Err(_) => Err(No::new(StatusCode::REQUEST_TIMEOUT, "invalid_request", "the request did not come to its end")),
    }
}

/// The request as it goes on.
fn spliced(body: Bytes, asked: &Asked) -> Bytes {
    let Some((place, put)) = &asked.usage else { return body };
    let mut changed = BytesMut::with_capacity(body.len() + put.len());
    changed.extend_from_slice(&body[..place.start]);
    changed.extend_from_slice(put.as_bytes());
    changed.extend_from_slice(&body[place.end..]);
    changed.freeze()
}

fn to_provider(
    upstream: &Upstream,
    api: Api,
    from: &HeaderMap,
    query: Option<&str>,
    body: Bytes,
) -> Request<Full<Bytes>> {
    let base = &upstream.provider.url.base;
    let target = match query {
        Some(query) => format!("{base}{}?{query}", api.path()),
        None => format!("{base}{}", api.path()),
    };
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = target.parse::<Uri>().unwrap_or_else(|_| Uri::from_static(api.path()));
    *request.headers_mut() = headers::to_provider(from, api.shape(), &upstream.authority, upstream.key.as_ref());
    request
}

/// What reads an answer, by what it says it is.
fn reader(api: Api, asked: &Asked, headers: &HeaderMap, is_counted: bool) -> Reader {
    let is_packed = headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    match is_counted {
        false => Reader::Free,
        true if is_packed => Reader::Lost,
        true if kind.starts_with("text/event-stream") => {
            Reader::Stream(Box::new(Stream::new(api, asked.usage.is_some())))
        }
        true => Reader::Whole(api, Vec::new()),
    }
}

/// What a client is told where no answer came.
fn unanswered(upstream: &Upstream, call: Option<Call>, failed: &Failed) -> No {
    let name = &upstream.name;
    match failed {
        Failed::Unsent(why) => {
            call.into_iter().for_each(Call::free);
            let message = format!("the provider `{name}` {why}; nothing was sent");
            No::new(StatusCode::BAD_GATEWAY, "provider_unreachable", message)
        }
        Failed::Broken(why) => {
            // Booked at its worst: it may have been made.
            drop(call);
            let message = format!("the provider `{name}` {why}; the call is booked at its worst");
            No::new(StatusCode::BAD_GATEWAY, "provider_broken", message)
        }
    }
}

/// A provider's error, passed on without the key that it may repeat. An error of the API's own costs nothing.
async fn error_of(
    call: Option<Call>,
    (upstream, sender): (Arc<Upstream>, super::pool::Sender),
    answer: Response<Incoming>,
) -> Result<Response<Answered>, No> {
    let (mut head, body) = answer.into_parts();
    let status = head.status;
    let collected = timeout(Duration::from_secs(30), Limited::new(body, ERROR).collect()).await;
    let body = collected.ok().and_then(Result::ok).map(http_body_util::Collected::to_bytes);
    let is_refused = status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT;
    if is_refused || body.as_ref().is_some_and(|body| usage::is_own_error(body)) {
        call.into_iter().for_each(Call::free);
    }
    if body.is_some() {
        upstream.pool.give(sender);
    }
    if matches!(status, StatusCode::UNAUTHORIZED) {
        let message = format!("the provider `{}` does not take the key of gateway.toml", upstream.name);
        return Err(No::new(StatusCode::BAD_GATEWAY, "provider_key_refused", message).for_good());
    }
    headers::to_client(&mut head.headers, upstream.key.as_ref());
    head.headers.remove(hyper::header::CONTENT_LENGTH);
    let body = headers::without_key(body.unwrap_or_default(), upstream.key.as_ref());
    Ok(Response::from_parts(head, Answered::Own(Full::new(body))))
}

/// The models that a key may ask, in the shape of both APIs at once.
fn models(gateway: &Gateway, key: &Key, one: Option<&str>) -> Result<Response<Answered>, No> {
    let mut all: Vec<Value> = Vec::new();
    for (provider, _, model) in gateway.file.models().filter(|(_, _, model)| key.may_ask(&model.name)) {
        if all.iter().any(|before| before["id"] == model.name.as_str()) {
            continue;
        }
        all.push(json!({
            "id": model.name, "object": "model", "created": 0, "owned_by": provider,
            "type": "model", "display_name": model.name, "created_at": "1970-01-01T00:00:00Z",
        }));
    }
    if let Some(one) = one {
        let found = all.into_iter().find(|model| model["id"] == one);
        let missing =
            || No::new(StatusCode::NOT_FOUND, "model_not_found", "there is no such model for this key").for_good();
        return found.map(|model| json_answer(StatusCode::OK, &model)).ok_or_else(missing);
    }
    let id = |model: Option<&Value>| model.map_or(Value::Null, |model| model["id"].clone());
    let (first, last) = (id(all.first()), id(all.last()));
    let answer = json!({ "object": "list", "data": all, "has_more": false, "first_id": first, "last_id": last });
    Ok(json_answer(StatusCode::OK, &answer))
}
