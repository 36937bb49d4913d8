//! An agent's way to names of the outside: `CONNECT` to those it may reach, and nothing else. The name is looked up here, once, and the
//! address that was looked at is the one that is connected with, so that nobody who decides about a name leads to this machine by it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use silo::core::agents::egress::{Rule, Target, is_outside};
use silo::store::settings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket, UnixStream};
use tokio::time::timeout;

use super::super::super::passing::{IDLE, pass};
use super::super::resolve;
use super::super::shared::Gateway;

/// The longest head of a request, in bytes.
const HEAD: usize = 8 * 1024;
/// How long a client may take for it.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a name may take to be looked up.
const LOOK_UP: Duration = Duration::from_secs(15);
/// How long an address may take to be connected with.
const CONNECT: Duration = Duration::from_secs(10);
/// How many addresses of a name are tried.
const ADDRESSES: usize = 4;

/// Why a connection is not made.
struct No(&'static str, String);

/// Serves one connection.
pub(super) async fn serve(mut stream: UnixStream, rules: &[Rule], gateway: &Gateway) {
    match connect(&mut stream, rules, gateway).await {
        Ok((other, rest)) => {
            let (mut other, answer) = (other, b"HTTP/1.1 200 Connection established\r\n\r\n");
            if stream.write_all(answer).await.is_ok() && other.write_all(&rest).await.is_ok() {
                pass(stream, other, Some(IDLE)).await;
            }
        }
        Err(No(status, why)) => {
            let body = format!("silo: {why}\n");
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            // A client that is gone needs no answer.
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    }
}

/// Reads a request, and connects with what it names; gives what the client has sent behind its head too.
async fn connect(stream: &mut UnixStream, rules: &[Rule], gateway: &Gateway) -> Result<(TcpStream, Vec<u8>), No> {
    let read = timeout(PATIENCE, head(stream)).await;
    let (head, rest) = read.map_err(|_| No("408 Request Timeout", "the request took too long".to_owned()))??;
    let line = head.lines().next().unwrap_or_default();
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, version] = words[..] else {
        return Err(No("400 Bad Request", "this is not a request of HTTP".to_owned()));
    };
    if !version.starts_with("HTTP/1.") {
        return Err(No("400 Bad Request", "this is not a request of HTTP/1.1".to_owned()));
    }
    if method != "CONNECT" {
        let why = "only CONNECT is passed on; ask by https://";
        return Err(No("405 Method Not Allowed", why.to_owned()));
    }
    let wrong = || No("400 Bad Request", "CONNECT needs a host and a port".to_owned());
    let target = Target::read(target).ok_or_else(wrong)?;
    let Target { host, port } = &target;
    if !rules.iter().any(|rule| rule.lets(&target)) {
        let why = format!("{host}:{port} is not in `egress` of this agent");
        return Err(No("403 Forbidden", why));
    }
    let found = timeout(LOOK_UP, resolve::addresses(host, *port)).await.unwrap_or_default();
    if found.is_empty() {
        return Err(No("502 Bad Gateway", format!("no name server knows an address of {host}")));
    }
    let mut outside = Vec::new();
    for address in found {
        if may_reach(address, gateway).await {
            outside.push(address);
        }
    }
    if outside.is_empty() {
        let why = format!("{host} leads to an address of this machine or a private network");
        return Err(No("403 Forbidden", why));
    }
    for address in outside.into_iter().take(ADDRESSES) {
        if let Ok(Ok(other)) = timeout(CONNECT, TcpStream::connect(address)).await {
            let _ = other.set_nodelay(true);
            return Ok((other, rest));
        }
    }
    Err(No("502 Bad Gateway", format!("{host}:{port} takes no connection")))
}

/// Whether an address is of the outside, or named by the user's own settings as they are now.
async fn may_reach(address: SocketAddr, gateway: &Gateway) -> bool {
    if is_outside(address.ip()) && !is_own(address.ip()).await {
        return true;
    }
    let settings = settings::load(&gateway.context.dirs);
    settings.is_ok_and(|settings| settings.agents.egress_private.contains(&address))
}

/// Whether an address is one of this machine's: nothing else can be bound.
async fn is_own(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).await.is_ok()
}

/// The head of a request, and what has come with it.
async fn head(stream: &mut UnixStream) -> Result<(String, Vec<u8>), No> {
    let mut bytes = Vec::with_capacity(512);
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            let head = String::from_utf8(bytes);
            return head
                .map(|head| (head, rest))
                .map_err(|_| No("400 Bad Request", "the request is not text".to_owned()));
        }
        if bytes.len() > HEAD {
            return Err(No("431 Request Header Fields Too Large", "the head of the request is too long".to_owned()));
        }
        match stream.read_buf(&mut bytes).await {
            Ok(length) if length > 0 => {}
            _ => return Err(No("400 Bad Request", "the request broke off".to_owned())),
        }
    }
}
