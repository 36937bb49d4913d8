//! How providers are spoken to: TLS by rustls, with the certificates that browsers trust, or a provider's own.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use silo::core::config::providers::Url;
use silo::failure::{Failure, shown};
use silo::sys::files;
use tokio_rustls::TlsConnector;

/// Largest file of certificates, in bytes.
const LIMIT: u64 = 4 * 1024 * 1024;

/// What makes a connection a provider's; none where it is asked without TLS.
pub(crate) struct Tls {
    /// Makes it.
    pub(crate) connector: TlsConnector,
    /// Whose certificate it must be.
    pub(crate) name: ServerName<'static>,
}

/// TLS to an address.
pub(crate) fn of(url: &Url, ca: Option<&Path>) -> Result<Option<Tls>, Failure> {
    if !url.is_tls {
        return Ok(None);
    }
    let name = ServerName::try_from(url.host.clone())
        .map_err(|_| Failure::new(format!("`{}` is not a host name that a certificate can have", url.host)))?;
    let mut roots = RootCertStore::empty();
    match ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let unread = || {
                Failure::new(format!("`{}` has no certificates that can be read", shown(path)))
                    .hint("Name a PEM file with the certificate of who signs the provider's, below `ca`")
            };
            let content = files::read(path, LIMIT)?.ok_or_else(unread)?;
            for certificate in CertificateDer::pem_slice_iter(&content.bytes) {
                roots.add(certificate.map_err(|_| unread())?).map_err(|_| unread())?;
            }
            if roots.is_empty() {
                return Err(unread());
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(format!("Cannot speak TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Some(Tls { connector: TlsConnector::from(Arc::new(config)), name }))
}

/// Why a connection is no provider's, as the end of a sentence about it. Nothing but greetings was sent by then.
pub(crate) fn refused(error: &std::io::Error) -> &'static str {
    use CertificateError as Wrong;
    let error = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(wrong)) = error else { return "speaks no TLS that is understood" };
    match wrong {
        Wrong::UnknownIssuer => {
            "has a certificate that nobody known has signed: name its signer's with `ca` in gateway.toml"
        }
        Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => {
            "has a certificate for another name than that of its `url` in gateway.toml"
        }
        Wrong::Expired | Wrong::ExpiredContext { .. } | Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => {
            "has a certificate that is not valid today"
        }
        _ => "has a certificate that is wrong",
    }
}
