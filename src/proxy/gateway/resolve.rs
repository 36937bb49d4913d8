//! The addresses of a provider. On Linux silo's programs are linked statically and cannot ask the C library (D20), so its files are read
//! and its name servers asked; elsewhere the system is.

use std::net::{IpAddr, SocketAddr};

/// The addresses of a host, IPv4 first; none where nobody knows one.
#[cfg(not(target_os = "linux"))]
pub(crate) async fn addresses(host: &str, port: u16) -> Vec<SocketAddr> {
    let mut found: Vec<SocketAddr> =
        tokio::net::lookup_host((host, port)).await.map(Iterator::collect).unwrap_or_default();
    found.sort_by_key(|address| !address.is_ipv4());
    found
}

/// The addresses of a host, IPv4 first; none where nobody knows one.
#[cfg(target_os = "linux")]
pub(crate) async fn addresses(host: &str, port: u16) -> Vec<SocketAddr> {
    let found = match host.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) if host == "localhost" || host.ends_with(".localhost") => {
            vec![IpAddr::from([127, 0, 0, 1]), IpAddr::from(std::net::Ipv6Addr::LOCALHOST)]
        }
        Err(_) => linux::ask(host).await,
    };
    found.into_iter().map(|address| SocketAddr::new(address, port)).collect()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::net::{IpAddr, SocketAddr};
    use std::path::Path;
    use std::time::Duration;

    use silo::core::formats::dns::{self, Kind};
    use silo::sys::files;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpStream, UdpSocket};
    use tokio::time::timeout;

    /// Largest file that is read, in bytes.
    const LIMIT: u64 = 4 * 1024 * 1024;
    /// How long a name server may take, at each try.
    const PATIENCE: Duration = Duration::from_secs(2);

    fn text(path: &str) -> String {
        let content = files::read(Path::new(path), LIMIT).ok().flatten();
        content.map(|content| String::from_utf8_lossy(&content.bytes).into_owned()).unwrap_or_default()
    }

    pub(super) async fn ask(host: &str) -> Vec<IpAddr> {
        let known = dns::in_hosts(&text("/etc/hosts"), host);
        if !known.is_empty() {
            return known;
        }
        let mut servers = dns::servers(&text("/etc/resolv.conf"));
        if servers.is_empty() {
            servers.push(IpAddr::from([127, 0, 0, 1]));
        }
        for kind in [Kind::A, Kind::Aaaa] {
            // Each is asked twice: a question may be lost.
            for server in servers.iter().chain(&servers) {
                match timeout(PATIENCE * 2, one(*server, host, kind)).await {
                    Ok(Some(found)) if found.is_empty() => break,
                    Ok(Some(found)) => return found,
                    _ => {}
                }
            }
        }
        Vec::new()
    }

    async fn one(server: IpAddr, host: &str, kind: Kind) -> Option<Vec<IpAddr>> {
        let id = u16::from_be_bytes(silo::sys::random::secret().ok()?);
        let question = dns::question(id, host, kind)?;
        let server = SocketAddr::new(server, 53);
        let own: SocketAddr =
            if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { (std::net::Ipv6Addr::UNSPECIFIED, 0).into() };
        let socket = UdpSocket::bind(own).await.ok()?;
        socket.connect(server).await.ok()?;
        socket.send(&question).await.ok()?;
        let mut answer = [0; 4096];
        let length = timeout(PATIENCE, socket.recv(&mut answer)).await.ok()?.ok()?;
        if let Some(found) = dns::addresses(&question, &answer[..length], kind) {
            return Some(found);
        }
        // One that was cut comes whole by the longer way.
        let mut stream = TcpStream::connect(server).await.ok()?;
        let framed = [&u16::try_from(question.len()).ok()?.to_be_bytes()[..], &question].concat();
        stream.write_all(&framed).await.ok()?;
        let length = usize::from(stream.read_u16().await.ok()?);
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer).await.ok()?;
        dns::addresses(&question, &answer, kind)
    }
}
