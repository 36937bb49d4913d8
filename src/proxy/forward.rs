//! Passing a request on to the server behind a route, and its answer back: bodies as they come, upgrades as a pair of streams.

use std::sync::Arc;

use http_body_util::Either;
use hyper::body::{Body as _, Incoming};
use hyper::header::{HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::body::{Answered, Sent};
use super::client::{Client, connect};
use super::headers;

/// Why no server answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// Nobody listens.
    Nobody,
    /// Who listens hung up, or answered what is no HTTP.
    Broken,
    /// No answer began in time.
    Late,
}

/// Passes a request on to a port of loopback.
pub(crate) async fn forward(
    client: &Arc<Client>,
    request: Request<Incoming>,
    port: u16,
) -> Result<Response<Answered>, Unanswered> {
    let mut request = request.map(|body| Sent::new(body, Arc::clone(&client.guard)));
    // The whole address in the target counts, and the header says the same from here on.
    let authority = request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(authority) = authority {
        request.headers_mut().insert(HOST, authority);
    }
    let wanted = headers::upgrade(request.headers());
    let upgraded = wanted.is_some().then(|| hyper::upgrade::on(&mut request));
    headers::to_server(request.headers_mut(), client.peer.ip(), wanted.as_ref());
    *request.uri_mut() = origin(request.uri());
    *request.version_mut() = Version::HTTP_11;
    let mut answer = send(client, request, port).await?;
    let agreed = headers::upgrade(answer.headers()).filter(|_| answer.status() == StatusCode::SWITCHING_PROTOCOLS);
    if let (Some(upgraded), Some(_)) = (upgraded, &agreed) {
        let server = hyper::upgrade::on(&mut answer);
        tokio::spawn(async move {
            if let (Ok(client), Ok(server)) = (upgraded.await, server.await) {
                // Whichever end goes first ends both.
                let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(server)).await;
            }
        });
    }
    Ok(returned(answer, agreed.as_ref()))
}

/// Sends a request over the connection that is kept, or a new one. A server may close a connection just as a request comes: what it
/// has not read is sent again, and so is what changes nothing and has no body.
async fn send(client: &Client, request: Request<Sent>, port: u16) -> Result<Response<Incoming>, Unanswered> {
    let mut request = request;
    if let Some(mut sender) = client.kept(port).await {
        let is_repeatable =
            matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) && request.body().is_end_stream();
        let copy = is_repeatable.then(|| request.headers().clone());
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let sent = timeout(client.shared.settings().timeout, sender.try_send_request(request)).await;
        match sent.map_err(|_| Unanswered::Late)? {
            Ok(answer) => {
                client.keep(port, sender);
                return Ok(answer);
            }
            Err(mut error) => match (error.take_message(), copy) {
                (Some(unsent), _) => request = unsent,
                (None, Some(headers)) => {
                    let mut again = Request::new(Sent::empty(&client.guard));
                    *again.method_mut() = method;
                    *again.uri_mut() = uri;
                    *again.headers_mut() = headers;
                    request = again;
                }
                (None, None) => return Err(Unanswered::Broken),
            },
        }
    }
    // Boxed: what a connection takes while it is made is not held by each that is open.
    let mut sender = Box::pin(connect(port)).await.ok_or(Unanswered::Nobody)?;
    let sent = timeout(client.shared.settings().timeout, sender.send_request(request)).await;
    let answer = sent.map_err(|_| Unanswered::Late)?.map_err(|_| Unanswered::Broken)?;
    client.keep(port, sender);
    Ok(answer)
}

/// What a server is asked for: the path alone, whichever way the client wrote it.
fn origin(uri: &Uri) -> Uri {
    let path = uri.path_and_query().cloned();
    path.map_or_else(|| Uri::from_static("/"), Uri::from)
}

fn returned(answer: Response<Incoming>, agreed: Option<&HeaderValue>) -> Response<Answered> {
    let mut answer = answer.map(Either::Left);
    headers::to_client(answer.headers_mut(), agreed);
    *answer.version_mut() = Version::HTTP_11;
    answer
}
