//! Whether a server lets a role in that shows no password, asked as an agent could ask it: over TLS and in the clear. No password is sent.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use silo::core::text::source::one_line;
use silo::failure::Failure;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::super::gateway::tls::Tls;
use super::connect::{self, PATIENCE};
use super::server::Server;

/// Version 3.0 of the protocol (<https://www.postgresql.org/docs/current/protocol-message-formats.html>).
const VERSION: u32 = 196_608;
/// Kinds of requests for a password: the password itself, MD5, SASL.
const ASKS: [u32; 3] = [3, 5, 10];
/// The longest message that is read, in bytes.
const LONGEST: u32 = 64 * 1024;
/// How long until a server that has no connection left is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// What a role asks to be let in to.
#[derive(Clone, Copy)]
pub(super) enum Entry<'a> {
    /// A database.
    Database(&'a str),
    /// What copies the whole server: `pg_hba.conf` has lines of its own for that.
    Replication,
}

/// What a server says to a role without a password.
enum Said {
    /// Come in.
    Open,
    /// No.
    Closed,
    /// Not now.
    Busy(String),
}

/// The ways to a server.
pub(super) struct Doors<'a> {
    server: &'a Server,
    is_clear: bool,
    tls: Option<Tls>,
}

impl<'a> Doors<'a> {
    /// Those by which an agent could come: both on this machine, else the one that silo takes.
    pub(super) async fn of(server: &'a Server) -> Result<Self, Failure> {
        if !server.is_here {
            let tls = server
                .tls
                .as_ref()
                .map(|Tls { connector, name }| Tls { connector: connector.clone(), name: name.clone() });
            return Ok(Self { server, is_clear: tls.is_none(), tls });
        }
        let asked = async {
            let mut stream = connect::reach(server).await.map_err(|failure| failure.what)?;
            connect::speaks_tls(&mut stream).await.map_err(|error| error.to_string())
        };
        let speaks_tls = timeout(PATIENCE, asked)
            .await
            .unwrap_or_else(|_| Err(silence()))
            .map_err(|why| unsure(server, None, &why))?;
        Ok(Self { server, is_clear: true, tls: speaks_tls.then(anybody).transpose()? })
    }

    /// Makes sure that none of them is open to a role: what each role may do says nothing where anybody can be any of them.
    pub(super) async fn are_closed_to(&self, role: &str, into: Entry<'_>) -> Result<(), Failure> {
        let ways = [self.is_clear.then_some(None), self.tls.as_ref().map(Some)];
        for tls in ways.into_iter().flatten() {
            let asked = timeout(PATIENCE, self.ask(tls, role, into)).await;
            if asked.unwrap_or_else(|_| Err(silence())).map_err(|why| unsure(self.server, Some(role), &why))? {
                return Err(self.open(role));
            }
        }
        Ok(())
    }

    fn open(&self, role: &str) -> Failure {
        let (role, title) = (one_line(role), &self.server.title);
        Failure::new(format!("There is no role for an agent, which could be `{role}` in {title} without a password"))
            .hint("Write `scram-sha-256` in place of `trust` in its `pg_hba.conf`, and reload it")
    }

    /// Whether the server lets a role in; it is asked again as long as it is busy.
    async fn ask(&self, tls: Option<&Tls>, role: &str, into: Entry<'_>) -> Result<bool, String> {
        let mut last = String::new();
        let until = tokio::time::Instant::now() + PATIENCE.mul_f32(0.9);
        while tokio::time::Instant::now() < until {
            let mut stream = connect::reach(self.server).await.map_err(|failure| failure.what)?;
            let said = match tls {
                None => greet(stream, role, into).await?,
                Some(Tls { connector, name }) => {
                    match connect::speaks_tls(&mut stream).await {
                        Ok(true) => {}
                        Ok(false) => return Err("it speaks TLS at times".to_owned()),
                        Err(error) => return Err(error.to_string()),
                    }
                    let stream = connector.connect(name.clone(), stream).await.map_err(|error| error.to_string())?;
                    greet(stream, role, into).await?
                }
            };
            match said {
                Said::Open => return Ok(true),
                Said::Closed => return Ok(false),
                Said::Busy(why) => last = why,
            }
            sleep(PAUSE).await;
        }
        Err(last)
    }
}

/// The check could not be made: nobody knows whether a door is open.
fn unsure(server: &Server, role: Option<&str>, why: &str) -> Failure {
    let role = role.map_or_else(|| "roles".to_owned(), |role| format!("`{}`", one_line(role)));
    let (title, why) = (&server.title, one_line(&why.chars().take(300).collect::<String>()));
    Failure::new(format!(
        "There is no role for an agent: whether {title} lets {role} in without a password is not known: {why}"
    ))
    .hint("Try it again in a moment; look at the server's log")
}

fn silence() -> String {
    format!("no answer within {} s", PATIENCE.as_secs())
}

/// Begins a session without a password, and reads the answer.
async fn greet<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, role: &str, into: Entry<'_>) -> Result<Said, String> {
    let parts = match into {
        Entry::Database(database) => ["user", role, "database", database],
        Entry::Replication => ["user", role, "replication", "true"],
    };
    let mut body = VERSION.to_be_bytes().to_vec();
    for part in parts {
        body.extend(part.bytes().chain([0]));
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).map_err(|_| "its name is too long".to_owned())?;
    let told = async {
        stream.write_all(&[&length.to_be_bytes()[..], &body].concat()).await?;
        stream.flush().await?;
        loop {
            let kind = stream.read_u8().await?;
            let length = stream.read_u32().await?;
            if !(4..=LONGEST).contains(&length) {
                return Err(std::io::Error::other("it is no Postgres"));
            }
            let mut body = vec![0; usize::try_from(length - 4).expect("it is short")];
            stream.read_exact(&mut body).await?;
            // Notices come before an answer.
            if kind != b'N' {
                return Ok((kind, body));
            }
        }
    };
    let (kind, body) = told.await.map_err(|error: std::io::Error| error.to_string())?;
    let method = body.first_chunk().map(|four| u32::from_be_bytes(*four));
    match (kind, method) {
        // Whatever comes behind that, such as no right to this database: it has taken the name on trust.
        (b'R', Some(0)) => {
            // It is told that nobody comes; one that has gone knows.
            let _ = stream.write_all(b"X\0\0\0\x04").await;
            Ok(Said::Open)
        }
        (b'R', Some(method)) if ASKS.contains(&method) => Ok(Said::Closed),
        (b'R', Some(method)) => Err(format!("it asks for something else than a password ({method})")),
        (b'E', _) => refusal(&body),
        _ => Err("it is no Postgres".to_owned()),
    }
}

/// What an error means: only one of class 28, invalid authorization, is a no.
fn refusal(body: &[u8]) -> Result<Said, String> {
    let field = |kind: u8| {
        let field = body.split(|byte| *byte == 0).find(|field| field.first() == Some(&kind));
        field.map(|field| String::from_utf8_lossy(&field[1..]).into_owned()).unwrap_or_default()
    };
    let (code, message) = (field(b'C'), field(b'M'));
    match &code[..] {
        _ if code.starts_with("28") && code.len() == 5 => Ok(Said::Closed),
        "53300" | "57P03" => Ok(Said::Busy(message)),
        _ => Err(format!("{message} ({code})")),
    }
}

/// TLS with whoever has the port: nothing that is sent is secret, and an agent would look at no certificate either.
fn anybody() -> Result<Tls, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(format!("Cannot speak TLS: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("it is a name");
    Ok(Tls { connector: TlsConnector::from(Arc::new(config)), name })
}

/// Takes every certificate.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
