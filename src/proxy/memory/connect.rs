//! A session with a server: found, spoken to and admitted within a time limit.

use std::time::Duration;

use silo::failure::Failure;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};

use super::super::gateway::resolve;
use super::guard::Guard;
use super::server::Server;
use super::told;

/// How long it may take until a server has admitted silo.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// What asks for TLS (<https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL>).
const TLS: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// What holds for every statement: objects of others do not stand in for those of Postgres, and nothing lasts for ever.
const SETTINGS: &str = "SET search_path = pg_catalog; SET statement_timeout = '40s'; SET lock_timeout = '10s'; \
                        SET idle_in_transaction_session_timeout = '30s'; SET client_min_messages = error";

/// A session, and what its server is called.
pub(super) struct Session {
    /// It.
    pub(super) client: Client,
    /// What the server is called in a sentence.
    pub(super) title: String,
}

/// Connects to a server.
pub(super) async fn open(server: &Server) -> Result<Session, Failure> {
    let admitted = timeout(PATIENCE, connect(server)).await;
    let client = admitted.map_err(|_| told::silent(server, PATIENCE))??;
    client.batch_execute(SETTINGS).await.map_err(|error| told::failed(&server.title, &error))?;
    Ok(Session { client, title: server.title.clone() })
}

async fn connect(server: &Server) -> Result<Client, Failure> {
    if server.host.starts_with('/') {
        let path = format!("{}/.s.PGSQL.{}", server.host, server.port);
        // A socket in the file system is whoever's that folder is.
        let stream = UnixStream::connect(path).await.map_err(|error| told::unreachable(server, &error))?;
        return speak(server, stream, true).await;
    }
    let stream = reach(server).await?;
    let Some(tls) = &server.tls else { return speak(server, stream, true).await };
    let mut stream = stream;
    if !speaks_tls(&mut stream).await.map_err(|error| told::unreachable(server, &error))? {
        return Err(told::without_tls(server));
    }
    let stream = tls.connector.connect(tls.name.clone(), stream).await;
    let stream = stream.map_err(|error| told::unproved(server, &error))?;
    speak(server, stream, false).await
}

/// Asks a server for TLS; false where it has none.
pub(super) async fn speaks_tls(stream: &mut TcpStream) -> std::io::Result<bool> {
    stream.write_all(&TLS).await?;
    Ok(stream.read_u8().await? == b'S')
}

/// A connection to a server, of which nothing is known yet.
pub(super) async fn reach(server: &Server) -> Result<TcpStream, Failure> {
    let mut last = std::io::Error::from(std::io::ErrorKind::HostUnreachable);
    for address in resolve::addresses(&server.host, server.port).await {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Small messages are not held back; a socket without that serves anyway.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(told::unreachable(server, &last))
}

async fn speak<S>(server: &Server, stream: S, is_open: bool) -> Result<Client, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut config = Config::new();
    config.user(&server.user).dbname(&server.database).application_name("silo").ssl_mode(SslMode::Disable);
    if let Some(password) = &server.password {
        config.password(password.reveal());
    }
    let connected = config.connect_raw(Guard::new(stream, is_open, server.password.is_some()), NoTls).await;
    let (client, connection) = connected.map_err(|error| told::not_admitted(server, &error))?;
    tokio::spawn(async move {
        // Its end shows at the statement that is under way.
        let _ = connection.await;
    });
    Ok(client)
}
