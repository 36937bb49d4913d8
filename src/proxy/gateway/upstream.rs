//! A provider, and sending it a request. What has been sent is never sent again: it may have been made, and paid for.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::Builder;
use hyper::header::HeaderValue;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use silo::core::config::providers::Provider;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::pool::{Pool, Sender};
use super::resolve;
use super::tls::{self, Tls};

/// How long a connection may take, TLS included.
const CONNECT: Duration = Duration::from_secs(15);
/// The longest head of an answer, in bytes, and the largest buffer.
const HEAD: usize = 64 * 1024;

/// A provider.
pub(super) struct Upstream {
    /// Its name in the file.
    pub(super) name: String,
    /// What the file says of it.
    pub(super) provider: Provider,
    /// As `Host` has it.
    pub(super) authority: HeaderValue,
    /// The header with its key.
    pub(super) key: Option<HeaderValue>,
    /// Connections that wait.
    pub(super) pool: Pool,
    tls: Option<Tls>,
}

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failed {
    /// Nothing was sent.
    Unsent(&'static str),
    /// Something was, and what became of it is not known.
    Broken(&'static str),
}

impl Upstream {
    pub(super) fn new(name: &str, provider: Provider, key: Option<HeaderValue>, tls: Option<Tls>) -> Self {
        let authority = HeaderValue::from_str(&provider.url.authority()).expect("the file was checked");
        Self { name: name.to_owned(), provider, authority, key, pool: Pool::default(), tls }
    }

    /// Sends a request, over a connection that waits or a new one.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Result<(Response<Incoming>, Sender), Failed> {
        let mut request = request;
        if let Some(mut sender) = self.pool.take() {
            match self.over(&mut sender, request).await {
                Ok(answer) => return Ok((answer, sender)),
                Err((_, Some(unsent))) => request = *unsent,
                Err((failed, None)) => return Err(failed),
            }
        }
        let mut sender = match timeout(CONNECT, self.connect()).await {
            Ok(connected) => connected?,
            Err(_) => return Err(Failed::Unsent("did not take the connection in time")),
        };
        self.over(&mut sender, request).await.map(|answer| (answer, sender)).map_err(|(failed, _)| failed)
    }

    async fn over(
        &self,
        sender: &mut Sender,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, (Failed, Option<Box<Request<Full<Bytes>>>>)> {
        match timeout(self.provider.timeout, sender.try_send_request(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(mut error)) => match error.take_message() {
                Some(unsent) => Err((Failed::Unsent("hung up before it was asked"), Some(Box::new(unsent)))),
                None => Err((Failed::Broken("hung up, or what it said is no HTTP"), None)),
            },
            Err(_) => Err((Failed::Broken("did not begin to answer in time"), None)),
        }
    }

    async fn connect(&self) -> Result<Sender, Failed> {
        let url = &self.provider.url;
        let addresses = resolve::addresses(&url.host, url.port).await;
        if addresses.is_empty() {
            return Err(Failed::Unsent("has an address that no name server knows"));
        }
        for address in addresses {
            let Ok(Ok(stream)) = timeout(CONNECT / 3, TcpStream::connect(address)).await else { continue };
            // Small messages are not held back; a socket without that serves anyway.
            let _ = stream.set_nodelay(true);
            return match &self.tls {
                None => speak(stream).await,
                Some(tls) => match tls.connector.connect(tls.name.clone(), stream).await {
                    Ok(stream) => speak(stream).await,
                    Err(error) => Err(Failed::Unsent(tls::refused(&error))),
                },
            };
        }
        Err(Failed::Unsent("cannot be reached"))
    }
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Sender, Failed> {
    let handshake = Builder::new().max_buf_size(HEAD).handshake(TokioIo::new(stream)).await;
    let (sender, connection) = handshake.map_err(|_| Failed::Unsent("hung up before it was asked"))?;
    tokio::spawn(async move {
        // Its end shows at the call that is under way.
        let _ = connection.await;
    });
    Ok(sender)
}
